//! Ordered identity: pods are created in order, deleted in reverse, each with a unique fixed name and DNS.

#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "tests hand over `json!` literals"))]

pub mod conditions;
pub mod deletion;
pub mod names;
pub mod network;
pub mod order;
pub mod ownership;
pub mod placement;
pub mod selectors;
pub mod services;
pub mod settings;
pub mod shutdown;
pub mod updates;

use deletion::{
    FORCE_DELETE, ORPHANING_DELETE, UNORDERED_DELETE, force_delete, force_eviction, orphaning_delete, unordered_delete,
};
use names::{
    GENERATED_NAME, NAME_NOT_LABEL, NAME_TOO_LONG, ORDINAL_LIKE_NAME, SHIFTED_ORDINALS, generated_name, name_not_label,
    name_too_long, ordinal_like_name, shifted_ordinals,
};
use network::{
    DEAD_SERVICE, MISSING_SERVICE, NO_SERVICE_NAME, NOT_HEADLESS, dead_service, missing_service, no_service_name,
    not_headless,
};
use order::{NO_READINESS_GATE, PARALLEL_MANAGEMENT, UNREADY_DNS, no_readiness_gate, parallel_management, unready_dns};
use ownership::{FOREIGN_OWNER, foreign_owner};
use placement::{HOST_NETWORK, HOSTNAME_OVERRIDE, PINNED_NODE, host_network, hostname_override, pinned_node};
use selectors::{OVERLAPPING_SELECTOR, RESERVED_KEYS, overlapping_selector, reserved_keys};
use services::{SERVICE_REMOVED, service_removed};
pub use settings::Settings;
use shutdown::{SHORT_GRACE, ZERO_GRACE, short_grace, zero_grace};
use updates::{
    BATCH_UPDATE, FROZEN_PARTITION, ON_DELETE_UPDATE, RECREATE_UPDATE, STALLED_ROLLOUT, batch_update, frozen_partition,
    on_delete_update, recreate_update, stalled_rollout,
};

stateward_sdk::rules! {
    /// The family `ordered-identity`.
    pub struct OrderedIdentity(Settings);
    validate {
        PARALLEL_MANAGEMENT => StatefulSet: parallel_management;
        NO_READINESS_GATE => StatefulSet: no_readiness_gate, Scale: no_readiness_gate;
        UNREADY_DNS => StatefulSet: unready_dns;
        ON_DELETE_UPDATE => StatefulSet: on_delete_update;
        FROZEN_PARTITION => StatefulSet: frozen_partition;
        BATCH_UPDATE => StatefulSet: batch_update;
        RECREATE_UPDATE => StatefulSet: recreate_update;
        ZERO_GRACE => StatefulSet: zero_grace;
        SHORT_GRACE => StatefulSet: short_grace;
        UNORDERED_DELETE => StatefulSet: unordered_delete;
        ORPHANING_DELETE => StatefulSet: orphaning_delete;
        FORCE_DELETE => Pod: force_delete, Eviction: force_eviction;
        STALLED_ROLLOUT => StatefulSet: stalled_rollout;
        NAME_TOO_LONG => StatefulSet: name_too_long;
        NAME_NOT_LABEL => StatefulSet: name_not_label;
        GENERATED_NAME => StatefulSet: generated_name;
        ORDINAL_LIKE_NAME => StatefulSet: ordinal_like_name;
        SHIFTED_ORDINALS => StatefulSet: shifted_ordinals;
        HOSTNAME_OVERRIDE => StatefulSet: hostname_override;
        HOST_NETWORK => StatefulSet: host_network;
        PINNED_NODE => StatefulSet: pinned_node;
        OVERLAPPING_SELECTOR => StatefulSet: overlapping_selector;
        FOREIGN_OWNER => StatefulSetStatus: foreign_owner;
        RESERVED_KEYS => StatefulSet: reserved_keys;
        NO_SERVICE_NAME => StatefulSet: no_service_name, Scale: no_service_name;
        MISSING_SERVICE => StatefulSet: missing_service;
        NOT_HEADLESS => StatefulSet: not_headless, Scale: not_headless;
        DEAD_SERVICE => StatefulSet: dead_service;
        SERVICE_REMOVED => Service: service_removed;
    }
    mutate {}
}
