//! JSON Pointers (RFC 6901) to fields.

use std::fmt::Write;

/// A JSON Pointer in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// Begins with a pointer that is written out, e.g. `/spec/volumeClaimTemplates`.
    pub fn new(pointer: impl Into<String>) -> Self {
        Self(pointer.into())
    }

    /// A member of an object. `~` and `/` in its name are escaped.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push('/');
        for char in key.chars() {
            match char {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// An element of a list.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "/{index}");
        self
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.0
    }
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn escapes_what_the_rfc_says() {
        let pointer = Pointer::new("/metadata").key("annotations").key("a/b~c").index(3);
        assert_eq!(String::from(pointer), "/metadata/annotations/a~1b~0c/3");
    }
}
