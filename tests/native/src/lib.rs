//! The built-in rules without Wasm: the same functions, compiled for this machine, behind the same seam ([`Evaluate`]). The bench's floor, and
//! the quick way to run cases.

mod convert;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use stateward_cases::Bind;
use stateward_core::evaluate::{Call, Component, Evaluate, EvaluateError, Evaluated, Judgement, Outcome};
use stateward_core::inventory::{BoxFuture, Found, Inventory, Query};
use stateward_core::manifest::Manifest;
use stateward_core::policy::{Policy, SpecError};
use stateward_core::request::Request;
use stateward_core::resources::WasmPolicy;
use stateward_sdk::bindings::stateward::policy::lookup::{Found as Answer, Query as Question};
use stateward_sdk::bindings::stateward::policy::types;
use stateward_sdk::context::Lookup;

/// The policies that are shipped, as YAML: the text that `stateward-builtin` embeds, without building its Wasm.
pub const DEFAULT_POLICIES: &str = include_str!("../../../policies/builtin/src/default-policies.yaml");

/// The built-in component, natively.
pub struct Native;

/// Binds policies of `builtin:stateful` to native code.
pub struct NativeBinder(Component);

/// `builtin:stateful` with native code behind it.
pub fn component() -> Component {
    Component {
        reference: BUILTIN.to_owned(),
        digest: "native".to_owned(),
        manifest: Arc::new(convert::manifest(stateward_stateful::describe())),
        code: Arc::new(Native),
    }
}

impl Default for NativeBinder {
    fn default() -> Self {
        Self(component())
    }
}

impl Bind for NativeBinder {
    fn bind<'a>(&'a self, policy: &'a WasmPolicy) -> BoxFuture<'a, Result<Policy, Vec<SpecError>>> {
        Box::pin(std::future::ready(bind(policy, &self.0)))
    }
}

fn bind(policy: &WasmPolicy, component: &Component) -> Result<Policy, Vec<SpecError>> {
    if policy.spec.component != BUILTIN {
        return Err(vec![SpecError::new("/spec/component", format!("`{}` has no native code", policy.spec.component))]);
    }
    let settings = Value::Object(policy.spec.settings.clone()).to_string();
    let mut errors: Vec<SpecError> = stateward_stateful::validate_settings(&settings)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(in_settings)
        .chain(unknown(&policy.spec.settings, &component.manifest))
        .collect();
    match Policy::new(policy, component.clone()) {
        Ok(policy) if errors.is_empty() => return Ok(policy),
        Ok(_) => {}
        Err(more) => errors.extend(more),
    }
    Err(errors)
}

/// Settings that the component's JSON Schema does not know. Its other words the component repeats itself, which reads the settings strictly.
fn unknown(settings: &Map<String, Value>, manifest: &Manifest) -> Vec<SpecError> {
    let schema: Value = serde_json::from_str(&manifest.settings_schema).unwrap_or_default();
    let is_known = |key: &str| schema.get("properties").is_some_and(|known| known.get(key).is_some());
    let unknown = settings.keys().filter(|key| !is_known(key));
    unknown.map(|key| SpecError::new(format!("{SETTINGS}/{key}"), format!("there is no setting `{key}`"))).collect()
}

/// `/replicas/most: too many` has its place in front; other words are about the settings as a whole. As the engine reads them.
fn in_settings(words: String) -> SpecError {
    match words.split_once(": ") {
        Some((pointer, message)) if pointer.starts_with('/') => SpecError::new(format!("{SETTINGS}{pointer}"), message),
        _ => SpecError::new(SETTINGS, words),
    }
}

/// A call in the guest's own types, for the floor of an evaluation: nothing is converted while it is measured.
pub struct Prepared {
    request: types::Request,
    units: Vec<types::Unit>,
    inventory: Arc<dyn Inventory>,
}

impl Prepared {
    /// Converts once.
    pub fn new(call: &Call<'_>, request: &Request<'_>) -> Self {
        Self { request: convert::request(request), units: convert::units(call), inventory: Arc::clone(&call.inventory) }
    }

    /// Runs the rules.
    pub fn validate(&self) -> Result<Vec<types::Judgement>, String> {
        stateward_stateful::validate(&self.request, &self.units, &Inquiry(&*self.inventory))
    }
}

impl Evaluate for Native {
    fn validate<'a>(
        &'a self,
        call: &'a Call<'a>,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Evaluated<Vec<Judgement>>> {
        Box::pin(async move {
            timed(|| {
                let judgements = Prepared::new(call, request).validate()?;
                Ok(judgements.into_iter().map(convert::judgement).collect())
            })
        })
    }

    fn mutate<'a>(&'a self, call: &'a Call<'a>, request: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Outcome>> {
        Box::pin(async move {
            timed(|| {
                let Prepared { request, units, inventory } = Prepared::new(call, request);
                let unit = units.first().ok_or_else(|| "a call without a policy".to_owned())?;
                stateward_stateful::mutate(&request, unit, &Inquiry(&*inventory)).map(convert::outcome)
            })
        })
    }
}

fn timed<T>(run: impl FnOnce() -> Result<T, String>) -> Evaluated<T> {
    let start = Instant::now();
    let answer = run().map_err(|message| EvaluateError::GaveUp { message });
    Evaluated { answer, queued: Duration::ZERO, ran: start.elapsed() }
}

/// Look-ups without a host between.
struct Inquiry<'a>(&'a dyn Inventory);

impl Lookup for Inquiry<'_> {
    fn find(&self, question: &Question) -> Answer {
        let query = Query {
            kind: convert::borrowed_kind(&question.kind),
            namespace: question.namespace.as_deref(),
            name: question.name.as_deref(),
            labels: question.labels.as_deref(),
            live: question.live,
        };
        // An Inventory in memory answers at once.
        match pin!(self.0.find(&query)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Found::Objects(objects)) => {
                Answer::Objects(objects.iter().map(|object| object.as_ref().to_owned()).collect())
            }
            Poll::Ready(Found::Unknown) | Poll::Pending => Answer::Unknown,
        }
    }
}

const BUILTIN: &str = "builtin:stateful";
const SETTINGS: &str = "/spec/settings";
