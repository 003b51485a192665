//! What the page's script reads: the whole report as one JSON document. Every text is there once and is named by its number, since of thousands of
//! objects most say the same.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use stateward_core::manifest::{Action, Severity};
use stateward_core::pointer::field_path;
use stateward_core::promises::{PROMISES, State};

use super::Page;
use super::escape::clean;
use super::sources::Sources;
use crate::check::{ChangeKind, Object, Snippet};
use crate::promises::because;
use crate::snippet;

/// Reads every object with findings once, and draws a snippet for each finding.
pub(super) fn of(page: &Page<'_>) -> Data {
    let mut writer = Writer { sources: Sources::new(page.objects), ..Writer::default() };
    writer.report(page);
    writer.data.strings = writer.strings.texts;
    writer.data.promises = PROMISES;
    writer.data
}

/// Rows are arrays: a name for each number would be most of the page. `page.js` reads them in this order.
#[derive(Default, Serialize)]
pub(super) struct Data {
    strings: Vec<String>,
    promises: [&'static str; 9],
    /// Rule, title, why.
    rules: Vec<(Id, Option<Id>, Option<Id>)>,
    /// Kind, namespace, name, which of those that are called so, file, apiVersion.
    objects: Vec<(Id, Option<Id>, Id, usize, Id, Id)>,
    #[serde(skip)]
    keys: HashMap<usize, String>,
    findings: Vec<Finding>,
    /// Object, rule, reason.
    undecided: Vec<(usize, usize, Id)>,
    changes: Vec<Change>,
    /// Object, policy, error.
    failures: Vec<(usize, Id, Id)>,
    /// Object, field, line, column, message, hint.
    malformed: Vec<(usize, Id, usize, usize, Id, Option<Id>)>,
    /// Object, reasons.
    not_judged: Vec<(usize, Vec<Id>)>,
    /// Object, and its promises in their order.
    kept: Vec<(usize, Vec<Kept>)>,
    /// There is an older report to compare with.
    compared: bool,
}

impl Data {
    /// How links name an object, by its index in the report.
    pub(super) fn key(&self, index: usize) -> &str {
        self.keys.get(&index).map_or("", String::as_str)
    }
}

/// Object, rule, whether it is made, operation, field, value, note.
#[derive(Serialize)]
struct Change(usize, usize, bool, ChangeKind, Id, Option<Id>, Option<Id>);

/// 0 kept, 1 broken, 2 undecided; and why.
#[derive(Serialize)]
struct Kept(u8, Vec<Id>);

/// Object, rule, action, severity, field, line, column, message, hint, exemption, whether it is new; the snippet's lines, and from which to which they
/// are marked.
#[derive(Serialize)]
struct Finding(
    usize,
    usize,
    Action,
    Severity,
    Id,
    usize,
    usize,
    Id,
    Option<Id>,
    Option<Id>,
    bool,
    Vec<Id>,
    usize,
    usize,
);

/// Place in `strings`.
type Id = u32;

#[derive(Default)]
struct Writer<'a> {
    data: Data,
    strings: Strings,
    /// Places in `data.objects` by the report's index.
    objects: HashMap<usize, usize>,
    rules: HashMap<String, usize>,
    /// How many objects have a title.
    called: HashMap<String, usize>,
    sources: Sources<'a>,
}

#[derive(Default)]
struct Strings {
    texts: Vec<String>,
    ids: HashMap<String, Id>,
}

impl Strings {
    fn id(&mut self, text: &str) -> Id {
        let text = clean(text);
        if let Some(&id) = self.ids.get(text.as_ref()) {
            return id;
        }
        let id = Id::try_from(self.texts.len()).unwrap_or(Id::MAX);
        self.texts.push(text.to_string());
        self.ids.insert(text.into_owned(), id);
        id
    }
}

impl<'a> Writer<'a> {
    fn report(&mut self, page: &Page<'a>) {
        let report = page.report;
        self.data.compared = page.comparison.is_some();
        for (at, finding) in report.findings.iter().enumerate() {
            let is_new = page.comparison.is_some_and(|comparison| comparison.new.contains(&at));
            let tree = self.sources.of(&finding.object);
            let snippet = tree.map(|tree| tree.snippet(&finding.path));
            let message = self.sources.without_secret(&finding.object, &finding.path, &finding.message);
            let hint =
                finding.hint.as_deref().map(|hint| self.sources.without_secret(&finding.object, &finding.path, hint));
            let (message, hint) = (self.strings.id(&message), hint.map(|hint| self.strings.id(&hint)));
            let (lines, from, to) = snippet.map(|snippet| self.lines(&snippet)).unwrap_or_default();
            let exemption = finding.exemption.as_ref().map(|by| {
                let text = format!("{}/{} until {}: {}", by.namespace, by.name, by.expires, by.reason);
                self.strings.id(&text)
            });
            let row = Finding(
                self.object(&finding.object),
                self.rule(&finding.rule, page),
                finding.action,
                finding.severity,
                self.strings.id(&field_path(&finding.path)),
                finding.at.line,
                finding.at.column,
                message,
                hint,
                exemption,
                is_new,
                lines,
                from,
                to,
            );
            self.data.findings.push(row);
        }
        for each in &report.undecided {
            let row = (self.object(&each.object), self.rule(&each.rule, page), self.strings.id(&each.reason));
            self.data.undecided.push(row);
        }
        for change in &report.changes {
            let value = change.value.as_deref().map(|value| snippet::value(value, &change.path));
            let row = Change(
                self.object(&change.object),
                self.rule(&change.rule, page),
                change.action == Action::Apply,
                change.operation,
                self.strings.id(&field_path(&change.path)),
                value.map(|value| self.strings.id(&value)),
                change.note.as_deref().map(|note| self.strings.id(note)),
            );
            self.data.changes.push(row);
        }
        for failure in &report.failures {
            let row = (self.object(&failure.object), self.strings.id(&failure.policy), self.strings.id(&failure.error));
            self.data.failures.push(row);
        }
        for malformed in &report.malformed {
            let message = self.sources.without_secret(&malformed.object, &malformed.path, &malformed.message);
            let hint = malformed
                .hint
                .as_deref()
                .map(|hint| self.sources.without_secret(&malformed.object, &malformed.path, hint));
            let row = (
                self.object(&malformed.object),
                self.strings.id(&field_path(&malformed.path)),
                malformed.at.line,
                malformed.at.column,
                self.strings.id(&message),
                hint.map(|hint| self.strings.id(&hint)),
            );
            self.data.malformed.push(row);
        }
        for not_judged in &report.not_judged {
            let because = not_judged.because.iter().map(|because| self.strings.id(because)).collect();
            let row = (self.object(&not_judged.object), because);
            self.data.not_judged.push(row);
        }
        for set in &report.promises {
            let kept = set.kept.iter().map(|kept| {
                let because = because(&kept.state).iter().map(|because| self.strings.id(because)).collect();
                Kept(state(&kept.state), because)
            });
            let kept = kept.collect();
            let row = (self.object(&set.object), kept);
            self.data.kept.push(row);
        }
    }

    fn object(&mut self, object: &Object) -> usize {
        if let Some(&at) = self.objects.get(&object.index) {
            return at;
        }
        let title = match &object.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", object.kind, name(object)),
            None => format!("{}/{}", object.kind, name(object)),
        };
        let nth = self.called.entry(title.clone()).or_default();
        *nth += 1;
        // Files may hold several objects of one name.
        let key = if *nth == 1 { title } else { format!("{title}:{nth}") };
        self.data.keys.insert(object.index, clean(&key).into_owned());
        let row = (
            self.strings.id(&object.kind),
            object.namespace.as_deref().map(|namespace| self.strings.id(namespace)),
            self.strings.id(&name(object)),
            *nth,
            self.strings.id(&object.file),
            self.strings.id(&object.api_version),
        );
        self.objects.insert(object.index, self.data.objects.len());
        self.data.objects.push(row);
        self.data.objects.len() - 1
    }

    fn rule(&mut self, id: &str, page: &Page<'_>) -> usize {
        if let Some(&at) = self.rules.get(id) {
            return at;
        }
        let rule = page.rule(id);
        let row = (
            self.strings.id(id),
            rule.map(|rule| self.strings.id(&rule.title)),
            rule.map(|rule| self.strings.id(&rule.description)),
        );
        self.rules.insert(id.to_owned(), self.data.rules.len());
        self.data.rules.push(row);
        self.data.rules.len() - 1
    }

    /// Its lines, and from which to which they are marked.
    fn lines(&mut self, snippet: &Snippet) -> (Vec<Id>, usize, usize) {
        let marked = marked(snippet);
        (snippet.text.split('\n').map(|line| self.strings.id(line)).collect(), marked.start, marked.end)
    }
}

/// Which lines of a snippet are marked.
pub(super) fn marked(snippet: &Snippet) -> std::ops::Range<usize> {
    let line = |offset: usize| snippet.text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
    line(snippet.span.start)..line(snippet.span.end) + 1
}

/// Its name, or the name that it will begin with.
pub(super) fn name(object: &Object) -> Cow<'_, str> {
    match (&object.name, &object.generate_name) {
        (Some(name), _) => Cow::Borrowed(name),
        (None, Some(prefix)) => Cow::Owned(format!("{prefix}(generated)")),
        (None, None) => Cow::Borrowed("(no name)"),
    }
}

fn state(state: &State) -> u8 {
    match state {
        State::Kept => 0,
        State::Broken(_) => 1,
        State::Undecided(_) => 2,
    }
}
