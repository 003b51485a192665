//! Addresses: each control plane takes 127.N.0.0/16, so that planes side by side, their pods and their fixed ports never meet.
//!
//! This stands in for the pod network. What it cannot give a pod is a wildcard address of its own: see `kubelet/container.rs`.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result};

/// One /16 of loopback, ours while this lives.
pub(crate) struct Network {
    number: u8,
    pods: AtomicU16,
    _held: TcpListener,
}

impl Network {
    /// Takes a free one.
    pub(crate) fn take() -> Result<Self> {
        // Beginning elsewhere in each process only saves failing attempts; listening decides.
        let first = std::process::id();
        (0..COUNT)
            .find_map(|offset| {
                let number = u8::try_from(FIRST + (first + offset) % COUNT).ok()?;
                let held = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::new(127, number, 0, 1), LOCK_PORT)).ok()?;
                Some(Self { number, pods: AtomicU16::new(0), _held: held })
            })
            .context("no network of 127.0.0.0/8 is free\nhint: this needs Linux, which routes all of it to loopback")
    }

    /// Where the servers of the control plane listen, and the Service.
    pub(crate) fn host(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.number, 0, 1)
    }

    /// An address that no pod had before.
    pub(crate) fn pod(&self) -> Ipv4Addr {
        let [high, low] = self.pods.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Ipv4Addr::new(127, self.number, high.wrapping_add(1), low.wrapping_add(1))
    }
}

/// 127.0 and 127.1 are used by others: 127.0.0.53 by resolvers, 127.1 as a short form.
const FIRST: u32 = 2;
const COUNT: u32 = 250;

/// Held while the network is taken. Below the ports that the kernel gives out.
const LOCK_PORT: u16 = 21_000;
