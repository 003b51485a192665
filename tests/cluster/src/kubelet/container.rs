//! From a container's spec to a process: arguments and environment, with paths and addresses led to where they are here.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVarSource, Pod, Secret};
use kube::{Api, Client, ResourceExt as _};

use super::volumes::Volumes;
use crate::control_plane::Host;
use crate::pki::{User, kubeconfig};

/// The command of the pod's process. The pod must have its address in its status.
pub(super) async fn command(
    host: &Host,
    client: &Client,
    program: &PathBuf,
    pod: &Pod,
    volumes: &Volumes,
) -> Result<Command> {
    let container = only_container(pod)?;
    let address: Ipv4Addr = field(pod, "status.podIP")?.parse()?;
    let mounts = mounts(container, volumes);
    let root = volumes.root();
    root_of(&root, &mounts)?;
    let mut environment = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (_, Some(source)) => value_from(client, pod, source).await?,
            (value, None) => Some(expand(value.as_deref().unwrap_or_default(), &environment)),
        };
        if let Some(value) = value {
            environment.insert(variable.name.clone(), value);
        }
    }
    ensure!(container.env_from.is_none(), "`envFrom` is not played here");

    // `command` begins with the image's program, which is ours here.
    let arguments = container.command.iter().flatten().skip(1).chain(container.args.iter().flatten());
    let here = |value: &str| rewrite(value, &mounts, address);
    let mut command = Command::new(program);
    // Where an image without a `WORKDIR` of its own begins, and a container whose spec names none.
    command.current_dir(&root);
    command.args(arguments.map(|argument| here(&expand(argument, &environment)))).env_clear();
    command.envs(environment.iter().map(|(name, value)| (name, here(value))));
    command.env("HOSTNAME", pod.name_any());
    let server = host.url.trim_start_matches("https://");
    let (server, port) = server.rsplit_once(':').unwrap_or((server, "443"));
    command.env("KUBERNETES_SERVICE_HOST", server).env("KUBERNETES_SERVICE_PORT", port);
    if let Some((_, token)) = mounts.iter().find(|(path, _)| path == TOKENS) {
        let config = volumes.path("..kubeconfig");
        fs::write(&config, kubeconfig(&host.url, &host.authority, &User::TokenFile(&token.join("token"))).to_string())?;
        command.env("KUBECONFIG", config);
    }
    Ok(command)
}

/// The pod's container. There are no images, so there can be only the one whose program we have.
pub(crate) fn only_container(pod: &Pod) -> Result<&Container> {
    let spec = pod.spec.as_ref().context("the pod has no spec")?;
    ensure!(spec.init_containers.as_ref().is_none_or(Vec::is_empty), "init containers are not played here");
    match spec.containers.as_slice() {
        [container] => Ok(container),
        others => bail!("{} containers are not played here: one is", others.len()),
    }
}

/// What a `fieldRef` names.
pub(super) fn field(pod: &Pod, path: &str) -> Result<String> {
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let key = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']");
    if let Some(label) = key("metadata.labels['") {
        return Ok(pod.labels().get(label).cloned().unwrap_or_default());
    }
    if let Some(annotation) = key("metadata.annotations['") {
        return Ok(pod.annotations().get(annotation).cloned().unwrap_or_default());
    }
    let value = match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" | "status.podIPs" => status.and_then(|status| status.pod_ip.clone()),
        "status.hostIP" | "status.hostIPs" => status.and_then(|status| status.host_ip.clone()),
        _ => bail!("the field `{path}` is not played here"),
    };
    value.with_context(|| format!("the pod has no `{path}`"))
}

async fn value_from(client: &Client, pod: &Pod, source: &EnvVarSource) -> Result<Option<String>> {
    let namespace = pod.namespace().unwrap_or_default();
    if let Some(source) = &source.field_ref {
        return Ok(Some(field(pod, &source.field_path)?));
    }
    if let Some(source) = &source.secret_key_ref {
        let secret = Api::<Secret>::namespaced(client.clone(), &namespace).get_opt(&source.name).await?;
        let value = secret.and_then(|secret| secret.data?.remove(&source.key));
        ensure!(value.is_some() || source.optional == Some(true), "no `{}` in secret \"{}\"", source.key, source.name);
        return Ok(value.map(|value| String::from_utf8_lossy(&value.0).into_owned()));
    }
    if let Some(source) = &source.config_map_key_ref {
        let map = Api::<ConfigMap>::namespaced(client.clone(), &namespace).get_opt(&source.name).await?;
        let value = map.and_then(|map| map.data?.remove(&source.key));
        ensure!(
            value.is_some() || source.optional == Some(true),
            "no `{}` in configmap \"{}\"",
            source.key,
            source.name
        );
        return Ok(value);
    }
    bail!("a value from a resource is not played here")
}

/// Paths in the container and folders here, the longer paths first.
fn mounts(container: &Container, volumes: &Volumes) -> Vec<(String, PathBuf)> {
    let folder = |volume: &str, below: Option<&str>| match below {
        Some(below) => volumes.path(volume).join(below),
        None => volumes.path(volume),
    };
    let mounts = container.volume_mounts.iter().flatten();
    let mut mounts: Vec<(String, PathBuf)> = mounts
        .map(|mount| {
            (mount.mount_path.trim_end_matches('/').to_owned(), folder(&mount.name, mount.sub_path.as_deref()))
        })
        .collect();
    mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    mounts
}

/// The container's `/`, with its mounts: relative paths in objects that we do not rewrite lead there.
fn root_of(root: &Path, mounts: &[(String, PathBuf)]) -> Result<()> {
    fs::create_dir_all(root)?;
    // The shorter paths first: one mount may be inside another.
    for (path, folder) in mounts.iter().rev() {
        let link = root.join(path.trim_start_matches('/'));
        if fs::symlink_metadata(&link).is_err() {
            fs::create_dir_all(link.parent().unwrap_or(root))?;
            symlink(folder, &link)?;
        }
    }
    Ok(())
}

/// `$(NAME)` becomes the variable's value, `$$` a dollar; what is not defined stays as it is.
fn expand(text: &str, environment: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let variable = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = match variable {
            _ if after.starts_with('$') => {
                expanded.push('$');
                after.get(1..).unwrap_or_default()
            }
            Some((name, after)) => {
                match environment.get(name) {
                    Some(value) => expanded.push_str(value),
                    None => expanded.push_str(&format!("$({name})")),
                }
                after
            }
            None => {
                expanded.push('$');
                after
            }
        };
    }
    expanded + rest
}

/// Leads whole paths below a mount, and the wildcard address, to where they are here.
fn rewrite(text: &str, mounts: &[(String, PathBuf)], address: Ipv4Addr) -> String {
    let mut written = String::new();
    let mut rest = text;
    let mut before = None;
    while let Some(next) = rest.chars().next() {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_');
        let begins = !before.is_some_and(is_inside);
        let after = |word: &str| {
            rest.strip_prefix(word).filter(|after| begins && !after.starts_with(|c| c != '/' && is_inside(c)))
        };
        let mount = mounts.iter().find_map(|(path, folder)| Some((folder.display().to_string(), after(path)?)));
        let anywhere = || WILDCARDS.iter().find_map(|wildcard| Some((address.to_string(), after(wildcard)?)));
        if let Some((here, after)) = mount.or_else(anywhere) {
            written.push_str(&here);
            before = Some('/');
            rest = after;
        } else {
            written.push(next);
            before = Some(next);
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
    }
    written
}

/// Where every client library looks for its token.
const TOKENS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const WILDCARDS: [&str; 2] = ["0.0.0.0", "[::]"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_paths_and_wildcards_are_led_elsewhere() {
        let mounts = [("/etc/tls/extra".to_owned(), PathBuf::from("/b")), ("/etc/tls".to_owned(), PathBuf::from("/a"))];
        let here = |text: &str| rewrite(text, &mounts, Ipv4Addr::new(127, 9, 1, 1));
        assert_eq!(here("--dir=/etc/tls"), "--dir=/a");
        assert_eq!(here("/etc/tls/tls.crt,/etc/tls/extra/ca.crt"), "/a/tls.crt,/b/ca.crt");
        assert_eq!(here("/etc/tlsx /x/etc/tls é"), "/etc/tlsx /x/etc/tls é");
        assert_eq!(here("--listen=0.0.0.0:9443"), "--listen=127.9.1.1:9443");
        assert_eq!(here("[::]:8080"), "127.9.1.1:8080");
        assert_eq!(here("10.0.0.0.0:1"), "10.0.0.0.0:1");
    }

    #[test]
    fn variables_are_expanded_as_a_kubelet_expands_them() {
        let environment = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        let cases = [("$(A)$(B)", "1$(B)"), ("$$(A)", "$(A)"), ("$A $(", "$A $("), ("x$", "x$")];
        for (text, expanded) in cases {
            assert_eq!(expand(text, &environment), expanded);
        }
    }
}
