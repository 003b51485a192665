//! Sees every state of every pod in the shop, and remembers what must not be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use stateward_cluster_tests::installed::Installed;
use tokio::task::JoinHandle;

/// Ends when it is dropped.
pub(crate) struct Observer {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    events: usize,
    /// The sets for which a pod may write, by the pods' uids.
    writing: BTreeMap<String, (String, String)>,
    wrong: Vec<String>,
}

impl Observer {
    pub(crate) fn start(on: &Installed) -> Result<Self> {
        let pods: Api<Pod> = Api::namespaced(on.plane.client()?, "shop");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut events = watcher(pods, watcher::Config::default()).boxed();
            while let Some(event) = events.next().await {
                let mut seen = notes.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Ok(Event::Apply(pod) | Event::InitApply(pod)) => seen.note(&pod),
                    Ok(Event::Delete(pod)) => drop(seen.writing.remove(&pod.uid().unwrap_or_default())),
                    Ok(Event::Init) => seen.writing.clear(),
                    Ok(Event::InitDone) | Err(_) => {}
                }
            }
        });
        Ok(Self { seen, task })
    }

    /// No two pods of one set said at one time that they may write, and nobody had a role that the controller did not make or adopt.
    pub(crate) fn saw_one_manager(&self) -> Result<()> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(seen.events > 0 && !seen.writing.is_empty(), "nothing was seen");
        ensure!(seen.wrong.is_empty(), "{}", seen.wrong.join("\n"));
        Ok(())
    }
}

impl Seen {
    fn note(&mut self, pod: &Pod) {
        self.events += 1;
        let (uid, name) = (pod.uid().unwrap_or_default(), pod.name_any());
        let label = |key: &str| pod.labels().get(key).map(String::as_str);
        let (role, set) = (label("stateward.dev/role"), label("stateward.dev/set"));
        let write = pod.annotations().get("stateward.dev/write").map(String::as_str);
        let fits =
            matches!((role, write), (Some("manager"), Some("allow")) | (Some("worker"), Some("deny")) | (None, None));
        let is_member = set.is_none_or(|set| name.strip_prefix(set).is_some_and(|rest| rest.starts_with('-')));
        if !fits || !is_member || role.is_some() != set.is_some() {
            self.wrong.push(format!("`{name}` is {role:?} of {set:?} and writes: {write:?}"));
        }
        if write == Some("allow") || role == Some("manager") {
            let set = set.unwrap_or_default().to_owned();
            self.writing.insert(uid, (set.clone(), name));
            let managers: Vec<&String> =
                self.writing.values().filter(|(of, _)| *of == set).map(|(_, pod)| pod).collect();
            if managers.len() > 1 {
                self.wrong.push(format!("two managers of `{set}`: {managers:?}"));
            }
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
