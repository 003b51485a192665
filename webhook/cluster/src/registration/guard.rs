//! When the native guard judges: only while our webhooks stamp and refuse. Without what stamps, every governed pod would be refused.
//!
//! Its policy stays where it is, since it does nothing by itself; its binding comes last and goes first.

use kube::Client;
use serde_json::Value;

use super::configuration::{as_compared, create_policy, get_policy, replace_policy};
use super::edits::corrected_spec;
use super::problem::Problem;
use super::record::Which;
use crate::guard::Guard;

/// What becomes of it.
#[derive(Debug)]
pub(super) enum Turn {
    /// It judges, as derived.
    On(Box<Guard>),
    /// It judges no longer, whoever bound it.
    Off,
    /// Not known yet: it stays as it is.
    Stays,
}

/// Makes policy and binding, or corrects them. Answers `false` where the API server knows no such policies.
pub(super) async fn bind(client: &Client, guard: &Guard, binding: Option<&Value>) -> Result<bool, Problem> {
    let wanted = as_compared(&guard.policy)?;
    match get_policy(client).await? {
        None if !create_policy(client, &wanted).await? => return Ok(false),
        None => {}
        Some(stored) => {
            if let Some(corrected) = corrected_spec(&stored, &wanted) {
                replace_policy(client, &corrected).await?;
            }
        }
    }
    let wanted = as_compared(&guard.binding)?;
    match binding {
        None => Which::Guard.create(client, &wanted).await?,
        Some(stored) => {
            if let Some(corrected) = corrected_spec(stored, &wanted) {
                Which::Guard.replace(client, &corrected).await?;
            }
        }
    }
    Ok(true)
}
