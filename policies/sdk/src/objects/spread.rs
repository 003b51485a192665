//! What keeps the members of a workload apart: pod anti-affinity and topology spread.

use super::{LabelSelector, PodSpec};
use crate::pointer::Pointer;
use crate::text::{Map, Text};
use crate::view::{Present, view};

view! {
    /// `affinity` of a pod. What draws pods together, or to nodes, is nothing that rules read.
    pub struct Affinity<'a> {
        /// Which pods to keep away from.
        "podAntiAffinity" => pub pod_anti_affinity: PodAntiAffinity<'a>,
    }
}

view! {
    /// `affinity.podAntiAffinity`.
    pub struct PodAntiAffinity<'a> {
        /// The scheduler must.
        "requiredDuringSchedulingIgnoredDuringExecution" => pub required: Vec<PodAffinityTerm<'a>>,
        /// The scheduler should.
        "preferredDuringSchedulingIgnoredDuringExecution" => pub preferred: Vec<WeightedPodAffinityTerm<'a>>,
    }
}

view! {
    /// A term with a weight.
    pub struct WeightedPodAffinityTerm<'a> {
        /// The term.
        "podAffinityTerm" => pub pod_affinity_term: PodAffinityTerm<'a>,
    }
}

view! {
    /// Pods that a pod keeps away from.
    pub struct PodAffinityTerm<'a> {
        /// Which pods; absent: none, empty: all.
        "labelSelector" => pub label_selector: Option<LabelSelector<'a>>,
        /// Of these namespaces; none given: of the pod's own.
        "namespaces" => pub namespaces: Vec<Text<'a>>,
        /// And of namespaces with such labels, which only the server knows.
        "namespaceSelector" => pub namespace_selector: Present,
        /// Only pods with other values of these labels than the pod's own (1.31 beta).
        "mismatchLabelKeys" => pub mismatch_label_keys: Vec<Text<'a>>,
    }
}

view! {
    /// One of `topologySpreadConstraints`: the pods that are counted are always of the pod's own namespace.
    pub struct TopologySpreadConstraint<'a> {
        /// Which pods are counted; absent: none, empty: all.
        "labelSelector" => pub label_selector: Option<LabelSelector<'a>>,
    }
}

/// A term of an anti-affinity with where it is.
#[derive(Clone, Copy, Debug)]
pub struct AntiAffinityTerm<'s, 'a> {
    is_required: bool,
    index: usize,
    /// The term.
    pub term: &'s PodAffinityTerm<'a>,
}

impl<'a> PodAntiAffinity<'a> {
    /// All terms, those that bind first.
    pub fn terms(&self) -> impl Iterator<Item = AntiAffinityTerm<'_, 'a>> {
        let required = self.required.iter().map(|term| (true, term)).enumerate();
        let preferred = self.preferred.iter().map(|weighted| (false, &weighted.pod_affinity_term)).enumerate();
        required.chain(preferred).map(|(index, (is_required, term))| AntiAffinityTerm { is_required, index, term })
    }

    /// Nothing to keep away from.
    pub fn is_empty(&self) -> bool {
        self.required.is_empty() && self.preferred.is_empty()
    }
}

impl AntiAffinityTerm<'_, '_> {
    /// `podAntiAffinity.required[0]`: terms have no names.
    pub fn place(&self) -> String {
        let list = if self.is_required { "required" } else { "preferred" };
        format!("podAntiAffinity.{list}[{}]", self.index)
    }

    /// Where it is below the `spec` of a pod.
    pub fn path(&self, pod_spec: &str) -> Pointer {
        let lists = Pointer::new(pod_spec).key("affinity").key("podAntiAffinity");
        if self.is_required {
            lists.key("requiredDuringSchedulingIgnoredDuringExecution").index(self.index)
        } else {
            lists.key("preferredDuringSchedulingIgnoredDuringExecution").index(self.index).key("podAffinityTerm")
        }
    }
}

impl PodAffinityTerm<'_> {
    /// Whether a pod with these labels, in this namespace, keeps away from its like. `None`: an operator that is not known here.
    pub fn selects_its_like(&self, labels: &Map, namespace: &str) -> Option<bool> {
        let is_elsewhere = !self.namespaces.is_empty()
            && !self.namespace_selector.0
            && !self.namespaces.iter().any(|each| **each == *namespace);
        if is_elsewhere || self.mismatch_label_keys.iter().any(|key| labels.has(key)) {
            return Some(false);
        }
        self.label_selector.as_ref().map_or(Some(false), |selector| selector.selects(labels))
    }
}

impl TopologySpreadConstraint<'_> {
    /// Whether a pod with these labels is spread among its like. `None`: an operator that is not known here.
    pub fn selects_its_like(&self, labels: &Map) -> Option<bool> {
        self.label_selector.as_ref().map_or(Some(false), |selector| selector.selects(labels))
    }
}

impl PodSpec<'_> {
    /// Something keeps pods apart, whichever pods these are.
    pub fn is_spread(&self) -> bool {
        !self.affinity.pod_anti_affinity.is_empty() || !self.topology_spread_constraints.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::PodAffinityTerm;
    use crate::text::Map;

    fn selects(term: &str) -> Option<bool> {
        let labels: Map<'_> = serde_json::from_str(r#"{"app": "db", "zone": "a"}"#).unwrap();
        serde_json::from_str::<PodAffinityTerm<'_>>(term).unwrap().selects_its_like(&labels, "shop")
    }

    #[test]
    fn an_absent_selector_selects_nothing_and_an_empty_one_everything() {
        assert_eq!(selects("{}"), Some(false));
        assert_eq!(selects(r#"{"labelSelector": {}}"#), Some(true));
        assert_eq!(selects(r#"{"labelSelector": {"matchLabels": {"app": "web"}}}"#), Some(false));
        assert_eq!(selects(r#"{"labelSelector": {"matchExpressions": [{"key": "app", "operator": "Like"}]}}"#), None);
    }

    #[test]
    fn the_namespace_counts() {
        assert_eq!(selects(r#"{"labelSelector": {}, "namespaces": ["shop"]}"#), Some(true));
        assert_eq!(selects(r#"{"labelSelector": {}, "namespaces": ["bank"]}"#), Some(false));
        assert_eq!(selects(r#"{"labelSelector": {}, "namespaces": ["bank"], "namespaceSelector": {}}"#), Some(true));
    }

    #[test]
    fn a_mismatch_is_never_its_like() {
        assert_eq!(selects(r#"{"labelSelector": {}, "mismatchLabelKeys": ["zone"]}"#), Some(false));
        assert_eq!(selects(r#"{"labelSelector": {}, "mismatchLabelKeys": ["rack"]}"#), Some(true));
    }
}
