//! The image that `cargo xtask image` writes: an OCI layout in which every digest is right, and out of which the binary starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use stateward_cluster_tests::{binary, root, stateward};
use tar::Archive;

/// The suite's own binary, which is dynamically linked: a static one takes ten minutes to build and differs in nothing that is tested here.
#[test]
fn the_layout_is_whole_and_its_binary_starts() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("image");
    write_image(&layout);

    let mark: Value = json(&fs::read(layout.join("oci-layout")).unwrap());
    assert_eq!(mark["imageLayoutVersion"], "1.0.0");
    let index: Value = json(&fs::read(layout.join("index.json")).unwrap());
    let manifest = json(&blob(&layout, &index["manifests"][0]));
    let config = json(&blob(&layout, &manifest["config"]));
    let packed = blob(&layout, &manifest["layers"][0]);
    let mut layer = Vec::new();
    std::io::Read::read_to_end(&mut GzDecoder::new(packed.as_slice()), &mut layer).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer));
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], env!("CARGO_PKG_VERSION"));

    let container = folder.path().join("container");
    check_entries(&layer);
    unpack(&layer, &container);
    let program = container.join(config["config"]["Entrypoint"][0].as_str().unwrap().trim_start_matches('/'));
    let output = Command::new(program).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), concat!("stateward ", env!("CARGO_PKG_VERSION")));

    // What it brings is taken: nothing is compiled, so nothing comes into an empty cache.
    let cache = folder.path().join("cache");
    let precompiled = container.join("var/cache/stateward");
    for (brought, is_empty) in [(precompiled, true), (folder.path().join("none"), false)] {
        let mut rules = Command::new(container.join("stateward"));
        rules.args(["rules", "-o", "json"]).env("STATEWARD_CACHE_DIR", &cache);
        assert!(rules.env("STATEWARD_PRECOMPILED_DIR", brought).output().unwrap().status.success());
        let compiled = fs::read_dir(&cache).map_or(0, Iterator::count);
        assert_eq!(compiled == 0, is_empty, "{compiled} files in the cache");
    }

    // The same image in a second run: nothing of the machine, the time or the order of a folder is in it.
    let before = fs::read(layout.join("index.json")).unwrap();
    write_image(&layout);
    assert_eq!(fs::read(layout.join("index.json")).unwrap(), before);
}

/// With a daemon or without: one image.
#[test]
fn the_dockerfile_says_what_the_task_writes() {
    let dockerfile = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let task = fs::read_to_string(root().join("webhook/xtask/src/image.rs")).unwrap();
    let last_stage = dockerfile.rsplit("\nFROM ").next().unwrap();
    assert!(last_stage.starts_with("scratch\n"), "{last_stage}");
    for (instruction, value) in [
        ("USER 65532:65532", "user: \"65532:65532\""),
        ("ENTRYPOINT [\"/stateward\"]", "entrypoint: \"/stateward\""),
        ("ENV STATEWARD_PRECOMPILED_DIR=/var/cache/stateward", "\"STATEWARD_PRECOMPILED_DIR=/{PRECOMPILED}\""),
    ] {
        assert!(last_stage.lines().any(|line| line == instruction), "{instruction}");
        assert!(task.contains(value), "{value}");
    }
}

fn write_image(layout: &Path) {
    let output = Command::new(xtask()).args(["image", "--binary"]).arg(stateward()).arg("--out").arg(layout).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn xtask() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--quiet", "--workspace", "--locked", "--bin", "xtask"];
    assert!(Command::new(cargo).args(arguments).current_dir(root()).status().unwrap().success());
    binary("xtask")
}

/// A blob, after its size and its name have been compared with its content.
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let name = descriptor["digest"].as_str().unwrap();
    let bytes = fs::read(layout.join("blobs").join(name.replace(':', "/"))).unwrap();
    assert_eq!(descriptor["size"], bytes.len());
    assert_eq!(digest(&bytes), name);
    bytes
}

/// Everything is root's and nobody else may write it, but for temporary files: the server refuses machine code that others can write.
fn check_entries(layer: &[u8]) {
    let mut precompiled = 0;
    for entry in Archive::new(layer).entries().unwrap() {
        let entry = entry.unwrap();
        let (header, path) = (entry.header(), entry.path().unwrap().into_owned());
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0), "{path:?}");
        let mode = header.mode().unwrap();
        if path != Path::new("tmp") {
            assert_eq!(mode & 0o022, 0, "{path:?} has mode {mode:o}");
            assert_eq!(mode & 0o004, 0o004, "{path:?} has mode {mode:o}");
        }
        precompiled +=
            usize::from(path.starts_with("var/cache/stateward") && path.extension().is_some_and(|e| e == "cwasm"));
    }
    assert_eq!(precompiled, 1, "there is one built-in component");
}

fn unpack(layer: &[u8], folder: &Path) {
    fs::create_dir(folder).unwrap();
    Archive::new(layer).unpack(folder).unwrap();
    assert_eq!(fs::metadata(folder.join("stateward")).unwrap().permissions().mode() & 0o777, 0o755);
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn digest(bytes: &[u8]) -> String {
    let hexadecimal: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}
