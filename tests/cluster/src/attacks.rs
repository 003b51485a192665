//! Requests by which somebody would become the manager of a governed set, break it or do away with it, and what the API server answers to them.

pub mod keys;
pub mod ledger;

use anyhow::Result;
use http_body_util::BodyExt as _;
use hyper::http::header::{CONTENT_TYPE, WARNING};
use hyper::http::{Method, Request};
use kube::client::Body;
use serde_json::{Value, json};

use crate::ControlPlane;

/// A request of somebody's.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Who.
    pub by: &'static str,
    /// Beside those who are known.
    pub groups: &'static [&'static str],
    /// What is done.
    pub verb: Verb,
    /// To what; a query may follow.
    pub path: String,
    /// With what.
    pub body: Value,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// POST.
    Create,
    /// PUT: the whole object.
    Put,
    /// PATCH by RFC 7386.
    Merge,
    /// PATCH by RFC 6902.
    Json,
    /// PATCH as kubectl does by itself.
    Strategic,
    /// Server-side apply.
    Apply,
    /// DELETE.
    Delete,
    /// GET.
    Get,
}

/// What the API server answers.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// Of a refusal.
    pub message: String,
    /// What kubectl would print before the result.
    pub warnings: Vec<String>,
    /// What is stored, or would be.
    pub object: Value,
}

/// One way.
pub struct Attack {
    /// What the table calls it.
    pub name: &'static str,
    /// How.
    pub sent: Sent,
    /// What the guard must make of it.
    pub wanted: Wanted,
}

/// What must come of it.
#[derive(Debug)]
pub enum Wanted {
    /// With this message.
    Refused(String),
    /// The API server itself leaves the keys as they are.
    Harmless,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Create => Method::POST,
            Self::Put => Method::PUT,
            Self::Merge | Self::Json | Self::Strategic | Self::Apply => Method::PATCH,
            Self::Delete => Method::DELETE,
            Self::Get => Method::GET,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Create | Self::Put | Self::Delete | Self::Get => "application/json",
            Self::Merge => "application/merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

impl Answer {
    /// It was done.
    pub const fn is_granted(&self) -> bool {
        self.code < 300
    }
}

impl ControlPlane {
    /// Sends it; as a dry run it changes nothing.
    pub async fn send(&self, sent: &Sent, is_dry: bool) -> Result<Answer> {
        let separator = if sent.path.contains('?') { '&' } else { '?' };
        let dry = if is_dry { format!("{separator}dryRun=All") } else { String::new() };
        let mut request = Request::builder()
            .method(sent.verb.method())
            .uri(format!("{}{dry}", sent.path))
            .header(CONTENT_TYPE, sent.verb.content_type())
            .header("Impersonate-User", sent.by);
        for group in [&["system:authenticated"], sent.groups].concat() {
            request = request.header("Impersonate-Group", group);
        }
        let mut body = sent.body.clone();
        if is_dry && sent.verb == Verb::Delete && !body.is_null() {
            // Options in the body are all that count.
            body["dryRun"] = json!(["All"]);
        }
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body)? };
        let response = self.client_without_retries()?.send(request.body(Body::from(body))?).await?;
        let code = response.status().as_u16();
        let warnings = response.headers().get_all(WARNING).iter();
        let warnings = warnings.filter_map(|warning| text_of(warning.to_str().ok()?)).collect();
        let body = response.into_body().collect().await?.to_bytes();
        let object: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let message = if code < 300 { "" } else { object["message"].as_str().unwrap_or_default() };
        Ok(Answer { code, message: message.to_owned(), warnings, object })
    }
}

/// Of `299 - "text"`.
fn text_of(warning: &str) -> Option<String> {
    let quoted = warning.splitn(3, ' ').nth(2)?.strip_prefix('"')?.strip_suffix('"')?;
    Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
}
