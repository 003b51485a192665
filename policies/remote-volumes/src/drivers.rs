//! Which drivers keep volumes on one node, and which keep them where any node can attach them.

use crate::Settings;

/// Where a driver's volumes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On one node: the pod is tied to it, and the data dies with it.
    NodeLocal,
    /// Beyond the nodes.
    Remote,
    /// In neither list.
    Unknown,
}

/// Where this driver keeps its volumes. What settings add goes before the built-in lists, and local before remote.
pub fn placement(driver: &str, settings: &Settings) -> Placement {
    let (local, remote) = (&settings.local_drivers, &settings.remote_drivers);
    let is_listed = |list: &[String]| list.iter().any(|pattern| matches(pattern, driver));
    let is_built_in =
        |list: &[&str], removed: &[String]| list.iter().any(|pattern| matches(pattern, driver)) && !is_listed(removed);
    if is_listed(&local.add) {
        Placement::NodeLocal
    } else if is_listed(&remote.add) {
        Placement::Remote
    } else if is_built_in(&NODE_LOCAL, &local.remove) {
        Placement::NodeLocal
    } else if is_built_in(&REMOTE, &remote.remove) {
        Placement::Remote
    } else {
        Placement::Unknown
    }
}

/// One `*` stands for any text.
fn matches(pattern: &str, driver: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == driver,
        Some((start, end)) => {
            driver.len() >= start.len() + end.len() && driver.starts_with(start) && driver.ends_with(end)
        }
    }
}

/// `kubernetes.io/no-provisioner` is static and local by convention; static NFS or iSCSI behind it wants `localDrivers.remove`.
const NODE_LOCAL: [&str; 22] = [
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
    "topolvm.io/*",
    "topolvm.cybozu.com",
    "topolvm.cybozu.com/*",
    "directpv-min-io",
    "lvm.csi.metal-stack.io",
    "kubevirt.io.hostpath-provisioner",
    "kubevirt.io/hostpath-provisioner",
    "carina.storage.io",
    "localdisk.csi.acstor.io",
];

/// Those that Kubernetes has removed are on it too: whatever they are, local they are not.
const REMOTE: [&str; 37] = [
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
    // Rook puts its namespace before the name.
    "*rbd.csi.ceph.com",
    "*cephfs.csi.ceph.com",
    "kubernetes.io/rbd",
    "driver.longhorn.io",
    "nfs.csi.k8s.io",
    "smb.csi.k8s.io",
    "cluster.local/*-nfs-server-provisioner",
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
    "kubernetes.io/glusterfs",
    "kubernetes.io/quobyte",
    "kubernetes.io/scaleio",
    "kubernetes.io/storageos",
];

#[cfg(test)]
mod tests {
    use super::{NODE_LOCAL, Placement, REMOTE, matches, placement};
    use crate::Settings;

    fn settings(json: &str) -> Settings {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn no_driver_is_on_both_lists() {
        for local in NODE_LOCAL {
            assert!(!REMOTE.iter().any(|remote| matches(remote, local)), "{local}");
        }
    }

    #[test]
    fn patterns_match_by_start_and_end() {
        let default = Settings::default();
        assert_eq!(placement("rook-ceph.rbd.csi.ceph.com", &default), Placement::Remote);
        assert_eq!(placement("rbd.csi.ceph.com", &default), Placement::Remote);
        assert_eq!(placement("cluster.local/files-nfs-server-provisioner", &default), Placement::Remote);
        assert_eq!(placement("topolvm.cybozu.com/ssd", &default), Placement::NodeLocal);
        assert_eq!(placement("topolvm.cybozu.community", &default), Placement::Unknown);
        assert!(!matches("ab*ba", "aba"));
    }

    #[test]
    fn settings_go_before_the_lists() {
        let added = settings(
            r#"{"localDrivers": {"add": ["disks.example"]}, "remoteDrivers": {"add": ["kubernetes.io/no-provisioner"]}}"#,
        );
        assert_eq!(placement("disks.example", &added), Placement::NodeLocal);
        assert_eq!(placement("kubernetes.io/no-provisioner", &added), Placement::Remote);
        let removed = settings(
            r#"{"localDrivers": {"remove": ["csi-hostpath"]}, "remoteDrivers": {"remove": ["ebs.csi.aws.com"]}}"#,
        );
        assert_eq!(placement("csi-hostpath", &removed), Placement::Unknown);
        assert_eq!(placement("ebs.csi.aws.com", &removed), Placement::Unknown);
    }
}
