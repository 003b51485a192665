//! Runs cases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stateward_core::admit::{Facts, Route, mutate, validate};
use stateward_core::manifest::{Profile, Rule, RuleKind};
use stateward_core::policy::SpecError;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::Request;
use stateward_core::resources::WasmPolicy;
use stateward_core::verdict::Verdict;
use stateward_manifests::InputError;

use crate::case::Case;
use crate::compare::{Difference, differences};
use crate::file::CaseFile;
use crate::inventory;
use crate::policies::{Bind, Found, Policies};
use crate::said::Said;

/// Runs cases with the policies that are loaded.
pub struct Runner<'b> {
    policies: Policies<'b>,
}

/// What came of one case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Passed, failed or broken.
    pub outcome: Outcome,
    /// What the rule said, in each profile in which the case ran.
    pub runs: Vec<ProfileRun>,
    /// For all profiles.
    pub took: Duration,
}

/// What the rule said in one profile.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRun {
    /// Which.
    pub profile: Profile,
    /// What it said.
    pub said: Said,
}

/// A request after all changes, and what was said of it.
pub struct Admitted {
    /// By whose rules.
    pub policies: Arc<PolicySet>,
    /// With what beside it.
    pub facts: Facts,
    /// With the object as it would be stored.
    pub request: Request<'static>,
    /// Whether it may be.
    pub verdict: Verdict,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Exactly what is expected was said.
    Passed,
    /// Something else was said.
    Failed(Vec<Difference>),
    /// It could not be asked: there is no such rule, a setting is wrong.
    Broken(InputError),
}

impl<'b> Runner<'b> {
    /// Binds the policies; the errors carry the name of the policy that they are about.
    pub async fn new(policies: Vec<WasmPolicy>, bind: &'b dyn Bind) -> Result<Self, Vec<(String, SpecError)>> {
        Ok(Self { policies: Policies::new(policies, bind).await? })
    }

    /// Every rule that a policy selects, once, in the components' order.
    pub fn rules(&self) -> Vec<&Rule> {
        self.policies.rules()
    }

    /// Runs one case in each of its profiles.
    pub async fn run(&self, file: &CaseFile, case: &Case) -> CaseResult {
        let start = Instant::now();
        let mut runs = Vec::new();
        let outcome = match self.run_all(file, case, &mut runs).await {
            Err(error) => Outcome::Broken(error),
            Ok(()) => {
                let differences = differences(&case.expected, &runs);
                if differences.is_empty() { Outcome::Passed } else { Outcome::Failed(differences) }
            }
        };
        CaseResult { outcome, runs, took: start.elapsed() }
    }

    /// Sends a case's request the way of the API server, through all rules of the case's policy: those that change, then those that refuse.
    pub async fn admit(&self, file: &CaseFile, case: &Case, profile: Profile) -> Result<Admitted, InputError> {
        let found = self.policies.find(file, case)?;
        let policies = self.policies.set(&found, file, case, profile).await?;
        let inventory = Arc::new(inventory::of(file, case, &policies)?);
        let (now, deadline) = (jiff::Timestamp::UNIX_EPOCH, Instant::now() + TIMEOUT);
        let facts = Facts { inventory, now, deadline, trace: false };
        let changed = mutate(&policies, &case.request, &facts).await;
        let object = changed.object.map(Into::into).or_else(|| case.request.object.clone());
        let request = Request { object, ..case.request.clone() };
        let verdict = validate(&policies, &request, Route::All, &facts).await;
        Ok(Admitted { policies, facts, request, verdict })
    }

    async fn run_all(&self, file: &CaseFile, case: &Case, runs: &mut Vec<ProfileRun>) -> Result<(), InputError> {
        let found = self.policies.find(file, case)?;
        check_subject(file, case, &found)?;
        for &profile in &case.profiles {
            let set = self.policies.set(&found, file, case, profile).await?;
            let facts = Facts {
                inventory: Arc::new(inventory::of(file, case, &set)?),
                now: jiff::Timestamp::UNIX_EPOCH,
                deadline: Instant::now() + TIMEOUT,
                trace: false,
            };
            let said = match found.rule.kind {
                RuleKind::Validate => Said::of(&validate(&set, &case.request, Route::All, &facts).await, &case.rule),
                RuleKind::Mutate => changes(&set, &case.request, &facts, &case.rule).await,
            };
            runs.push(ProfileRun { profile, said });
        }
        Ok(())
    }
}

/// What a mutating rule changes. The API server may ask again after others have changed something: then there must be nothing left to change.
async fn changes(set: &PolicySet, request: &Request<'_>, facts: &Facts, rule: &str) -> Said {
    let first = mutate(set, request, facts).await;
    let mut said = Said::of(&first, rule);
    if let Some(object) = first.object {
        let again = Request { object: Some(object.into()), ..request.clone() };
        let again = Said::of(&mutate(set, &again, facts).await, rule);
        said.failures.extend(again.failures);
        if !again.changes.is_empty() {
            said.failures.push(format!("`{rule}` changes what it has changed itself once more"));
        }
    }
    said
}

/// A rule that is never asked would pass every case that expects nothing.
fn check_subject(file: &CaseFile, case: &Case, found: &Found<'_>) -> Result<(), InputError> {
    let Request { resource, operation, .. } = &case.request;
    let is_asked = |rule: &Rule| {
        rule.subjects.iter().any(|subject| subject.resource == *resource && subject.operations.contains(operation))
    };
    if is_asked(found.rule) {
        return Ok(());
    }
    let mut subjects: Vec<String> = found
        .rule
        .subjects
        .iter()
        .flat_map(|subject| subject.operations.iter().map(|operation| format!("{operation} {}", subject.resource)))
        .collect();
    subjects.dedup();
    let message = format!("`{}` is never asked about {operation} {resource}", case.rule);
    Err(file.data.error(&case.pointer(), message).hint(format!("it is asked about {}", subjects.join(", "))))
}

/// Policies have limits of their own; this one ends what no limit of theirs ends.
const TIMEOUT: Duration = Duration::from_secs(30);
