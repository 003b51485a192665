//! What a plain YAML scalar means. `kubectl` reads manifests with `sigs.k8s.io/yaml`, whose resolver is YAML 1.1 with `yes`, `on` and
//! `0755`: a value that kubectl would send as a boolean must be judged as one.

use std::borrow::Cow;

/// A scalar as JSON has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// JSON's own notation.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
}

/// What the tag of a scalar asks for. Other tags leave it a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarTag {
    Text,
    Bool,
    Int,
    Float,
    Null,
}

/// Resolves a scalar without a tag and without quotes.
pub(crate) fn plain(text: Cow<'_, str>) -> Scalar<'_> {
    match text.as_bytes().first() {
        None | Some(b'~' | b'n' | b'N' | b'y' | b'Y' | b't' | b'T' | b'f' | b'F' | b'o' | b'O') => match word(&text) {
            Some(scalar) => scalar,
            None => Scalar::Text(text),
        },
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(text),
        Some(_) => Scalar::Text(text),
    }
}

/// Resolves a scalar with a tag; `None` when the text is no such value.
pub(crate) fn tagged(tag: ScalarTag, text: Cow<'_, str>) -> Option<Scalar<'_>> {
    match (tag, plain(text.clone())) {
        (ScalarTag::Text, _) => Some(Scalar::Text(text)),
        (ScalarTag::Bool, scalar @ Scalar::Bool(_))
        | (ScalarTag::Null, scalar @ Scalar::Null)
        | (ScalarTag::Float, scalar @ Scalar::Number(_)) => Some(scalar),
        (ScalarTag::Int, Scalar::Number(number)) if is_integer(&number) => Some(Scalar::Number(number)),
        _ => None,
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Scalar::Bool(true),
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        _ => return None,
    })
}

fn number(text: Cow<'_, str>) -> Scalar<'_> {
    let bytes = text.as_bytes();
    // Nearly all numbers of manifests: at most 18 digits cannot leave 64 bits, and without a leading zero they are JSON already.
    if bytes.len() <= 18 && bytes.iter().all(u8::is_ascii_digit) && (bytes.len() == 1 || bytes.first() != Some(&b'0')) {
        return Scalar::Number(text);
    }
    let plain = text.replace('_', "");
    let written = integer(&plain)
        .map(|integer| integer.to_string())
        .or_else(|| is_decimal(&plain).then(|| float(&plain)).flatten());
    match written {
        Some(number) => Scalar::Number(Cow::Owned(number)),
        None => Scalar::Text(text),
    }
}

/// Go's `ParseInt(text, 0, 64)`, then `ParseUint`: `0x`, `0o`, `0b`, and a leading `0` is octal too.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.strip_prefix('0') {
        None | Some("") => (10, lower.as_str()),
        Some(rest) => match (rest.strip_prefix('x'), rest.strip_prefix('o'), rest.strip_prefix('b')) {
            (Some(hex), _, _) => (16, hex),
            (_, Some(octal), _) => (8, octal),
            (_, _, Some(binary)) => (2, binary),
            _ => (8, rest),
        },
    };
    // `from_str_radix` takes a sign of its own.
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits = digits(whole) && digits(fraction) && (!whole.is_empty() || !fraction.is_empty());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// As Go's JSON encoder writes it: `3.0` is `3`. `None` for what JSON cannot say.
fn float(text: &str) -> Option<String> {
    let value: f64 = text.parse().ok()?;
    // Outside of this Go, too, changes to an exponent; Rust's `{}` would print up to 308 digits.
    let plain = value == 0.0 || (1e-6..1e21).contains(&value.abs());
    value.is_finite().then(|| if plain { value.to_string() } else { format!("{value:e}") })
}

fn is_integer(number: &str) -> bool {
    number.strip_prefix('-').unwrap_or(number).bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, json: &str) {
        let written = match plain(Cow::Borrowed(text)) {
            Scalar::Null => "null".to_owned(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Number(number) => number.into_owned(),
            Scalar::Text(text) => format!("{text:?}"),
        };
        assert_eq!(written, json, "{text}");
    }

    #[test]
    fn resolves_as_kubectl_does() {
        for (text, json) in [
            ("", "null"),
            ("~", "null"),
            ("Null", "null"),
            ("nULL", "\"nULL\""),
            ("yes", "true"),
            ("off", "false"),
            ("y", "true"),
            ("N", "false"),
            ("True", "true"),
            ("truE", "\"truE\""),
            ("0", "0"),
            ("3", "3"),
            ("-3", "-3"),
            ("+3", "3"),
            ("1_000", "1000"),
            ("0755", "493"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("0b11", "3"),
            ("-0b11", "-3"),
            ("08", "8"),
            ("3.0", "3"),
            ("3.50", "3.5"),
            ("1e3", "1000"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e300", "1e300"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "18446744073709552000"),
            ("-", "\"-\""),
            (".", "\".\""),
            ("1.2.3", "\"1.2.3\""),
            ("10Gi", "\"10Gi\""),
            ("0x", "\"0x\""),
            ("0x-1", "\"0x-1\""),
            ("1e", "\"1e\""),
            ("2001-12-14", "\"2001-12-14\""),
            ("12:30:45", "\"12:30:45\""),
            (".inf", "\".inf\""),
            ("--1", "\"--1\""),
            ("nan", "\"nan\""),
            ("infinity", "\"infinity\""),
        ] {
            check(text, json);
        }
    }

    #[test]
    fn a_tag_forces_the_type_or_fails() {
        let text = |text| Cow::Borrowed(text);
        assert_eq!(tagged(ScalarTag::Text, text("3")), Some(Scalar::Text(text("3"))));
        assert_eq!(tagged(ScalarTag::Int, text("3")), Some(Scalar::Number(text("3"))));
        assert_eq!(tagged(ScalarTag::Int, text("3.5")), None);
        assert_eq!(tagged(ScalarTag::Bool, text("maybe")), None);
    }
}
