//! Names that no logic can tell: images, paths, drivers. Written from the reference and the corpus, not copied from the rules.

use serde_json::Value;

use super::tree::text;

/// Labels that Kubernetes itself gives to members.
pub(super) const IDENTITY_KEYS: &[&str] =
    &["statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "controller-revision-hash"];

/// Whether an image is a database by the last part of its name. What only stands beside one is none.
pub(super) fn is_database(image: &str) -> bool {
    let name = image_name(image);
    !is_beside(name) && words(name).any(|word| DATABASES.contains(&word))
}

/// The same of a container: `mongos` is a router, made from the database's image.
pub(super) fn runs_database(container: &Value) -> bool {
    is_database(text(&container["image"])) && !is_beside(text(&container["name"]))
}

fn is_beside(name: &str) -> bool {
    words(name).any(|word| BESIDE.contains(&word))
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['-', '_', '.'])
}

/// `registry:5000/library/postgres:16@sha256:..` is `postgres`.
pub(super) fn image_name(image: &str) -> &str {
    let without_digest = image.split('@').next().unwrap_or_default();
    let last = without_digest.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

/// Whether a database keeps its data in a folder of its own; brokers and proxies of these images do without. Where a keeper
/// has its log, each image says in its settings.
pub(super) fn keeps_data(image: &str) -> bool {
    is_database(image) && !["minio", "pulsar", "pulsar-all", "clickhouse-keeper"].contains(&image_name(image))
}

/// Where images of projects have their data.
pub(super) fn data_folder(image: &str) -> Option<&'static str> {
    match image_name(image) {
        "mysql" | "mariadb" | "percona" => Some("/var/lib/mysql"),
        "postgres" | "timescaledb" | "postgis" => Some("/var/lib/postgresql"),
        "mongo" => Some("/data/db"),
        "rabbitmq" => Some("/var/lib/rabbitmq"),
        "cassandra" => Some("/var/lib/cassandra"),
        _ => None,
    }
}

/// Whether a path is known to hold a database's data.
pub(super) fn is_data_path(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let is_under = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // Bitnami's charts: `/bitnami/<application>/data`.
    let mut names = path.split('/').skip(1);
    let is_bitnami = names.next() == Some("bitnami") && names.nth(1) == Some("data");
    is_bitnami || DATA_PATHS.iter().any(|root| is_under(root))
}

pub(super) fn is_node_local(provisioner: &str) -> bool {
    NODE_LOCAL.contains(&provisioner) || provisioner.starts_with("topolvm.cybozu.com/")
}

pub(super) fn is_remote(provisioner: &str) -> bool {
    REMOTE.contains(&provisioner)
        || [".rbd.csi.ceph.com", ".cephfs.csi.ceph.com"].iter().any(|suffix| provisioner.ends_with(suffix))
        || (provisioner.starts_with("cluster.local/") && provisioner.ends_with("nfs-server-provisioner"))
        || (provisioner.starts_with("cluster.local/") && provisioner.ends_with("nfs-subdir-external-provisioner"))
}

/// A volume of theirs is in one zone.
pub(super) fn is_topology_bound(provisioner: &str) -> bool {
    ZONAL.contains(&provisioner)
}

pub(super) fn is_file_system(provisioner: &str) -> bool {
    FILE_SYSTEMS.contains(&provisioner) || (provisioner.starts_with("cluster.local/") && provisioner.contains("nfs-"))
}

const DATABASES: &[&str] = &[
    "postgres",
    "postgresql",
    "timescaledb",
    "spilo",
    "mysql",
    "mariadb",
    "percona",
    "mongo",
    "mongod",
    "mongodb",
    "redis",
    "valkey",
    "keydb",
    "etcd",
    "zookeeper",
    "kafka",
    "cassandra",
    "scylla",
    "scylladb",
    "elasticsearch",
    "opensearch",
    "rabbitmq",
    "cockroach",
    "cockroachdb",
    "clickhouse",
    "influxdb",
    "couchdb",
    "couchbase",
    "neo4j",
    "questdb",
    "solr",
    "consul",
    "minio",
    "pulsar",
];

const BESIDE: &[&str] = &[
    "exporter",
    "sentinel",
    "mongos",
    "console",
    "browser",
    "operator",
    "proxy",
    "backup",
    "ui",
    "manager",
    "init",
    "reloader",
    "dashboards",
    "connect",
    "k8s",
    "account",
];

const DATA_PATHS: &[&str] = &[
    "/data",
    "/export",
    "/bitnami/cassandra",
    "/bitnami/clickhouse",
    "/bitnami/consul",
    "/bitnami/etcd",
    "/bitnami/kafka",
    "/bitnami/keydb",
    "/bitnami/mariadb",
    "/bitnami/mongodb",
    "/bitnami/mysql",
    "/opt/bitnami/rabbitmq/.rabbitmq/mnesia",
    "/bitnami/postgresql",
    "/bitnami/rabbitmq",
    "/bitnami/redis",
    "/bitnami/scylladb",
    "/bitnami/solr",
    "/bitnami/valkey",
    "/bitnami/zookeeper",
    "/cockroach/cockroach-data",
    "/consul/data",
    "/usr/share/elasticsearch/data",
    "/usr/share/opensearch/data",
    "/var/lib/cassandra",
    "/var/lib/clickhouse",
    "/var/lib/data",
    "/var/lib/etcd",
    "/var/lib/influxdb",
    "/var/lib/kafka",
    "/var/lib/mongodb",
    "/var/lib/mysql",
    "/var/lib/postgresql",
    "/var/lib/questdb",
    "/var/lib/rabbitmq",
    "/var/lib/redis",
    "/var/lib/scylla",
    "/var/lib/zookeeper",
];

const NODE_LOCAL: &[&str] = &[
    "kubernetes.io/no-provisioner",
    "local-provisioner",
    "rancher.io/local-path",
    "k8s.io/minikube-hostpath",
    "hostpath.csi.k8s.io",
    "csi-hostpath",
    "kubernetes.io/host-path",
    "docker.io/hostpath",
    "microk8s.io/hostpath",
    "openebs.io/local",
    "local.csi.openebs.io",
    "zfs.csi.openebs.io",
    "topolvm.io",
    "topolvm.cybozu.com",
    "directpv-min-io",
    "lvm.csi.metal-stack.io",
    "kubevirt.io.hostpath-provisioner",
    "kubevirt.io/hostpath-provisioner",
    "carina.storage.io",
    "localdisk.csi.acstor.io",
];

/// Those that Kubernetes still has: GlusterFS, Quobyte, ScaleIO and StorageOS are gone, and what their names mean now nobody knows.
const REMOTE: &[&str] = &[
    "ebs.csi.aws.com",
    "kubernetes.io/aws-ebs",
    "efs.csi.aws.com",
    "fsx.csi.aws.com",
    "pd.csi.storage.gke.io",
    "kubernetes.io/gce-pd",
    "filestore.csi.storage.gke.io",
    "lustre.csi.storage.gke.io",
    "disk.csi.azure.com",
    "kubernetes.io/azure-disk",
    "file.csi.azure.com",
    "kubernetes.io/azure-file",
    "kubernetes.io/rbd",
    "driver.longhorn.io",
    "nfs.csi.k8s.io",
    "smb.csi.k8s.io",
    "k8s-sigs.io/nfs-subdir-external-provisioner",
    "csi.trident.netapp.io",
    "io.openebs.csi-mayastor",
    "cstor.csi.openebs.io",
    "dobs.csi.digitalocean.com",
    "cinder.csi.openstack.org",
    "kubernetes.io/cinder",
    "csi.vsphere.vmware.com",
    "kubernetes.io/vsphere-volume",
    "csi.hetzner.cloud",
    "linodebs.csi.linode.com",
    "linstor.csi.linbit.com",
    "pxd.portworx.com",
    "kubernetes.io/portworx-volume",
];

const ZONAL: &[&str] = &[
    "ebs.csi.aws.com",
    "kubernetes.io/aws-ebs",
    "pd.csi.storage.gke.io",
    "kubernetes.io/gce-pd",
    "disk.csi.azure.com",
    "kubernetes.io/azure-disk",
    "cinder.csi.openstack.org",
    "kubernetes.io/cinder",
    "csi.vsphere.vmware.com",
    "kubernetes.io/vsphere-volume",
    "csi.hetzner.cloud",
    "linodebs.csi.linode.com",
    "dobs.csi.digitalocean.com",
];

const FILE_SYSTEMS: &[&str] = &[
    "efs.csi.aws.com",
    "filestore.csi.storage.gke.io",
    "file.csi.azure.com",
    "kubernetes.io/azure-file",
    "nfs.csi.k8s.io",
    "smb.csi.k8s.io",
    "k8s-sigs.io/nfs-subdir-external-provisioner",
    "kubernetes.io/glusterfs",
];

/// Annotations that say who looks after it, or what to do at night.
pub(super) const OWNER_KEYS: &[&str] = &["a8r.io/owner", "a8r.io/runbook", "owner", "runbook"];
