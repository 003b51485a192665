//! Where databases keep their data: a guess by mount path and by variables such as `PGDATA`.

use std::borrow::Cow;

use crate::lists::ListChange;
use crate::objects::{Container, EnvVar, VolumeMount};
use crate::{images, variables};

/// Where a container keeps a database's data, if that is on a mount that `is_meant`: the mount's path is a known one or below it, or a known
/// variable of the container names a path on it, or, where none does, the path of the container's image is on it. Paths and variables are one
/// list: `/var/lib/*` with `*` for one name, `$PGDATA`. What `may_hold` data and is mounted in the image's folder may be where its data is.
pub fn data_mount<'s, 'a>(
    container: &'s Container<'a>,
    paths: &ListChange,
    is_meant: impl Fn(&VolumeMount) -> bool,
    may_hold: impl Fn(&VolumeMount) -> bool,
) -> Option<&'s VolumeMount<'a>> {
    let meant = || container.volume_mounts.iter().filter(|mount| is_meant(mount));
    // Paths first: there are few mounts that are meant, and often dozens of variables.
    meant().next()?;
    meant()
        .find(|mount| is_data_path(&mount.mount_path, paths))
        .or_else(|| {
            let env = container.env.as_deref().unwrap_or_default();
            let variables = data_variables(container, paths, |variable| variable.value.starts_with(['/', '$']));
            let mut mounts = variables.filter_map(|index| {
                let folder = || variables::known_folder(env, index).map(Cow::Owned);
                let value = variables::value(env, index).or_else(folder)?;
                value.split(',').filter_map(|path| mount_of(path, container)).find(|mount| is_meant(mount))
            });
            mounts.next()
        })
        .or_else(|| image_mount(container, paths, &is_meant, &may_hold))
}

/// Where a well-known database keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataPath<'s> {
    /// Here.
    At(Cow<'s, str>),
    /// Where this variable says, whose value an object has: see [`unseen_variable`].
    Unseen(&'s str),
}

/// Where a container keeps its data: where its variables say first, or else where its image does when nobody says otherwise, in its own layer
/// unless something is mounted there. `None`: the image's name is no well-known one, or a variable's value cannot be told.
pub fn data_path<'s>(container: &'s Container<'_>, paths: &ListChange) -> Option<DataPath<'s>> {
    let of_image = of_image(&container.image).filter(|path| is_data_path(path, paths))?;
    if let Some(variable) = unseen_variable(container, paths) {
        return Some(DataPath::Unseen(variable));
    }
    let env = container.env.as_deref().unwrap_or_default();
    let values: Option<Vec<_>> =
        data_variables(container, paths, |_| true).map(|index| variables::value(env, index)).collect();
    let Some(value) = values?.into_iter().next() else { return Some(DataPath::At(of_image.into())) };
    let path = value.split(',').next().filter(|path| path.starts_with('/'))?;
    Some(DataPath::At(Cow::Owned(path.to_owned())))
}

/// The data variable of a container that has a `valueFrom`: its data may be on any of its mounts, and nobody can tell from here on which. What
/// comes by `envFrom` has no name here: most containers have one, for passwords.
pub fn unseen_variable<'s>(container: &'s Container<'_>, paths: &ListChange) -> Option<&'s str> {
    let env = container.env.as_deref().unwrap_or_default();
    let is_unseen = |variable: &EnvVar| variable.value.is_empty() && variable.value_from.is_some();
    let place = data_variables(container, paths, is_unseen).next()?;
    env.get(place).map(|variable| variable.name.as_str())
}

/// Of images with well-known names only.
fn of_image(image: &str) -> Option<&'static str> {
    let name = images::name(image);
    IMAGES.iter().find(|(each, _)| *each == name).map(|&(_, path)| path)
}

/// The mount that is meant, if the image's own path is on it, no variable names another, and nothing below that path may be where the data is.
fn image_mount<'s, 'a>(
    container: &'s Container<'a>,
    paths: &ListChange,
    is_meant: impl Fn(&VolumeMount) -> bool,
    may_hold: impl Fn(&VolumeMount) -> bool,
) -> Option<&'s VolumeMount<'a>> {
    let path = of_image(&container.image)?;
    let mounts = &container.volume_mounts;
    // Hardly a volume is mounted above a database's folder.
    mounts.iter().find(|mount| is_meant(mount) && is_below(path, &plain(&mount.mount_path)))?;
    let mount = mount_of(path, container).filter(|mount| is_meant(mount))?;
    let is_split = mounts.iter().any(|mount| may_hold(mount) && is_below(&plain(&mount.mount_path), path));
    let is_here = !is_split && is_data_path(path, paths) && data_variables(container, paths, |_| true).next().is_none();
    is_here.then_some(mount)
}

/// The places in `env` of the container's data variables, of those that are `looked_at`. An empty value says nothing.
fn data_variables(
    container: &Container<'_>,
    paths: &ListChange,
    looked_at: impl Fn(&EnvVar) -> bool,
) -> impl Iterator<Item = usize> {
    let env = container.env.as_deref().unwrap_or_default();
    let is_meant = move |(index, variable): &(usize, &EnvVar)| {
        looked_at(variable)
            && (!variable.value.is_empty() || variable.value_from.is_some())
            && paths.any(&DATA_VARIABLES, |entry| entry.strip_prefix('$') == Some(&variable.name))
            // Of two with one name the later counts.
            && !env.iter().skip(index + 1).any(|later| later.name == variable.name)
    };
    env.iter().enumerate().filter(is_meant).map(|(index, _)| index)
}

/// Whether one plain path lies below another, or is the same. `*` stands for one name.
fn is_below(path: &str, parent: &str) -> bool {
    let mut names = names(path);
    self::names(parent).all(|wanted| names.next().is_some_and(|name| wanted == "*" || wanted == name))
}

fn is_data_path(path: &str, paths: &ListChange) -> bool {
    let path = plain(path);
    // Most paths part at the first letter: a set has dozens of mounts, and the list dozens of paths.
    let first = path.bytes().find(|&byte| byte != b'/');
    paths.any(&DATA_PATHS, |entry| match entry.as_bytes() {
        [b'/', letter, ..] => (Some(*letter) == first || matches!(letter, b'*' | b'/')) && is_below(&path, entry),
        _ => false,
    })
}

/// Of all that the container mounts, a path is on the mount that is nearest above it.
fn mount_of<'s, 'a>(path: &str, container: &'s Container<'a>) -> Option<&'s VolumeMount<'a>> {
    if !path.starts_with('/') {
        return None;
    }
    let path = plain(path);
    let above = container.volume_mounts.iter().filter(|mount| is_below(&path, &plain(&mount.mount_path)));
    above.max_by_key(|mount| names(&plain(&mount.mount_path)).count())
}

/// Without `.` and `..`, as the container runtime takes it: never above the root.
fn plain(path: &str) -> Cow<'_, str> {
    // Hardly a path has a name that begins with a dot.
    let may_be_odd = path.starts_with('.') || path.as_bytes().windows(2).any(|pair| pair == b"/.");
    if !may_be_odd || !names(path).any(|name| matches!(name, "." | "..")) {
        return Cow::Borrowed(path);
    }
    let mut kept = Vec::new();
    for name in names(path) {
        match name {
            "." => {}
            ".." => _ = kept.pop(),
            name => kept.push(name),
        }
    }
    Cow::Owned(format!("/{}", kept.join("/")))
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
mod tests;
