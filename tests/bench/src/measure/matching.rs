//! What a policy costs that does not match: decisions with the shipped policies alone, and with a thousand others installed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stateward_core::admit::{self, Facts, Route};
use stateward_core::evaluate::Component;
use stateward_core::inventory::Inventory;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::Request;
use stateward_core::resources::WasmPolicy;
use tokio::runtime::Runtime;

use super::Effort;
use crate::cpu;
use crate::policies;
use crate::statistics::median;

/// Microseconds for each installed policy that does not match.
#[derive(Clone, Copy, Debug)]
pub struct Matching {
    /// What keeps it from matching.
    pub by: &'static str,
    /// For one policy.
    pub us: f64,
}

/// Measures with a request for a StatefulSet's CREATE. The rules run natively: they are the same in both, and should not drown the difference.
pub fn measure(
    runtime: &Runtime,
    shipped: &[WasmPolicy],
    component: &Component,
    request: &Request<'_>,
    inventory: &Arc<dyn Inventory>,
    effort: Effort,
) -> Result<Vec<Matching>> {
    let alone = policies::bind(shipped, component)?;
    let ways = [
        (
            "resource",
            json!({ "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"] }] }),
        ),
        (
            "operation",
            json!({ "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["statefulsets"], "operations": ["DELETE"] }] }),
        ),
        ("namespace", json!({ "namespaceSelector": { "matchLabels": { "team": "another" } } })),
    ];
    let mut sets = Vec::new();
    for (by, matches) in ways {
        sets.push((by, policies::bind(&with_others(shipped, component, &matches)?, component)?));
    }
    let mut base = Vec::new();
    let mut others: Vec<Vec<f64>> = sets.iter().map(|_| Vec::new()).collect();
    for _ in 0..effort.rounds.max(2) {
        base.push(decision_us(runtime, &alone, request, inventory, effort.slice)?);
        for ((_, set), samples) in sets.iter().zip(&mut others) {
            samples.push(decision_us(runtime, set, request, inventory, effort.slice)?);
        }
    }
    let of_one = |samples: &[f64]| (median(samples) - median(&base)).max(0.0) / f64::from(OTHERS);
    Ok(sets.iter().zip(&others).map(|((by, _), samples)| Matching { by, us: of_one(samples) }).collect())
}

/// The shipped policies and a thousand more with a rule about StatefulSets each.
fn with_others(shipped: &[WasmPolicy], component: &Component, matches: &serde_json::Value) -> Result<Vec<WasmPolicy>> {
    let rule = component.manifest.rules.iter().find(|rule| !rule.fixed && rule.reads.is_empty());
    let rule = &rule.context("there is no rule that may be selected alone")?.id;
    let mut all = shipped.to_vec();
    for n in 0..OTHERS {
        all.push(serde_json::from_value(json!({
            "metadata": { "name": format!("other-{n}") },
            "spec": { "component": component.reference, "rules": [rule], "match": matches }
        }))?);
    }
    Ok(all)
}

fn decision_us(
    runtime: &Runtime,
    set: &PolicySet,
    request: &Request<'_>,
    inventory: &Arc<dyn Inventory>,
    slice: Duration,
) -> Result<f64> {
    let start = cpu::of_this_thread();
    let mut decisions = 0_u32;
    loop {
        let facts = Facts {
            inventory: Arc::clone(inventory),
            now: jiff::Timestamp::UNIX_EPOCH,
            deadline: Instant::now() + Duration::from_secs(10),
            trace: false,
        };
        let verdict = runtime.block_on(admit::validate(set, request, Route::Fail, &facts));
        ensure!(verdict.failures.is_empty(), "a policy failed: {:?}", verdict.failures.first());
        decisions += 1;
        let used = cpu::of_this_thread().saturating_sub(start);
        if used >= slice {
            return Ok(used.as_secs_f64() * 1e6 / f64::from(decisions));
        }
    }
}

const OTHERS: u32 = 1_000;
