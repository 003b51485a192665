//! What rules look up during a scan: what this replica follows anyway, and the rest as it was listed when the scan began.

use std::sync::Arc;

use stateward_core::inventory::{Labels, Query, Store, StoredInventory, StoredObject};

use crate::inventory::ClusterInventory;

pub(super) struct Others {
    pub(super) followed: Arc<ClusterInventory>,
    /// Of kinds that are not followed: pods, leases, and what could not be listed when the scan began.
    pub(super) listed: StoredInventory,
}

impl Store for Others {
    /// What is listed comes first: a kind that is known only since would be asked about in two ways within one scan.
    fn matching(&self, query: &Query<'_>) -> Option<Vec<Arc<StoredObject>>> {
        if self.listed.holds(&query.kind) { self.listed.matching(query) } else { self.followed.followed(query) }
    }

    fn labels_of(&self, namespace: &str) -> Option<Arc<Labels>> {
        self.listed.labels_of(namespace).or_else(|| self.followed.followed_labels(namespace))
    }
}
