//! Where databases keep their data: a guess by mount path and by variables such as `PGDATA`.

use crate::images;
use crate::lists::ListChange;
use crate::objects::{Container, VolumeMount};

/// Where a container keeps a database's data, if that is on a mount that `is_meant`: the mount's path is a known one or below it, or a known
/// variable of the container names a path on it. Paths and variables are one list: `/var/lib/*` with `*` for one name, `$PGDATA`.
pub fn data_mount<'s, 'a>(
    container: &'s Container<'a>,
    paths: &ListChange,
    is_meant: impl Fn(&VolumeMount) -> bool,
) -> Option<&'s VolumeMount<'a>> {
    let meant = || container.volume_mounts.iter().filter(|mount| is_meant(mount));
    // Paths first: there are few mounts that are meant, and often dozens of variables.
    meant().next()?;
    meant().find(|mount| is_data_path(&mount.mount_path, paths)).or_else(|| {
        let values = container.env.iter().flatten().filter(|variable| {
            variable.value.starts_with('/')
                && paths.any(&DATA_VARIABLES, |entry| entry.strip_prefix('$') == Some(&variable.name))
        });
        let mut mounts =
            values.flat_map(|variable| variable.value.split(',')).filter_map(|path| mount_of(path, container));
        mounts.find(|mount| is_meant(mount))
    })
}

/// Where an image keeps its data when nobody says otherwise: in its own layer, unless something is mounted there. Of images with well-known
/// names only.
pub fn of_image(image: &str) -> Option<&'static str> {
    let name = images::name(image);
    IMAGES.iter().find(|(each, _)| *each == name).map(|&(_, path)| path)
}

/// Whether one path lies below another, or is the same. `*` stands for one name.
fn is_below(path: &str, parent: &str) -> bool {
    let mut names = names(path);
    self::names(parent).all(|wanted| names.next().is_some_and(|name| wanted == "*" || wanted == name))
}

fn is_data_path(path: &str, paths: &ListChange) -> bool {
    // Most paths part at the first letter: a set has dozens of mounts, and the list dozens of paths.
    let first = path.bytes().find(|&byte| byte != b'/');
    paths.any(&DATA_PATHS, |entry| match entry.as_bytes() {
        [b'/', letter, ..] => (Some(*letter) == first || matches!(letter, b'*' | b'/')) && is_below(path, entry),
        _ => false,
    })
}

/// Of all that the container mounts, a path is on the mount that is nearest above it.
fn mount_of<'s, 'a>(path: &str, container: &'s Container<'a>) -> Option<&'s VolumeMount<'a>> {
    let above = container.volume_mounts.iter().filter(|mount| is_below(path, &mount.mount_path));
    above.max_by_key(|mount| names(&mount.mount_path).count())
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// What projects' own images and the well-known packagers use.
pub const DATA_PATHS: [&str; 55] = [
    "/data",
    "/export",
    "/prometheus",
    "/cockroach/cockroach-data",
    "/consul/data",
    "/vault/data",
    "/opt/couchbase/var",
    "/opt/couchdb/data",
    "/opt/bitnami/rabbitmq/.rabbitmq/mnesia",
    "/qdrant/storage",
    "/usr/share/elasticsearch/data",
    "/usr/share/opensearch/data",
    "/var/opt/mssql",
    "/var/lib/aerospike",
    "/var/lib/arangodb3",
    "/var/lib/cassandra",
    "/var/lib/clickhouse",
    "/var/lib/data",
    "/var/lib/elasticsearch",
    "/var/lib/etcd",
    "/var/lib/foundationdb",
    "/var/lib/grafana",
    "/var/lib/influxdb",
    "/var/lib/influxdb2",
    "/var/lib/kafka",
    "/var/lib/mongo",
    "/var/lib/mongodb",
    "/var/lib/mysql",
    "/var/lib/neo4j",
    "/var/lib/opensearch",
    "/var/lib/postgresql",
    "/var/lib/questdb",
    "/var/lib/rabbitmq",
    "/var/lib/redis",
    "/var/lib/redpanda",
    "/var/lib/scylla",
    "/var/lib/valkey",
    "/var/lib/weaviate",
    "/var/lib/zookeeper",
    // Most packages below /bitnami keep settings and keys beside their data.
    "/bitnami/*/data",
    "/bitnami/cassandra",
    "/bitnami/clickhouse",
    "/bitnami/consul",
    "/bitnami/etcd",
    "/bitnami/influxdb",
    "/bitnami/kafka",
    "/bitnami/mariadb",
    "/bitnami/minio",
    "/bitnami/mongodb",
    "/bitnami/mysql",
    "/bitnami/neo4j",
    "/bitnami/postgresql",
    "/bitnami/scylladb",
    "/bitnami/solr",
    "/bitnami/zookeeper",
];

/// The variables that move it elsewhere.
pub const DATA_VARIABLES: [&str; 10] = [
    "$ELASTICSEARCH_DATA_DIR",
    "$ETCD_DATA_DIR",
    "$KAFKA_LOG_DIRS",
    "$MARIADB_DATA_DIR",
    "$MONGODB_DATA_DIR",
    "$MYSQL_DATA_DIR",
    "$PGDATA",
    "$RABBITMQ_MNESIA_BASE",
    "$REDIS_DATA_DIR",
    "$ZOO_DATA_DIR",
];

/// The `VOLUME` or data directory of images, by the last segment of their names.
const IMAGES: [(&str, &str); 31] = [
    ("arangodb", "/var/lib/arangodb3"),
    ("cassandra", "/var/lib/cassandra"),
    ("clickhouse-server", "/var/lib/clickhouse"),
    ("cockroach", "/cockroach/cockroach-data"),
    ("couchbase", "/opt/couchbase/var"),
    ("couchdb", "/opt/couchdb/data"),
    ("cp-kafka", "/var/lib/kafka"),
    ("cp-zookeeper", "/var/lib/zookeeper"),
    ("elasticsearch", "/usr/share/elasticsearch/data"),
    ("elasticsearch-oss", "/usr/share/elasticsearch/data"),
    ("influxdb", "/var/lib/influxdb"),
    ("keydb", "/data"),
    ("mariadb", "/var/lib/mysql"),
    ("mongo", "/data/db"),
    ("mysql", "/var/lib/mysql"),
    ("mysql-server", "/var/lib/mysql"),
    ("neo4j", "/data"),
    ("opensearch", "/usr/share/opensearch/data"),
    ("percona", "/var/lib/mysql"),
    ("percona-server", "/var/lib/mysql"),
    ("percona-server-mongodb", "/data/db"),
    ("pgvector", "/var/lib/postgresql"),
    ("postgis", "/var/lib/postgresql"),
    ("postgres", "/var/lib/postgresql"),
    ("questdb", "/var/lib/questdb"),
    ("rabbitmq", "/var/lib/rabbitmq"),
    ("redis", "/data"),
    ("scylla", "/var/lib/scylla"),
    ("timescaledb", "/var/lib/postgresql"),
    ("valkey", "/data"),
    ("zookeeper", "/data"),
];

#[cfg(test)]
mod tests {
    use super::{DATA_PATHS, data_mount, is_below, of_image};
    use crate::lists::ListChange;
    use crate::objects::Container;

    /// Whether the first of these mounts holds data, in a container with one variable.
    fn holds(mounts: &[&str], variable: (&str, &str), paths: &ListChange) -> bool {
        let mounts: Vec<_> = mounts.iter().map(|path| format!(r#"{{"name": "v", "mountPath": "{path}"}}"#)).collect();
        let (name, value) = variable;
        let json = format!(
            r#"{{"volumeMounts": [{}], "env": [{{"name": "{name}", "value": "{value}"}}]}}"#,
            mounts.join(", ")
        );
        let container: Container<'_> = serde_json::from_str(&json).unwrap();
        data_mount(&container, paths, |mount| mount.mount_path == container.volume_mounts[0].mount_path).is_some()
    }

    const NONE: (&str, &str) = ("A", "b");

    #[test]
    fn knows_paths_and_what_is_below_them() {
        let default = ListChange::default();
        for yes in ["/data", "/data/", "//data/db", "/var/lib/postgresql/data", "/bitnami/redis/data", "/bitnami/etcd"]
        {
            assert!(holds(&[yes], NONE, &default), "{yes}");
        }
        for no in
            ["/", "/datasets", "/data-0", "/tmp/data", "/var/lib", "/var/lib/kubelet", "/bitnami/elasticsearch", ""]
        {
            assert!(!holds(&[no], NONE, &default), "{no}");
        }
    }

    #[test]
    fn follows_variables_to_the_nearest_mount() {
        let default = ListChange::default();
        assert!(holds(&["/mnt"], ("PGDATA", "/mnt/pg"), &default));
        assert!(holds(&["/mnt"], ("KAFKA_LOG_DIRS", "/a,/mnt/b"), &default));
        assert!(!holds(&["/mnt", "/mnt/pg"], ("PGDATA", "/mnt/pg/data"), &default));
        assert!(holds(&["/mnt/pg", "/mnt"], ("PGDATA", "/mnt/pg/data"), &default));
        for (name, value) in [("PGDATA", "/elsewhere"), ("PGDATA", "mnt"), ("DATA_DIR", "/mnt")] {
            assert!(!holds(&["/mnt"], (name, value), &default), "{name}={value}");
        }
    }

    #[test]
    fn settings_change_the_list() {
        let change: ListChange =
            serde_json::from_str(r#"{"add": ["/srv/*/db", "$OUR_DATA"], "remove": ["/data", "$PGDATA"]}"#).unwrap();
        assert!(holds(&["/srv/a/db/1"], NONE, &change));
        assert!(holds(&["/mnt"], ("OUR_DATA", "/mnt"), &change));
        assert!(!holds(&["/data"], NONE, &change));
        assert!(!holds(&["/mnt"], ("PGDATA", "/mnt"), &change));
    }

    #[test]
    fn every_images_path_is_a_data_path() {
        let path = of_image("registry:5000/library/postgres:18@sha256:ab").unwrap();
        assert!(DATA_PATHS.contains(&path));
        for (image, path) in super::IMAGES {
            assert!(DATA_PATHS.iter().any(|entry| is_below(path, entry)), "{image}");
        }
        assert_eq!(of_image("postgres-exporter"), None);
    }
}
