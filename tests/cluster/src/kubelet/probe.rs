//! Probes: an HTTP GET every few seconds, and what follows from the answers in a row.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http;

/// One probe of one process; asks until it is dropped.
pub(super) struct Prober {
    verdict: watch::Receiver<Option<bool>>,
    task: Option<JoinHandle<()>>,
}

impl Prober {
    /// Begins to ask. Where there is no probe, it succeeds.
    pub(super) fn start(probe: Option<&Probe>, container: &Container, address: Ipv4Addr) -> Result<Self> {
        let Some(probe) = probe else {
            return Ok(Self { verdict: watch::channel(Some(true)).1, task: None });
        };
        let (address, path) = target(probe, container, address)?;
        let probe = probe.clone();
        let (sender, verdict) = watch::channel(None);
        let task = tokio::spawn(async move {
            // The API server has filled in the defaults; these are the same.
            tokio::time::sleep(seconds(probe.initial_delay_seconds, 0)).await;
            let mut times = tokio::time::interval(seconds(probe.period_seconds, 10));
            let (mut before, mut in_a_row) = (None, 0);
            loop {
                times.tick().await;
                let answer = http::get(&address, &path, seconds(probe.timeout_seconds, 1)).await;
                let is_well = answer.is_ok_and(|status| (200..400).contains(&status));
                in_a_row = if before == Some(is_well) { in_a_row + 1 } else { 1 };
                before = Some(is_well);
                let needed = if is_well { probe.success_threshold } else { probe.failure_threshold };
                if in_a_row >= needed.unwrap_or(if is_well { 1 } else { 3 }) {
                    sender.send_replace(Some(is_well));
                }
            }
        });
        Ok(Self { verdict, task: Some(task) })
    }

    /// Whether enough answers in a row were good.
    pub(super) fn succeeds(&self) -> bool {
        *self.verdict.borrow() == Some(true)
    }

    /// Whether enough answers in a row were bad.
    pub(super) fn fails(&self) -> bool {
        *self.verdict.borrow() == Some(false)
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Address and path that are asked.
fn target(probe: &Probe, container: &Container, address: Ipv4Addr) -> Result<(String, String)> {
    let get = probe.http_get.as_ref().context("only HTTP probes are played here")?;
    ensure!(get.scheme.as_deref().unwrap_or("HTTP") == "HTTP", "only plain HTTP probes are played here");
    let port = port(&get.port, container)?;
    Ok((format!("{address}:{port}"), get.path.clone().unwrap_or_else(|| "/".to_owned())))
}

/// The number of a port that is given by number or name.
pub(crate) fn port(port: &IntOrString, container: &Container) -> Result<i32> {
    let name = match port {
        IntOrString::Int(number) => return Ok(*number),
        IntOrString::String(name) => name,
    };
    let named = container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
    Ok(named.with_context(|| format!("the container has no port `{name}`"))?.container_port)
}

fn seconds(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(default))
}
