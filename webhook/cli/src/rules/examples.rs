//! Examples of rules, taken from their own cases: run here, so that a page shows what is really said.

use std::cmp::Reverse;

use stateward_cases::{Bind, Case, CaseFile, Cover, Runner, read_text};
use stateward_core::inventory::BoxFuture;
use stateward_core::manifest::{Action, Profile};
use stateward_core::pointer::field_path;
use stateward_core::policy::{Policy, SpecError};
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::{ObjectMeta, WasmPolicy, WasmPolicySpec};
use stateward_manifests::to_yaml;
use stateward_report::rules::{Example, Said};

/// The cases of the built-in rules.
pub(super) struct Examples<'a> {
    files: Vec<CaseFile>,
    runner: Runner<'a>,
}

/// Policies that are bound already.
pub(super) struct Bound<'a>(pub(super) &'a PolicySet);

impl<'a> Examples<'a> {
    /// Reads the cases that the binary carries.
    pub(super) async fn new(bound: &'a Bound<'a>) -> anyhow::Result<Self> {
        let files = stateward_builtin::CASES.iter().flat_map(|(name, text)| read_text(name, (*text).to_owned()).files);
        let named = |policy: &Policy| WasmPolicy {
            metadata: ObjectMeta { name: policy.name.clone(), ..ObjectMeta::default() },
            spec: WasmPolicySpec::of(policy.component.reference.clone()),
        };
        let policies = bound.0.policies().iter().map(named).collect();
        let runner = Runner::new(policies, bound).await.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        Ok(Self { files: files.collect(), runner })
    }

    /// One example that the rule stops (or changes) and one that it lets pass.
    pub(super) async fn of(&self, rule: &str) -> Vec<Example> {
        let mut examples = Vec::new();
        for covers in [&[Cover::Refused, Cover::Changed][..], &[Cover::Accepted]] {
            let shows = |case: &Case| {
                case.rule == rule && case.is_as_shipped() && covers.iter().any(|cover| case.covers.contains(cover))
            };
            let all = self.files.iter().flat_map(|file| file.cases.iter().map(move |case| (file, case)));
            // Of those that show it the first of the worst: what is only warned of is a poor example of a refusal.
            let found = all.filter(|(_, case)| shows(case)).min_by_key(|(_, case)| Reverse(worst(case)));
            if let Some((file, case)) = found {
                examples.push(self.example(file, case).await);
            }
        }
        examples
    }

    async fn example(&self, file: &CaseFile, case: &Case) -> Example {
        let result = self.runner.run(file, case).await;
        let strictest = result.runs.into_iter().max_by_key(|run| run.profile == Profile::Strict);
        let said = strictest.map(|run| run.said).unwrap_or_default();
        let why = |path: &str, place: &str| {
            let of_finding = case.expected.findings.iter().find(|each| each.path == path && each.place == place);
            of_finding.map(|finding| finding.why.clone())
        };
        let findings = said.findings.iter().map(|finding| Said {
            field: field_path(&finding.path),
            message: finding.message.clone(),
            hint: finding.hint.clone(),
            why: why(&finding.path, &finding.place),
        });
        let changes = said.changes.iter().map(|change| Said {
            field: field_path(change["path"].as_str().unwrap_or_default()),
            message: format!("{} {}", change["op"].as_str().unwrap_or_default(), change["value"]),
            hint: None,
            why: None,
        });
        Example {
            accepted: case.covers.contains(&Cover::Accepted),
            name: case.name.clone(),
            object: shown(case),
            request: case.asked(),
            said: findings.chain(changes).collect(),
        }
    }
}

/// The worst that is expected of it.
fn worst(case: &Case) -> Option<Action> {
    case.expected.findings.iter().filter_map(|finding| finding.action.in_profile(Profile::Strict)).max()
}

/// The object, then what it was before and what is beside it: often it is that which makes the difference.
fn shown(case: &Case) -> String {
    let mut text = case.object().map(|object| to_yaml(&object)).unwrap_or_default();
    let before = case.before().map(|object| ("before", to_yaml(&object)));
    let beside = case.beside().map(|object| ("beside it", to_yaml(object)));
    for (what, object) in before.into_iter().chain(beside) {
        text.push_str(&format!("---\n# {what}\n{object}"));
    }
    text
}

impl Bind for Bound<'_> {
    fn bind<'a>(&'a self, policy: &'a WasmPolicy) -> BoxFuture<'a, Result<Policy, Vec<SpecError>>> {
        let bound = self.0.policies().iter().find(|bound| bound.name == policy.metadata.name).cloned();
        Box::pin(std::future::ready(bound.ok_or_else(Vec::new)))
    }
}
