//! The versions of Kubernetes that there are control planes of: one Go module each, in `tests/controlplane` (the newest) and in folders of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cargo::root;

/// What the tests in a cluster read: the minor version, or nothing for the newest.
pub(crate) const VARIABLE: &str = "STATEWARD_KUBERNETES";

/// Takes `--kubernetes VERSION` out of the arguments, and answers the value of [`VARIABLE`] that asks for it.
pub(crate) fn take(arguments: &mut Vec<String>) -> Result<Option<String>> {
    let Some(place) = arguments.iter().position(|argument| argument == "--kubernetes") else { return Ok(None) };
    let end = arguments.len().min(place + 2);
    let taken: Vec<String> = arguments.drain(place..end).collect();
    let versions = versions(&root()?.join("tests/controlplane"))?;
    let known = versions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let Some(version) = taken.get(1) else { bail!("`--kubernetes` needs a version\nhint: {known}") };
    let Some(folder) = versions.get(version) else {
        bail!("there is no control plane of Kubernetes `{version}`\nhint: {known}")
    };
    Ok(Some(folder.clone()))
}

/// Minor versions such as `1.33`, and the folder below `tests/controlplane` of each: none for the newest.
fn versions(newest: &Path) -> Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::from([(minor_version(newest)?, String::new())]);
    for entry in fs::read_dir(newest)? {
        let folder: PathBuf = entry?.path();
        if folder.join("go.mod").exists() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let holds = minor_version(&folder)?;
            // Else a claim about one version would be tested on another.
            if holds != name {
                bail!("`{}` holds Kubernetes {holds}\nhint: the folder is named after what it holds", folder.display());
            }
            versions.insert(holds, name);
        }
    }
    Ok(versions)
}

/// `1.33` of a module that requires `v1.33.13`.
fn minor_version(module: &Path) -> Result<String> {
    let path = module.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let required = text.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes v"));
    let minor = required.and_then(|version| version.match_indices('.').nth(1).and_then(|(dot, _)| version.get(..dot)));
    Ok(minor.with_context(|| format!("`{}` does not require k8s.io/kubernetes", path.display()))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::take;

    #[test]
    fn takes_a_version_that_there_is_a_module_of() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut arguments = words("lease --kubernetes 1.33 chart");
        assert_eq!(take(&mut arguments).unwrap().as_deref(), Some("1.33"));
        assert_eq!(arguments, words("lease chart"));
        assert_eq!(take(&mut arguments).unwrap(), None);

        for (arguments, expected) in [
            ("--kubernetes 1.32 chart", "there is no control plane of Kubernetes `1.32`\nhint: 1.33, 1."),
            ("chart --kubernetes", "`--kubernetes` needs a version\nhint: 1.33, 1."),
        ] {
            let error = take(&mut words(arguments)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
