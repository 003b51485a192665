//! Where a JSON Pointer leads to in a YAML document. Reads the document a second time, with positions: only for documents with findings.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::json_span::Node;
use crate::source::Source;

/// A document's nodes with their places, the root first.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) nodes: Vec<OutlineNode>,
}

#[derive(Debug)]
pub(crate) struct OutlineNode {
    /// In bytes of the file. Where a block ends is not known well: the parser says where the next token begins.
    pub(crate) span: Range<usize>,
    pub(crate) children: Children,
    /// A text behind `|` or `>`.
    pub(crate) is_block_text: bool,
    /// It has an anchor or a tag.
    pub(crate) has_properties: bool,
}

#[derive(Debug)]
pub(crate) enum Children {
    None,
    Items(Vec<usize>),
    Entries(Vec<Entry>),
    /// The node that an alias stands for.
    Alias(usize),
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// The key is a plain `<<`.
    pub(crate) is_merge: bool,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: usize,
}

impl Outline {
    /// Reads the document that begins in a line. What does not parse is left out: the nodes before it have their places.
    pub(crate) fn read(source: &Source, first_line: usize) -> Self {
        let start = source.line_start(first_line);
        let text = source.text.get(start..).unwrap_or_default();
        let mut builder = Builder {
            source,
            lines_before: first_line.saturating_sub(1),
            outline: Self::default(),
            open: Vec::new(),
            anchors: HashMap::new(),
        };
        for event in Parser::new_from_str(text) {
            match event {
                Ok((Event::DocumentEnd | Event::StreamEnd, _)) | Err(_) => break,
                Ok((event, span)) => builder.event(event, span),
            }
        }
        builder.finish()
    }

    /// Follows the pointer's tokens as far as they exist.
    pub(crate) fn locate(&self, tokens: &[String]) -> Node {
        let mut at = 0;
        let mut key = None;
        let mut followed = 0;
        for token in tokens {
            let Some((entry, child)) = self.child(at, token, 0) else { break };
            (key, at) = (entry, child);
            followed += 1;
        }
        // An alias is shown where it is used: that is what the reader of the finding has to change or to replace.
        let value = self.nodes.get(at).map_or(0..0, |node| node.span.clone());
        Node { key, value, tokens: followed }
    }

    fn child(&self, at: usize, token: &str, hops: usize) -> Option<(Option<Range<usize>>, usize)> {
        // Merges and aliases may chain, never in a ring: an alias inside of its own node is refused when the document is read.
        if hops > MAX_HOPS {
            return None;
        }
        match &self.nodes.get(at)?.children {
            Children::None => None,
            Children::Alias(target) => self.child(*target, token, hops + 1),
            Children::Items(items) => items.get(token.parse::<usize>().ok()?).map(|&item| (None, item)),
            Children::Entries(entries) => {
                let own = entries.iter().find(|entry| !entry.is_merge && entry.key == token);
                let own = own.map(|entry| (Some(entry.key_span.clone()), entry.value));
                own.or_else(|| {
                    entries
                        .iter()
                        .filter(|entry| entry.is_merge)
                        .find_map(|entry| self.merged(entry.value, token, hops))
                })
            }
        }
    }

    /// An entry that `<<` brings in: from a mapping, an alias of one, or a list of these.
    fn merged(&self, at: usize, token: &str, hops: usize) -> Option<(Option<Range<usize>>, usize)> {
        match &self.nodes.get(at)?.children {
            Children::Items(items) => items.iter().find_map(|&item| self.child(item, token, hops + 1)),
            _ => self.child(at, token, hops + 1),
        }
    }
}

struct Builder<'a> {
    source: &'a Source,
    lines_before: usize,
    outline: Outline,
    open: Vec<Open>,
    anchors: HashMap<usize, usize>,
}

struct Open {
    node: usize,
    key: Option<Key>,
}

#[derive(Default)]
struct Key {
    text: String,
    is_merge: bool,
    span: Range<usize>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        let mut span = self.bytes(span);
        if let Event::Scalar(_, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, ..) = &event {
            span.end = quoted(&self.source.text, span.start).unwrap_or(span.end);
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.key_is_next() {
                    self.key(Key {
                        is_merge: style == ScalarStyle::Plain && text == "<<",
                        text: key_text(&text, style),
                        span,
                    });
                } else {
                    let node = self.add(span, Children::None);
                    if let Some(added) = self.outline.nodes.get_mut(node) {
                        added.is_block_text = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                    }
                    self.properties(node, anchor, tag.is_some());
                }
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied().unwrap_or(usize::MAX);
                if self.key_is_next() {
                    // Nobody writes keys as aliases; a path below one is shown at the mapping.
                    self.key(Key { span, ..Key::default() });
                } else {
                    self.add(span, Children::Alias(target));
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter(span, Children::Items(Vec::new()), anchor, tag.is_some());
            }
            Event::MappingStart(anchor, tag) => {
                self.enter(span, Children::Entries(Vec::new()), anchor, tag.is_some());
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
    }

    fn finish(mut self) -> Outline {
        while !self.open.is_empty() {
            self.leave(0..0);
        }
        self.outline
    }

    fn enter(&mut self, span: Range<usize>, children: Children, anchor: usize, is_tagged: bool) {
        let node = self.add(span, children);
        self.properties(node, anchor, is_tagged);
        self.open.push(Open { node, key: None });
    }

    fn leave(&mut self, end: Range<usize>) {
        let Some(open) = self.open.pop() else { return };
        let last_child = self.outline.nodes.get(open.node).and_then(|node| match &node.children {
            Children::Items(items) => items.last().copied(),
            Children::Entries(entries) => entries.last().map(|entry| entry.value),
            Children::None | Children::Alias(_) => None,
        });
        let last_end = last_child.and_then(|child| self.outline.nodes.get(child)).map(|child| child.span.end);
        if let Some(node) = self.outline.nodes.get_mut(open.node) {
            // A flow collection ends with its bracket, of which the parser says where the next token is; so it does of the end of a block collection.
            let text = self.source.text.get(node.span.clone()).unwrap_or_default();
            let bracket = match text.as_bytes().first() {
                Some(b'[') => closing(&self.source.text, last_end.unwrap_or(0).max(node.span.start + 1), ']'),
                Some(b'{') => closing(&self.source.text, last_end.unwrap_or(0).max(node.span.start + 1), '}'),
                _ => last_end,
            };
            node.span.end = bracket.unwrap_or(end.end).max(node.span.end);
        }
    }

    fn key_is_next(&self) -> bool {
        self.open.last().is_some_and(|open| {
            let is_mapping =
                self.outline.nodes.get(open.node).is_some_and(|node| matches!(node.children, Children::Entries(_)));
            is_mapping && open.key.is_none()
        })
    }

    fn key(&mut self, key: Key) {
        if let Some(open) = self.open.last_mut() {
            open.key = Some(key);
        }
    }

    fn add(&mut self, span: Range<usize>, children: Children) -> usize {
        let added = self.outline.nodes.len();
        self.outline.nodes.push(OutlineNode { span, children, is_block_text: false, has_properties: false });
        if let Some(open) = self.open.last_mut()
            && let Some(parent) = self.outline.nodes.get_mut(open.node)
        {
            match &mut parent.children {
                Children::Items(items) => items.push(added),
                Children::Entries(entries) => {
                    let key = open.key.take().unwrap_or_default();
                    entries.push(Entry { key: key.text, is_merge: key.is_merge, key_span: key.span, value: added });
                }
                Children::None | Children::Alias(_) => {}
            }
        }
        added
    }

    fn properties(&mut self, node: usize, anchor: usize, is_tagged: bool) {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        if let Some(node) = self.outline.nodes.get_mut(node) {
            node.has_properties = anchor != 0 || is_tagged;
        }
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let start = self.source.offset(span.start.line() + self.lines_before, span.start.col());
        let end = self.source.offset(span.end.line() + self.lines_before, span.end.col());
        start..end.max(start)
    }
}

/// The byte behind a quoted text, of whose end the parser says where the next token is.
fn quoted(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && quote == '"' {
            letters.next();
        } else if letter == quote {
            match letters.peek() {
                Some((_, '\'')) if quote == '\'' => drop(letters.next()),
                _ => return Some(start + at + 1),
            }
        }
    }
    None
}

/// The byte behind the bracket that comes next, past blanks, commas and comments.
fn closing(text: &str, from: usize, bracket: char) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        let next = rest.chars().next()?;
        at += match next {
            _ if next == bracket => return Some(at + next.len_utf8()),
            '#' => rest.find(['\n', '\r'])?,
            _ if next.is_whitespace() || next == ',' => next.len_utf8(),
            _ => return None,
        };
    }
}

/// A key as the JSON has it: plain `0x10` is `16`, plain `yes` is `true`.
fn key_text(text: &str, style: ScalarStyle) -> String {
    use crate::scalar::{Scalar, plain};
    if style != ScalarStyle::Plain {
        return text.to_owned();
    }
    match plain(text.into()) {
        Scalar::Text(text) | Scalar::Number(text) => text.into_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Null => text.to_owned(),
    }
}

/// Longer chains of aliases are nobody's manifest.
const MAX_HOPS: usize = 100;
