//! A real control plane on loopback, and what plays kubelet and Service for our own pods there.
