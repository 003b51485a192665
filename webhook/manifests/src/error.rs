//! What is wrong with the input, and where.

use std::fmt;

/// What is wrong with the input, and where: `db.yaml:12:3: ..`. Text for a person, who can act on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputError {
    /// The file as it was named, or `<stdin>`.
    pub file: String,
    /// Line and column, from 1; `None` when it is about the file as a whole.
    pub position: Option<Position>,
    /// What is wrong, with the value.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

/// A place in a text: what an editor jumps to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl InputError {
    /// About the file as a whole.
    pub fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), position: None, message: cut(message.into()), hint: None }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }

    /// The same with a way out.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The reader's own words quote a value whole, and a value may have megabytes.
fn cut(mut message: String) -> String {
    if let Some((at, _)) = message.char_indices().nth(MAX_MESSAGE_CHARACTERS) {
        message.truncate(at);
        message.push('…');
    }
    message
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(position) = self.position {
            write!(f, ":{position}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}

/// A component's complaints about a policy take a few hundred.
const MAX_MESSAGE_CHARACTERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_no_value_of_megabytes() {
        let error = InputError::new("a.yaml", format!("wrong: {}", "ä".repeat(1 << 20)));
        assert_eq!(error.message, format!("wrong: {}…", "ä".repeat(1024 - 7)));
        assert_eq!(InputError::new("a.yaml", "ä".repeat(1024)).message, "ä".repeat(1024));
    }
}
