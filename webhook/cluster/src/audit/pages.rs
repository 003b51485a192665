//! A list in pages: of 500 objects where those are small, of fewer where they are large. 500 sets of 6 KB are 3 MB; 500 ConfigMaps of 1 MB would end us.

use std::borrow::Cow;
use std::time::Duration;

use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::get;
use crate::retry::{jittered, timely};

/// The pages of one list, from the first to the last.
pub(super) struct Pages {
    path: String,
    selector: Option<String>,
    limit: usize,
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
        Self { path, selector: labels.map(escaped), limit: FIRST, place: Place::Begin }
    }

    /// The objects of the next page; `None` after the last one.
    pub(super) async fn next(&mut self, client: &Client) -> Result<Option<Vec<Box<RawValue>>>, kube::Error> {
        let (mut restarts, mut failures) = (0, 0);
        loop {
            let token = match &self.place {
                Place::Begin => None,
                Place::Continue(token) => Some(token.clone()),
                Place::End => return Ok(None),
            };
            let asked = client.request::<List>(get(&self.url(token.as_deref()))?);
            match timely(PATIENCE, asked).await {
                Ok(List { metadata, items }) => {
                    self.limit = limit(&items, self.limit);
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
                    _ if failures < MOST_FAILURES && may_pass(&error) => {
                        failures += 1;
                        tokio::time::sleep(jittered(PAUSE * failures)).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    fn url(&self, token: Option<&str>) -> String {
        let mut url = format!("{}?limit={}", self.path, self.limit);
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

/// Of the next page, after this one. At most twice as many: behind small objects there may be large ones.
fn limit(items: &[Box<RawValue>], last: usize) -> usize {
    let bytes: usize = items.iter().map(|item| item.get().len()).sum();
    (PAGE_BYTES * items.len().max(1) / bytes.max(1)).clamp(1, PAGE.min(2 * last))
}

/// An API server that has too much to do, or that restarts, has more time in a moment. One that says no says it again.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        _ => true,
    }
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

/// Of the first page nobody knows how large its objects are; etcd takes 1.5 MB for each.
const FIRST: usize = 20;

/// Of JSON; it is in memory twice.
const PAGE_BYTES: usize = 8 << 20;

/// Of one page. The API server itself gives up after 60 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of one page: a restart of an API server takes some seconds.
const MOST_FAILURES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Of one page.
const MOST_RESTARTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_with_all_that_it_needs() {
        let pages = Pages::new("/api/v1/pods".to_owned(), Some("app in (db, web)"));
        assert_eq!(pages.url(None), "/api/v1/pods?limit=20&labelSelector=app%20in%20%28db%2C%20web%29");
        let pages = Pages::new("/api/v1/pods".to_owned(), None);
        assert_eq!(pages.url(Some("a+b=")), "/api/v1/pods?limit=20&continue=a%2Bb%3D");
    }

    #[test]
    fn pages_of_large_objects_are_short() {
        let items = |count: usize, bytes: usize| -> Vec<Box<RawValue>> {
            let one = format!("\"{}\"", "x".repeat(bytes - 2));
            (0..count).map(|_| RawValue::from_string(one.clone()).unwrap()).collect()
        };
        for (last, count, bytes, next) in [
            (500, 0, 2, 500),
            (20, 20, 6_000, 40),
            (400, 400, 6_000, 500),
            (50, 50, 100_000, 83),
            (50, 8, 1 << 20, 8),
            (50, 1, 9 << 20, 1),
        ] {
            assert_eq!(limit(&items(count, bytes), last), next, "{count} of {bytes} after {last}");
        }
    }

    #[test]
    fn a_list_of_nothing_is_empty() {
        for text in [r#"{"items":null}"#, "{}", r#"{"items":[],"metadata":{"continue":""}}"#] {
            assert!(serde_json::from_str::<List>(text).unwrap().items.is_empty(), "{text}");
        }
    }
}
