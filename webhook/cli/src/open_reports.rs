//! Reports of stored objects, as the leader keeps them and `audit --store` does.

use stateward_cluster::audit::Stored;
use stateward_cluster::reports::{Layout, Wanted};
use stateward_report::openreports::{DIGEST, GENERATION, GROUP, MANAGED_BY, OpenReport, RESOURCE, Subject, VERSION};

/// How ours are found.
pub(crate) const LAYOUT: Layout = Layout {
    group: GROUP,
    version: VERSION,
    managed_by: MANAGED_BY,
    resource: RESOURCE,
    digest: DIGEST,
    generation: GENERATION,
};

/// What a report is about.
pub(crate) fn subject(stored: &Stored) -> Subject<'_> {
    let Stored { kind, resource, namespace, name, uid, .. } = stored;
    Subject { kind, resource, namespace: namespace.as_deref(), name, uid: Some(uid) }
}

/// A report that should be there.
pub(crate) fn wanted(report: OpenReport) -> Wanted {
    let OpenReport { namespace, name, digest, object } = report;
    Wanted { namespace, name, digest, object }
}
