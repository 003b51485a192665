//! Bytes to [`Request`], borrowed from the bytes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use stateward_core::request::{GroupVersionKind, GroupVersionResource, Operation, Request, Text, User};

use super::{API_VERSION, KIND};

/// The body is not a review that can be answered: there is no uid to answer to, or it would not mean what we think. HTTP 400.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// JSON is UTF-8 (RFC 8259 §8.1).
    #[error("the body is not UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// Also a key given twice: two readers could understand two things.
    #[error("the body is not an AdmissionReview in JSON")]
    NotJson(#[source] serde_json::Error),
    /// Another kind or version.
    #[error(
        "expected `AdmissionReview` of `admission.k8s.io/v1`, got `{kind}` of `{api_version}`; hint: set admissionReviewVersions: [v1]"
    )]
    WrongKind {
        /// As given, cut.
        api_version: String,
        /// As given, cut.
        kind: String,
    },
    /// A review with nothing to review.
    #[error("the review has no `request`")]
    NoRequest,
    /// A field without which nothing can be decided.
    #[error("the review's request has no `{field}`")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// Not one of Kubernetes' four.
    #[error("unknown operation `{operation}`")]
    UnknownOperation {
        /// As given, cut.
        operation: String,
    },
}

/// Reads a review's request. Fields that are not needed are skipped, whatever they hold.
pub fn decode(body: &[u8]) -> Result<Request<'_>, DecodeError> {
    // Once over the whole body is cheaper than for each string.
    let text = std::str::from_utf8(body).map_err(DecodeError::NotUtf8)?;
    let Object(review): Object<Review<'_>> = serde_json::from_str(text).map_err(DecodeError::NotJson)?;
    let (api_version, kind) = (text_of(review.api_version), text_of(review.kind));
    if api_version != API_VERSION || kind != KIND {
        return Err(DecodeError::WrongKind { api_version: cut(&api_version), kind: cut(&kind) });
    }
    review.request.ok_or(DecodeError::NoRequest)?.0.into_request()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow)]
    api_version: Option<Str<'a>>,
    #[serde(borrow)]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    request: Option<Object<ReviewRequest<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReviewRequest<'a> {
    #[serde(borrow)]
    uid: Option<Str<'a>>,
    #[serde(borrow)]
    kind: Option<Object<Kind<'a>>>,
    #[serde(borrow)]
    resource: Option<Object<Resource<'a>>>,
    #[serde(borrow)]
    sub_resource: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
    #[serde(borrow)]
    operation: Option<Str<'a>>,
    #[serde(borrow)]
    user_info: Option<Object<UserInfo<'a>>>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    old_object: Option<&'a RawValue>,
    dry_run: Option<bool>,
    #[serde(borrow)]
    options: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    group: Option<Str<'a>>,
    #[serde(borrow)]
    version: Option<Str<'a>>,
    #[serde(borrow)]
    kind: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    group: Option<Str<'a>>,
    #[serde(borrow)]
    version: Option<Str<'a>>,
    #[serde(borrow)]
    resource: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct UserInfo<'a> {
    #[serde(borrow)]
    username: Option<Str<'a>>,
    #[serde(borrow)]
    uid: Option<Str<'a>>,
    #[serde(borrow)]
    groups: Option<Vec<Str<'a>>>,
    #[serde(borrow)]
    extra: Option<Extra<'a>>,
}

impl<'a> ReviewRequest<'a> {
    fn into_request(self) -> Result<Request<'a>, DecodeError> {
        let uid = present(self.uid).ok_or(DecodeError::Missing { field: "uid" })?;
        let operation = match text_of(self.operation).as_ref() {
            "CREATE" => Operation::Create,
            "UPDATE" => Operation::Update,
            "DELETE" => Operation::Delete,
            "CONNECT" => Operation::Connect,
            "" => return Err(DecodeError::Missing { field: "operation" }),
            other => return Err(DecodeError::UnknownOperation { operation: cut(other) }),
        };
        let Object(kind) = self.kind.ok_or(DecodeError::Missing { field: "kind" })?;
        let Object(resource) = self.resource.ok_or(DecodeError::Missing { field: "resource" })?;
        Ok(Request {
            uid,
            operation,
            kind: GroupVersionKind {
                group: text_of(kind.group),
                version: text_of(kind.version),
                kind: present(kind.kind).ok_or(DecodeError::Missing { field: "kind.kind" })?,
            },
            resource: GroupVersionResource {
                group: text_of(resource.group),
                version: text_of(resource.version),
                resource: present(resource.resource).ok_or(DecodeError::Missing { field: "resource.resource" })?,
                subresource: text_of(self.sub_resource),
            },
            name: present(self.name),
            namespace: present(self.namespace),
            user: self.user_info.and_then(|user| user.0.into_user()),
            dry_run: self.dry_run.unwrap_or(false),
            object: self.object.map(raw),
            old_object: self.old_object.map(raw),
            options: self.options.map(raw),
        })
    }
}

impl<'a> UserInfo<'a> {
    /// A user without a name is nobody: rules about users are then undecided, and the contract's refuse.
    fn into_user(self) -> Option<User<'a>> {
        Some(User {
            username: present(self.username)?,
            uid: text_of(self.uid),
            groups: self.groups.unwrap_or_default().into_iter().map(|group| group.0).collect(),
            extra: self.extra.map(|extra| extra.0).unwrap_or_default(),
        })
    }
}

/// A JSON object, and nothing else: a derived `Deserialize` takes an array for its fields in order, too, which no other reader would.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// Text that is borrowed where it holds no escapes; `Cow`'s own `Deserialize` would copy inside `Option` and `Vec`.
struct Str<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(StrVisitor)
    }
}

/// `userInfo.extra`: a map, kept as pairs in the server's order.
struct Extra<'a>(Vec<(Text<'a>, Vec<Text<'a>>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Extra<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExtraVisitor;
        impl<'de> Visitor<'de> for ExtraVisitor {
            type Value = Extra<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of lists of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, values)) = map.next_entry::<Str<'de>, Option<Vec<Str<'de>>>>()? {
                    pairs.push((key.0, values.unwrap_or_default().into_iter().map(|value| value.0).collect()));
                }
                Ok(Extra(pairs))
            }
        }
        deserializer.deserialize_map(ExtraVisitor)
    }
}

fn text_of(text: Option<Str<'_>>) -> Text<'_> {
    text.map(|text| text.0).unwrap_or_default()
}

/// Go leaves empty strings out or writes them; both mean that there is none.
fn present(text: Option<Str<'_>>) -> Option<Text<'_>> {
    text.map(|text| text.0).filter(|text| !text.is_empty())
}

fn raw(value: &RawValue) -> Text<'_> {
    Cow::Borrowed(value.get())
}

/// A client's text in our error: short, on one line.
fn cut(text: &str) -> String {
    let breaks_lines = |c: &char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().filter(|c| !breaks_lines(c)).take(MAX_QUOTED_CHARS).collect()
}

/// Longer than any real group and version.
const MAX_QUOTED_CHARS: usize = 64;
