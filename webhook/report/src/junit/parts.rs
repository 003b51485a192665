//! What every report in JUnit's XML has.

use std::io::{self, Write};

use crate::wrong::Wrong;

/// A case of what cannot be read.
pub(crate) fn unreadable(wrong: &Wrong, out: &mut dyn Write) -> io::Result<()> {
    let (file, line) = (escaped(&wrong.file), wrong.line.unwrap_or(1));
    writeln!(out, r#"    <testcase name="can be read" classname="file" file="{file}" line="{line}" time="0.000000">"#)?;
    error(wrong, "      ", out)?;
    writeln!(out, "    </testcase>")
}

/// What broke, where, and the way out.
pub(crate) fn error(wrong: &Wrong, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    let place = match (wrong.line, wrong.column) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}", wrong.file),
        _ => wrong.file.clone(),
    };
    let hint = wrong.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    writeln!(
        out,
        r#"{indent}<error type="broken" message="{}">{}</error>"#,
        escaped(&wrong.message),
        escaped(&format!("{place}: {}{hint}", wrong.message))
    )
}

/// One `<property>`.
pub(crate) fn property(name: &str, value: &str, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, r#"{indent}<property name="{name}" value="{}"/>"#, escaped(value))
}

/// For text and attributes in double quotes. What XML 1.0 cannot hold at all becomes a space.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::escaped;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escaped("a<b> & \"c\"\u{1b}[2J\u{0}\n\u{ffff}é"), "a&lt;b&gt; &amp; &quot;c&quot; [2J \n é");
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(text in "(?s).{0,40}") {
            let escaped = escaped(&text);
            prop_assert!(!escaped.contains(['<', '>', '"']));
            let read = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            let is_lost = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{fffe}' | '\u{ffff}');
            prop_assert_eq!(read, text.chars().map(|c| if is_lost(c) { ' ' } else { c }).collect::<String>());
        }
    }
}
