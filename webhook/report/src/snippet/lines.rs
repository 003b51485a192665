//! Lines of YAML as they are drawn: the way to a field, its neighbours, a value in short; nothing of what a guard hides.

use std::borrow::Cow;
use std::ops::Range;

use stateward_core::pointer::field_path;

use super::guard::Guard;
use super::node::{Node, scalar};
use crate::check::Snippet;

/// So far.
#[derive(Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
}

struct Line {
    indent: usize,
    text: String,
    is_marked: bool,
}

impl Lines {
    /// Goes down to what the tokens name, with a few neighbours at the end of the way.
    pub(super) fn way(&mut self, node: &Node, tokens: &[Cow<'_, str>], guard: Guard, indent: usize, is_item: bool) {
        let Some((token, rest)) = tokens.split_first() else {
            let start = self.lines.len();
            self.all(node, guard, indent, 0);
            self.mark(start);
            return;
        };
        match node {
            Node::Map(entries) => match entries.iter().position(|(key, _)| key == token) {
                Some(at) => self.entry(entries, at, rest, guard, indent, is_item),
                None => self.missing(entries, tokens, guard, indent),
            },
            Node::List(items) => match token.parse::<usize>().ok().and_then(|at| Some((at, items.get(at)?))) {
                Some((at, item)) => {
                    if at > 0 {
                        self.push(indent, format!("# {at} before it"));
                    }
                    let start = self.lines.len();
                    self.way(item, rest, guard, indent + STEP, true);
                    self.dash(start);
                }
                None => self.missing(&[], tokens, guard, indent),
            },
            Node::Scalar(_) => self.missing(&[], tokens, guard, indent),
        }
    }

    fn entry(
        &mut self,
        entries: &[(String, Node)],
        at: usize,
        rest: &[Cow<'_, str>],
        guard: Guard,
        indent: usize,
        is_item: bool,
    ) {
        // Far from the field only what an item is called matters; beside it, its neighbours.
        let shown = if rest.is_empty() { at.saturating_sub(AROUND)..at.saturating_add(AROUND + 1) } else { at..at + 1 };
        let name = entries.iter().position(|(key, _)| key == "name");
        if let Some((name, (key, node))) = name.and_then(|name| Some((name, entries.get(name)?)))
            && is_item
            && !shown.contains(&name)
        {
            self.brief(key, node, guard, indent);
        }
        for (here, (key, node)) in entries.iter().enumerate().filter(|(here, _)| shown.contains(here)) {
            if here != at {
                self.brief(key, node, guard, indent);
                continue;
            }
            let start = self.lines.len();
            match (node, guard.below(key)) {
                (_, None) => {
                    self.push(indent, format!("{}: {REDACTED}", scalar(key)));
                    self.mark(start);
                }
                (Node::Scalar(_), Some(_)) if rest.is_empty() => {
                    self.brief(key, node, guard, indent);
                    self.mark(start);
                }
                (_, Some(below)) => {
                    self.push(indent, format!("{}:", scalar(key)));
                    self.way(node, rest, below, indent + STEP, false);
                    if rest.is_empty() {
                        self.mark(start);
                    }
                }
            }
        }
    }

    /// What the object lacks, beside what is there.
    fn missing(&mut self, entries: &[(String, Node)], tokens: &[Cow<'_, str>], guard: Guard, indent: usize) {
        for (key, node) in entries.iter().take(2 * AROUND) {
            self.brief(key, node, guard, indent);
        }
        if entries.len() > 2 * AROUND {
            self.push(indent, ELIDED.to_owned());
        }
        let pointer: String =
            tokens.iter().map(|token| format!("/{}", stateward_core::pointer::escape(token))).collect();
        let start = self.lines.len();
        self.push(indent, format!("# {} is missing here", printable(&field_path(&pointer))));
        self.mark(start);
    }

    /// One line for one entry.
    fn brief(&mut self, key: &str, node: &Node, guard: Guard, indent: usize) {
        let key_text = scalar(key);
        let text = match (node, guard.below(key)) {
            (_, None) => format!("{key_text}: {REDACTED}"),
            // `env` is a list of names and values. What else stands there may be a value.
            (Node::Scalar(_), Some(Guard::Environment)) if (guard, key) != (Guard::Environment, "name") => {
                format!("{key_text}: {REDACTED}")
            }
            (Node::Scalar(text), Some(_)) => format!("{key_text}: {}", shortened(text)),
            (Node::Map(entries), Some(_)) if entries.is_empty() => format!("{key_text}: {{}}"),
            (Node::List(items), Some(_)) if items.is_empty() => format!("{key_text}: []"),
            (Node::Map(_) | Node::List(_), Some(_)) => format!("{key_text}: {ELIDED}"),
        };
        self.push(indent, text);
    }

    /// A value with what is below it, as far as there is room.
    pub(super) fn all(&mut self, node: &Node, guard: Guard, indent: usize, depth: usize) {
        match node {
            Node::Scalar(_) if guard == Guard::Environment => self.push(indent, REDACTED.to_owned()),
            Node::Scalar(text) => self.push(indent, shortened(text)),
            Node::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    if self.is_full(indent, items.len() - at) {
                        return;
                    }
                    let start = self.lines.len();
                    self.all(item, guard, indent + STEP, depth + 1);
                    self.dash(start);
                }
                if items.is_empty() {
                    self.push(indent, "[]".to_owned());
                }
            }
            Node::Map(entries) => {
                for (at, (key, node)) in entries.iter().enumerate() {
                    if self.is_full(indent, entries.len() - at) {
                        return;
                    }
                    let is_below = matches!(node, Node::List(items) if !items.is_empty())
                        || matches!(node, Node::Map(entries) if !entries.is_empty());
                    match guard.below(key) {
                        Some(below) if is_below && depth < DEPTH => {
                            self.push(indent, format!("{}:", scalar(key)));
                            self.all(node, below, indent + STEP, depth + 1);
                        }
                        _ => self.brief(key, node, guard, indent),
                    }
                }
                if entries.is_empty() {
                    self.push(indent, "{}".to_owned());
                }
            }
        }
    }

    fn is_full(&mut self, indent: usize, left: usize) -> bool {
        let is_full = self.lines.len() >= MAX_LINES && left > 1;
        if is_full {
            self.push(indent, format!("# {left} more"));
        }
        is_full
    }

    fn push(&mut self, indent: usize, text: String) {
        self.lines.push(Line { indent, text, is_marked: false });
    }

    fn mark(&mut self, start: usize) {
        self.lines.iter_mut().skip(start).for_each(|line| line.is_marked = true);
    }

    /// Makes a list item of what was drawn since.
    fn dash(&mut self, start: usize) {
        if let Some(first) = self.lines.get_mut(start) {
            first.indent = first.indent.saturating_sub(STEP);
            first.text.insert_str(0, "- ");
        }
    }

    pub(super) fn drawn(self) -> Snippet {
        let mut text = String::new();
        let mut span: Option<Range<usize>> = None;
        for line in &self.lines {
            if !text.is_empty() {
                text.push('\n');
            }
            text.extend(std::iter::repeat_n(' ', line.indent));
            let start = text.len();
            text.push_str(&line.text);
            if line.is_marked {
                span = Some(span.map_or(start, |span| span.start)..text.len());
            }
        }
        let span = span.unwrap_or(text.len()..text.len());
        Snippet { text, first_line: 1, span }
    }
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_WIDTH) {
        Some((end, _)) => format!("{} {ELIDED}", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn printable(text: &str) -> Cow<'_, str> {
    crate::text::printable(text)
}

/// A comment to YAML, so that what is drawn stays YAML.
pub(super) const REDACTED: &str = "# redacted";
const ELIDED: &str = "# ..";

const STEP: usize = 2;
/// Neighbours shown before and behind a field.
const AROUND: usize = 2;
/// Lines from which on the rest of a value is only counted.
const MAX_LINES: usize = 16;
/// How far below a field is looked.
const DEPTH: usize = 3;
/// Characters of a value.
const MAX_WIDTH: usize = 96;
