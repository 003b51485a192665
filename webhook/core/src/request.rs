//! One admission request, as the API server asked it, an audit made it up, or `check` read it from a file.

use std::borrow::Cow;

/// Text that is borrowed from the body of a review wherever it holds no escapes.
pub type Text<'a> = Cow<'a, str>;

/// One admission request. The objects stay JSON text: only a rule that needs a field pays for reading it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The review's `uid`; the answer must carry the same.
    pub uid: Text<'a>,
    /// What is being done.
    pub operation: Operation,
    /// The kind of `object`; `autoscaling/v1 Scale` for a scale request.
    pub kind: GroupVersionKind<'a>,
    /// The resource and subresource that were addressed.
    pub resource: GroupVersionResource<'a>,
    /// `None` for a `generateName` before the server has chosen one, and when a collection is deleted.
    pub name: Option<Text<'a>>,
    /// `None` for cluster-scoped resources.
    pub namespace: Option<Text<'a>>,
    /// `None` in audits and `check`: nobody asked.
    pub user: Option<User<'a>>,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// The new object; `None` on DELETE.
    pub object: Option<Text<'a>>,
    /// The stored object; `None` on CREATE and CONNECT.
    pub old_object: Option<Text<'a>>,
    /// `CreateOptions`, `UpdateOptions`, `DeleteOptions`.
    pub options: Option<Text<'a>>,
}

/// Kubernetes' admission operations.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A new object, or the creation of a subresource such as a binding.
    Create,
    /// PUT, PATCH and apply.
    Update,
    /// One object; a deleted collection arrives object by object.
    Delete,
    /// `exec`, `attach`, `portforward`, `proxy`.
    Connect,
}

/// What an object is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind<'a> {
    /// Empty for the core group.
    pub group: Text<'a>,
    /// `v1`, `v1beta1`, ..
    pub version: Text<'a>,
    /// `StatefulSet`, ..
    pub kind: Text<'a>,
}

/// Where an object is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionResource<'a> {
    /// Empty for the core group.
    pub group: Text<'a>,
    /// `v1`, `v1beta1`, ..
    pub version: Text<'a>,
    /// Plural, lower case: `statefulsets`.
    pub resource: Text<'a>,
    /// Empty for the main resource, else `scale`, `status`, `binding`, ..
    pub subresource: Text<'a>,
}

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct User<'a> {
    /// `system:serviceaccount:kube-system:statefulset-controller`, `alice`, ..
    pub username: Text<'a>,
    /// Service accounts have one, certificates do not.
    pub uid: Text<'a>,
    /// Groups, in the server's order.
    pub groups: Vec<Text<'a>>,
    /// Whatever the authenticator added.
    pub extra: Vec<(Text<'a>, Vec<Text<'a>>)>,
}

impl Request<'_> {
    /// The object that the request is about: the new one, or on DELETE the stored one.
    pub fn subject(&self) -> Option<&str> {
        self.object.as_deref().or(self.old_object.as_deref())
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        })
    }
}

impl std::fmt::Display for GroupVersionResource<'_> {
    /// `apps/v1 statefulsets/scale`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{} {}", self.version, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        Ok(())
    }
}

impl GroupVersionKind<'_> {
    /// A copy that borrows nothing.
    pub fn to_owned(&self) -> GroupVersionKind<'static> {
        GroupVersionKind {
            group: Cow::Owned(self.group.clone().into_owned()),
            version: Cow::Owned(self.version.clone().into_owned()),
            kind: Cow::Owned(self.kind.clone().into_owned()),
        }
    }
}

impl std::fmt::Display for GroupVersionKind<'_> {
    /// `apps/v1 StatefulSet`, `v1 Service`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{} {}", self.version, self.kind)
    }
}
