//! What a guest may call: look-ups of declared kinds, and the log. There is nothing else to call.

use std::sync::Arc;

use stateward_core::inventory::{self, Inventory};
use stateward_core::request::GroupVersionKind;

use crate::bindings::stateward::policy::{log, lookup, types};
use crate::clock::GuestClock;
use crate::convert;
use crate::failure::Stop;
use crate::log::LogBudget;
use crate::memory::MemoryBudget;

/// The state of one call; wasmtime calls it a store's data.
pub(crate) struct Host {
    /// For log lines.
    pub(crate) policy: String,
    /// `None` while a component describes itself: it has declared nothing yet.
    pub(crate) inventory: Option<Arc<dyn Inventory>>,
    pub(crate) declared: Arc<Declared>,
    pub(crate) clock: GuestClock,
    pub(crate) memory: MemoryBudget,
    pub(crate) log: LogBudget,
    pub(crate) lookups: u32,
}

/// The kinds that a component's rules look up.
#[derive(Default)]
pub(crate) struct Declared(Vec<Kind>);

struct Kind {
    kind: GroupVersionKind<'static>,
    /// Some rule lists it.
    listed: bool,
    /// Some rule reads it live.
    live: bool,
}

impl Declared {
    pub(crate) fn new(manifest: &stateward_core::manifest::Manifest) -> Self {
        let mut kinds: Vec<Kind> = Vec::new();
        for read in manifest.rules.iter().flat_map(|rule| &rule.reads) {
            match kinds.iter_mut().find(|declared| declared.kind == read.kind) {
                Some(declared) => {
                    declared.listed |= !read.by_name;
                    declared.live |= read.live;
                }
                None => kinds.push(Kind { kind: read.kind.clone(), listed: !read.by_name, live: read.live }),
            }
        }
        Self(kinds)
    }

    /// `None`: no rule declares the kind, or none a list of it. Else whether a rule reads it live.
    fn live(&self, kind: &GroupVersionKind<'_>, is_list: bool) -> Option<bool> {
        let declared = self.0.iter().find(|declared| declared.kind == *kind)?;
        (declared.listed || !is_list).then_some(declared.live)
    }
}

impl lookup::Host for Host {
    async fn find(&mut self, query: lookup::Query) -> wasmtime::Result<lookup::Found> {
        let kind = convert::kind_borrowed(&query.kind);
        let (Some(live), Some(inventory)) = (self.declared.live(&kind, query.name.is_none()), &self.inventory) else {
            return Err(Stop::UndeclaredLookup { kind: crate::text::clean(&kind.to_string(), MAX_KIND_BYTES) }.into());
        };
        self.lookups += 1;
        if self.lookups > MAX_LOOKUPS {
            return Err(Stop::TooManyLookups { limit: MAX_LOOKUPS }.into());
        }
        let query = inventory::Query {
            kind,
            namespace: query.namespace.as_deref(),
            name: query.name.as_deref(),
            labels: query.labels.as_deref(),
            live: query.live && live,
        };
        self.clock.pause();
        let found = inventory.find(&query).await;
        self.clock.resume();
        Ok(match found {
            // Never cut: a list that lacks some reads as *absent*.
            inventory::Found::Objects(objects)
                if objects.iter().map(|object| object.len()).sum::<usize>() > MAX_FOUND_BYTES =>
            {
                tracing::warn!(policy = self.policy, kind = %query.kind, objects = objects.len(), "a look-up found more than a policy is handed");
                lookup::Found::Unknown
            }
            inventory::Found::Objects(objects) => {
                lookup::Found::Objects(objects.iter().map(|object| String::from(&**object)).collect())
            }
            inventory::Found::Unknown => lookup::Found::Unknown,
        })
    }
}

impl log::Host for Host {
    fn log(&mut self, level: log::Level, message: String) {
        self.log.line(&self.policy, level, &message);
    }
}

/// Types only.
impl types::Host for Host {}

/// A rule needs a handful, some rules one for each claim template. Each costs 0.4 us at least, so a loop ends in half a millisecond.
const MAX_LOOKUPS: u32 = 1_000;
/// 8,000 Services cut to their selectors; a guest has 64 MiB in all.
const MAX_FOUND_BYTES: usize = 4 << 20;
const MAX_KIND_BYTES: usize = 200;
