//! What a rule is, for readers who have only the report.

use serde::Serialize;
use stateward_core::manifest::{Rule, Severity};

use crate::rules::{RuleInForce, exemption, past_it, what_happens};

use super::{Text, level};

/// A `reportingDescriptor`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor<'a> {
    id: &'a str,
    name: String,
    short_description: Text,
    full_description: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_configuration: Option<Configuration>,
    help: Help,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Properties<'a>>,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

/// No `security-severity`: it would make security alerts of rules about order, disks and writers, with scores that nobody measured.
#[derive(Serialize)]
struct Properties<'a> {
    category: &'a str,
    severity: Severity,
    #[serde(rename = "problem.severity")]
    problem_severity: &'static str,
    tags: Vec<&'a str>,
}

impl<'a> Descriptor<'a> {
    /// From the first policy that has the rule; of one that no policy has, its id alone.
    pub(crate) fn of(id: &'a str, rules: &[RuleInForce<'a>]) -> Self {
        let name = pascal(id.rsplit('/').next().unwrap_or(id));
        let Some(each) = rules.iter().find(|each| each.rule.id == id) else {
            let text = || Text { text: id.to_owned() };
            let help = Help { text: id.to_owned(), markdown: format!("`{id}`") };
            return Self {
                id,
                name,
                short_description: text(),
                full_description: text(),
                default_configuration: None,
                help,
                properties: None,
            };
        };
        let rule = each.rule;
        Self {
            id,
            name: cut(&name, MAX_NAME),
            short_description: Text { text: cut(or(&rule.title, id), MAX_DESCRIPTION) },
            full_description: Text { text: cut(or(&rule.description, id), MAX_DESCRIPTION) },
            default_configuration: Some(Configuration { level: level(each.baseline) }),
            help: help(each),
            properties: Some(Properties {
                category: &rule.category,
                severity: rule.severity,
                problem_severity: problem(rule.severity),
                tags: tags(rule),
            }),
        }
    }
}

fn help(each: &RuleInForce<'_>) -> Help {
    let rule = each.rule;
    let (happens, past) = (listed(&what_happens(each)), listed(&past_it(each)));
    let exemption = exemption(each).unwrap_or_default();
    let (plain, fenced) = match exemption.as_str() {
        "" => (String::new(), String::new()),
        yaml => (format!("\n\n{}", yaml.trim_end()), format!("\n\n```yaml\n{yaml}```")),
    };
    let more = format!("`stateward rules --explain {}` shows examples.", rule.id);
    let why = &rule.description;
    Help {
        text: format!("{why}\n\nWhat happens:\n{happens}\n\nPast it:\n{past}{plain}\n\n{more}"),
        markdown: format!("{why}\n\n**What happens**\n\n{happens}\n\n**Past it**\n\n{past}{fenced}\n\n{more}"),
    }
}

fn listed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

/// By family and category, once each.
fn tags(rule: &Rule) -> Vec<&str> {
    let mut tags = vec!["kubernetes", rule.family(), rule.category.as_str()];
    tags.dedup();
    tags.retain(|tag| !tag.is_empty());
    tags
}

fn problem(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "recommendation",
    }
}

/// `zero-grace` as `ZeroGrace`: readers filter by it.
fn pascal(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    words.collect()
}

/// Code scanning takes no empty text.
fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.trim().is_empty() { otherwise } else { text }
}

fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

/// Code scanning's, in letters.
const MAX_NAME: usize = 255;
/// Code scanning's, in letters.
const MAX_DESCRIPTION: usize = 1024;

#[cfg(test)]
mod tests {
    use super::{cut, pascal};

    #[test]
    fn a_name_is_one_word() {
        assert_eq!(pascal("zero-grace"), "ZeroGrace");
        assert_eq!(pascal("é--x"), "ÉX");
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
