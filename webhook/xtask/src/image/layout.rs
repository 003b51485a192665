//! An OCI image layout of one layer: the same bytes from the same entries, whoever writes them and when.
//!
//! Knows nothing of what is in the image. Owner of every file is root, its time is 1970: neither tells anything, and both would differ.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// A file or folder of the layer.
pub(crate) struct Entry {
    /// Without a slash at either end.
    path: String,
    /// `None` for a folder.
    bytes: Option<Vec<u8>>,
    mode: u32,
}

impl Entry {
    pub(crate) fn folder(path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), bytes: None, mode }
    }

    pub(crate) fn file(path: &str, bytes: Vec<u8>, mode: u32) -> Self {
        Self { path: path.to_owned(), bytes: Some(bytes), mode }
    }
}

/// What the image says of itself.
pub(crate) struct Config<'a> {
    pub(crate) architecture: &'a str,
    pub(crate) user: &'a str,
    pub(crate) entrypoint: &'a str,
    pub(crate) environment: Vec<String>,
    pub(crate) title: &'a str,
    pub(crate) version: &'a str,
}

/// Writes the layout into `folder`, over an older layout but over nothing else, and says the manifest's digest.
pub(crate) fn write(folder: &Path, mut entries: Vec<Entry>, config: &Config<'_>) -> Result<String> {
    clear(folder)?;
    // Parents sort before what they hold.
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let tar = tar(&entries).context("cannot pack the layer")?;
    let layer = Blob::write(folder, LAYER, &gzip(&tar)?)?;
    let labels = json!({
        "org.opencontainers.image.title": config.title,
        "org.opencontainers.image.version": config.version,
        "org.opencontainers.image.licenses": "Apache-2.0",
    });
    let image = json!({
        "created": EPOCH,
        "architecture": config.architecture,
        "os": "linux",
        "config": {
            "User": config.user,
            "Entrypoint": [config.entrypoint],
            "Env": config.environment,
            "WorkingDir": "/",
            "Labels": &labels,
        },
        // Of the tar, not of what is stored: a registry may compress it anew.
        "rootfs": { "type": "layers", "diff_ids": [digest(&tar)] },
        "history": [{ "created": EPOCH, "created_by": "cargo xtask image" }],
    });
    let image = Blob::write(folder, CONFIG, &serde_json::to_vec(&image)?)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": image.descriptor(),
        "layers": [layer.descriptor()],
        "annotations": labels,
    });
    let manifest = Blob::write(folder, MANIFEST, &serde_json::to_vec(&manifest)?)?;
    let mut descriptor = manifest.descriptor();
    if let Some(fields) = descriptor.as_object_mut() {
        fields.insert("platform".to_owned(), json!({ "architecture": config.architecture, "os": "linux" }));
        fields.insert("annotations".to_owned(), json!({ "org.opencontainers.image.ref.name": config.version }));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor] });
    fs::write(folder.join("index.json"), serde_json::to_vec(&index)?)?;
    // Last: without it nothing takes the folder for a layout.
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(manifest.digest)
}

struct Blob {
    media_type: &'static str,
    digest: String,
    size: usize,
}

impl Blob {
    fn write(folder: &Path, media_type: &'static str, bytes: &[u8]) -> Result<Self> {
        let digest = digest(bytes);
        let path = folder.join("blobs").join(digest.replace(':', "/"));
        fs::write(&path, bytes).with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(Self { media_type, digest, size: bytes.len() })
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.size })
    }
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        let is_empty =
            fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?.next().is_none();
        ensure!(
            is_empty || folder.join("oci-layout").exists() || folder.join("blobs/sha256").exists(),
            "`{}` is neither empty nor an OCI layout\nhint: name another folder with `--out`",
            folder.display()
        );
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
    }
    fs::create_dir_all(folder.join("blobs/sha256")).with_context(|| format!("cannot make `{}`", folder.display()))
}

fn tar(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_ustar();
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let bytes = entry.bytes.as_deref().unwrap_or_default();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(if entry.bytes.is_some() { EntryType::Regular } else { EntryType::Directory });
        let end = if entry.bytes.is_some() { "" } else { "/" };
        tar.append_data(&mut header, format!("{}{end}", entry.path), bytes)?;
    }
    Ok(tar.into_inner()?)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // No time, no name, and not the system it was made on.
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::default());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

fn digest(bytes: &[u8]) -> String {
    let hexadecimal: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

const EPOCH: &str = "1970-01-01T00:00:00Z";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        vec![
            Entry::file("b/program", b"\x7fELF".to_vec(), 0o755),
            Entry::folder("b", 0o755),
            Entry::folder("a", 0o1777),
        ]
    }

    #[test]
    fn the_same_entries_give_the_same_layer_in_any_order() {
        let mut other = entries();
        other.reverse();
        let config = |version| Config {
            architecture: "amd64",
            user: "65532:65532",
            entrypoint: "/b/program",
            environment: Vec::new(),
            title: "b",
            version,
        };
        let folder = std::env::temp_dir().join(format!("stateward-layout-{}", std::process::id()));
        let first = write(&folder, entries(), &config("1")).unwrap();
        let again = write(&folder, other, &config("1")).unwrap();
        let newer = write(&folder, entries(), &config("2")).unwrap();
        // Of the third alone: layer, configuration and manifest.
        let blobs = fs::read_dir(folder.join("blobs/sha256")).unwrap().count();
        fs::remove_file(folder.join("oci-layout")).unwrap();
        fs::remove_dir_all(folder.join("blobs")).unwrap();
        let refused = write(&folder, entries(), &config("1")).unwrap_err();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, newer);
        assert_eq!(blobs, 3);
        assert!(refused.to_string().contains("neither empty nor an OCI layout"), "{refused}");
    }
}
