//! `-o FORMAT[=FILE]`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice, StripStream};
use anyhow::{Context, anyhow, bail};
use stateward_manifests::cause;

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
    Html,
    Markdown,
    Junit,
    Sarif,
    Github,
    Table,
    Report,
}

/// What a command can write: a reader of its `-o`.
pub(crate) fn one_of(formats: &'static [Format]) -> impl Fn(&str) -> Result<Output, String> + Clone {
    move |text| Output::read(text, formats)
}

impl Format {
    /// What a report of findings can be written as.
    pub(crate) const OF_FINDINGS: &[Self] = &[
        Self::Text,
        Self::Json,
        Self::Jsonl,
        Self::Html,
        Self::Sarif,
        Self::Junit,
        Self::Github,
        Self::Markdown,
        Self::Table,
        Self::Report,
    ];

    /// What a report of cases can be written as: they are about no object that is stored.
    pub(crate) const OF_CASES: &[Self] = match Self::OF_FINDINGS {
        [of_cases @ .., Self::Report] => of_cases,
        all => all,
    };

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Table => "table",
            Self::Report => REPORT,
        }
    }
}

impl Output {
    fn read(text: &str, formats: &[Format]) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format, Some(file)),
            None => (text, None),
        };
        let format = formats.iter().copied().find(|each| each.name() == format).ok_or_else(|| {
            let names: Vec<String> = formats.iter().map(|each| format!("`{}`", each.name())).collect();
            let why = if format == REPORT { ": it is what `check` and `audit` say of objects" } else { "" };
            format!("no format `{format}` here{why}\nhint: {}", names.join(", "))
        })?;
        if file == Some("") {
            return Err(format!("`{text}` names no file"));
        }
        Ok(Self { format, file: file.map(PathBuf::from) })
    }

    /// Writes to the file or to standard output; colours only where they are wanted.
    pub(crate) fn write(&self, report: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> anyhow::Result<()> {
        match &self.file {
            None => to_stdout(report)?,
            Some(path) => {
                let failed = || format!("cannot write `{}`", path.display());
                let file = File::create(path).map_err(|error| cannot_create(path, &error))?;
                write_buffered(file, true, report).with_context(failed)?;
            }
        }
        Ok(())
    }
}

/// Writes to standard output; colours only where they are wanted.
pub(crate) fn to_stdout(report: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> anyhow::Result<()> {
    let out = std::io::stdout();
    let is_plain = AutoStream::choice(&out) == ColorChoice::Never;
    write_buffered(out.lock(), is_plain, report)?;
    Ok(())
}

fn cannot_create(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    let hint = match folder {
        Some(folder) => format!("\nhint: there is no folder `{}`; make it first", folder.display()),
        None if path.is_dir() => "\nhint: name a file in this folder".to_owned(),
        None => String::new(),
    };
    anyhow!("cannot write `{}`: {}{hint}", path.display(), cause(error))
}

/// Two reports in one file would leave only the later one.
pub(crate) fn require_distinct_files(outputs: &[Output]) -> anyhow::Result<()> {
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

/// Of objects alone.
const REPORT: &str = "report";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_follow_the_format() {
        let read = one_of(&[Format::Text, Format::Json]);
        assert_eq!(read("json=a=b"), Ok(Output { format: Format::Json, file: Some("a=b".into()) }));
        assert_eq!(read("text"), Ok(Output { format: Format::Text, file: None }));
        assert_eq!(read("jsonl"), Err("no format `jsonl` here\nhint: `text`, `json`".to_owned()));
        assert!(read("json=").is_err());
    }

    #[test]
    fn each_report_has_a_file_of_its_own() {
        let read = one_of(&[Format::Text, Format::Json, Format::Jsonl]);
        let is_refused = |outputs: &[&str]| {
            let outputs: Vec<Output> = outputs.iter().map(|output| read(output).unwrap()).collect();
            require_distinct_files(&outputs).is_err()
        };
        assert!(!is_refused(&["text", "json=a", "jsonl=b", "json"]));
        assert!(is_refused(&["json=a", "text=./a"]));
    }
}
