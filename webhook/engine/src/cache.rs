//! Compiled components in a folder. They are run as they are: the folder and every file in it must be ours alone.
//!
//! A file's name is the digest of the Wasm, plus a hash of the compiler's version and settings. Its own digest is stored beside it, so that a
//! file that a crash or a disk has damaged is compiled again instead of run.

use std::fs::{self, DirBuilder, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wasmtime::component::Component;

use crate::engine::EngineError;

/// A folder that only our user can write.
pub(crate) struct Cache {
    folder: PathBuf,
    /// Removed with the cache.
    _temporary: Option<TempDir>,
}

/// The name of one compiled component.
pub(crate) struct Key(String);

impl Key {
    /// The same Wasm compiled by another version or with other settings is another file.
    pub(crate) fn new(engine: &wasmtime::Engine, wasm_digest: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = hasher.finish();
        let wasm = wasm_digest.trim_start_matches("sha256:");
        Self(format!("{wasm}-{compatibility:016x}"))
    }
}

impl Cache {
    /// Makes the folder where it is missing; refuses one that others can write.
    pub(crate) fn open(folder: &Path) -> Result<Self, EngineError> {
        let unusable = |source| EngineError::Cache { path: folder.to_owned(), source };
        let untrusted = |reason: String| EngineError::UntrustedCache { path: folder.to_owned(), reason };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        // Not followed: whoever may change a link may change where it leads.
        let metadata = fs::symlink_metadata(folder).map_err(unusable)?;
        if !metadata.is_dir() {
            return Err(untrusted("it is not a folder".to_owned()));
        }
        check_owner(&metadata).map_err(untrusted)?;
        Ok(Self { folder: folder.to_owned(), _temporary: None })
    }

    /// A folder of this process alone, for as long as the cache lives.
    pub(crate) fn temporary() -> Result<Self, EngineError> {
        let unusable = |source| EngineError::Cache { path: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix("stateward-").tempdir().map_err(unusable)?;
        let cache = Self::open(folder.path())?;
        Ok(Self { _temporary: Some(folder), ..cache })
    }

    /// The compiled component, or `None` where it is absent, damaged, or of another version.
    pub(crate) fn load(&self, engine: &wasmtime::Engine, key: &Key) -> Option<Component> {
        let path = self.path(key, CODE);
        match self.load_stored(engine, key) {
            Ok(component) => Some(component),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a compiled component in the cache cannot be used; compiling it again");
                None
            }
        }
    }

    /// The same for one that has just been stored: whatever is wrong is an error.
    pub(crate) fn load_stored(&self, engine: &wasmtime::Engine, key: &Key) -> io::Result<Component> {
        self.read_checked(key)?;
        map(engine, &self.path(key, CODE))
    }

    /// Writes beside and renames: a reader sees the old file, the new one, or none. The digest comes last. Others may store the same key at
    /// the same time, from this process or another: what compiles the same Wasm with the same settings writes the same bytes.
    pub(crate) fn store(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        self.write(key, CODE, code)?;
        self.write(key, DIGEST, hex(&Sha256::digest(code)).as_bytes())
    }

    fn write(&self, key: &Key, extension: &str, bytes: &[u8]) -> io::Result<()> {
        // A random name: process ids repeat between containers that share a folder.
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o400)).tempfile_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.path(key, extension))?;
        Ok(())
    }

    /// Reads the whole file and compares it with the digest stored beside it.
    fn read_checked(&self, key: &Key) -> io::Result<()> {
        let mut expected = String::new();
        open_trusted(&self.path(key, DIGEST))?.take(DIGEST_BYTES).read_to_string(&mut expected)?;
        let mut hasher = Sha256::new();
        io::copy(&mut open_trusted(&self.path(key, CODE))?, &mut hasher)?;
        if hex(&hasher.finalize()) == expected {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "its content is not what was written"))
    }

    fn path(&self, key: &Key, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", key.0))
    }
}

/// Maps a compiled component. Wasmtime checks its own version and settings.
fn map(engine: &wasmtime::Engine, path: &Path) -> io::Result<Component> {
    #[expect(unsafe_code, reason = "mapping machine code that was compiled before; nothing else loads in 0.1 ms")]
    // SAFETY: the file must be an unmodified product of `precompile_component` and stay unmodified while it is mapped. Only our own user can
    // write to it or to its folder (checked when the cache was opened and when the file was read), we only ever write by renaming a new file
    // into place, and its content has just been compared with the digest that was stored when it was compiled.
    let component = unsafe { Component::deserialize_file(engine, path) };
    component.map_err(|error| io::Error::other(error.root_cause().to_string()))
}

fn open_trusted(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    check_owner(&file.metadata()?).map_err(|reason| io::Error::new(io::ErrorKind::PermissionDenied, reason))?;
    Ok(file)
}

/// Ours or root's, who could do anything anyway (an image's files are root's); nobody else may write.
fn check_owner(metadata: &fs::Metadata) -> Result<(), String> {
    let us = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != us && owner != 0 {
        return Err(format!("it belongs to user {owner}, we are {us}"));
    }
    if mode & 0o022 != 0 {
        return Err(format!("its mode {mode:04o} lets others write"));
    }
    Ok(())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const CODE: &str = "cwasm";
const DIGEST: &str = "sha256";
const DIGEST_BYTES: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// The smallest component, compiled.
    fn compiled() -> (wasmtime::Engine, Vec<u8>) {
        let engine = wasmtime::Engine::new(&crate::config::compiling()).unwrap();
        let code = engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
        (engine, code)
    }

    #[test]
    fn refuses_a_folder_that_others_can_write() {
        let folder = tempfile::tempdir().unwrap();
        mode(folder.path(), 0o770);
        let error = Cache::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("its mode 0770 lets others write\nhint: "), "{error}");
        mode(folder.path(), 0o700);
        assert!(Cache::open(folder.path()).is_ok());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(Cache::open(&link).err().unwrap().to_string().contains("it is not a folder"));
    }

    #[test]
    fn makes_a_folder_and_files_for_us_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let cache = Cache::open(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        cache.store(&Key("key".to_owned()), b"code").unwrap();
        assert_eq!(fs::metadata(folder.join("key.cwasm")).unwrap().mode() & 0o777, 0o400);
    }

    #[test]
    fn gives_back_what_was_stored_and_nothing_damaged() {
        let (engine, code) = compiled();
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let key = Key::new(&engine, "sha256:00");
        assert!(cache.load(&engine, &key).is_none());
        cache.store(&key, &code).unwrap();
        assert!(cache.load(&engine, &key).is_some());
        let path = cache.path(&key, CODE);

        mode(&path, 0o666);
        assert!(cache.load(&engine, &key).is_none(), "writable by others");
        mode(&path, 0o600);
        for damage in [&code[..code.len() / 2], b"", b"\x7fELF", &[&code[..], b"x"].concat()] {
            fs::write(&path, damage).unwrap();
            assert!(cache.load(&engine, &key).is_none());
        }
        cache.store(&key, &code).unwrap();
        assert!(cache.load(&engine, &key).is_some(), "stored again over the damaged one");

        // Not ours to run, though undamaged: wasmtime's own check.
        cache.store(&key, b"not machine code").unwrap();
        assert!(cache.load(&engine, &key).is_none());
    }

    #[test]
    fn many_may_store_the_same_component_at_once() {
        let (engine, code) = compiled();
        let folder = tempfile::tempdir().unwrap();
        let key = Key::new(&engine, "sha256:00");
        // Each with a cache of its own, as several processes would.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let cache = Cache::open(folder.path()).unwrap();
                    for _ in 0..20 {
                        cache.store(&key, &code).unwrap();
                        cache.load_stored(&engine, &key).unwrap();
                    }
                });
            }
        });
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "the code and its digest: {left:?}");
    }
}
