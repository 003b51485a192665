//! Puts families of rules into the Wasm envelope: one component, one manifest, one reading of the object for all units of a call.

use std::ops::Range;

use crate::bindings::stateward::policy::types::{Request, Rule as RuleEntry, RuleIndex, Unit};
use crate::changes::Changes;
use crate::context::{Call, Context, Lookup};
use crate::family::{CheckSettings, Family};
use crate::findings::Findings;
use crate::objects::{Judged, Object};
use crate::rule::Operation;
use crate::settings::parse;

/// Names the families of a component and gives it `describe`, `validate_settings`, `validate` and `mutate`: plain functions natively,
/// exports of the world `policy` in Wasm.
#[macro_export]
macro_rules! component {
    (
        name: $name:expr,
        version: $version:expr,
        description: $description:expr,
        settings_schema: $settings_schema:expr,
        families: [$($family:ty),+ $(,)?] $(,)?
    ) => {
        /// What the component says of itself.
        pub fn describe() -> $crate::bindings::stateward::policy::types::Manifest {
            let mut rules = Vec::new();
            $(rules.extend($crate::component::entries::<$family>());)+
            $crate::bindings::stateward::policy::types::Manifest {
                name: $name.to_owned(),
                version: $version.to_owned(),
                description: $description.to_owned(),
                url: None,
                rules,
                settings_schema: $settings_schema.to_owned(),
            }
        }

        /// The JSON Schema of the families' settings, made from their types. `settings_schema` holds a copy of it.
        #[cfg(not(target_arch = "wasm32"))]
        pub fn settings_schema() -> String {
            let schema = $crate::schema::SettingsSchema::default();
            $(let schema = schema.with::<$family>();)+
            schema.text()
        }

        /// What the JSON Schema cannot say of settings.
        pub fn validate_settings(settings: &str) -> Result<(), Vec<String>> {
            let mut errors = Vec::new();
            $(errors.extend($crate::component::settings_errors::<$family>(settings));)+
            // Families that share a setting say the same of it.
            errors.sort();
            errors.dedup();
            if errors.is_empty() { Ok(()) } else { Err(errors) }
        }

        /// One judgement for each unit. `lookup` answers look-ups.
        pub fn validate(
            request: &$crate::bindings::stateward::policy::types::Request,
            units: &[$crate::bindings::stateward::policy::types::Unit],
            lookup: &dyn $crate::context::Lookup,
        ) -> Result<Vec<$crate::bindings::stateward::policy::types::Judgement>, String> {
            let call = $crate::component::begin(request, lookup);
            let judged = $crate::component::judged(&call)?;
            let mut judgements = Vec::with_capacity(units.len());
            for unit in units {
                let mut out = $crate::component::findings(&judged);
                let mut offset = 0;
                $(offset = $crate::component::validate::<$family>(&call, &judged, unit, offset, &mut out)?;)+
                let _ = offset;
                judgements.push(out.into_judgement());
            }
            $crate::component::finish(&call, judgements)
        }

        /// What one unit would change. `lookup` answers look-ups.
        pub fn mutate(
            request: &$crate::bindings::stateward::policy::types::Request,
            unit: &$crate::bindings::stateward::policy::types::Unit,
            lookup: &dyn $crate::context::Lookup,
        ) -> Result<$crate::bindings::stateward::policy::types::Outcome, String> {
            let call = $crate::component::begin(request, lookup);
            let judged = $crate::component::judged(&call)?;
            let mut out = $crate::changes::Changes::default();
            let mut offset = 0;
            $(offset = $crate::component::mutate::<$family>(&call, &judged, unit, offset, &mut out)?;)+
            let _ = offset;
            $crate::component::finish(&call, out.into_outcome())
        }

        #[cfg(target_arch = "wasm32")]
        mod envelope {
            use $crate::bindings::exports::stateward::policy::rules::Guest;
            use $crate::bindings::stateward::policy::types::{Judgement, Manifest, Outcome, Request, Unit};
            use $crate::component::Host;

            struct Component;

            impl Guest for Component {
                fn describe() -> Manifest {
                    super::describe()
                }

                fn validate_settings(settings: String) -> Result<(), Vec<String>> {
                    super::validate_settings(&settings)
                }

                fn validate(request: Request, units: Vec<Unit>) -> Result<Vec<Judgement>, String> {
                    super::validate(&request, &units, &Host)
                }

                fn mutate(request: Request, unit: Unit) -> Result<Outcome, String> {
                    super::mutate(&request, &unit, &Host)
                }
            }

            $crate::bindings::export_policy!(Component);
        }
    };
}

/// Look-ups answered by the host.
#[cfg(target_arch = "wasm32")]
pub struct Host;

#[cfg(target_arch = "wasm32")]
impl Lookup for Host {
    fn find(&self, query: &crate::context::Query) -> crate::context::Answer {
        crate::bindings::stateward::policy::lookup::find(query)
    }
}

/// A family's part of the manifest.
pub fn entries<F: Family>() -> impl Iterator<Item = RuleEntry> {
    F::RULES.iter().map(RuleEntry::from)
}

/// What is wrong with a family's settings beside their shape.
pub fn settings_errors<F: Family>(settings: &str) -> Vec<String> {
    match parse::<F::Settings>(settings) {
        Ok(settings) => settings.check(),
        Err(error) => vec![error],
    }
}

/// Begins a call.
pub fn begin<'a>(request: &'a Request, lookup: &'a dyn Lookup) -> Call<'a> {
    Call::new(request, lookup)
}

/// The object that rules judge, read once for all units. An error is the host's or the client's doing: the API server sends objects of the right shape.
pub fn judged<'c>(call: &'c Call<'_>) -> Result<Judged<'c>, String> {
    // The API server always sends both; a rule that found nothing to compare would pass.
    let Request { operation, object, old_object, .. } = call.request();
    match operation {
        Operation::Create | Operation::Update if object.is_none() => Err("the request has no object".to_owned()),
        Operation::Update if old_object.is_none() => Err("the UPDATE has no old object".to_owned()),
        _ => Judged::read(call),
    }
}

/// Where findings about this object point.
pub fn findings(judged: &Judged<'_>) -> Findings {
    match judged {
        Judged::Object(Object::Scale(_) | Object::DeploymentScale(_) | Object::ReplicaSetScale(_)) => {
            Findings::at(Findings::SCALE_PATH)
        }
        Judged::Object(_) | Judged::Unknown(_) => Findings::default(),
    }
}

/// Runs those rules of a unit that belong to this family, and answers where the next family's begin.
pub fn validate<F: Family>(
    call: &Call<'_>,
    judged: &Judged<'_>,
    unit: &Unit,
    offset: RuleIndex,
    out: &mut Findings,
) -> Result<RuleIndex, String> {
    let (mine, end) = mine::<F>(&unit.rules, offset);
    if mine.is_empty() {
        return Ok(end);
    }
    let cx = Context::new(call, parse::<F::Settings>(&unit.settings)?, unit.profile, &unit.rules, F::RULES, offset);
    for &rule in mine {
        out.begin(rule);
        match judged {
            Judged::Object(object) => F::validate(rule - offset, object, &cx, out),
            Judged::Unknown(reason) => out.push_undecided(reason.clone()),
        }
    }
    Ok(end)
}

/// The same for mutating rules.
pub fn mutate<F: Family>(
    call: &Call<'_>,
    judged: &Judged<'_>,
    unit: &Unit,
    offset: RuleIndex,
    out: &mut Changes,
) -> Result<RuleIndex, String> {
    let (mine, end) = mine::<F>(&unit.rules, offset);
    if mine.is_empty() {
        return Ok(end);
    }
    let cx = Context::new(call, parse::<F::Settings>(&unit.settings)?, unit.profile, &unit.rules, F::RULES, offset);
    for &rule in mine {
        out.begin(rule);
        match judged {
            Judged::Object(object) => F::mutate(rule - offset, object, &cx, out),
            Judged::Unknown(reason) => out.push_undecided(reason.clone()),
        }
    }
    Ok(end)
}

/// The answer, unless something could not be read on the way.
pub fn finish<T>(call: &Call<'_>, answer: T) -> Result<T, String> {
    call.failure().map_or(Ok(answer), Err)
}

/// The unit's rules that belong to a family beginning at `offset`, and where that family ends. The host sends indexes in ascending order.
fn mine<F: Family>(rules: &[RuleIndex], offset: RuleIndex) -> (&[RuleIndex], RuleIndex) {
    let end = offset.saturating_add(RuleIndex::try_from(F::RULES.len()).unwrap_or(RuleIndex::MAX));
    let range: Range<usize> = rules.partition_point(|&rule| rule < offset)..rules.partition_point(|&rule| rule < end);
    (rules.get(range).unwrap_or_default(), end)
}
