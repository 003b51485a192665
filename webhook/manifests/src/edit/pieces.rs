//! A text in pieces: what is kept of the one that there was, and what was written between.

use std::borrow::Cow;
use std::ops::Range;

use super::Replacement;

/// A text that is changed again and again, and still knows what of it was there before.
#[derive(Clone, Debug)]
pub struct Edited<'t> {
    original: Cow<'t, str>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Bytes of the original.
    Kept(Range<usize>),
    Written(String),
}

impl<'t> Edited<'t> {
    /// A text that is not changed yet.
    pub fn new(original: impl Into<Cow<'t, str>>) -> Self {
        let original = original.into();
        let pieces = vec![Piece::Kept(0..original.len())];
        Self { original, pieces }
    }

    /// The text before all changes.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Writes in place of some bytes of the text as it is now.
    pub fn replace(&mut self, replacement: &Replacement) {
        let Range { start, end } = replacement.span;
        let mut written = Some(Piece::Written(replacement.text.clone()));
        let mut pieces = Vec::with_capacity(self.pieces.len() + 2);
        let mut at = 0;
        for piece in std::mem::take(&mut self.pieces) {
            let next = at + piece.len();
            if next <= start {
                pieces.push(piece);
            } else {
                if at < start {
                    pieces.push(piece.part(0..start - at));
                }
                pieces.extend(written.take());
                if end < next {
                    pieces.push(piece.part(end.saturating_sub(at)..next - at));
                }
            }
            at = next;
        }
        pieces.extend(written);
        self.pieces = pieces;
    }

    /// Writes in place of bytes of the original that are still there. The same a second time is nothing: `false`.
    pub(crate) fn replace_original(&mut self, replacements: &[Replacement]) -> bool {
        let known = self.replacements();
        if replacements.iter().all(|new| known.contains(new)) {
            return false;
        }
        for new in replacements.iter().filter(|new| !known.contains(new)) {
            if let Some(start) = self.now(new.span.start) {
                self.replace(&Replacement { span: start..start + new.span.len(), text: new.text.clone() });
            }
        }
        true
    }

    /// The text as it is now.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.original.len());
        for piece in &self.pieces {
            match piece {
                Piece::Kept(span) => text.push_str(self.original.get(span.clone()).unwrap_or_default()),
                Piece::Written(new) => text.push_str(new),
            }
        }
        text
    }

    /// All changes, in bytes of the original, in order.
    pub fn replacements(&self) -> Vec<Replacement> {
        let mut replacements = Vec::new();
        let (mut at, mut new) = (0, String::new());
        let end = Piece::Kept(self.original.len()..self.original.len());
        for piece in self.pieces.iter().chain([&end]) {
            match piece {
                Piece::Written(text) => new.push_str(text),
                Piece::Kept(span) => {
                    if at < span.start || !new.is_empty() {
                        replacements.push(Replacement { span: at..span.start, text: std::mem::take(&mut new) });
                    }
                    at = span.end;
                }
            }
        }
        replacements
    }

    /// Where a byte of the original is now.
    fn now(&self, original: usize) -> Option<usize> {
        let mut at = 0;
        for piece in &self.pieces {
            if let Piece::Kept(span) = piece
                && (span.start..=span.end).contains(&original)
            {
                return Some(at + original - span.start);
            }
            at += piece.len();
        }
        None
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Kept(span) => span.len(),
            Self::Written(text) => text.len(),
        }
    }

    fn part(&self, part: Range<usize>) -> Self {
        match self {
            Self::Kept(span) => Self::Kept(span.start + part.start..span.start + part.end),
            Self::Written(text) => Self::Written(text.get(part).unwrap_or_default().to_owned()),
        }
    }
}
