//! Waits for changes in a directory: policies, certificates, manifests.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Waits for changes in a directory. The directory is watched, not its files: Secrets and ConfigMaps are mounted as links through `..data`, and a
/// renewal renames that one link. The path itself may be a link that is renamed, too. Polling is the net below it.
pub struct Watch {
    directory: PathBuf,
    /// `None` where the system gives no watch (too many, or a file system without): polling alone, more often.
    watcher: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
    fingerprint: u64,
}

impl Watch {
    /// From now on; what is in the directory already is not a change.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        let (watcher, events) = start(&directory);
        Self { watcher, events, fingerprint: fingerprint(&directory), directory }
    }

    /// Returns once something in the directory changed and it has been quiet since.
    pub async fn changed(&mut self) {
        loop {
            let poll = if self.watcher.is_some() { POLL } else { POLL_ALONE };
            let noticed = tokio::select! {
                Some(()) = self.events.recv() => true,
                () = sleep(poll) => false,
            };
            if noticed {
                self.settle().await;
            }
            let fingerprint = fingerprint(&self.directory);
            if noticed || fingerprint != self.fingerprint {
                self.fingerprint = fingerprint;
                // What the watched links point to may be another directory now.
                (self.watcher, self.events) = start(&self.directory);
                return;
            }
        }
    }

    /// A renewal is several writes and renames.
    async fn settle(&mut self) {
        for _ in 0..MAX_EVENTS_TO_SETTLE {
            if timeout(QUIET, self.events.recv()).await.is_err() {
                return;
            }
        }
    }
}

fn start(directory: &Path) -> (Option<RecommendedWatcher>, mpsc::Receiver<()>) {
    let (sender, events) = mpsc::channel(1);
    let link = fs::symlink_metadata(directory).is_ok_and(|found| found.is_symlink());
    let parent = directory.parent().filter(|_| link).map(Path::to_path_buf);
    let (watched, siblings) = (directory.to_path_buf(), parent.clone());
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let ours = event.is_ok_and(|event| {
            // Our own reading is an access.
            !event.kind.is_access()
                && event.paths.iter().any(|path| siblings.as_deref() != path.parent() || *path == watched)
        });
        if ours {
            // One pending wake-up is as good as many.
            let _ = sender.try_send(());
        }
    });
    let watcher = watcher.and_then(|mut watcher| {
        watcher.watch(directory, RecursiveMode::Recursive)?;
        if let Some(parent) = parent {
            watcher.watch(
                if parent.as_os_str().is_empty() { Path::new(".") } else { &parent },
                RecursiveMode::NonRecursive,
            )?;
        }
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => (Some(watcher), events),
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, poll_seconds = POLL_ALONE.as_secs(), "directory is polled, not watched");
            (None, events)
        }
    }
}

/// Of the files below the directory, through links: names, places on disk, sizes and times; not their contents.
fn fingerprint(directory: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_directory(directory, 0, &mut hasher);
    hasher.finish()
}

fn hash_directory(directory: &Path, depth: usize, hasher: &mut DefaultHasher) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    for path in paths {
        let Ok(found) = fs::metadata(&path) else { continue };
        path.hash(hasher);
        if found.is_dir() {
            if depth < MAX_DEPTH {
                hash_directory(&path, depth + 1, hasher);
            }
        } else {
            (found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()).hash(hasher);
        }
    }
}

/// Longer than the gaps between an editor's or kubelet's steps, shorter than anybody waits for.
const QUIET: Duration = Duration::from_millis(100);
/// A directory that never rests is read every few seconds all the same.
const MAX_EVENTS_TO_SETTLE: usize = 50;
/// Events can be lost (a full queue, a network file system).
const POLL: Duration = Duration::from_secs(30);
const POLL_ALONE: Duration = Duration::from_secs(2);
/// Links may form a circle.
const MAX_DEPTH: usize = 16;
