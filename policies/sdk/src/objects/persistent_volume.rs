//! PersistentVolumes.

use super::meta::LabelRequirement;
use super::{ObjectMeta, Stored};
use crate::rule::Kind;
use crate::text::Text;
use crate::view::{Present, view};

view! {
    /// A PersistentVolume.
    pub struct PersistentVolume<'a> {
        /// Name, labels, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What it is.
        "spec" => pub spec: PersistentVolumeSpec<'a>,
    }
}

view! {
    /// `spec` of a PersistentVolume.
    pub struct PersistentVolumeSpec<'a> {
        /// The class it belongs to.
        "storageClassName" => pub storage_class_name: Text<'a>,
        /// A disk or a folder of one node.
        "local" => pub local: Present,
        /// A folder of whatever node the pod runs on.
        "hostPath" => pub host_path: Present,
        /// A CSI driver's.
        "csi" => pub csi: CsiSource<'a>,
        /// From where it can be attached.
        "nodeAffinity" => pub node_affinity: VolumeNodeAffinity<'a>,
    }
}

view! {
    /// `csi` of a PersistentVolume.
    pub struct CsiSource<'a> {
        /// The driver's name.
        "driver" => pub driver: Text<'a>,
    }
}

view! {
    /// `nodeAffinity` of a PersistentVolume.
    pub struct VolumeNodeAffinity<'a> {
        /// Which nodes.
        "required" => pub required: NodeSelector<'a>,
    }
}

view! {
    /// `v1.NodeSelector`.
    pub struct NodeSelector<'a> {
        /// One of them must fit.
        "nodeSelectorTerms" => pub terms: Vec<NodeSelectorTerm<'a>>,
    }
}

view! {
    /// One of `nodeSelectorTerms`.
    pub struct NodeSelectorTerm<'a> {
        /// All must hold for the node's labels.
        "matchExpressions" => pub match_expressions: Vec<LabelRequirement<'a>>,
    }
}

impl PersistentVolume<'_> {
    /// It is a part of one node, or can be attached to nodes of one name only.
    pub fn is_node_local(&self) -> bool {
        let of_a_node = |term: &NodeSelectorTerm<'_>| {
            term.match_expressions
                .iter()
                .any(|requirement| *requirement.key == *HOSTNAME && *requirement.operator == *"In")
        };
        let terms = &self.spec.node_affinity.required.terms;
        self.spec.local.0 || self.spec.host_path.0 || (!terms.is_empty() && terms.iter().all(of_a_node))
    }
}

impl<'a> Stored<'a> for PersistentVolume<'a> {
    const KIND: Kind = Kind { group: "", version: "v1", kind: "PersistentVolume" };
    const NAMESPACED: bool = false;
}

/// The label by which volumes are tied to a node.
const HOSTNAME: &str = "kubernetes.io/hostname";

#[cfg(test)]
mod tests {
    use super::PersistentVolume;

    #[test]
    fn knows_volumes_of_one_node() {
        let is_local = |spec: &str| {
            serde_json::from_str::<PersistentVolume<'_>>(&format!("{{\"spec\": {spec}}}")).unwrap().is_node_local()
        };
        let affinity = |key: &str| {
            let term = format!(r#"{{"matchExpressions": [{{"key": "{key}", "operator": "In", "values": ["a"]}}]}}"#);
            format!(r#"{{"nfs": {{}}, "nodeAffinity": {{"required": {{"nodeSelectorTerms": [{term}]}}}}}}"#)
        };
        assert!(is_local(r#"{"local": {"path": "/mnt"}}"#));
        assert!(is_local(r#"{"hostPath": {"path": "/mnt"}}"#));
        assert!(is_local(&affinity("kubernetes.io/hostname")));
        assert!(!is_local(&affinity("topology.kubernetes.io/zone")));
        assert!(!is_local(r#"{"nfs": {}}"#));
    }
}
