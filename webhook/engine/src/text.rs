//! Texts from guests, made fit for terminals, logs and HTTP headers.

use std::borrow::Cow;

/// One line without control and bidirectional characters, of at most `max` bytes.
pub(crate) fn clean(text: &str, max: usize) -> String {
    clean_owned(text.to_owned(), max)
}

/// The same; costs nothing where there is nothing to clean.
pub(crate) fn clean_owned(text: String, max: usize) -> String {
    let mut text = match replace(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(replaced) => replaced,
    };
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max.saturating_sub(ELLIPSIS.len())));
        text.push_str(ELLIPSIS);
    }
    text
}

/// Whether [`clean`] would leave the text as it is, but for its length.
pub(crate) fn is_clean(text: &str) -> bool {
    // All but a few texts are plain ASCII: no look at characters then.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return true;
    }
    !text.chars().any(is_harmful)
}

fn replace(text: &str) -> Cow<'_, str> {
    if is_clean(text) {
        return Cow::Borrowed(text);
    }
    let mut replaced = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => replaced.push(' '),
            harmful if is_harmful(harmful) => replaced.push(char::REPLACEMENT_CHARACTER),
            harmless => replaced.push(harmless),
        }
    }
    Cow::Owned(replaced)
}

/// Moves a cursor, hides, or shows text in another order than it has.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

const ELLIPSIS: &str = "…";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replaces_what_terminals_obey() {
        assert_eq!(clean("a\u{1b}[31mred\u{0}\nb\u{202e}c", 100), "a\u{fffd}[31mred\u{fffd} b\u{fffd}c");
        assert_eq!(clean("Grüße 日本", 100), "Grüße 日本");
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(clean("ääää", 7), "ää…");
    }

    proptest! {
        #[test]
        fn is_clean_and_short_and_stays_so(text in "\\PC*|.*", max in 3_usize..60) {
            let once = clean(&text, max);
            prop_assert!(is_clean(&once));
            prop_assert!(once.len() <= max);
            prop_assert_eq!(clean(&once, max), once);
        }
    }
}
