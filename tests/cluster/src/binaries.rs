//! The programs of a control plane: built once from a Go module in `tests/controlplane`, then kept.
//!
//! Does not start them, and fetches nothing but what Go's own tool fetches.

use std::fs::{self, File};
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

/// A program of the Go module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The store.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// All controllers, with that of StatefulSets.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
    /// The fake kubelet of all namespaces but ours.
    Kwok,
    /// Not started: for tests of the chart.
    Helm,
}

impl Program {
    /// What a control plane is made of, in the order of their start.
    pub const CONTROL_PLANE: [Self; 5] =
        [Self::Etcd, Self::KubeApiserver, Self::KubeControllerManager, Self::KubeScheduler, Self::Kwok];

    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kwok => "kwok",
            Self::Helm => "helm",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Self::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
            Self::Helm => "helm.sh/helm/v4/cmd/helm",
        }
    }
}

/// Where the program is, built if it is not there yet. `None` where it would have to be built and there is no Go.
pub fn find(program: Program) -> Result<Option<PathBuf>> {
    // Who names a version wants that one, whatever lies about.
    if asked().is_none()
        && let Some(asset) = asset(program.name())
    {
        return Ok(Some(asset));
    }
    let module = module_of(program)?;
    let folder = cache(&module)?;
    let path = folder.join(program.name());
    if path.exists() {
        return Ok(Some(path));
    }
    if !has_go() {
        return Ok(None);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    // Test binaries may run side by side: the second waits for the first one's build instead of repeating it.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    if !path.exists() {
        build(program, &module, &path)?;
    }
    Ok(Some(path))
}

/// kubectl: of `KUBEBUILDER_ASSETS`, else the one on `PATH`.
pub fn kubectl() -> Option<PathBuf> {
    asset("kubectl").or_else(|| on_path("kubectl"))
}

/// The minor version that `STATEWARD_KUBERNETES` asks for, such as `1.33`; without it the servers are the newest.
pub fn asked() -> Option<String> {
    std::env::var("STATEWARD_KUBERNETES").ok().filter(|version| !version.is_empty())
}

/// The folder of the newest control plane's Go module, and of what all of them share.
pub fn module() -> PathBuf {
    crate::root().join("tests/controlplane")
}

/// The folder of the Go module that holds the program. kwok and helm are the newest on every version: they are tools here, not what is tested, and
/// would raise the libraries of an older Kubernetes to their own.
fn module_of(program: Program) -> Result<PathBuf> {
    let newest = module();
    match (program, asked()) {
        (Program::Kwok | Program::Helm, _) | (_, None) => Ok(newest),
        (_, Some(version)) => {
            let module = newest.join(&version);
            ensure!(
                module.join("go.mod").exists(),
                "STATEWARD_KUBERNETES is `{version}`\nhint: there is no `{}`",
                module.display()
            );
            Ok(module)
        }
    }
}

fn asset(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS")?).join(name);
    path.exists().then_some(path)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn has_go() -> bool {
    on_path("go").is_some()
}

/// One folder for each state of the module, so that a change of versions builds anew and a return finds the old ones.
fn cache(module: &Path) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    for file in ["go.mod", "go.sum"] {
        let path = module.join(file);
        hash.update(fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?);
    }
    let hash: String = hash.finalize().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let folder = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("STATEWARD_CONTROLPLANE_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("stateward-controlplane")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/stateward-controlplane")));
    let base = base.context("there is no cache folder\nhint: set STATEWARD_CONTROLPLANE_CACHE")?;
    Ok(base.join(hash))
}

fn build(program: Program, module: &Path, path: &Path) -> Result<()> {
    let version = kubernetes_version(module)?;
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // Without these the server calls itself v0.0.0-master, and clients compare versions.
    let component = "k8s.io/component-base/version";
    let flags = format!(
        "-s -w -X {component}.gitVersion={version} -X {component}.gitMajor={major} -X {component}.gitMinor={minor}"
    );
    // A name of its own until it is whole: a build that was stopped must not be taken for a program.
    let unfinished = path.with_extension(format!("{}.part", std::process::id()));
    say(&format!(
        "building {} for the tests in a cluster, as of Kubernetes {version}, into {}: all of a control plane takes 6 minutes or more, once",
        program.name(),
        path.parent().unwrap_or(path).display(),
    ));
    let start = Instant::now();
    let status = Command::new("go")
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"])
        .args([unfinished.as_os_str(), program.package().as_ref()])
        .env("CGO_ENABLED", "0")
        .current_dir(module)
        .stdin(Stdio::null())
        .status()
        .context("`go` does not run")?;
    ensure!(status.success(), "`go build {}` failed in `{}`", program.package(), module.display());
    fs::rename(&unfinished, path).with_context(|| format!("cannot make `{}`", path.display()))?;
    say(&format!("built {} in {} s", program.name(), start.elapsed().as_secs()));
    Ok(())
}

/// The version of Kubernetes that the module requires, such as `v1.37.2`.
fn kubernetes_version(module: &Path) -> Result<String> {
    let text = fs::read_to_string(module.join("go.mod"))?;
    let version = text.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes ")?.split(' ').next());
    match version {
        Some(version) => Ok(version.to_owned()),
        None => bail!("`{}` does not require k8s.io/kubernetes", module.join("go.mod").display()),
    }
}

/// To the terminal itself: the harness of tests keeps what `println!` says until a test fails, and nobody waits minutes before a silent screen.
fn say(what: &str) {
    let _ = writeln!(stderr(), "{what}");
}

/// 48 bits: nobody attacks this name, and a path that a person can read is worth more.
const HASH_BYTES: usize = 6;
