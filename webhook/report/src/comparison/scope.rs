//! What a newer report is about: of what is outside it nobody knows whether it is gone.

use std::path::{Component, Path, PathBuf};

/// What was looked at, and what of it is compared.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Files and folders, `-` for standard input; none: a cluster.
    pub paths: Vec<PathBuf>,
    /// Of a cluster: objects of other namespaces, and those of none, were left out.
    pub namespace: Option<String>,
    /// Of a cluster: objects without some labels were left out.
    pub has_labels: bool,
    /// Only what refuses or warns is compared, of both reports.
    pub only_failures: bool,
}

impl Scope {
    /// Whether this file was read, had it been there.
    pub(super) fn has_file(&self, file: &str) -> bool {
        self.paths.iter().any(|path| {
            if path.as_os_str() == "-" {
                return file == "<stdin>";
            }
            let (file, path) = (plain(Path::new(file)), plain(path));
            file.is_absolute() == path.is_absolute() && file.starts_with(path)
        })
    }

    /// Whether a stored object of this namespace was listed, had it been there.
    pub(super) fn has_stored(&self, namespace: Option<&str>) -> bool {
        !self.has_labels && self.namespace.as_deref().is_none_or(|only| namespace == Some(only))
    }
}

/// Whether a file is this one or in this folder, as they are written.
pub(super) fn is_below(file: &str, above: &str) -> bool {
    file.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `./a` and `a` are the same.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}
