//! `request`, `object` and `oldObject` as CEL values, as far as an expression names them.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};

use crate::prune::{Budget, Paths};
use crate::request::{Request, User};

/// A variable that expressions may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Request,
    Object,
    OldObject,
}

/// The paths that an expression names, by variable.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    request: Paths,
    object: Paths,
    old_object: Paths,
}

/// What a request offers to expressions.
pub(crate) struct Variables<'r> {
    request: &'r Request<'r>,
}

impl Root {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "request" => Some(Self::Request),
            "object" => Some(Self::Object),
            "oldObject" => Some(Self::OldObject),
            _ => None,
        }
    }
}

impl Wanted {
    pub(super) const fn of_mut(&mut self, root: Root) -> &mut Paths {
        match root {
            Root::Request => &mut self.request,
            Root::Object => &mut self.object,
            Root::OldObject => &mut self.old_object,
        }
    }

    /// Whether the answer depends on who asks.
    pub(super) fn names_user(&self) -> bool {
        self.request.wants("userInfo")
    }
}

impl<'r> Variables<'r> {
    pub(crate) const fn new(request: &'r Request<'r>) -> Self {
        Self { request }
    }

    pub(super) const fn has_user(&self) -> bool {
        self.request.user.is_some()
    }

    /// The variables that are named, with what is named of them. `object` is null on DELETE, `oldObject` on CREATE.
    pub(super) fn read(&self, wanted: &Wanted, budget: Budget) -> Result<Vec<(&'static str, Value)>, String> {
        let mut variables = Vec::with_capacity(3);
        if !wanted.request.is_empty() {
            let request = describe(self.request, &wanted.request, budget)?;
            variables.push(("request", request));
        }
        let objects = [
            ("object", &wanted.object, &self.request.object),
            ("oldObject", &wanted.old_object, &self.request.old_object),
        ];
        for (name, paths, text) in objects {
            if !paths.is_empty() {
                variables
                    .push((name, read(text.as_deref(), paths, budget).map_err(|reason| format!("{name}: {reason}"))?));
            }
        }
        Ok(variables)
    }
}

fn read(text: Option<&str>, paths: &Paths, budget: Budget) -> Result<Value, String> {
    text.map_or(Ok(Value::Null), |text| paths.read(text, budget).map(to_cel).map_err(|error| error.to_string()))
}

/// `AdmissionRequest` without its objects.
fn describe(request: &Request<'_>, paths: &Paths, budget: Budget) -> Result<Value, String> {
    let kind = &request.kind;
    let resource = &request.resource;
    let mut fields: Vec<(&str, Value)> = vec![
        ("uid", text(&request.uid)),
        ("kind", map([("group", text(&kind.group)), ("version", text(&kind.version)), ("kind", text(&kind.kind))])),
        (
            "resource",
            map([
                ("group", text(&resource.group)),
                ("version", text(&resource.version)),
                ("resource", text(&resource.resource)),
            ]),
        ),
        ("subResource", text(&resource.subresource)),
        ("name", text(request.name.as_deref().unwrap_or_default())),
        ("namespace", text(request.namespace.as_deref().unwrap_or_default())),
        ("operation", text(&request.operation.to_string())),
        ("dryRun", Value::Bool(request.dry_run)),
    ];
    if let Some(user) = request.user.as_ref().filter(|_| paths.wants("userInfo")) {
        fields.push(("userInfo", describe_user(user)));
    }
    if paths.wants("options") {
        let mut all = Paths::default();
        all.add([]);
        fields.push(("options", read(request.options.as_deref(), &all, budget)?));
    }
    Ok(map(fields))
}

fn describe_user(user: &User<'_>) -> Value {
    let texts = |all: &[crate::request::Text<'_>]| Value::List(Arc::new(all.iter().map(|item| text(item)).collect()));
    map([
        ("username", text(&user.username)),
        ("uid", text(&user.uid)),
        ("groups", texts(&user.groups)),
        ("extra", map(user.extra.iter().map(|(key, values)| (key.as_ref(), texts(values))))),
    ])
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let map: HashMap<Key, Value> =
        entries.into_iter().map(|(key, value)| (Key::String(Arc::new(key.to_owned())), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}

/// As the API server types JSON: whole numbers are `int`, not `uint`.
fn to_cel(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::UInt(value),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(value) => Value::String(Arc::new(value)),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.into_iter().map(to_cel).collect())),
        serde_json::Value::Object(fields) => {
            let map: HashMap<Key, Value> =
                fields.into_iter().map(|(key, value)| (Key::String(Arc::new(key)), to_cel(value))).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

/// What [`describe`] offers; anything else of `request` is refused at load.
pub(super) const REQUEST_FIELDS: &[&str] =
    &["uid", "kind", "resource", "subResource", "name", "namespace", "operation", "userInfo", "dryRun", "options"];
