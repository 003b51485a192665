//! One call of the built-in component on a fresh instance, against the same functions called natively: the CPU time of this thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use stateward_core::admit::{self, Facts, Route};
use stateward_core::evaluate::{Call, Component, Limits, Unit};
use stateward_core::inventory::Inventory;
use stateward_core::manifest::{Action, Profile, RuleKind};
use stateward_core::policy_set::PolicySet;
use stateward_core::request::Request;
use stateward_native::Prepared;
use tokio::runtime::Runtime;

use super::Effort;
use crate::cpu;
use crate::statistics::{median, ratio, spread_percent};

/// Microseconds of CPU for one evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation {
    /// A fresh instance, called through the seam, and dropped.
    pub fresh_us: f64,
    /// The rules as functions.
    pub native_us: f64,
    /// Of the former to the latter, round by round.
    pub ratio: f64,
    /// The whole decision: plan, evaluation, fold.
    pub decision_us: f64,
    /// How far to trust it.
    pub spread_percent: f64,
    /// How much there is to say.
    pub findings_per_review: f64,
}

/// What is evaluated.
pub struct Subject<'a> {
    /// Decoded reviews.
    pub requests: &'a [Request<'a>],
    /// The policies, bound to the component in Wasm.
    pub policies: &'a PolicySet,
    /// The component in Wasm.
    pub component: &'a Component,
    /// For look-ups.
    pub inventory: Arc<dyn Inventory>,
}

impl Subject<'_> {
    /// Compares the answers of both, then measures.
    pub fn measure(&self, runtime: &Runtime, effort: Effort) -> Result<Evaluation> {
        let rules: Vec<Vec<u32>> =
            self.policies.policies().iter().map(|policy| judging(policy, self.component)).collect();
        let call = self.call(&rules)?;
        let prepared: Vec<Prepared> = self.requests.iter().map(|request| Prepared::new(&call, request)).collect();
        let findings = self.compare(runtime, &call)?;

        let fresh = || -> Result<()> {
            runtime.block_on(async {
                for request in self.requests {
                    // As in a server: the deadline is that of this request.
                    let call = Call { deadline: Instant::now() + PATIENCE, ..call.clone() };
                    self.component.code.validate(&call, request).await.answer?;
                }
                Ok(())
            })
        };
        let native = || -> Result<()> {
            for prepared in &prepared {
                std::hint::black_box(prepared.validate()).map_err(anyhow::Error::msg)?;
            }
            Ok(())
        };
        let decision = || -> Result<()> {
            runtime.block_on(async {
                for request in self.requests {
                    let verdict = admit::validate(self.policies, request, Route::Fail, &self.facts()).await;
                    ensure!(verdict.failures.is_empty(), "a policy failed: {:?}", verdict.failures.first());
                }
                Ok(())
            })
        };
        let mut samples = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..=effort.rounds {
            for (samples, run) in samples.iter_mut().zip([&fresh as &dyn Fn() -> Result<()>, &native, &decision]) {
                let per_review = self.cpu_us(run, effort.slice)?;
                // The first round warms caches and branch predictors.
                if round > 0 {
                    samples.push(per_review);
                }
            }
        }
        let [fresh, native, decision] = samples;
        Ok(Evaluation {
            fresh_us: median(&fresh),
            native_us: median(&native),
            ratio: ratio(&fresh, &native),
            decision_us: median(&decision),
            spread_percent: spread_percent(&fresh),
            findings_per_review: findings as f64 / self.requests.len() as f64,
        })
    }

    /// Both must say the same, or they do not do the same work.
    fn compare(&self, runtime: &Runtime, call: &Call<'_>) -> Result<usize> {
        let native = stateward_native::component();
        let mut findings = 0;
        for request in self.requests {
            let wasm = runtime.block_on(self.component.code.validate(call, request)).answer?;
            let native = runtime.block_on(native.code.validate(call, request)).answer?;
            if wasm != native {
                bail!(
                    "Wasm and native rules answer differently to `{}`:\n{wasm:?}\n{native:?}",
                    request.name.as_deref().unwrap_or_default()
                );
            }
            findings += wasm.iter().map(|judgement| judgement.findings.len()).sum::<usize>();
        }
        Ok(findings)
    }

    /// As the plan for a StatefulSet's CREATE would have it, on the route that runs all rules.
    fn call<'a>(&'a self, rules: &'a [Vec<u32>]) -> Result<Call<'a>> {
        let policies = self.policies.policies().iter().zip(rules).filter(|(_, rules)| !rules.is_empty());
        let units: Vec<Unit<'_>> = policies
            .map(|(policy, rules)| Unit { rules, profile: Profile::Strict, settings: &policy.settings })
            .collect();
        let policy = self.policies.policies().first().context("there is no policy")?.name.as_str();
        Ok(Call {
            policy,
            units,
            limits: Limits::default(),
            deadline: Instant::now() + LONG_PATIENCE,
            inventory: Arc::clone(&self.inventory),
        })
    }

    fn facts(&self) -> Facts {
        Facts {
            inventory: Arc::clone(&self.inventory),
            now: jiff::Timestamp::now(),
            deadline: Instant::now() + PATIENCE,
            trace: false,
        }
    }

    /// CPU time of this thread for each review, of as many passes over all reviews as fit into the slice.
    #[expect(clippy::cast_precision_loss, reason = "a count of reviews")]
    fn cpu_us(&self, run: impl Fn() -> Result<()>, slice: Duration) -> Result<f64> {
        // Reading the clock is a system call of 0.3 us: rarely enough.
        let passes_between = BETWEEN_LOOKS.div_ceil(self.requests.len().max(1));
        let start = cpu::of_this_thread();
        let mut passes = 0_usize;
        loop {
            for _ in 0..passes_between {
                run()?;
            }
            passes += passes_between;
            let used = cpu::of_this_thread().saturating_sub(start);
            if used >= slice {
                return Ok(used.as_secs_f64() * 1e6 / (passes * self.requests.len()) as f64);
            }
        }
    }
}

/// The policy's validating rules about a StatefulSet's CREATE that are not off.
fn judging(policy: &stateward_core::policy::Policy, component: &Component) -> Vec<u32> {
    let on: Vec<&str> = policy.rule_ids().collect();
    let rules = (0_u32..).zip(&component.manifest.rules);
    let judges = rules.filter(|(_, rule)| {
        rule.kind == RuleKind::Validate
            && on.contains(&rule.id.as_str())
            && rule.action(Profile::Strict) != Action::Off
            && rule.subjects.iter().any(|subject| {
                subject.resource.resource == "statefulsets"
                    && subject.resource.subresource.is_empty()
                    && subject.operations.contains(&stateward_core::request::Operation::Create)
            })
    });
    judges.map(|(index, _)| index).collect()
}

/// Evaluations between two looks at the clock.
const BETWEEN_LOOKS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);
const LONG_PATIENCE: Duration = Duration::from_secs(600);
