//! The place of one operation in a document, and what is written there.

use std::ops::Range;

use serde_json::Value;
use stateward_core::pointer;

use super::{Operation, Refusal, Replacement, written};
use crate::source::Format;
use crate::yaml_span::{Children, Entry, Outline, OutlineNode};

/// One document as it is now.
#[derive(Clone, Copy)]
pub(super) struct Site<'t> {
    pub(super) text: &'t str,
    pub(super) outline: &'t Outline,
    pub(super) format: Format,
}

/// A node and how it hangs in its parent.
#[derive(Clone, Copy)]
struct Found<'t> {
    node: &'t OutlineNode,
    /// None of an item, and of the root.
    entry: Option<&'t Entry>,
}

impl<'t> Site<'t> {
    /// What to write for an operation.
    pub(super) fn replacement(&self, operation: &Operation) -> Result<Replacement, Refusal> {
        match operation {
            Operation::Replace { path, value } => self.replace(self.follow(path)?, value),
            Operation::Add { path, value } => {
                let (parent, name) = self.parent(path)?;
                if self.is_flow(parent.node) {
                    self.add_inline(parent, &name, value)
                } else {
                    self.add_lines(parent, &name, value)
                }
            }
            Operation::Remove { path } => {
                let (parent, name) = self.parent(path)?;
                let at = position(parent.node, &name).ok_or_else(|| missing(&name))?;
                if self.children(parent.node) == 1 {
                    let is_list = matches!(parent.node.children, Children::Items(_));
                    let empty = if is_list { Value::Array(Vec::new()) } else { Value::Object(serde_json::Map::new()) };
                    return self.replace(parent, &empty);
                }
                self.follow(path)?;
                if self.is_flow(parent.node) { self.remove_inline(parent, at) } else { self.remove_lines(parent, at) }
            }
        }
    }

    fn replace(&self, found: Found<'t>, value: &Value) -> Result<Replacement, Refusal> {
        let node = found.node;
        let old = self.text.get(node.span.clone()).unwrap_or_default();
        if node.is_block_text {
            return Err(Refusal::new("it is a text of several lines"));
        }
        if self.is_empty(node) {
            let behind = self.behind_mark(found)?;
            return Ok(insert(behind, format!(" {}", written::inline(value, "", self.format))));
        }
        if matches!(node.children, Children::None) || self.is_flow(node) {
            self.require_no_comment_in_lines(node.span.clone())?;
            return Ok(Replacement { span: node.span.clone(), text: written::inline(value, old, self.format) });
        }
        let end = self.end(node, self.column(node.span.start));
        self.require_no_comment_in_lines(node.span.start..end)?;
        if !written::is_short(value) {
            let indent = self.column(node.span.start);
            return Ok(Replacement {
                span: node.span.start..end,
                text: self.lines(&written::block(None, value), indent),
            });
        }
        let text = written::inline(value, "", self.format);
        let Some(_) = found.entry else { return Ok(Replacement { span: node.span.start..end, text }) };
        let behind = self.behind_mark(found)?;
        self.require_no_comment(behind..node.span.start)?;
        Ok(Replacement { span: behind..end, text: format!(" {text}") })
    }

    /// Into brackets: behind the last member, or the bracket.
    fn add_inline(&self, parent: Found<'t>, name: &str, value: &Value) -> Result<Replacement, Refusal> {
        let last = self.last(parent.node);
        let (is_list, count) = match &parent.node.children {
            Children::Items(items) => (true, items.len()),
            Children::Entries(entries) => (false, entries.len()),
            Children::None | Children::Alias(_) => return Err(no_parent(name)),
        };
        let value = written::inline(value, "", self.format);
        let Some(last) = last else {
            let begin = parent.node.span.start + 1;
            self.require_no_comment(begin..self.line_end(begin).min(parent.node.span.end))?;
            let member = if is_list { value } else { format!("{}: {value}", self.flow_key(parent.node, name)) };
            return Ok(insert(parent.node.span.start + 1, member));
        };
        if is_list && !is_end(name, count) {
            return Err(Refusal::new("it would not be the last item"));
        }
        let begin = last.entry.map_or(last.node.span.start, |entry| entry.key_span.start);
        let end = if self.is_empty(last.node) { self.end_of_empty(last) } else { last.node.span.end };
        let gap = last.entry.and_then(|entry| self.text.get(entry.key_span.end..last.node.span.start));
        let colon = if gap == Some(":") { ":" } else { ": " };
        // Else it would stand behind another member.
        self.require_no_comment(end..self.line_end(end).min(parent.node.span.end))?;
        let line = self.text.get(self.line_start(begin)..begin).unwrap_or_default();
        let separator = match () {
            () if line.trim().is_empty() => format!(",{}{line}", self.newline(begin)),
            // As tools write it that leave out every blank.
            () if colon == ":" => ",".to_owned(),
            () => ", ".to_owned(),
        };
        let member = if is_list { value } else { format!("{}{colon}{value}", self.flow_key(parent.node, name)) };
        Ok(insert(end, format!("{separator}{member}")))
    }

    /// As lines behind the last member's.
    fn add_lines(&self, parent: Found<'t>, name: &str, value: &Value) -> Result<Replacement, Refusal> {
        let last = self.last(parent.node).ok_or_else(|| no_parent(name))?;
        let (indent, lines) = match &parent.node.children {
            Children::Entries(entries) => {
                let first = entries.first().ok_or_else(|| no_parent(name))?;
                (self.column(first.key_span.start), written::block(Some(name), value))
            }
            Children::Items(items) => {
                if !is_end(name, items.len()) {
                    return Err(Refusal::new("it would not be the last item"));
                }
                let mut lines = written::block(None, value);
                for (at, line) in lines.iter_mut().enumerate() {
                    line.insert_str(0, if at == 0 { "- " } else { "  " });
                }
                (self.column(self.dash(last.node)?), lines)
            }
            Children::None | Children::Alias(_) => return Err(no_parent(name)),
        };
        let end = self.line_end(self.end_of(last, indent));
        Ok(insert(end, format!("{}{}{}", self.newline(end), " ".repeat(indent), self.lines(&lines, indent))))
    }

    /// Out of brackets, with its comma.
    fn remove_inline(&self, parent: Found<'t>, at: usize) -> Result<Replacement, Refusal> {
        let begin = |found: Found<'_>| found.entry.map_or(found.node.span.start, |entry| entry.key_span.start);
        let end =
            |found: Found<'t>| if self.is_empty(found.node) { self.end_of_empty(found) } else { found.node.span.end };
        let child = |at: usize| self.child(parent.node, at).ok_or_else(|| missing("it"));
        let (span, gap) = match at.checked_sub(1) {
            Some(before) => (end(child(before)?)..end(child(at)?), end(child(before)?)..begin(child(at)?)),
            None => (begin(child(at)?)..begin(child(at + 1)?), end(child(at)?)..begin(child(at + 1)?)),
        };
        self.require_no_comment(gap)?;
        Ok(Replacement { span, text: String::new() })
    }

    /// Its lines; of the first of an item's keys, which has the dash before it, up to the next key.
    fn remove_lines(&self, parent: Found<'t>, at: usize) -> Result<Replacement, Refusal> {
        let found = self.child(parent.node, at).ok_or_else(|| missing("it"))?;
        let begin = match found.entry {
            Some(entry) => entry.key_span.start,
            None => self.dash(found.node)?,
        };
        let value_end = self.end_of(found, self.column(begin));
        let end = self.line_end(value_end);
        let line_start = self.line_start(begin);
        self.require_no_comment_in_lines(begin..value_end)?;
        if self.text.get(line_start..begin).is_some_and(|before| before.trim().is_empty()) {
            // A comment behind it stays in its line: why somebody wrote it is not ours to take away.
            let comment = self.text.get(value_end..end).and_then(|rest| rest.find('#')).map(|at| value_end + at);
            let span = comment.map_or(line_start..self.next_line(end), |comment| begin..comment);
            return Ok(Replacement { span, text: String::new() });
        }
        self.require_no_comment(value_end..end)?;
        let next = self.child(parent.node, at + 1).ok_or_else(|| missing("it"))?;
        let next = match next.entry {
            Some(entry) => entry.key_span.start,
            None => self.dash(next.node)?,
        };
        self.require_no_comment(end..next)?;
        Ok(Replacement { span: begin..next, text: String::new() })
    }

    /// The node of a path, all of which is written in the object itself.
    fn follow(&self, path: &str) -> Result<Found<'t>, Refusal> {
        let root = self.outline.nodes.first().ok_or_else(|| missing("the object"))?;
        let mut found = Found { node: root, entry: None };
        self.require_own(found)?;
        for token in pointer::tokens(path) {
            let at = position(found.node, &token);
            let is_merged = matches!(&found.node.children, Children::Entries(entries) if entries.iter().any(|entry| entry.is_merge));
            found = match at.and_then(|at| self.child(found.node, at)) {
                Some(child) => child,
                None if is_merged => return Err(Refusal::new(format!("`{token}` comes from a `<<`"))),
                None => return Err(missing(&token)),
            };
            self.require_own(found)?;
        }
        Ok(found)
    }

    fn parent<'p>(&self, path: &'p str) -> Result<(Found<'t>, std::borrow::Cow<'p, str>), Refusal> {
        let (parent, name) = path.rsplit_once('/').ok_or_else(|| Refusal::new("it is the object as a whole"))?;
        Ok((self.follow(parent)?, pointer::unescape(name)))
    }

    /// What stands behind an anchor may stand elsewhere too; a tag says what it is.
    fn require_own(&self, found: Found<'_>) -> Result<(), Refusal> {
        let what = || found.entry.map_or_else(|| "an item on the way".to_owned(), |entry| format!("`{}`", entry.key));
        if matches!(found.node.children, Children::Alias(_)) {
            return Err(Refusal::new(format!("{} is an alias", what())));
        }
        if found.node.has_properties {
            return Err(Refusal::new(format!("{} has an anchor or a tag", what())));
        }
        Ok(())
    }

    /// The same of what has several lines. Whether a `#` in one is a comment or a part of a text is not asked: then somebody looks.
    fn require_no_comment_in_lines(&self, span: Range<usize>) -> Result<(), Refusal> {
        let has_lines = self.text.get(span.clone()).is_some_and(|text| text.contains(['\n', '\r']));
        if has_lines { self.require_no_comment(span) } else { Ok(()) }
    }

    /// A comment there would be lost.
    fn require_no_comment(&self, span: Range<usize>) -> Result<(), Refusal> {
        let is_comment = self.format == Format::Yaml && self.text.get(span).is_none_or(|text| text.contains('#'));
        if is_comment { Err(Refusal::new("a comment would be lost")) } else { Ok(()) }
    }

    fn children(&self, node: &OutlineNode) -> usize {
        match &node.children {
            Children::Items(items) => items.len(),
            Children::Entries(entries) => entries.len(),
            Children::None | Children::Alias(_) => 0,
        }
    }

    fn child(&self, node: &'t OutlineNode, at: usize) -> Option<Found<'t>> {
        let (index, entry) = match &node.children {
            Children::Items(items) => (*items.get(at)?, None),
            Children::Entries(entries) => entries.get(at).map(|entry| (entry.value, Some(entry)))?,
            Children::None | Children::Alias(_) => return None,
        };
        Some(Found { node: self.outline.nodes.get(index)?, entry })
    }

    fn last(&self, node: &'t OutlineNode) -> Option<Found<'t>> {
        self.child(node, self.children(node).checked_sub(1)?)
    }

    fn is_flow(&self, node: &OutlineNode) -> bool {
        !matches!(node.children, Children::None | Children::Alias(_))
            && self.text.get(node.span.start..).is_some_and(|text| text.starts_with(['{', '[']))
    }

    /// `key:` and nothing behind it.
    fn is_empty(&self, node: &OutlineNode) -> bool {
        matches!(node.children, Children::None)
            && !node.is_block_text
            && self.text.get(node.span.clone()).is_none_or(|text| text.trim().is_empty())
    }

    /// Where a node ends that hangs in a block at a column: the parser says of blocks where the next token begins.
    fn end(&self, node: &'t OutlineNode, column: usize) -> usize {
        if node.is_block_text {
            return self.end_of_block_text(node, column);
        }
        if matches!(node.children, Children::None | Children::Alias(_)) || self.is_flow(node) {
            return self.trimmed(node.span.end).max(node.span.start);
        }
        self.last(node).map_or(node.span.end, |last| {
            let begin = last.entry.map_or_else(|| self.dash(last.node).ok(), |entry| Some(entry.key_span.start));
            self.end_of(last, begin.map_or(column, |begin| self.column(begin)))
        })
    }

    fn end_of(&self, found: Found<'t>, column: usize) -> usize {
        if self.is_empty(found.node) { self.end_of_empty(found) } else { self.end(found.node, column) }
    }

    fn end_of_empty(&self, found: Found<'t>) -> usize {
        let without_value = found.entry.map_or(found.node.span.start, |entry| entry.key_span.end);
        self.behind_mark(found).unwrap_or(without_value)
    }

    /// All lines that are blank or further in than the key or dash.
    fn end_of_block_text(&self, node: &OutlineNode, column: usize) -> usize {
        let mut end = self.line_end(node.span.start);
        while self.next_line(end) < self.text.len() {
            let next = self.next_line(end);
            let line = self.text.get(next..self.line_end(next)).unwrap_or_default();
            let indent = line.len() - line.trim_start_matches(' ').len();
            if !line.trim().is_empty() && indent <= column {
                break;
            }
            end = self.line_end(next);
        }
        self.trimmed(end)
    }

    /// Behind the colon of a key, or the dash of an item.
    fn behind_mark(&self, found: Found<'_>) -> Result<usize, Refusal> {
        let Some(entry) = found.entry else {
            return Err(Refusal::new("an item is empty"));
        };
        let rest = self.text.get(entry.key_span.end..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if rest.get(blanks..).is_some_and(|rest| rest.starts_with(':')) {
            Ok(entry.key_span.end + blanks + 1)
        } else {
            Err(Refusal::new(format!("there is no colon behind `{}`", entry.key)))
        }
    }

    /// The dash before an item.
    fn dash(&self, item: &OutlineNode) -> Result<usize, Refusal> {
        let mut before = self.text.get(..item.span.start).unwrap_or_default().trim_end();
        // Past lines that are comments.
        while let Some(start) = before.rfind(['\n', '\r'])
            && before.get(start..).is_some_and(|line| line.trim_start().starts_with('#'))
        {
            before = before.get(..start).unwrap_or_default().trim_end();
        }
        if before.ends_with('-') {
            Ok(before.len() - 1)
        } else if self.text.get(item.span.start..).is_some_and(|text| text.starts_with('-')) && self.is_empty(item) {
            Ok(item.span.start)
        } else {
            Err(Refusal::new("there is no dash before an item"))
        }
    }

    /// A key in brackets is quoted where its neighbours are, as in JSON.
    fn flow_key(&self, parent: &OutlineNode, name: &str) -> String {
        let is_quoted = matches!(&parent.children, Children::Entries(entries) if entries.first().is_some_and(|first| {
            self.text.get(first.key_span.clone()).is_some_and(|key| key.starts_with('"'))
        }));
        written::key(name, if is_quoted { Format::Json } else { self.format })
    }

    /// Lines at a place whose first line is indented already.
    fn lines(&self, lines: &[String], indent: usize) -> String {
        let between = format!("{}{}", self.newline(0), " ".repeat(indent));
        let indented = lines.iter().enumerate().map(|(at, line)| match line.as_str() {
            "" => self.newline(0).to_owned(),
            line if at == 0 => line.to_owned(),
            line => format!("{between}{line}"),
        });
        indented.collect()
    }

    /// The line break that comes next, or else the file's.
    fn newline(&self, at: usize) -> &'static str {
        let is_windows = |text: &str| text.find('\n').map(|at| text.get(..at).is_some_and(|line| line.ends_with('\r')));
        let rest = self.text.get(at..).unwrap_or_default();
        if is_windows(rest).or_else(|| is_windows(self.text)).unwrap_or(false) { "\r\n" } else { "\n" }
    }

    fn column(&self, at: usize) -> usize {
        self.text.get(self.line_start(at)..at).map_or(0, |before| before.chars().count())
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind(['\n', '\r'])).map_or(0, |at| at + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        self.text.get(at..).and_then(|rest| rest.find(['\n', '\r'])).map_or(self.text.len(), |found| at + found)
    }

    /// Behind the line break at the end of a line.
    fn next_line(&self, end: usize) -> usize {
        let rest = self.text.get(end..).unwrap_or_default();
        end + if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) }
    }

    fn trimmed(&self, end: usize) -> usize {
        self.text.get(..end).map_or(end, |text| text.trim_end().len())
    }
}

fn insert(at: usize, text: String) -> Replacement {
    Replacement { span: at..at, text }
}

/// Which of a node's children has this name.
fn position(node: &OutlineNode, name: &str) -> Option<usize> {
    match &node.children {
        Children::Items(items) => name.parse().ok().filter(|&at: &usize| at < items.len()),
        Children::Entries(entries) => entries.iter().position(|entry| !entry.is_merge && entry.key == name),
        Children::None | Children::Alias(_) => None,
    }
}

fn is_end(name: &str, count: usize) -> bool {
    name == "-" || name.parse() == Ok(count)
}

fn missing(name: &str) -> Refusal {
    Refusal::new(format!("`{name}` is not written there"))
}

fn no_parent(name: &str) -> Refusal {
    Refusal::new(format!("there is nothing to put `{name}` into"))
}
