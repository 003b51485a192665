//! One file's text, with its lines.

use std::ops::Range;
use std::sync::OnceLock;

use crate::error::Position;

/// One file's text. Byte offsets and lines of everything in this crate are into [`Source::text`].
#[derive(Debug)]
pub struct Source {
    /// The file as it was named, or `<stdin>`.
    pub name: String,
    /// Without a byte order mark.
    pub text: String,
    /// How it is written.
    pub format: Format,
    line_starts: OnceLock<Vec<usize>>,
    /// How many characters begin before each [`BLOCK`] of bytes.
    characters: OnceLock<Vec<usize>>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML, as `kubectl` reads it.
    Yaml,
    /// One or several JSON values.
    Json,
}

/// A few lines around a place, for a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Lines from their beginning.
    pub text: String,
    /// Number of the first, from 1.
    pub first_line: usize,
    /// The place, in bytes of `text`.
    pub span: Range<usize>,
}

impl Source {
    /// Takes a file's text. A byte order mark is dropped.
    pub fn new(name: impl Into<String>, mut text: String, format: Format) -> Self {
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Self { name: name.into(), text, format, line_starts: OnceLock::new(), characters: OnceLock::new() }
    }

    /// The line and column of a byte.
    pub fn position(&self, offset: usize) -> Position {
        let line = self.line_starts().partition_point(|&start| start <= offset);
        let start = self.line_start(line);
        let column = self.characters_before(offset).saturating_sub(self.characters_before(start)) + 1;
        Position { line, column }
    }

    /// The byte where a line (from 1) begins; the end of the text for a line behind the last.
    pub fn line_start(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|index| self.line_starts().get(index)).copied().unwrap_or(self.text.len())
    }

    /// The byte at a line (from 1) and a column (from 0, in characters).
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.line_start(line);
        let rest = self.text.get(start..).unwrap_or_default();
        rest.char_indices().nth(column).map_or(self.text.len(), |(offset, _)| start + offset)
    }

    /// The lines of a place, with `around` lines before. A line that goes on for long behind the place is cut there; one that begins far before it is
    /// none that a person reads, and the text is empty.
    pub fn excerpt(&self, span: Range<usize>, around: usize) -> Excerpt {
        let first = self.position(span.start).line;
        let last = self.position(span.end.max(span.start + 1) - 1).line;
        if span.start.saturating_sub(self.line_start(first)) > MOST_BEFORE {
            return Excerpt { text: String::new(), first_line: first, span: 0..0 };
        }
        let is_near = |line: &usize| span.start.saturating_sub(self.line_start(*line)) <= MOST_BEFORE;
        let first_line = (first.saturating_sub(around).max(1)..=first).find(is_near).unwrap_or(first);
        let (from, to) = (self.line_start(first_line), self.line_start(last + 1));
        let to = self.text.floor_char_boundary(to.min(span.end.saturating_add(MAX_BEHIND)));
        let text = self.text.get(from..to).unwrap_or_default().trim_end_matches(['\n', '\r']);
        let start = span.start.saturating_sub(from).min(text.len());
        let end = span.end.saturating_sub(from).clamp(start, text.len());
        Excerpt { text: text.to_owned(), first_line, span: start..end }
    }

    /// Counted once for the whole text: JSON in one line has thousands of places in a line of megabytes.
    fn characters_before(&self, offset: usize) -> usize {
        let bytes = self.text.as_bytes();
        let blocks = self.characters.get_or_init(|| {
            let mut count = 0;
            let mut blocks = vec![0];
            for block in bytes.chunks(BLOCK) {
                count += begun(block);
                blocks.push(count);
            }
            blocks
        });
        let offset = offset.min(bytes.len());
        let block = offset / BLOCK;
        let before = blocks.get(block).copied().unwrap_or_default();
        before + begun(bytes.get(block * BLOCK..offset).unwrap_or_default())
    }

    /// Where each line begins. A line ends with a line feed, a carriage return, or both: as YAML counts them.
    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let breaks = bytes
                .iter()
                .enumerate()
                .filter(|&(at, &byte)| byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')));
            std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
        })
    }
}

/// How many characters of UTF-8 begin in these bytes.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0b1100_0000 != 0b1000_0000).count()
}

/// Bytes that are counted anew for each place.
const BLOCK: usize = 4096;

/// Bytes of the lines before a place. A `List` of 2,000 objects in one line took 8 GB: each finding had a copy of all before it.
const MOST_BEFORE: usize = 4096;

/// Bytes of a line behind a place: more than a terminal shows. JSON in one line is thousands, and drawing looks at each.
const MAX_BEHIND: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_every_line_break() {
        let source = Source::new("a", "\u{feff}é: 1\r\nb: 2\rc: ü3\n".to_owned(), Format::Yaml);
        let position = |text: &str| source.position(source.text.find(text).unwrap());
        assert_eq!(position("1"), Position { line: 1, column: 4 });
        assert_eq!(position("b"), Position { line: 2, column: 1 });
        assert_eq!(position("3"), Position { line: 3, column: 5 });
        assert_eq!(source.offset(3, 4), source.text.find('3').unwrap());
    }

    #[test]
    fn an_excerpt_holds_whole_lines() {
        let source = Source::new("a", "a: 1\nb: 2\nc: 3\n".to_owned(), Format::Yaml);
        assert_eq!(source.excerpt(8..9, 1), Excerpt { text: "a: 1\nb: 2".to_owned(), first_line: 1, span: 8..9 });
    }

    #[test]
    fn columns_are_counted_over_blocks() {
        let source = Source::new("a", format!("{}b\n{}c", "é".repeat(BLOCK), "ü1".repeat(BLOCK)), Format::Yaml);
        let column = |text: &str| source.position(source.text.find(text).unwrap()).column;
        assert_eq!((column("b"), column("c")), (BLOCK + 1, 2 * BLOCK + 1));
        assert_eq!(source.position(source.text.len()).column, 2 * BLOCK + 2);
    }

    #[test]
    fn an_excerpt_does_not_begin_far_before_its_place() {
        let long = "x".repeat(MOST_BEFORE);
        let source = Source::new("a", format!("{{\"a\": \"{long}\", \"b\": 1}}"), Format::Json);
        let place = source.text.rfind('1').unwrap();
        assert_eq!(source.excerpt(place..place + 1, 2), Excerpt { text: String::new(), first_line: 1, span: 0..0 });
        let source = Source::new("a", format!("a: {long}\nb: 2\n"), Format::Yaml);
        let place = source.text.rfind('2').unwrap();
        assert_eq!(source.excerpt(place..place + 1, 2), Excerpt { text: "b: 2".to_owned(), first_line: 2, span: 3..4 });
    }

    #[test]
    fn an_excerpt_ends_behind_its_place() {
        let source = Source::new("a", format!("{{\"a\": 1, \"bb\": \"{}\"}}", "é".repeat(4000)), Format::Json);
        let excerpt = source.excerpt(6..7, 1);
        assert_eq!((excerpt.span, excerpt.first_line), (6..7, 1));
        assert!(source.text.starts_with(&excerpt.text));
        assert_eq!(excerpt.text.len(), 7 + MAX_BEHIND - 1, "the end of a character");
    }
}
