//! A list in pages of 500: 500 sets of 6 KB are 3 MB, whatever the cluster has of them.

use std::borrow::Cow;

use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::get;

/// The pages of one list, from the first to the last.
pub(super) struct Pages {
    path: String,
    selector: Option<String>,
    place: Place,
}

enum Place {
    Begin,
    Continue(String),
    End,
}

impl Pages {
    /// Of a path such as `/apis/apps/v1/statefulsets`.
    pub(super) fn new(path: String, labels: Option<&str>) -> Self {
        Self { path, selector: labels.map(escaped), place: Place::Begin }
    }

    /// The objects of the next page; `None` after the last one.
    pub(super) async fn next(&mut self, client: &Client) -> Result<Option<Vec<Box<RawValue>>>, kube::Error> {
        let mut restarts = 0;
        loop {
            let token = match &self.place {
                Place::Begin => None,
                Place::Continue(token) => Some(token.clone()),
                Place::End => return Ok(None),
            };
            match client.request::<List>(get(&self.url(token.as_deref()))?).await {
                Ok(List { metadata, items }) => {
                    let next = metadata.next.filter(|token| !token.is_empty());
                    self.place = next.map_or(Place::End, Place::Continue);
                    return Ok(Some(items));
                }
                // The snapshot is gone after five minutes. The server offers to go on from there with what is stored by now.
                Err(error) => match resumed(&error) {
                    Some(token) if restarts < MOST_RESTARTS => {
                        restarts += 1;
                        self.place = Place::Continue(token);
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    fn url(&self, token: Option<&str>) -> String {
        let mut url = format!("{}?limit={PAGE}", self.path);
        for (name, value) in [("labelSelector", self.selector.as_deref()), ("continue", token.map(escaped).as_deref())]
        {
            if let Some(value) = value {
                url.push_str(&format!("&{name}={value}"));
            }
        }
        url
    }
}

/// What every object has.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Default, Deserialize)]
pub(super) struct Metadata {
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) uid: Option<String>,
}

impl<'a> Head<'a> {
    pub(super) fn of(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMetadata,
    // Go writes an empty list as `null` where nobody made one.
    #[serde(default, deserialize_with = "null_is_empty")]
    items: Vec<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
struct ListMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Box<RawValue>>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn resumed(error: &kube::Error) -> Option<String> {
    let kube::Error::Api(status) = error else { return None };
    let token = status.metadata.as_ref()?.continue_.clone()?;
    (status.code == 410 && !token.is_empty()).then_some(token)
}

/// For a query of a URL.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// What client-go's pager asks for.
const PAGE: usize = 500;

/// Of one page.
const MOST_RESTARTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_with_all_that_it_needs() {
        let pages = Pages::new("/api/v1/pods".to_owned(), Some("app in (db, web)"));
        assert_eq!(pages.url(None), "/api/v1/pods?limit=500&labelSelector=app%20in%20%28db%2C%20web%29");
        let pages = Pages::new("/api/v1/pods".to_owned(), None);
        assert_eq!(pages.url(Some("a+b=")), "/api/v1/pods?limit=500&continue=a%2Bb%3D");
    }

    #[test]
    fn a_list_of_nothing_is_empty() {
        for text in [r#"{"items":null}"#, "{}", r#"{"items":[],"metadata":{"continue":""}}"#] {
            assert!(serde_json::from_str::<List>(text).unwrap().items.is_empty(), "{text}");
        }
    }
}
