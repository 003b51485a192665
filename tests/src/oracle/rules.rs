//! Which rules are computed here, with the fields to print where two verdicts differ, and which are not, with the reason.

/// What `judge` computes: the rule, and the fields that it is about.
pub const RULES: &[(&str, &[&str])] = &[
    ("manager-writes/forged-role", &["/spec/selector", "/spec/template/metadata", "/spec/volumeClaimTemplates"]),
    ("manager-writes/invalid-contract", &["/metadata/annotations", "/spec/template/spec/initContainers", CONTAINERS]),
    ("manager-writes/manager-data-loss", &["/metadata/annotations", RETENTION]),
    ("manager-writes/mixed-service", &["/metadata", "/spec/selector", POD_LABELS, SERVICE_NAME]),
    ("manager-writes/no-write-service", &["/metadata/annotations", POD_LABELS, SERVICE_NAME]),
    ("manager-writes/parallel-manager", &["/metadata/annotations", POLICY]),
    ("manager-writes/scaled-to-zero", &["/metadata/annotations", REPLICAS]),
    ("manager-writes/shared-data", &["/metadata/annotations", VOLUMES, TEMPLATES, CONTAINERS]),
    (
        "manager-writes/undeclared-sync",
        &["/metadata/annotations", REPLICAS, "/spec/template/spec/initContainers", CONTAINERS],
    ),
    ("manager-writes/undeclared-writes", &["/metadata/annotations", REPLICAS]),
    ("operations/backup-of-missing-volume", &["/spec/template/metadata/annotations", VOLUMES, TEMPLATES]),
    ("operations/blocking-budget", &["/spec"]),
    ("operations/excluded-data", &["/spec/template/metadata", TEMPLATES]),
    ("operations/ineffective-spread", &[AFFINITY, SPREAD, POD_LABELS]),
    ("operations/no-backup-intent", &["/metadata/annotations", "/spec/template/metadata", TEMPLATES]),
    ("operations/no-disruption-budget", &[REPLICAS, POD_LABELS]),
    ("operations/no-owner", &["/metadata/annotations"]),
    ("operations/no-spread", &[REPLICAS, AFFINITY, SPREAD]),
    ("ordered-identity/batch-update", &[REPLICAS, UPDATE]),
    ("ordered-identity/dead-service", &[SERVICE_NAME, POD_LABELS]),
    ("ordered-identity/frozen-partition", &[REPLICAS, UPDATE]),
    ("ordered-identity/generated-name", &["/metadata"]),
    ("ordered-identity/host-network", &["/spec/template/spec/hostNetwork"]),
    ("ordered-identity/hostname-override", &["/spec/template/spec/hostname", "/spec/template/spec/subdomain"]),
    ("ordered-identity/missing-service", &[SERVICE_NAME]),
    ("ordered-identity/name-not-label", &["/metadata/name"]),
    ("ordered-identity/name-too-long", &["/metadata/name"]),
    ("ordered-identity/no-readiness-gate", &[REPLICAS, POLICY, CONTAINERS]),
    ("ordered-identity/no-service-name", &[SERVICE_NAME, REPLICAS]),
    ("ordered-identity/not-headless", &[SERVICE_NAME, REPLICAS]),
    ("ordered-identity/on-delete-update", &[UPDATE]),
    ("ordered-identity/ordinal-like-name", &["/metadata/name"]),
    ("ordered-identity/overlapping-selector", &["/spec/selector"]),
    ("ordered-identity/parallel-management", &[POLICY]),
    ("ordered-identity/pinned-node", &["/spec/template/spec/nodeName", "/spec/template/spec/nodeSelector"]),
    ("ordered-identity/recreate-update", &[UPDATE]),
    ("ordered-identity/reserved-keys", &["/spec/selector", POD_LABELS, TEMPLATES]),
    ("ordered-identity/shifted-ordinals", &["/spec/ordinals"]),
    ("ordered-identity/short-grace", &[GRACE, CONTAINERS]),
    ("ordered-identity/unready-dns", &[POLICY, SERVICE_NAME, "/spec/template/spec/initContainers"]),
    ("ordered-identity/zero-grace", &[GRACE]),
    ("remote-volumes/claim-collision", &[REPLICAS, TEMPLATES]),
    ("remote-volumes/cloned-source", &[TEMPLATES]),
    ("remote-volumes/default-class", &[TEMPLATES]),
    ("remote-volumes/degraded-remote-class", &[TEMPLATES]),
    ("remote-volumes/delete-on-scale-down", &[RETENTION]),
    ("remote-volumes/delete-with-set", &[RETENTION]),
    ("remote-volumes/duplicate-claim", &[TEMPLATES]),
    ("remote-volumes/ephemeral-claim", &[VOLUMES, CONTAINERS]),
    ("remote-volumes/ephemeral-data", &[VOLUMES, TEMPLATES, CONTAINERS]),
    ("remote-volumes/file-system-database", &[TEMPLATES, CONTAINERS]),
    ("remote-volumes/fixed-size-class", &[TEMPLATES]),
    ("remote-volumes/host-path-data", &[VOLUMES, CONTAINERS]),
    ("remote-volumes/immediate-binding", &[TEMPLATES]),
    ("remote-volumes/incomplete-claim", &[TEMPLATES]),
    ("remote-volumes/local-claim", &["/metadata", "/spec"]),
    ("remote-volumes/local-class", &[TEMPLATES]),
    ("remote-volumes/missing-class", &[TEMPLATES]),
    ("remote-volumes/no-claim-template", &[TEMPLATES]),
    ("remote-volumes/pinned-volume", &[TEMPLATES]),
    ("remote-volumes/reclaim-delete", &[TEMPLATES]),
    ("remote-volumes/shadowed-volume", &[VOLUMES, TEMPLATES]),
    ("remote-volumes/shared-access-mode", &[TEMPLATES]),
    ("remote-volumes/shared-claim", &[REPLICAS, VOLUMES, TEMPLATES, CONTAINERS]),
    ("remote-volumes/static-only-class", &[TEMPLATES]),
    ("remote-volumes/unknown-driver", &[TEMPLATES]),
    ("remote-volumes/unmounted-claim", &[TEMPLATES, CONTAINERS]),
    ("remote-volumes/unscalable-claim", &[REPLICAS, VOLUMES, TEMPLATES, CONTAINERS]),
    ("remote-volumes/volume-mode-mismatch", &[TEMPLATES, CONTAINERS]),
    ("workload-kind/database-image", &["/spec"]),
    ("workload-kind/foreign-claim", &["/metadata", "/spec"]),
    ("workload-kind/replicated-claim", &["/spec"]),
    ("workload-kind/rolling-claim", &["/spec"]),
];

/// What files alone cannot decide.
pub const NOT_JUDGED: &[(&str, &str)] = &[
    ("manager-writes/adopted-pod", "compares with the old object, or looks up pods"),
    ("manager-writes/contract-change", "compares with the old object"),
    ("manager-writes/declare-writes", "changes; `judge` sees what it wrote"),
    ("manager-writes/manager-delete", "a deletion by a user"),
    ("manager-writes/moved-manager", "compares with the old object, or looks up pods"),
    ("manager-writes/role-change", "compares with the old object"),
    ("manager-writes/stamp-pod", "changes"),
    ("manager-writes/stamp-set", "changes; `judge` sees what it wrote"),
    ("manager-writes/unbound-pod", "needs the user"),
    ("manager-writes/unstamped-members", "looks up pods"),
    ("manager-writes/write-service-changed", "compares with the old object"),
    ("operations/profile-lowered", "compares with the old object"),
    ("ordered-identity/force-delete", "a deletion"),
    ("ordered-identity/foreign-owner", "compares with the old object"),
    ("ordered-identity/orphaning-delete", "a deletion"),
    ("ordered-identity/service-removed", "a deletion, or compares with the old object"),
    ("ordered-identity/stalled-rollout", "compares with the old object"),
    ("ordered-identity/unordered-delete", "a deletion"),
    ("remote-volumes/claim-in-use", "a deletion by a user"),
    ("remote-volumes/pin-class", "changes; off in both profiles"),
    ("remote-volumes/squatted-claim", "needs the user"),
];

const AFFINITY: &str = "/spec/template/spec/affinity";
const CONTAINERS: &str = "/spec/template/spec/containers";
const GRACE: &str = "/spec/template/spec/terminationGracePeriodSeconds";
const POD_LABELS: &str = "/spec/template/metadata/labels";
const POLICY: &str = "/spec/podManagementPolicy";
const REPLICAS: &str = "/spec/replicas";
const RETENTION: &str = "/spec/persistentVolumeClaimRetentionPolicy";
const SERVICE_NAME: &str = "/spec/serviceName";
const SPREAD: &str = "/spec/template/spec/topologySpreadConstraints";
const TEMPLATES: &str = "/spec/volumeClaimTemplates";
const UPDATE: &str = "/spec/updateStrategy";
const VOLUMES: &str = "/spec/template/spec/volumes";
