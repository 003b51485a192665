//! The keys of the manager contract (DESIGN section 8). The SDK's `contract` has them too; a test compares the two.

/// Below it all keys are ours; those that no constant here names are ignored, so that an older server does not refuse a newer one's.
pub const DOMAIN: &str = "stateward.dev/";

/// Label of a Namespace: the least profile in force there.
pub const PROFILE: &str = "stateward.dev/profile";

/// StatefulSet, annotation, the owner's intent: `manager-only` or `any`.
pub const WRITES: &str = "stateward.dev/writes";

/// The value of [`WRITES`] that makes a set governed.
pub const MANAGER_ONLY: &str = "manager-only";

/// StatefulSet, annotation, the owner's intent: how workers synchronise.
pub const SYNC: &str = "stateward.dev/sync";

/// StatefulSet, annotation, the owner's intent: what backs it up.
pub const BACKUP: &str = "stateward.dev/backup";

/// StatefulSet, annotation, ours alone: a dry-run CREATE that asks whether the API server reaches us. It is refused on every validating path.
pub const PROBE: &str = "stateward.dev/probe";

/// StatefulSet, annotation, ours: `<name>-<start>`.
pub const MANAGER: &str = "stateward.dev/manager";

/// Label of the template and so of pods, ours at CREATE: `true`.
pub const GOVERNED: &str = "stateward.dev/governed";

/// Pod, label, ours: `manager` or `worker`.
pub const ROLE: &str = "stateward.dev/role";

/// Pod, label, ours: the set's name.
pub const SET: &str = "stateward.dev/set";

/// Pod, annotation, ours: `allow` or `deny`.
pub const WRITE: &str = "stateward.dev/write";

/// Pod, annotation, ours: decimal.
pub const ORDINAL: &str = "stateward.dev/ordinal";

/// Pod, annotation, ours: `<pod>.<service>.<ns>.svc`.
pub const MANAGER_HOST: &str = "stateward.dev/manager-host";

/// Protected labels: nobody but the webhook sets or changes them.
pub const PROTECTED_LABELS: &[&str] = &[GOVERNED, ROLE, SET];

/// Protected annotations: nobody but the webhook sets or changes them.
pub const PROTECTED_ANNOTATIONS: &[&str] = &[MANAGER, WRITE, ORDINAL, MANAGER_HOST];
