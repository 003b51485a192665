//! Text of others in a page: names come from objects, messages from policies.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// Text between tags and in quoted attributes.
pub(crate) struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = clean(self.0);
        let mut rest = text.as_ref();
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (before, from) = rest.split_at(at);
            f.write_str(before)?;
            let mut characters = from.chars();
            f.write_str(match characters.next() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                _ => "&#39;",
            })?;
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// A sentence in which `` `names` `` are code.
pub(crate) struct Sentence<'a>(pub &'a str);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<&str> = self.0.split('`').collect();
        // One backtick too many opens nothing.
        let last = parts.len() - 1;
        for (at, part) in parts.iter().enumerate() {
            match (at % 2, at == last) {
                (0, _) => write!(f, "{}", Text(part))?,
                (_, false) => write!(f, "<code>{}</code>", Text(part))?,
                (_, true) => write!(f, "`{}", Text(part))?,
            }
        }
        Ok(())
    }
}

/// Without characters that would steer what shows them: controls, and those that turn the direction of what follows.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect())
}

/// JSON for a `<script type="application/json">`: nothing in it ends the element or begins a comment.
pub(super) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    // `<` occurs in texts alone, and there an escape is the same text.
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}

/// A part of a link's fragment, as `encodeURIComponent` writes it.
pub(super) struct Part<'a>(pub &'a str);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_in_backticks_are_code() {
        assert_eq!(Sentence("`a<b` is `c` & `d").to_string(), "<code>a&lt;b</code> is <code>c</code> &amp; `d");
        assert_eq!(Sentence("").to_string(), "");
    }

    #[test]
    fn a_link_holds_any_name() {
        assert_eq!(Part("StatefulSet/shop/db&ü\"").to_string(), "StatefulSet/shop/db%26%C3%BC%22");
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("</script>".to_owned()),
            Just("<!--".to_owned()),
            Just("<img src=x onerror=alert(1)>".to_owned()),
            Just("\"'`&".to_owned()),
            Just("\u{202e}\u{0}\u{2028}".to_owned()),
            "\\PC{0,6}",
        ];
        proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_text_is_markup(text in hostile()) {
            for written in [Text(&text).to_string(), Sentence(&text).to_string().replace("<code>", "").replace("</code>", ""), Part(&text).to_string()] {
                prop_assert!(!written.contains(['<', '>', '"', '\'', '\u{202e}', '\u{0}']), "{written}");
            }
            let data = json(&[&text]).unwrap();
            prop_assert!(!data.contains('<'));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&data).unwrap(), [text]);
        }
    }
}
