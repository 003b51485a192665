//! Versions of components and rules, and the `v0.1` form that pins them.

use std::fmt;

/// `MAJOR.MINOR.PATCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// `v0.1`: every patch of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProfileVersion {
    major: u32,
    minor: u32,
}

impl Version {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(number);
        let version = Self { major: numbers.next()??, minor: numbers.next()??, patch: numbers.next()?? };
        numbers.next().is_none().then_some(version)
    }

    pub(crate) const fn profile_version(self) -> ProfileVersion {
        ProfileVersion { major: self.major, minor: self.minor }
    }
}

impl ProfileVersion {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.strip_prefix('v')?.split_once('.')?;
        Some(Self { major: number(major)?, minor: number(minor)? })
    }

    /// Whether a rule is newer than what was pinned.
    pub(crate) fn precedes(self, since: Version) -> bool {
        self < since.profile_version()
    }
}

impl fmt::Display for ProfileVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.major, self.minor)
    }
}

/// Decimal without sign, blanks or leading zeros.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_plain_versions() {
        assert!(Version::parse("0.1.0").is_some());
        assert!(Version::parse("0.10.0") > Version::parse("0.9.9"));
        for bad in ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.02.3", "1.2.3-rc1", "1..3", "+1.2.3"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
        for bad in ["", "0.1", "v1", "v0.1.0", "v0.01", "v.1"] {
            assert_eq!(ProfileVersion::parse(bad), None, "{bad}");
        }
        assert!(ProfileVersion::parse("v0.1").unwrap().precedes(Version::parse("0.2.0").unwrap()));
        assert!(!ProfileVersion::parse("v0.1").unwrap().precedes(Version::parse("0.1.9").unwrap()));
    }
}
