//! Settings of families.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::family::CheckSettings;

/// For families that have nothing to set.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub struct NoSettings {}

impl CheckSettings for NoSettings {}

/// Reads a unit's settings. Most policies have none, and a fresh instance has better things to do than to find that out by parsing.
pub fn parse<S: CheckSettings>(settings: &str) -> Result<S, String> {
    match settings {
        "" | "{}" => Ok(S::default()),
        text => serde_json::from_str(text).map_err(|error| format!("the settings cannot be read: {error}")),
    }
}
