//! `-o FORMAT[=FILE]`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::str::FromStr;

use anstream::{AutoStream, ColorChoice, StripStream};
use anyhow::{Context, bail};

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
    Markdown,
    Junit,
}

/// Refuses what a command cannot write, before it does anything.
pub(crate) fn accept(command: &str, outputs: &[Output], formats: &[Format]) -> anyhow::Result<()> {
    if let Some(output) = outputs.iter().find(|output| !formats.contains(&output.format)) {
        let names: Vec<String> = formats.iter().map(|format| format!("`{}`", format.name())).collect();
        bail!("`{command}` has no format `{}`\nhint: {}", output.format.name(), names.join(", "));
    }
    require_distinct_files(outputs)
}

impl Format {
    const ALL: [Self; 5] = [Self::Text, Self::Json, Self::Jsonl, Self::Markdown, Self::Junit];

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
        }
    }
}

impl Output {
    /// Writes to the file or to standard output; colours only where they are wanted.
    pub(crate) fn write(&self, report: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> anyhow::Result<()> {
        match &self.file {
            None => {
                let out = std::io::stdout();
                let is_plain = AutoStream::choice(&out) == ColorChoice::Never;
                write_buffered(out.lock(), is_plain, report)?;
            }
            Some(path) => {
                let failed = || format!("cannot write `{}`", path.display());
                let file = File::create(path).with_context(failed)?;
                write_buffered(file, true, report).with_context(failed)?;
            }
        }
        Ok(())
    }
}

/// Two reports in one file would leave only the later one.
fn require_distinct_files(outputs: &[Output]) -> anyhow::Result<()> {
    let mut known = HashSet::new();
    for path in outputs.iter().filter_map(|output| output.file.as_deref()) {
        // `report` and `./report` are one file.
        if !known.insert(std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())) {
            bail!("two reports go to `{}`\nhint: give each `-o FORMAT=FILE` a file of its own", path.display());
        }
    }
    Ok(())
}

/// The buffer is below what takes colours away: that writes each piece between two colours on its own, six system calls for a finding.
fn write_buffered(
    to: impl Write + 'static,
    is_plain: bool,
    report: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let buffered: Box<dyn Write> = Box::new(BufWriter::new(to));
    let mut out: Box<dyn Write> = if is_plain { Box::new(StripStream::new(buffered)) } else { buffered };
    report(&mut out)?;
    out.flush()
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format, Some(file)),
            None => (text, None),
        };
        let format = Format::ALL.into_iter().find(|each| each.name() == format).ok_or_else(|| {
            let names: Vec<String> = Format::ALL.iter().map(|each| format!("`{}`", each.name())).collect();
            format!("unknown format `{format}`\nhint: {}", names.join(", "))
        })?;
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

    #[test]
    fn each_report_has_a_file_of_its_own() {
        let is_refused = |outputs: &[&str]| {
            let outputs: Vec<Output> = outputs.iter().map(|output| output.parse().unwrap()).collect();
            require_distinct_files(&outputs).is_err()
        };
        assert!(!is_refused(&["text", "json=a", "jsonl=b", "json"]));
        assert!(is_refused(&["json=a", "text=./a"]));
    }
}
