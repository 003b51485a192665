//! A pod's volumes as folders: Secrets, ConfigMaps, tokens, the downward API and emptyDir, written as a kubelet writes them.
//!
//! Contents that change are swapped through the link `..data`, so that what watches its files sees what it would see on a node.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, KeyToPath, Pod, Secret, ServiceAccount, ServiceAccountTokenProjection, Volume, VolumeProjection,
};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};

use super::container::field;

/// File names, which may contain `/`, and contents.
type Files = BTreeMap<String, Vec<u8>>;

/// The volumes of one pod.
pub(super) struct Volumes {
    client: Client,
    folder: PathBuf,
    written: BTreeMap<String, Files>,
}

impl Volumes {
    /// Below this folder; nothing is written yet.
    pub(super) fn new(client: Client, folder: PathBuf) -> Self {
        Self { client, folder, written: BTreeMap::new() }
    }

    /// Where the volume is.
    pub(super) fn path(&self, volume: &str) -> PathBuf {
        self.folder.join(volume)
    }

    /// Where the container's `/` is.
    pub(super) fn root(&self) -> PathBuf {
        root(&self.folder)
    }

    /// Writes all volumes. An error means what it means on a node: the container waits.
    pub(super) async fn write(&mut self, pod: &Pod) -> Result<()> {
        for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            let path = self.path(&volume.name);
            fs::create_dir_all(&path)?;
            if volume.empty_dir.is_none() {
                let files = self.files(pod, volume).await.with_context(|| format!("volume `{}`", volume.name))?;
                self.swap(&volume.name, files)?;
            }
        }
        Ok(())
    }

    /// Writes Secrets and ConfigMaps again that have changed. Failing to read keeps what was.
    pub(super) async fn refresh(&mut self, pod: &Pod) -> Result<()> {
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        for volume in volumes.filter(|volume| volume.secret.is_some() || volume.config_map.is_some()) {
            if let Ok(files) = self.files(pod, volume).await {
                self.swap(&volume.name, files)?;
            }
        }
        Ok(())
    }

    async fn files(&self, pod: &Pod, volume: &Volume) -> Result<Files> {
        if let Some(secret) = &volume.secret {
            let name = secret.secret_name.as_deref().unwrap_or_default();
            return self.secret(pod, name, secret.items.as_deref(), secret.optional == Some(true)).await;
        }
        if let Some(map) = &volume.config_map {
            return self.config_map(pod, &map.name, map.items.as_deref(), map.optional == Some(true)).await;
        }
        if let Some(projected) = &volume.projected {
            let mut files = Files::new();
            for source in projected.sources.iter().flatten() {
                files.extend(self.projection(pod, source).await?);
            }
            return Ok(files);
        }
        bail!("it is of a kind that is not played here")
    }

    async fn projection(&self, pod: &Pod, source: &VolumeProjection) -> Result<Files> {
        if let Some(token) = &source.service_account_token {
            return Ok(Files::from([(token.path.clone(), self.token(pod, token).await?.into_bytes())]));
        }
        if let Some(secret) = &source.secret {
            return self.secret(pod, &secret.name, secret.items.as_deref(), secret.optional == Some(true)).await;
        }
        if let Some(map) = &source.config_map {
            return self.config_map(pod, &map.name, map.items.as_deref(), map.optional == Some(true)).await;
        }
        let items = source.downward_api.iter().flat_map(|api| api.items.iter().flatten());
        let items = items.map(|item| {
            let path = item.field_ref.as_ref().map(|field| field.field_path.as_str()).unwrap_or_default();
            Ok((item.path.clone(), field(pod, path)?.into_bytes()))
        });
        items.collect()
    }

    async fn secret(&self, pod: &Pod, name: &str, items: Option<&[KeyToPath]>, optional: bool) -> Result<Files> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let secret = match api.get_opt(name).await? {
            Some(secret) => secret,
            None if optional => return Ok(Files::new()),
            None => bail!("secret \"{name}\" not found"),
        };
        let data = secret.data.into_iter().flatten().map(|(key, value)| (key, value.0)).collect();
        choose(data, items, optional)
    }

    async fn config_map(&self, pod: &Pod, name: &str, items: Option<&[KeyToPath]>, optional: bool) -> Result<Files> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let map = match api.get_opt(name).await? {
            Some(map) => map,
            None if optional => return Ok(Files::new()),
            None => bail!("configmap \"{name}\" not found"),
        };
        let text = map.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes()));
        let data = text.chain(map.binary_data.into_iter().flatten().map(|(key, value)| (key, value.0))).collect();
        choose(data, items, optional)
    }

    /// A token of the pod's account, bound to the pod: it ends with it.
    async fn token(&self, pod: &Pod, projection: &ServiceAccountTokenProjection) -> Result<String> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: projection.audience.iter().cloned().collect(),
                expiration_seconds: projection.expiration_seconds,
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: pod.metadata.name.clone(),
                    uid: pod.metadata.uid.clone(),
                }),
            },
            ..TokenRequest::default()
        };
        let answer = api.create_token_request(account, &PostParams::default(), &request).await?;
        Ok(answer.status.context("the API server gave no token")?.token)
    }

    /// Puts the files in place of those that are there, in one step, if they differ.
    fn swap(&mut self, volume: &str, files: Files) -> Result<()> {
        if self.written.get(volume) == Some(&files) {
            return Ok(());
        }
        let folder = self.path(volume);
        let version = (0..).map(|n| format!("..version-{n}")).find(|name| !folder.join(name).exists());
        let version = version.context("no free name")?;
        fs::create_dir(folder.join(&version))?;
        for (name, content) in &files {
            let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
            ensure!(plain, "`{name}` is not a path inside the volume");
            let file = folder.join(&version).join(name);
            fs::create_dir_all(file.parent().unwrap_or(&folder))?;
            fs::write(file, content)?;
        }
        let (next, data) = (folder.join("..data_tmp"), folder.join("..data"));
        let before = fs::read_link(&data).ok();
        symlink(&version, &next)?;
        fs::rename(&next, &data)?;
        // What the user sees are links through `..data`, one for each top-level name.
        let top = |name: &str| name.split('/').next().unwrap_or(name).to_owned();
        for name in files.keys().map(|name| top(name)) {
            if fs::symlink_metadata(folder.join(&name)).is_err() {
                symlink(Path::new("..data").join(&name), folder.join(&name))?;
            }
        }
        for name in self.written.get(volume).into_iter().flat_map(BTreeMap::keys).map(|name| top(name)) {
            if !files.keys().any(|new| top(new) == name) {
                fs::remove_file(folder.join(&name))?;
            }
        }
        if let Some(before) = before {
            fs::remove_dir_all(folder.join(before))?;
        }
        self.written.insert(volume.to_owned(), files);
        Ok(())
    }
}

/// The folder of a pod's volumes.
pub(super) fn folder(host: &Path, uid: &str) -> PathBuf {
    host.join("pods").join(uid)
}

/// The container's `/` in it: no volume has a name with a dot.
pub(super) fn root(folder: &Path) -> PathBuf {
    folder.join("..root")
}

/// The keys that `items` names, at its paths; all where there is none.
fn choose(mut data: Files, items: Option<&[KeyToPath]>, optional: bool) -> Result<Files> {
    let Some(items) = items.filter(|items| !items.is_empty()) else { return Ok(data) };
    let mut files = Files::new();
    for item in items {
        match data.remove(&item.key) {
            Some(content) => drop(files.insert(item.path.clone(), content)),
            None if optional => {}
            None => bail!("references non-existent key: {}", item.key),
        }
    }
    Ok(files)
}
