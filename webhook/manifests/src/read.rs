//! Files, folders and standard input to documents.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::document::{Content, Document, Origin, objects};
use crate::error::{InputError, Position};
use crate::json;
use crate::source::{Format, Source};
use crate::yaml;

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Documents {
    /// Objects in the order of files and of their places in them; folders in name order.
    pub objects: Vec<Document>,
    /// What could not be read. The other documents are there all the same.
    pub errors: Vec<InputError>,
    /// What was left out of a folder because it is no Kubernetes object.
    pub skipped: Vec<InputError>,
    /// How many files were opened.
    pub files: usize,
}

/// Reads files, folders (recursively: `*.yaml`, `*.yml`, `*.json`, not hidden ones) and `-`, standard input.
pub fn read(paths: &[PathBuf]) -> Documents {
    let mut errors = Vec::new();
    let files = list(paths, &mut errors);
    let mut read: Vec<(usize, Documents)> = Vec::new();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    std::thread::scope(|scope| {
        let worker = || {
            let mut read = Vec::new();
            while let Some((index, file)) = {
                let index = next.fetch_add(1, Ordering::Relaxed);
                files.get(index).map(|file| (index, file))
            } {
                read.push((index, read_file(file)));
            }
            read
        };
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        read.extend(worker());
        for other in others {
            read.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    read.sort_by_key(|(index, _)| *index);
    let mut all = Documents { errors, files: files.len(), ..Documents::default() };
    for (_, documents) in read {
        all.objects.extend(documents.objects);
        all.errors.extend(documents.errors);
        all.skipped.extend(documents.skipped);
    }
    all
}

/// Reads one text that is in memory already.
pub fn read_text(name: &str, text: String) -> Documents {
    read_source(&source(name, None, text), true)
}

/// A file to read.
struct File {
    path: PathBuf,
    /// Named by the user, not found in a folder: then it must hold objects.
    named: bool,
    /// Found as a link: the same file may be found again.
    link: bool,
}

fn list(paths: &[PathBuf], errors: &mut Vec<InputError>) -> Vec<File> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == STDIN || !path.is_dir() {
            files.push(File { path: path.clone(), named: true, link: false });
        } else {
            list_folder(path, 0, &mut files, errors);
        }
    }
    // One folder without links holds every file once.
    if paths.len() > 1 || files.iter().any(|file| file.link) {
        let mut known = HashSet::new();
        files.retain(|file| known.insert(fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone())));
    }
    files
}

/// A folder that cannot be read costs what is in it, not what comes after it.
fn list_folder(folder: &Path, depth: usize, files: &mut Vec<File>, errors: &mut Vec<InputError>) {
    let name = folder.display().to_string();
    if depth > MAX_FOLDERS {
        errors.push(InputError::new(name, format!("more than {MAX_FOLDERS} folders deep")));
        return;
    }
    let mut unreadable = |error: std::io::Error| {
        errors.push(InputError::new(&*name, format!("cannot be read: {}", cause(&error))));
    };
    let mut entries = Vec::new();
    match fs::read_dir(folder) {
        Ok(listed) => listed.for_each(|entry| match entry {
            Ok(entry) if entry.file_name().as_encoded_bytes().starts_with(b".") => {}
            // Links to files are followed (a mounted ConfigMap is made of them), links to folders are not: they may lead back.
            // The kernel has listed the kind already; asking for it by path costs three system calls for each file.
            Ok(entry) => match entry.file_type() {
                Ok(kind) => entries.push((entry.path(), kind)),
                Err(error) => unreadable(error),
            },
            Err(error) => unreadable(error),
        }),
        Err(error) => unreadable(error),
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in entries {
        if kind.is_dir() {
            list_folder(&path, depth + 1, files, errors);
        } else if format_of(&path).is_some() && (kind.is_file() || (kind.is_symlink() && path.is_file())) {
            files.push(File { path, named: false, link: kind.is_symlink() });
        }
    }
}

/// The texts of files and folders one after the other, each with whether it was named.
pub(crate) fn sources(
    paths: &[PathBuf],
    errors: &mut Vec<InputError>,
) -> impl Iterator<Item = Result<(Arc<Source>, bool), InputError>> + use<> {
    list(paths, errors).into_iter().map(|file| source_of(&file).map(|source| (source, file.named)))
}

fn read_file(file: &File) -> Documents {
    match source_of(file) {
        Ok(source) => read_source(&source, file.named),
        Err(error) => Documents { errors: vec![error], ..Documents::default() },
    }
}

fn source_of(file: &File) -> Result<Arc<Source>, InputError> {
    let is_stdin = file.path.as_os_str() == STDIN;
    let name = if is_stdin { "<stdin>".to_owned() } else { file.path.display().to_string() };
    let text = if is_stdin {
        limited(std::io::stdin().lock(), 0, &name)
    } else {
        open(&file.path, &name).and_then(|(opened, bytes)| limited(opened, bytes, &name))
    };
    text.map(|text| source(&name, format_of(&file.path), text))
}

/// The file and how long it says that it is.
fn open(path: &Path, name: &str) -> Result<(fs::File, u64), InputError> {
    let unreadable = |error: std::io::Error| {
        let unreadable = InputError::new(name, format!("cannot be read: {}", cause(&error)));
        if name.starts_with('-') {
            unreadable.hint("flags come with two dashes; a file of that name is `./-..`")
        } else {
            unreadable
        }
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    // Asked before reading: a file of 100 GB must cost nothing.
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(too_large(name));
    }
    Ok((file, bytes))
}

/// The text of a reader; no more than the limit is read, whatever its metadata says.
fn limited(reader: impl Read, expected: u64, name: &str) -> Result<String, InputError> {
    // Two reads, the second finds the end; a buffer that grows with what it finds takes nine.
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    reader
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| InputError::new(name, format!("cannot be read: {}", cause(&error))))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(name));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good =
            String::from_utf8_lossy(error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default())
                .into_owned();
        let wrong = Source::new(name, good.clone(), Format::Yaml).position(good.len());
        let bytes = error.as_bytes();
        let byte = bytes.get(good.len()).copied().unwrap_or_default();
        let error = InputError::new(name, format!("not UTF-8: the byte `0x{byte:02x}`")).at(wrong);
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            error.hint("it is UTF-16; save it as UTF-8")
        } else {
            error
        }
    })
}

fn too_large(name: &str) -> InputError {
    InputError::new(name, format!("larger than {} MiB", MAX_FILE_BYTES >> 20))
        .hint("split it: the API server takes requests of at most 3 MiB")
}

pub(crate) fn source(name: &str, format: Option<Format>, text: String) -> Arc<Source> {
    // As kubectl does: what begins with a brace is JSON, unless it is YAML's flow style.
    let looks_like_json = || text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
    let format = match format {
        Some(Format::Json) => Format::Json,
        _ if looks_like_json() && json::is_json(text.trim_start_matches('\u{feff}')) => Format::Json,
        _ => Format::Yaml,
    };
    Arc::new(Source::new(name, text, format))
}

pub(crate) fn read_source(source: &Arc<Source>, named: bool) -> Documents {
    let mut all = Documents { files: 1, ..Documents::default() };
    for (origin, read) in parse(source) {
        match read.and_then(|json| objects(&origin, json)) {
            Ok(Content::Objects(found)) => all.objects.extend(found),
            Ok(Content::Empty) => {}
            Ok(Content::NotAnObject) => {
                let what =
                    InputError::new(&*source.name, "no Kubernetes object").at(source.position(origin.span.start));
                if named {
                    all.errors.push(what.hint("an object has `apiVersion` and `kind`"));
                } else {
                    all.skipped.push(InputError { message: format!("{}: skipped", what.message), ..what });
                }
            }
            Err(error) => all.errors.push(error),
        }
    }
    for (index, object) in all.objects.iter_mut().enumerate() {
        object.index = index;
    }
    all
}

/// The documents of a file as JSON.
pub(crate) fn parse(source: &Arc<Source>) -> Vec<(Arc<Origin>, Result<String, InputError>)> {
    let origin = |span| Arc::new(Origin::new(Arc::clone(source), span));
    // YAML's reader takes it for the end, and what follows would be lost in silence.
    if let Some(at) = source.text.bytes().position(|byte| byte == 0) {
        let error = InputError::new(&*source.name, "a NUL byte, which no text has").at(source.position(at));
        return vec![(origin(at..at), Err(error.hint("is it UTF-16, or no text at all? save it as UTF-8")))];
    }
    match source.format {
        Format::Yaml => yaml::documents(&source.text)
            .into_iter()
            .map(|document| {
                let start = source.line_start(document.first_line);
                (origin(start..source.text.len()), document.json.map_err(|error| yaml_error(source, error)))
            })
            .collect(),
        Format::Json => json::documents(&source.text)
            .into_iter()
            .map(|document| {
                let text = source.text.get(document.span.clone()).unwrap_or_default();
                let read = document.checked.map(|()| text.to_owned()).map_err(|error| json_error(source, &error));
                (origin(document.span), read)
            })
            .collect(),
    }
}

fn yaml_error(source: &Source, error: yaml::YamlError) -> InputError {
    let start = source.line_start(error.line);
    let line = source.text.get(start..source.line_start(error.line + 1)).unwrap_or_default();
    let hint = if line.contains("{{") { Some(TEMPLATE_HINT) } else { error.hint };
    let position = Position { line: error.line, column: error.column + 1 };
    InputError {
        file: source.name.clone(),
        position: Some(position),
        message: error.message,
        hint: hint.map(str::to_owned),
    }
}

fn json_error(source: &Source, error: &json::JsonError) -> InputError {
    let message = match error.first {
        Some(first) => format!("{}, first in line {}", error.message, source.position(first).line),
        None => error.message.clone(),
    };
    let at = InputError::new(&*source.name, message).at(source.position(error.offset));
    InputError { hint: error.hint.map(str::to_owned), ..at }
}

fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "yaml" | "yml" => Some(Format::Yaml),
        "json" => Some(Format::Json),
        _ => None,
    }
}

/// What the system says, as the end of a sentence: without a capital and the number that `std` appends.
pub fn cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

const STDIN: &str = "-";

const TEMPLATE_HINT: &str = "this looks like a template; render it first: `helm template CHART | stateward check -`";

/// Twenty times the largest request that the API server takes; a dump of a few thousand sets.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A tree that is deeper is a loop or an attack.
const MAX_FOLDERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    /// Names below the folder.
    fn names(folder: &Path, errors: &[InputError]) -> Vec<String> {
        errors.iter().map(|error| error.to_string().replace(&format!("{}/", folder.display()), "")).collect()
    }

    #[test]
    fn folders_are_read_in_name_order() {
        let files = [
            ("b.yaml", OBJECT),
            ("a/x.yml", OBJECT),
            ("a/y.json", "{\"apiVersion\":\"v1\",\"kind\":\"A\"}"),
            (".git/c.yaml", "["),
            ("a/.h.yaml", "["),
            ("c.txt", "["),
        ];
        let folder = folder(&files.map(|(name, text)| (name, text.as_bytes())));
        let documents = read(&[folder.path().to_owned()]);
        let read: Vec<_> = documents
            .objects
            .iter()
            .map(|document| document.file.trim_start_matches(&*folder.path().to_string_lossy()).to_owned())
            .collect();
        assert_eq!((documents.errors, documents.skipped, documents.files), (vec![], vec![], 3));
        assert_eq!(read, ["/a/x.yml", "/a/y.json", "/b.yaml"]);
    }

    #[test]
    fn what_is_no_object_is_skipped_in_a_folder_and_refused_by_name() {
        let folder = folder(&[("values.yaml", b"replicas: 3\n"), ("set.yaml", OBJECT.as_bytes())]);
        let documents = read(&[folder.path().to_owned()]);
        assert_eq!(names(folder.path(), &documents.skipped), ["values.yaml:1:1: no Kubernetes object: skipped"]);
        assert_eq!((documents.objects.len(), documents.errors.len()), (1, 0));
        // Named as well as found: read once, and named counts.
        let documents = read(&[folder.path().join("values.yaml"), folder.path().to_owned()]);
        assert_eq!(
            names(folder.path(), &documents.errors),
            ["values.yaml:1:1: no Kubernetes object\nhint: an object has `apiVersion` and `kind`"]
        );
        assert_eq!((documents.objects.len(), documents.files), (1, 2));
    }

    /// Deeper than is read, since to root no folder is closed.
    #[test]
    fn a_folder_that_cannot_be_read_hides_no_other() {
        let deep = format!("a/{}x.yaml", "b/".repeat(MAX_FOLDERS));
        let folder =
            folder(&[(&deep, OBJECT.as_bytes()), ("c/x.yaml", OBJECT.as_bytes()), ("d.yaml", OBJECT.as_bytes())]);
        let documents = read(&[folder.path().to_owned()]);
        assert_eq!((documents.objects.len(), documents.errors.len()), (2, 1));
        assert_eq!(documents.errors[0].message, "more than 64 folders deep");
    }

    #[test]
    fn files_that_are_no_text_say_so() {
        let folder = folder(&[
            ("a.yaml", b"ok: 1\nb\xff"),
            ("b.yaml", b"\xff\xfea\0"),
            ("c.yaml", b"a: {{ .Values.x }}\n"),
            ("d.json", b"{\"a\": 1,}"),
            ("e.json", br#"{"a": "\ud83d"}"#),
            ("f.yaml", b"a: 1\nb: \0\nc: 2\n"),
        ]);
        let mut errors = names(folder.path(), &read(&[folder.path().to_owned()]).errors);
        errors.extend(names(folder.path(), &read(&[folder.path().join("none.yaml")]).errors));
        assert_eq!(
            errors,
            [
                "a.yaml:2:2: not UTF-8: the byte `0xff`",
                "b.yaml:1:1: not UTF-8: the byte `0xff`\nhint: it is UTF-16; save it as UTF-8",
                "c.yaml:1:5: a key that is a list or a mapping\nhint: this looks like a template; render it first: `helm template CHART | stateward check -`",
                "d.json:1:9: not JSON: key must be a string",
                "e.json:1:7: a `\\u` escape in this text is half a character\nhint: write the character itself",
                "f.yaml:2:4: a NUL byte, which no text has\nhint: is it UTF-16, or no text at all? save it as UTF-8",
                "none.yaml: cannot be read: no such file or directory",
            ]
        );
    }

    #[test]
    fn files_of_a_hundred_megabytes_are_not_read() {
        let folder = folder(&[("big.yaml", b"")]);
        // Sparse: it takes no space.
        fs::File::options().write(true).open(folder.path().join("big.yaml")).unwrap().set_len(100 << 20).unwrap();
        let errors = names(folder.path(), &read(&[folder.path().to_owned()]).errors);
        assert_eq!(
            errors,
            ["big.yaml: larger than 64 MiB\nhint: split it: the API server takes requests of at most 3 MiB"]
        );
        assert_eq!(limited(std::io::repeat(b'a'), 0, "endless").unwrap_err().message, "larger than 64 MiB");
    }

    #[test]
    fn yaml_that_begins_with_a_brace_is_json_or_flow_style() {
        for (text, format) in [
            ("{\"a\": 1}", Format::Json),
            ("{\"a\": 1}{}", Format::Json),
            ("{a: 1}", Format::Yaml),
            ("\u{feff}{}", Format::Json),
            ("a: {}", Format::Yaml),
        ] {
            assert_eq!(source("x", None, text.to_owned()).format, format, "{text}");
        }
    }
}
