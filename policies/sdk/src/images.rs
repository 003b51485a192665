//! Which container images hold a database. A guess by name, so nothing is ever denied for it alone.

use crate::lists::ListChange;

/// Whether an image is a known database's: its last path segment, without tag and digest, begins with the name, and no other word says that it
/// only goes with one (`redis-exporter`, `kafka-ui`).
pub fn is_database(image: &str, databases: &ListChange) -> bool {
    let name = name(image);
    if is_companion(name) {
        return false;
    }
    databases.any(&DATABASES, |database| {
        name.strip_prefix(database).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphabetic()))
    })
}

/// Whether an image's or a container's name says that it stands beside a database: one image is often both (`mongos` of the image `mongodb`).
pub fn is_companion(name: &str) -> bool {
    words(name).any(|word| COMPANIONS.contains(&word))
}

/// `registry:5000/team/postgres:16@sha256:..` is `postgres`.
pub fn name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    let end = last.find(['@', ':']).unwrap_or(last.len());
    last.get(..end).unwrap_or(last)
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['-', '_', '.'])
}

/// Names of images, as their projects and the well-known packagers write them.
pub const DATABASES: [&str; 51] = [
    "aerospike",
    "arangodb",
    "cassandra",
    "clickhouse",
    "clickhouse-server",
    "cockroach",
    "cockroachdb",
    "consul",
    "couchbase",
    "couchdb",
    "cp-kafka",
    "cp-zookeeper",
    "crate",
    "dgraph",
    "elasticsearch",
    "etcd",
    "foundationdb",
    "ignite",
    "influxdb",
    "janusgraph",
    "kafka",
    "keydb",
    "mariadb",
    "meilisearch",
    "memgraph",
    "minio",
    "mongo",
    "mongodb",
    "mysql",
    "neo4j",
    "opensearch",
    "percona",
    "percona-server",
    "pgvector",
    "postgis",
    "postgres",
    "postgresql",
    "pulsar",
    "qdrant",
    "questdb",
    "rabbitmq",
    "redis",
    "rethinkdb",
    "scylla",
    "scylladb",
    "solr",
    "tikv",
    "timescaledb",
    "valkey",
    "weaviate",
    "zookeeper",
];

/// Words in the names of images that stand beside a database and hold no data.
const COMPANIONS: [&str; 28] = [
    "admin",
    "agent",
    "backup",
    "bootstrap",
    "browser",
    "cli",
    "client",
    "commander",
    "connect",
    "console",
    "dashboard",
    "exporter",
    "gateway",
    "init",
    "insight",
    "k8s",
    "manager",
    "metrics",
    "mongos",
    "monitor",
    "operator",
    "proxy",
    "reloader",
    "router",
    "sentinel",
    "sidecar",
    "tools",
    "ui",
];

#[cfg(test)]
mod tests {
    use super::is_database;
    use crate::lists::ListChange;

    #[test]
    fn knows_databases_by_the_last_segment() {
        for yes in [
            "postgres",
            "postgres:16",
            "registry:5000/team/postgres@sha256:ab",
            "bitnami/postgresql-repmgr:16",
            "docker.example/library/mongo:7",
            "confluentinc/cp-kafka",
            "mysql/mysql-server:8",
            "mongo4.4",
        ] {
            assert!(is_database(yes, &ListChange::default()), "{yes}");
        }
        for no in [
            "",
            "oliver006/redis_exporter",
            "bitnami/postgres-exporter:1",
            "provectus/kafka-ui",
            "mysqld",
            "mongoose",
            "postgres/app:1",
            "bitnami/redis-sentinel",
            "bitnami/minio-object-browser:2",
            "hashicorp/consul-k8s-control-plane",
            "nginx",
        ] {
            assert!(!is_database(no, &ListChange::default()), "{no}");
        }
    }

    #[test]
    fn settings_change_the_list() {
        let change = ListChange { add: vec!["ourdb".to_owned()], remove: vec!["redis".to_owned()] };
        assert!(is_database("team/ourdb:1", &change));
        assert!(!is_database("redis:7", &change));
        assert!(is_database("mysql", &change));
    }
}
