//! From what a case says to the request that the API server would send.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use stateward_core::request::{GroupVersionKind, GroupVersionResource, Operation, Request, User};
use stateward_manifests::{Data, InputError, kinds};

use crate::case::Neighbour;
use crate::shape::{CaseShape, FileShape, UserShape};
use crate::subresource;

/// A request, and what is stored beside it because the request is about it.
pub(crate) struct Asked {
    pub request: Request<'static>,
    pub stored: Vec<Neighbour>,
}

/// Of the case at `pointer`.
pub(crate) fn read(data: &Data, pointer: &str, file: &FileShape, shape: &CaseShape) -> Result<Asked, InputError> {
    let case = Objects { data, pointer, file, shape };
    let subresource = shape.subresource.as_deref().unwrap_or_default();
    let has_old = shape.old_object.is_some() || shape.old_patch.is_some();
    let operation = shape.operation.unwrap_or(match subresource {
        _ if has_old => Operation::Update,
        // Others, such as `binding` and `eviction`, are created.
        "scale" | "status" | "resize" | "ephemeralcontainers" => Operation::Update,
        _ => Operation::Create,
    });
    let (object, old) = match operation {
        Operation::Create | Operation::Connect if has_old => {
            let error = data.error(pointer, format!("a {operation} has no old object"));
            return Err(error.hint("leave `oldObject` and `oldPatch` out, or write `operation: UPDATE`"));
        }
        Operation::Create | Operation::Connect => (Some(case.new_object()?), None),
        Operation::Update => (Some(case.new_object()?), Some(case.old_object()?)),
        Operation::Delete if has_old => (None, Some(case.old_object()?)),
        Operation::Delete => (None, Some(case.new_object()?)),
    };
    let mut asked = Parts { operation, object, old, options: shape.options.clone(), stored: Vec::new() };
    let about = asked.about().cloned().unwrap_or_default();
    let namespace = namespace_of(&about);
    let resource = case.resource(&about, subresource)?;
    subresource::derive(&mut asked, subresource, &resource);
    if operation == Operation::Update && subresource == "scale" {
        case.complete_scale(&mut asked);
    }
    let kind = kind_of(asked.about().unwrap_or(&about));
    let name =
        text_of(&about, "/metadata/name").or_else(|| asked.old.as_ref().and_then(|old| text_of(old, "/metadata/name")));
    let json = |value: &Value| Cow::Owned(value.to_string());
    let request = Request {
        uid: Cow::Borrowed(""),
        operation,
        name: name.map(Cow::Owned),
        namespace: (!kinds::is_cluster_scoped(&kind_of(&about))).then_some(Cow::Owned(namespace)),
        kind,
        resource,
        user: shape.user.as_ref().map(|user| case.user(user)).transpose()?,
        dry_run: false,
        object: asked.object.as_ref().map(json),
        old_object: asked.old.as_ref().map(json),
        options: asked.options.map(|options| Cow::Owned(with_kind(options, operation).to_string())),
    };
    let stored = asked.stored.into_iter().map(|object| Neighbour { object, pointer: pointer.to_owned() }).collect();
    Ok(Asked { request, stored })
}

/// The parts of a request that depend on each other.
pub(crate) struct Parts {
    pub operation: Operation,
    pub object: Option<Value>,
    pub old: Option<Value>,
    pub options: Option<Map<String, Value>>,
    /// What must be there for the request to be possible.
    pub stored: Vec<Value>,
}

impl Parts {
    /// The new object, or on DELETE the old one.
    pub(crate) fn about(&self) -> Option<&Value> {
        self.object.as_ref().or(self.old.as_ref())
    }
}

/// Where a case's objects come from.
struct Objects<'a> {
    data: &'a Data,
    pointer: &'a str,
    file: &'a FileShape,
    shape: &'a CaseShape,
}

impl Objects<'_> {
    /// The case's object or the file's, patched.
    fn new_object(&self) -> Result<Value, InputError> {
        let own = self.shape.object.as_ref().map(|object| (object, format!("{}/object", self.pointer)));
        let (object, at) = own.map_or_else(|| self.file_object(), Ok)?;
        self.patched(object, &at, self.shape.patch.as_ref())
    }

    /// What is written of the old object, or the object before the patch.
    fn old_object(&self) -> Result<Value, InputError> {
        if let Some(old) = &self.shape.old_object {
            return self.patched(old, &format!("{}/oldObject", self.pointer), self.shape.old_patch.as_ref());
        }
        let own = self.shape.object.as_ref().map(|object| (object, format!("{}/object", self.pointer)));
        let (object, at) = match (self.file_object(), own) {
            (Ok(of_file), _) => of_file,
            (Err(_), Some(own)) => own,
            (Err(error), None) => return Err(error),
        };
        self.patched(object, &at, self.shape.old_patch.as_ref())
    }

    fn file_object(&self) -> Result<(&Value, String), InputError> {
        let missing = || {
            let error = self.data.error(self.pointer, format!("case `{}` has no object", self.shape.name));
            error.hint("write `object:` in it, or once at the top of the file")
        };
        self.file.object.as_ref().map(|object| (object, "/object".to_owned())).ok_or_else(missing)
    }

    fn patched(&self, object: &Value, at: &str, patch: Option<&Value>) -> Result<Value, InputError> {
        let mut object = object.clone();
        if let Some(patch) = patch {
            json_patch::merge(&mut object, patch);
        }
        for field in ["/apiVersion", "/kind"] {
            if object.pointer(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                let error = self.data.error(at, format!("the object has no `{}`", field.trim_start_matches('/')));
                return Err(error.hint("an object has `apiVersion`, `kind` and `metadata`"));
            }
        }
        Ok(object)
    }

    /// Where the request is sent.
    fn resource(&self, about: &Value, subresource: &str) -> Result<GroupVersionResource<'static>, InputError> {
        let kind = kind_of(about);
        let of_pods = || GroupVersionResource { version: "v1".into(), resource: "pods".into(), ..Default::default() };
        let resource = match (&*kind.kind, subresource) {
            ("Binding", "binding") | ("Eviction", "eviction") => of_pods(),
            ("Scale", "scale") => kinds::resource(&self.scaled_kind(about)),
            ("Scale" | "Eviction", _) => {
                let subresource = kind.kind.to_lowercase();
                let error = self.data.error(self.pointer, format!("a {} is sent to a subresource", kind.kind));
                return Err(error.hint(format!("write `subresource: {subresource}`")));
            }
            (_, "binding") => {
                let error = self.data.error(self.pointer, format!("a {} is no Binding", kind.kind));
                return Err(error.hint("give an `object` of `apiVersion: v1`, `kind: Binding`"));
            }
            _ => kinds::resource(&kind),
        };
        Ok(GroupVersionResource { subresource: Cow::Owned(subresource.to_owned()), ..resource })
    }

    /// What a Scale scales: the file's object, or the neighbour of its name.
    fn scaled_kind(&self, scale: &Value) -> GroupVersionKind<'static> {
        let of_file = self.file.object.as_ref().filter(|object| text_of(object, "/kind").as_deref() != Some("Scale"));
        let scaled = of_file.or_else(|| self.scaled(scale));
        scaled.map_or_else(
            || GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "StatefulSet".into() },
            kind_of,
        )
    }

    /// The neighbour that a Scale is about.
    fn scaled(&self, scale: &Value) -> Option<&Value> {
        let name = text_of(scale, "/metadata/name");
        let is_meant =
            |object: &&Value| text_of(object, "/metadata/name") == name && object.pointer("/spec/template").is_some();
        self.shape.neighbours.iter().chain(&self.file.neighbours).find(is_meant)
    }

    /// Where nothing is said of the Scale before, it was as its workload is stored.
    fn complete_scale(&self, asked: &mut Parts) {
        let is_said = self.shape.old_object.is_some() || self.shape.old_patch.is_some();
        if !is_said
            && asked.object == asked.old
            && let Some(workload) = asked.object.as_ref().and_then(|scale| self.scaled(scale))
        {
            asked.old = Some(subresource::scale(workload));
        }
    }

    fn user(&self, value: &Value) -> Result<User<'static>, InputError> {
        let pointer = format!("{}/user", self.pointer);
        let shape = match value {
            Value::String(username) => UserShape { username: username.clone(), ..UserShape::default() },
            Value::Object(_) => serde_json::from_value(value.clone())
                .map_err(|error| self.data.field_error(&pointer, &error.to_string()).hint(USER_HINT))?,
            _ => return Err(self.data.field_error(&pointer, "neither a name nor a user").hint(USER_HINT)),
        };
        let groups = shape.groups.unwrap_or_else(|| groups_of(&shape.username));
        Ok(User {
            username: Cow::Owned(shape.username),
            uid: Cow::Owned(shape.uid),
            groups: groups.into_iter().map(Cow::Owned).collect(),
            extra: shape
                .extra
                .into_iter()
                .map(|(key, values)| (Cow::Owned(key), values.into_iter().map(Cow::Owned).collect()))
                .collect(),
        })
    }
}

/// The groups that the API server gives to a service account, a node, anyone else.
fn groups_of(username: &str) -> Vec<String> {
    let mut groups = Vec::new();
    if let Some(account) = username.strip_prefix("system:serviceaccount:") {
        let namespace = account.split(':').next().unwrap_or_default();
        groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
    } else if username.starts_with("system:node:") {
        groups.push("system:nodes".to_owned());
    }
    groups.push("system:authenticated".to_owned());
    groups
}

/// As the API server sends them: with what they are.
fn with_kind(mut options: Map<String, Value>, operation: Operation) -> Value {
    let kind = match operation {
        Operation::Create | Operation::Connect => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
    };
    options.entry("apiVersion").or_insert_with(|| json!("meta.k8s.io/v1"));
    options.entry("kind").or_insert_with(|| json!(kind));
    Value::Object(options)
}

pub(crate) fn kind_of(object: &Value) -> GroupVersionKind<'static> {
    let api_version = text_of(object, "/apiVersion").unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    GroupVersionKind {
        group: Cow::Owned(group.to_owned()),
        version: Cow::Owned(version.to_owned()),
        kind: Cow::Owned(text_of(object, "/kind").unwrap_or_default()),
    }
}

/// As `kubectl` does out of the box.
pub(crate) fn namespace_of(object: &Value) -> String {
    text_of(object, "/metadata/namespace").unwrap_or_else(|| "default".to_owned())
}

pub(crate) fn text_of(object: &Value, pointer: &str) -> Option<String> {
    object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

const USER_HINT: &str = "a name, or `{username, groups, uid}`";
