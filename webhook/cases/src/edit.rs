//! Edits of a case file's text: what is not edited stays as it is, byte by byte.

use std::ops::Range;

use serde_json::Value;
use stateward_manifests::{Data, Location, to_yaml};

use crate::case::Case;

/// Edits of one case.
pub(crate) struct Edits<'f> {
    data: &'f Data,
    case: Range<usize>,
    pointer: String,
    /// Of the case's keys.
    indent: String,
    newline: &'static str,
    edits: Vec<(Range<usize>, String)>,
}

/// Why a case cannot be edited.
pub(crate) type Reason = String;

impl<'f> Edits<'f> {
    pub(crate) fn new(data: &'f Data, case: &Case) -> Result<Self, Reason> {
        let place = data.locate(&case.pointer());
        let text = data.text();
        let written = text.get(place.value.clone()).unwrap_or_default();
        if written.starts_with('{') || text.trim_start().starts_with('{') {
            return Err("it is written in braces: edit it by hand, or write a line for each key".to_owned());
        }
        if written.starts_with('*') {
            return Err("it is an alias".to_owned());
        }
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let indent = " ".repeat(place.position.column.saturating_sub(1));
        Ok(Self { data, case: place.value, pointer: case.pointer(), indent, newline, edits: Vec::new() })
    }

    /// Puts another value in place of one that is there.
    pub(crate) fn replace(&mut self, field: &str, value: String) -> Result<(), Reason> {
        let place = self.own(field)?;
        // The parser says of a block text that it ends where the next token begins.
        let end = self.trimmed(place.value.end).max(place.value.start);
        self.edits.push((place.value.start..end, value));
        Ok(())
    }

    /// Puts items in place of a list, whatever it was; takes the key away where none is left.
    pub(crate) fn replace_list(&mut self, field: &str, items: &[String]) -> Result<(), Reason> {
        let is_there = self.data.value().pointer(&format!("{}/{field}", self.pointer)).is_some();
        match (is_there, items) {
            (false, []) => {}
            (false, items) => self.insert(&self.list(field, items)),
            (true, []) => {
                let place = self.own(field)?;
                let key = place.key.ok_or("it has no key")?;
                let lines = self.lines(key.start..place.value.end);
                if lines.start < self.case.start {
                    return Err(format!("`{field}` is its first field"));
                }
                self.edits.push((lines, String::new()));
            }
            (true, items) => {
                let place = self.own(field)?;
                let key = place.key.ok_or("it has no key")?;
                let list = self.list(field, items);
                let end = self.trimmed(place.value.end);
                self.edits.push((key.start..end, list.trim_start().to_owned()));
            }
        }
        Ok(())
    }

    /// Takes items of a block list away, and adds others behind those that stay.
    pub(crate) fn change_list(&mut self, field: &str, removed: &[usize], added: &[String]) -> Result<(), Reason> {
        for index in removed {
            let place = self.own(&format!("{field}/{index}"))?;
            self.edits.push((self.lines(place.value), String::new()));
        }
        if added.is_empty() {
            return Ok(());
        }
        let list = self.own(field)?;
        let before = self.data.text().get(..list.value.start).unwrap_or_default();
        let indent = " ".repeat(before.chars().rev().take_while(|&letter| letter == ' ').count());
        let items: Vec<String> = added.iter().map(|item| self.item(&indent, item)).collect();
        let length = self
            .data
            .value()
            .pointer(&format!("{}/{field}", self.pointer))
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        match length.checked_sub(1).filter(|last| removed.contains(last)) {
            // In its place: behind it there is no line any more.
            Some(last) => {
                let lines = self.lines(self.own(&format!("{field}/{last}"))?.value);
                let items: String = items.iter().map(|item| format!("{item}{}", self.newline)).collect();
                self.edits.push((lines.start..lines.start, items));
            }
            None => {
                let end = self.end_of_line(self.trimmed(list.value.end));
                let items: String = items.iter().map(|item| format!("{}{item}", self.newline)).collect();
                self.edits.push((end..end, items));
            }
        }
        Ok(())
    }

    /// Whether a list is written with dashes.
    pub(crate) fn is_block_list(&self, field: &str) -> bool {
        let place = self.data.locate(&format!("{}/{field}", self.pointer));
        self.data.text().get(place.value).is_some_and(|text| text.starts_with('-'))
    }

    /// The text with all edits.
    pub(crate) fn apply(mut self) -> String {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let text = self.data.text();
        let mut edited = String::with_capacity(text.len());
        let mut at = 0;
        for (range, new) in self.edits {
            edited.push_str(text.get(at..range.start).unwrap_or_default());
            edited.push_str(&new);
            at = range.end.max(at);
        }
        edited.push_str(text.get(at..).unwrap_or_default());
        edited
    }

    /// Behind the last field of the case.
    fn insert(&mut self, lines: &str) {
        let end = self.end_of_line(self.trimmed(self.case.end));
        self.edits.push((end..end, format!("{}{lines}", self.newline)));
    }

    /// A place that is written in the case itself: what stands behind an anchor may stand for other cases, too.
    fn own(&self, field: &str) -> Result<Location, Reason> {
        let pointer = format!("{}/{field}", self.pointer);
        let place = self.data.locate(&pointer);
        let is_there = self.data.value().pointer(&pointer).is_some();
        let written = self.data.text().get(place.value.clone()).unwrap_or_default();
        let is_within = self.case.start <= place.value.start && place.value.end <= self.case.end.max(place.value.start);
        if !is_there || !is_within || written.starts_with(['*', '&']) {
            return Err(format!("`{field}` is written with an anchor or an alias"));
        }
        Ok(place)
    }

    fn list(&self, field: &str, items: &[String]) -> String {
        let items: String =
            items.iter().map(|item| format!("{}{}", self.newline, self.item(&self.indent, item))).collect();
        format!("{}{field}:{items}", self.indent)
    }

    fn item(&self, indent: &str, item: &str) -> String {
        let lines: Vec<&str> = item.lines().collect();
        format!("{indent}- {}", lines.join(&format!("{}{indent}  ", self.newline)))
    }

    /// Whole lines, with the break behind the last.
    fn lines(&self, range: Range<usize>) -> Range<usize> {
        let text = self.data.text();
        let start = text.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let end = self.end_of_line(self.trimmed(range.end));
        let newline = text.get(end..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| end + at + 1);
        start..newline
    }

    /// Where a value really ends: the parser says of some where the next begins.
    fn trimmed(&self, end: usize) -> usize {
        self.data.text().get(..end).map_or(end, |text| text.trim_end().len())
    }

    fn end_of_line(&self, at: usize) -> usize {
        let rest = self.data.text().get(at..).unwrap_or_default();
        at + rest.find(['\n', '\r']).unwrap_or(rest.len())
    }
}

/// Text as YAML in one line.
pub(crate) fn scalar(text: &str) -> String {
    let value = Value::from(text);
    let yaml = to_yaml(&value);
    // Several lines are a block, which would need the indent of its place; JSON's text is YAML, too.
    match yaml.trim_end() {
        block if block.contains('\n') || block.starts_with(['|', '>']) => value.to_string(),
        line => line.to_owned(),
    }
}
