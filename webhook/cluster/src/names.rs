//! What our own objects are called. `deploy/base` and `deploy/chart` use the same names; a test compares them.

/// Of the Deployment, Service, ServiceAccount, ClusterRole, Lease and both webhook configurations.
pub const APP: &str = "stateward";

/// Where `deploy/base` puts everything that has a namespace.
pub const NAMESPACE: &str = "stateward-system";

/// The Secret with authority, certificate and keys.
pub const CERTIFICATES: &str = "stateward-certificates";

/// The ConfigMap that remembers what was registered, what was found to work, and a pause.
pub const STATE: &str = "stateward-state";

/// The port of the Service, and of the pods behind it.
pub const PORT: u16 = 9443;

/// Who writes, to the API server: field manager, Events, Lease.
pub const FIELD_MANAGER: &str = "stateward";

/// Namespaces that a cluster needs to run, and of which we are never asked.
pub const UNASKED: [&str; 2] = ["kube-system", "kube-node-lease"];
