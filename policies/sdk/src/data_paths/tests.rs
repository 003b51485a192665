use super::{DATA_PATHS, DataPath, data_mount, data_path, is_below, of_image, plain};
use crate::lists::ListChange;
use crate::objects::Container;

/// Whether the first of these mounts holds data, in a container with one variable.
fn holds(mounts: &[&str], variable: (&str, &str), paths: &ListChange) -> bool {
    let mounts: Vec<_> = mounts.iter().map(|path| format!(r#"{{"name": "v", "mountPath": "{path}"}}"#)).collect();
    let (name, value) = variable;
    let json =
        format!(r#"{{"volumeMounts": [{}], "env": [{{"name": "{name}", "value": "{value}"}}]}}"#, mounts.join(", "));
    let container: Container<'_> = serde_json::from_str(&json).unwrap();
    data_mount(&container, paths, |mount| mount.mount_path == container.volume_mounts[0].mount_path, |_| true).is_some()
}

const NONE: (&str, &str) = ("A", "b");

#[test]
fn knows_paths_and_what_is_below_them() {
    let default = ListChange::default();
    for yes in ["/data", "/data/", "//data/db", "/var/lib/postgresql/data", "/bitnami/redis/data", "/bitnami/etcd"] {
        assert!(holds(&[yes], NONE, &default), "{yes}");
    }
    for no in ["/", "/datasets", "/data-0", "/tmp/data", "/var/lib", "/var/lib/kubelet", "/bitnami/elasticsearch", ""] {
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
fn paths_are_where_they_lead() {
    let default = ListChange::default();
    for yes in ["/var/lib/./mysql", "/var/lib/x/../mysql", "//var//lib/mysql", "/../var/lib/mysql/.", "./data"] {
        assert!(holds(&[yes], NONE, &default), "{yes}");
    }
    for no in ["/var/lib/mysql/..", "/data/../tmp", "/.data", "/var/lib/.mysql", "/var/lib/...", "/.."] {
        assert!(!holds(&[no], NONE, &default), "{no}");
    }
    assert!(holds(&["/mnt/./x/.."], ("PGDATA", "/a/../mnt/pg"), &default));
    assert!(!holds(&["/a"], ("PGDATA", "/a/../mnt/pg"), &default));
    for (path, is) in [("/a/b", "/a/b"), ("/a/../../b", "/b"), ("a/./b/", "/a/b"), ("/..", "/"), ("/.a/..b", "/.a/..b")]
    {
        assert_eq!(plain(path), is);
    }
}

/// Whether the first mount of a container of this image holds data, and where its data is.
fn of(image: &str, mounts: &str, env: &str) -> (bool, Option<String>) {
    let json = format!(r#"{{"image": "{image}", "volumeMounts": [{mounts}], "env": [{env}]}}"#);
    let container: Container<'_> = serde_json::from_str(&json).unwrap();
    let default = ListChange::default();
    let path = data_path(&container, &default).map(|path| match path {
        DataPath::At(path) => path.into_owned(),
        DataPath::Unseen(variable) => format!("${variable}"),
    });
    let mount =
        data_mount(&container, &default, |mount| mount.mount_path == container.volume_mounts[0].mount_path, |_| true);
    (mount.is_some(), path)
}

#[test]
fn a_mount_above_the_images_path_holds_its_data() {
    for above in ["/var/lib", "/var", "/", "/var/./lib/"] {
        let mount = format!(r#"{{"mountPath": "{above}"}}"#);
        assert_eq!(of("mysql:8", &mount, ""), (true, Some("/var/lib/mysql".to_owned())), "{above}");
        assert_eq!(of("nginx", &mount, ""), (false, None), "{above}");
        // What is mounted nearer or below holds it, or may.
        for nearer in ["/var/lib/mysql", "/var/lib/mysql/data"] {
            let both = format!(r#"{mount}, {{"mountPath": "{nearer}"}}"#);
            assert!(!of("mysql:8", &both, "").0, "{above} {nearer}");
        }
    }
    assert!(!of("mysql:8", r#"{"mountPath": "/var/lib/my"}"#, "").0);
}

#[test]
fn a_variable_moves_the_images_path() {
    let mount = r#"{"mountPath": "/var/lib"}"#;
    for (env, path) in [
        (r#"{"name": "PGDATA", "value": "/pg"}"#, Some("/pg")),
        (r#"{"name": "R", "value": "/r"}, {"name": "PGDATA", "value": "$(R)/pg"}"#, Some("/r/pg")),
        (r#"{"name": "PGDATA", "value": "$(NOBODY)/pg"}"#, None),
        (r#"{"name": "PGDATA", "valueFrom": {"secretKeyRef": {}}}"#, Some("$PGDATA")),
        (r#"{"name": "PGDATA", "value": "pg"}"#, None),
    ] {
        assert_eq!(of("postgres:18", mount, env), (false, path.map(str::to_owned)), "{env}");
    }
    for env in [r#"{"name": "PGDATA", "value": ""}"#, r#"{"name": "PGDATA2", "value": "/pg"}"#] {
        assert_eq!(of("postgres:18", mount, env), (true, Some("/var/lib/postgresql".to_owned())), "{env}");
    }
    let env = r#"{"name": "PGDATA", "value": "/pg"}, {"name": "PGDATA", "value": "/var/lib/x"}"#;
    assert_eq!(of("postgres:18", mount, env), (true, Some("/var/lib/x".to_owned())), "of two the later");
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
