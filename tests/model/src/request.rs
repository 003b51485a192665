//! What somebody asks of the API server.

use std::fmt;
use std::sync::Arc;

use crate::objects::{Map, Pod, Set};

/// One request that is admitted or refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Who asks.
    pub by: User,
    /// Where it is sent.
    pub to: Resource,
    /// What is stored now; `None` on CREATE.
    pub old: Option<Object>,
    /// What is to be stored.
    pub new: Object,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum User {
    /// The StatefulSet controller.
    Controller,
    /// A person who may do everything in the namespace and nothing outside: the set's owner, or an attacker.
    Admin,
}

/// Where requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `statefulsets`.
    Sets,
    /// `statefulsets/status`.
    SetStatus,
    /// `pods`.
    Pods,
    /// `pods/status`.
    PodStatus,
    /// `pods/binding`.
    PodBinding,
    /// The legacy `bindings`.
    Bindings,
}

/// An object in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A StatefulSet.
    Set(Arc<Set>),
    /// A Pod.
    Pod(Arc<Pod>),
    /// A Binding: the server writes its labels and annotations onto the pod.
    Binding(Arc<Binding>),
}

/// A Binding of a pod to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The pod's name.
    pub pod: String,
    /// Written onto the pod.
    pub labels: Map,
    /// Written onto the pod.
    pub annotations: Map,
}

impl Request {
    /// The creation of a set.
    pub fn create_set(set: Set) -> Self {
        Self { by: User::Admin, to: Resource::Sets, old: None, new: Object::Set(Arc::new(set)) }
    }

    /// A change of a set, or of its status.
    pub fn update_set(to: Resource, old: &Arc<Set>, new: Set) -> Self {
        Self { by: User::Admin, to, old: Some(Object::Set(Arc::clone(old))), new: Object::Set(Arc::new(new)) }
    }

    /// The creation of a pod.
    pub fn create_pod(by: User, pod: Pod) -> Self {
        Self { by, to: Resource::Pods, old: None, new: Object::Pod(Arc::new(pod)) }
    }

    /// A change of a pod, or of its status.
    pub fn update_pod(by: User, to: Resource, old: &Arc<Pod>, new: Pod) -> Self {
        Self { by, to, old: Some(Object::Pod(Arc::clone(old))), new: Object::Pod(Arc::new(new)) }
    }

    /// A binding of a pod, by either way.
    pub fn bind(to: Resource, binding: Binding) -> Self {
        Self { by: User::Admin, to, old: None, new: Object::Binding(Arc::new(binding)) }
    }
}

impl User {
    /// As the API server names them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Controller => "system:serviceaccount:kube-system:statefulset-controller",
            Self::Admin => "alice",
        }
    }
}

impl Resource {
    /// Plural name and subresource.
    pub fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::Sets => ("statefulsets", ""),
            Self::SetStatus => ("statefulsets", "status"),
            Self::Pods => ("pods", ""),
            Self::PodStatus => ("pods", "status"),
            Self::PodBinding => ("pods", "binding"),
            Self::Bindings => ("bindings", ""),
        }
    }
}

impl Object {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Set(set) => set.name,
            Self::Pod(pod) => &pod.name,
            Self::Binding(binding) => &binding.pod,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.by {
            User::Controller => "the controller",
            User::Admin => "alice",
        };
        let verb = if self.old.is_some() { "updates" } else { "creates" };
        let (resource, subresource) = self.to.path();
        let slash = if subresource.is_empty() { "" } else { "/" };
        write!(f, "{who} {verb} {resource}{slash}{subresource}: ")?;
        match &self.new {
            Object::Set(set) => set.fmt(f),
            Object::Pod(pod) => pod.fmt(f),
            Object::Binding(binding) => {
                write!(f, "{} {:?} {:?}", binding.pod, binding.labels, binding.annotations)
            }
        }
    }
}
