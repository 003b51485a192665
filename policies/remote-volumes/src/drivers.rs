//! What is known of drivers by their names: where their volumes live, who can attach them, and what they are.

use stateward_sdk::lists::{ListChange, matches};

use crate::Settings;

/// Where a driver's volumes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On one node: the pod is tied to it, and the data dies with it.
    NodeLocal,
    /// Beyond the nodes.
    Remote,
    /// Nowhere: Kubernetes has removed the driver, and no other took its place.
    Obsolete,
    /// In none of the lists.
    Unknown,
}

/// Where this driver keeps its volumes. What settings add goes before the built-in lists, and local before remote.
pub fn placement(driver: &str, settings: &Settings) -> Placement {
    let (local, remote) = (&settings.local_drivers, &settings.remote_drivers);
    let is_added = |change: &ListChange| change.add.iter().any(|pattern| matches(pattern, driver));
    if is_added(local) {
        Placement::NodeLocal
    } else if is_added(remote) {
        Placement::Remote
    } else if is_listed(driver, local, &NODE_LOCAL) {
        Placement::NodeLocal
    } else if is_listed(driver, remote, &REMOTE) {
        Placement::Remote
    } else if OBSOLETE.contains(&driver) {
        Placement::Obsolete
    } else {
        Placement::Unknown
    }
}

/// Only some nodes can attach the driver's volumes, so that the volume must not be made before the pod's node is known.
pub fn is_bound_to_topology(driver: &str, settings: &Settings) -> bool {
    is_listed(driver, &settings.zonal_drivers, &ZONAL) || placement(driver, settings) == Placement::NodeLocal
}

/// Volumes are folders of a file server.
pub fn is_file_system(driver: &str) -> bool {
    FILE_SYSTEMS.iter().any(|pattern| matches(pattern, driver))
}

fn is_listed(driver: &str, change: &ListChange, builtin: &[&str]) -> bool {
    change.any(builtin, |pattern| matches(pattern, driver))
}

/// `kubernetes.io/no-provisioner` is static and local by convention; static NFS or iSCSI behind it wants `localDrivers.remove`.
pub(crate) const NODE_LOCAL: [&str; 22] = [
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

/// Drivers of the old kind (`kubernetes.io/..`) that a CSI driver has taken over are on it too.
pub(crate) const REMOTE: [&str; 33] = [
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
];

/// Removed from Kubernetes (1.22 to 1.26) without a successor: nothing makes or attaches their volumes.
const OBSOLETE: [&str; 5] = [
    "kubernetes.io/glusterfs",
    "kubernetes.io/quobyte",
    "kubernetes.io/scaleio",
    "kubernetes.io/storageos",
    "kubernetes.io/flocker",
];

/// Disks of clouds and of data centres with zones: a volume is attached from its own zone only. All node-local drivers are bound too.
pub(crate) const ZONAL: [&str; 12] = [
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
];

/// NFS and SMB in their many forms. Cluster file systems (CephFS, Lustre) lock and flush like local ones and are not on it.
const FILE_SYSTEMS: [&str; 9] = [
    "nfs.csi.k8s.io",
    "smb.csi.k8s.io",
    "cluster.local/*-nfs-server-provisioner",
    "k8s-sigs.io/nfs-subdir-external-provisioner",
    "efs.csi.aws.com",
    "file.csi.azure.com",
    "kubernetes.io/azure-file",
    "filestore.csi.storage.gke.io",
    "kubernetes.io/glusterfs",
];

#[cfg(test)]
mod tests {
    use super::{FILE_SYSTEMS, NODE_LOCAL, OBSOLETE, Placement, REMOTE, ZONAL, is_bound_to_topology, placement};
    use crate::Settings;
    use stateward_sdk::lists::matches;

    fn settings(json: &str) -> Settings {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn no_driver_is_on_two_lists() {
        for local in NODE_LOCAL.iter().chain(&OBSOLETE) {
            assert!(!REMOTE.iter().any(|remote| matches(remote, local)), "{local}");
        }
        assert!(!NODE_LOCAL.iter().any(|local| OBSOLETE.contains(local)));
    }

    #[test]
    fn what_is_known_of_a_driver_is_known_of_remote_ones() {
        for driver in ZONAL {
            assert!(REMOTE.contains(&driver), "{driver}");
        }
        for driver in FILE_SYSTEMS {
            assert!(REMOTE.contains(&driver) || OBSOLETE.contains(&driver), "{driver}");
        }
    }

    #[test]
    fn some_volumes_are_attached_from_some_nodes_only() {
        let settings = settings(r#"{"zonalDrivers": {"add": ["disks.example"], "remove": ["ebs.csi.aws.com"]}}"#);
        for (driver, is_bound) in [
            ("pd.csi.storage.gke.io", true),
            ("rancher.io/local-path", true),
            ("disks.example", true),
            ("ebs.csi.aws.com", false),
            ("nfs.csi.k8s.io", false),
        ] {
            assert_eq!(is_bound_to_topology(driver, &settings), is_bound, "{driver}");
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
        assert_eq!(placement("kubernetes.io/glusterfs", &default), Placement::Obsolete);
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
