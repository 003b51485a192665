//! `-o FORMAT[=FILE]`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;

/// One report that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// `None`: standard output.
    pub(crate) file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Jsonl,
}

impl Output {
    /// Writes to the file or to standard output; colours only where they are wanted.
    pub(crate) fn write(&self, report: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> anyhow::Result<()> {
        match &self.file {
            None => {
                let mut out = BufWriter::new(anstream::stdout().lock());
                report(&mut out)?;
                out.flush()?;
            }
            Some(path) => {
                let failed = || format!("cannot write `{}`", path.display());
                let mut out = BufWriter::new(anstream::StripStream::new(File::create(path).with_context(failed)?));
                report(&mut out).and_then(|()| out.flush()).with_context(failed)?;
            }
        }
        Ok(())
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format, Some(file)),
            None => (text, None),
        };
        let format = match format {
            "text" => Format::Text,
            "json" => Format::Json,
            "jsonl" => Format::Jsonl,
            _ => return Err(format!("unknown format `{format}`\nhint: `text`, `json` or `jsonl`")),
        };
        if file == Some("") {
            return Err(format!("`{text}` names no file"));
        }
        Ok(Self { format, file: file.map(PathBuf::from) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_follow_the_format() {
        assert_eq!("json=a=b".parse(), Ok(Output { format: Format::Json, file: Some("a=b".into()) }));
        assert_eq!("text".parse(), Ok(Output { format: Format::Text, file: None }));
        assert!("sarif".parse::<Output>().is_err());
        assert!("json=".parse::<Output>().is_err());
    }
}
