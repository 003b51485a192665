//! Rules as they are in force: a table, one document, a page for each rule, and the README of a family.

mod json;
mod markdown;
mod page;
mod table;

pub use json::write as write_json;
pub use markdown::write as write_markdown;
pub use page::write as write_page;
pub(crate) use page::{exemption, past_it, what_happens};
pub use table::write as write_table;

use stateward_core::manifest::{Action, Rule, Severity, Subject};
use stateward_core::request::Operation;
use stateward_core::resources::Mode;

/// One rule of one policy.
#[derive(Clone, Debug)]
pub struct RuleInForce<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// Caps every action of the policy.
    pub mode: Mode,
    /// What the component says of it.
    pub rule: &'a Rule,
    /// Its action in profile `baseline`, with the policy's override.
    pub baseline: Action,
    /// Its action in profile `strict`, with the policy's override.
    pub strict: Action,
    /// From the rule's own cases; empty where there are none.
    pub examples: Vec<Example>,
}

/// One of a rule's cases, as a reader wants to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Whether the rule lets it pass.
    pub accepted: bool,
    /// The case's name.
    pub name: String,
    /// The object as YAML; of an UPDATE the new one, of a DELETE the one that goes. Further documents: what it was before, and what is beside it.
    pub object: String,
    /// Who asks for what, where it is more than a CREATE.
    pub request: Option<String>,
    /// What is said of it.
    pub said: Vec<Said>,
}

/// A finding of an example, or a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The field, as Kubernetes writes it.
    pub field: String,
    /// What is wrong, or what is written there.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Why that is so, in the case's words.
    pub why: Option<String>,
}

/// `statefulsets CREATE UPDATE`.
fn subject(subject: &Subject) -> String {
    format!(
        "{} {}",
        resource(subject),
        subject.operations.iter().map(|&each| operation(each)).collect::<Vec<_>>().join(" ")
    )
}

/// `statefulsets/scale`.
fn resource(subject: &Subject) -> String {
    let resource = &subject.resource;
    if resource.subresource.is_empty() {
        resource.resource.to_string()
    } else {
        format!("{}/{}", resource.resource, resource.subresource)
    }
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
