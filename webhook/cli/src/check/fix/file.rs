//! A file with another text: whole or not at all, whatever happens between.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use stateward_manifests::cause;

/// Writes a file anew that had this text. A link stays a link, and the mode stays what it is.
pub(super) fn write(name: &str, old: &str, new: &str) -> anyhow::Result<()> {
    let failed = |error: &std::io::Error| {
        anyhow!("cannot write `{name}`: {}\nhint: `--diff` shows what would be written", cause(error))
    };
    let path = fs::canonicalize(name).map_err(|error| failed(&error))?;
    let bytes = fs::read(&path).map_err(|error| failed(&error))?;
    let (mark, text) = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(text) => (BYTE_ORDER_MARK, text),
        None => (&[][..], bytes.as_slice()),
    };
    if text != old.as_bytes() {
        bail!("`{name}` was changed by somebody else in the meantime: it is left as it is\nhint: run this again");
    }
    let beside = beside(&path);
    let written = put(&beside, &path, &[mark, new.as_bytes()].concat());
    if written.is_err() {
        // It may not have come into being.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(|error| failed(&error))
}

fn put(beside: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let permissions = fs::metadata(path)?.permissions();
    if permissions.readonly() {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    let mut file = File::create_new(beside)?;
    file.set_permissions(permissions)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

/// In the same folder, so that renaming it is one step; hidden, so that no reader of the folder takes it for a manifest.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.stateward", std::process::id()))
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
