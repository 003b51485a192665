//! Amounts, as Kubernetes writes them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::text::Text;

/// `resource.Quantity`: `10Gi`, `1.5G`, `1e9`, or a bare number. Kept as it was written; compare what [`Quantity::thousandths`] answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantity<'a>(Text<'a>);

impl Quantity<'_> {
    /// Nothing is written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is more than nothing. `None`: not a quantity, or one beyond all disks.
    pub fn is_positive(&self) -> Option<bool> {
        match self.0.strip_prefix('-') {
            Some(amount) => thousandths(amount).map(|_| false),
            None => self.thousandths().map(|amount| amount > 0),
        }
    }

    /// The amount in thousandths, rounded up: nothing smaller is told apart here. `None`: not a quantity, a negative one, or one beyond all disks.
    pub fn thousandths(&self) -> Option<u128> {
        thousandths(self.0.strip_prefix('+').unwrap_or(&self.0))
    }
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Quantity<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;

        impl<'de> Visitor<'de> for TextOrNumber {
            type Value = Quantity<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as `10Gi`")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Quantity(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Quantity(Text::owned(text)))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Quantity(Text::owned(&number.to_string())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Quantity(Text::owned(&number.to_string())))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Quantity(Text::owned(&number.to_string())))
            }
        }

        deserializer.deserialize_any(TextOrNumber)
    }
}

/// Of a text without a sign.
fn thousandths(text: &str) -> Option<u128> {
    let digits = text.find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(digits)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let mut amount: u128 = 1000;
    let mut shift = -i32::try_from(fraction.len()).ok()?;
    match suffix {
        "" => {}
        "m" => shift -= 3,
        "k" => shift += 3,
        "M" => shift += 6,
        "G" => shift += 9,
        "T" => shift += 12,
        "P" => shift += 15,
        "E" => shift += 18,
        "Ki" => amount <<= 10,
        "Mi" => amount <<= 20,
        "Gi" => amount <<= 30,
        "Ti" => amount <<= 40,
        "Pi" => amount <<= 50,
        "Ei" => amount <<= 60,
        exponent => shift = shift.checked_add(exponent.strip_prefix(['e', 'E'])?.parse().ok()?)?,
    }
    let digits: u128 = whole
        .bytes()
        .chain(fraction.bytes())
        .try_fold(0_u128, |number, digit| number.checked_mul(10)?.checked_add(u128::from(digit - b'0')))?;
    let amount = amount.checked_mul(digits)?;
    let power = 10_u128.checked_pow(shift.unsigned_abs())?;
    if shift < 0 { Some(amount.div_ceil(power)) } else { amount.checked_mul(power) }
}

#[cfg(test)]
mod tests {
    use super::Quantity;
    use proptest::prelude::*;

    fn thousandths(json: &str) -> Option<u128> {
        serde_json::from_str::<Quantity<'_>>(json).unwrap().thousandths()
    }

    #[test]
    fn reads_all_spellings() {
        let gibi = 1000 << 30;
        for (json, amount) in [
            (r#""10Gi""#, 10 * gibi),
            (r#""0.5Gi""#, gibi / 2),
            (r#"1073741824"#, gibi),
            (r#"1.5"#, 1500),
            (r#""1e3""#, 1_000_000),
            (r#""1E-1""#, 100),
            (r#""2E""#, 2_000_000_000_000_000_000_000),
            (r#""1.5k""#, 1_500_000),
            (r#""100m""#, 100),
            (r#""0.0001""#, 1),
            (r#""+1.""#, 1000),
            (r#"".5""#, 500),
        ] {
            assert_eq!(thousandths(json), Some(amount), "{json}");
        }
    }

    #[test]
    fn says_nothing_of_what_is_none() {
        for json in [
            r#""""#,
            r#""Gi""#,
            r#"".""#,
            r#""1.2.3""#,
            r#""-1""#,
            r#""10gb""#,
            r#""1e99""#,
            r#""1.5e-2147483648""#,
            r#"" 1""#,
        ] {
            assert_eq!(thousandths(json), None, "{json}");
        }
        assert_eq!(thousandths(&format!("\"{}Ei\"", "9".repeat(40))), None);
        assert!(serde_json::from_str::<Quantity<'_>>("{}").is_err());
    }

    #[test]
    fn tells_something_from_nothing() {
        let is_positive = |json: &'static str| serde_json::from_str::<Quantity<'_>>(json).unwrap().is_positive();
        for yes in [r#""1""#, "1", r#""+1Gi""#, r#""1m""#, "0.5"] {
            assert_eq!(is_positive(yes), Some(true), "{yes}");
        }
        for no in ["0", r#""0Gi""#, r#""-1Gi""#, "-1", r#""-0""#, r#""0e3""#] {
            assert_eq!(is_positive(no), Some(false), "{no}");
        }
        for unknown in [r#""""#, r#""-""#, r#""--1""#, r#""++1""#, r#""10gb""#, r#""-10gb""#] {
            assert_eq!(is_positive(unknown), None, "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn a_suffix_is_its_multiple(number in 0..u64::MAX) {
            let (kibi, plain) = (thousandths(&format!("\"{number}Ki\"")), thousandths(&format!("\"{number}\"")));
            prop_assert_eq!(kibi, plain.map(|plain| plain * 1024));
        }
    }
}
