//! `apps/v1` StatefulSet.

use super::{
    ClaimTemplate, ClaimVolume, IntOrString, LabelSelector, ObjectMeta, PersistentVolumeClaim, PodTemplate, Stored,
    Volume,
};
use crate::rule::Kind;
use crate::text::Text;
use crate::view::view;

view! {
    /// A StatefulSet.
    pub struct StatefulSet<'a> {
        /// Name, labels, annotations, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What is wanted.
        "spec" => pub spec: StatefulSetSpec<'a>,
        /// What is.
        "status" => pub status: StatefulSetStatus<'a>,
    }
}

view! {
    /// `spec`.
    pub struct StatefulSetSpec<'a> {
        /// Absent: 1.
        "replicas" => pub replicas: Option<i64>,
        /// The governing Service; absent and empty are the same.
        "serviceName" => pub service_name: Text<'a>,
        /// `OrderedReady`, `Parallel`, or what a later version knows; absent and empty: `OrderedReady`.
        "podManagementPolicy" => pub pod_management_policy: Text<'a>,
        /// How members come to a new template.
        "updateStrategy" => pub update_strategy: UpdateStrategy<'a>,
        /// Which ordinals.
        "ordinals" => pub ordinals: Ordinals,
        /// Which pods are its own.
        "selector" => pub selector: LabelSelector<'a>,
        /// What its pods are made from.
        "template" => pub template: PodTemplate<'a>,
        /// What each pod's own claims are made from.
        "volumeClaimTemplates" => pub volume_claim_templates: Vec<PersistentVolumeClaim<'a>>,
        /// What becomes of the members' claims.
        "persistentVolumeClaimRetentionPolicy" => pub claim_retention: ClaimRetention<'a>,
    }
}

view! {
    /// `spec.persistentVolumeClaimRetentionPolicy`: `Retain`, `Delete`, or what a later version knows; absent and empty: `Retain`.
    pub struct ClaimRetention<'a> {
        /// When the set is deleted.
        "whenDeleted" => pub when_deleted: Text<'a>,
        /// When a member is scaled away.
        "whenScaled" => pub when_scaled: Text<'a>,
    }
}

view! {
    /// `spec.ordinals`.
    pub struct Ordinals {
        /// The first one.
        "start" => pub start: i64,
    }
}

view! {
    /// `status`.
    pub struct StatefulSetStatus<'a> {
        /// How many pods there are.
        "replicas" => pub replicas: i64,
        /// The `metadata.generation` that the controller has followed.
        "observedGeneration" => pub observed_generation: i64,
        /// What members were made from before the latest roll-out; the controller raises it when a roll-out is done.
        "currentRevision" => pub current_revision: Text<'a>,
        /// What members are made from by the latest roll-out.
        "updateRevision" => pub update_revision: Text<'a>,
    }
}

view! {
    /// `spec.updateStrategy`.
    pub struct UpdateStrategy<'a> {
        /// `RollingUpdate`, `OnDelete`, `Recreate`, or what a later version knows; absent and empty: `RollingUpdate`.
        "type" => pub kind: Text<'a>,
        /// Of a `RollingUpdate`.
        "rollingUpdate" => pub rolling_update: RollingUpdate<'a>,
    }
}

view! {
    /// `spec.updateStrategy.rollingUpdate`.
    pub struct RollingUpdate<'a> {
        /// So many members, from the first one on, are not updated.
        "partition" => pub partition: i64,
        /// How many members may be down at once. Absent: 1.
        "maxUnavailable" => pub max_unavailable: Option<IntOrString<'a>>,
    }
}

/// How members come to a new template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateType {
    /// The controller replaces them, the last one first.
    RollingUpdate,
    /// Somebody else deletes them.
    OnDelete,
    /// The controller takes all of them down, then makes all of them anew (1.37 alpha).
    Recreate,
}

impl<'a> StatefulSet<'a> {
    /// `spec.replicas` or 1; for a Scale request, the Scale's.
    pub fn replicas(&self) -> i64 {
        self.spec.replicas.unwrap_or(1)
    }

    /// The first ordinal.
    pub fn start(&self) -> i64 {
        self.spec.ordinals.start
    }

    /// It has pods, or wants some.
    pub fn is_live(&self) -> bool {
        self.replicas() > 0 || self.status.replicas > 0
    }

    /// The governing Service.
    pub fn service_name(&self) -> Option<&str> {
        Some(self.spec.service_name.as_str()).filter(|name| !name.is_empty())
    }

    /// Pods are made one after the other, each once the one before is ready. `None`: a policy that is not known here.
    pub fn is_ordered(&self) -> Option<bool> {
        match self.spec.pod_management_policy.as_str() {
            "" | "OrderedReady" => Some(true),
            "Parallel" => Some(false),
            _ => None,
        }
    }

    /// How members come to a new template. `None`: a type that is not known here.
    pub fn update_type(&self) -> Option<UpdateType> {
        match self.spec.update_strategy.kind.as_str() {
            "" | "RollingUpdate" => Some(UpdateType::RollingUpdate),
            "OnDelete" => Some(UpdateType::OnDelete),
            "Recreate" => Some(UpdateType::Recreate),
            _ => None,
        }
    }

    /// The claim templates, with where they are.
    pub fn claim_templates(&self) -> impl Iterator<Item = ClaimTemplate<'_, 'a>> {
        self.spec.volume_claim_templates.iter().enumerate().map(|(index, claim)| ClaimTemplate { index, claim })
    }

    /// The pod's own volumes that pods really get, by their index: a claim template replaces the volume of its name.
    pub fn effective_volumes(&self) -> impl Iterator<Item = (usize, &Volume<'a>)> {
        let volumes = self.spec.template.spec.volumes.iter().enumerate();
        volumes.filter(|(_, volume)| !self.has_claim_template(&volume.name))
    }

    /// Whether each member gets a claim from a template of this name.
    pub fn has_claim_template(&self, name: &str) -> bool {
        self.spec.volume_claim_templates.iter().any(|claim| *claim.metadata.name == *name)
    }

    /// Effective volumes that are one claim for all members, and that some container can write to.
    pub fn shared_claims(&self) -> impl Iterator<Item = (usize, &Volume<'a>, &ClaimVolume<'a>)> {
        self.effective_volumes().filter_map(|(index, volume)| {
            let claim = volume.persistent_volume_claim.as_ref()?;
            let is_written = !claim.read_only && !self.spec.template.spec.only_reads(&volume.name);
            is_written.then_some((index, volume, claim))
        })
    }

    /// The claims of one member, as the controller names them.
    pub fn claim_names(&self, ordinal: i64) -> impl Iterator<Item = String> {
        let set = &self.metadata.name;
        self.spec.volume_claim_templates.iter().map(move |claim| format!("{}-{set}-{ordinal}", claim.metadata.name))
    }
}

impl<'a> Stored<'a> for StatefulSet<'a> {
    const KIND: Kind = Kind { group: "apps", version: "v1", kind: "StatefulSet" };
    const NAMESPACED: bool = true;
}

/// Label of a member: its name.
pub const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// Label of a member since Kubernetes 1.28: its ordinal.
pub const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The set whose member the StatefulSet controller takes a pod of this name for. It asks for digits at the end and no more
/// (`statefulPodRegex`, `getParentName`): `db-01` and `db-99999999999` are members of `db` to it, though it never makes them.
pub fn parent_of(pod: &str) -> Option<&str> {
    let (set, digits) = pod.rsplit_once('-')?;
    let is_ordinal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_ordinal && !set.is_empty()).then_some(set)
}

/// Reads a pod's name as the StatefulSet controller writes it: the set's name, and the ordinal. `None`: no set makes such a name.
pub fn member_of(pod: &str) -> Option<(&str, i64)> {
    let (set, digits) = pod.rsplit_once('-')?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let ordinal = digits.parse::<i32>().ok()?;
    (is_plain && !set.is_empty()).then_some((set, i64::from(ordinal)))
}

#[cfg(test)]
mod tests {
    use super::{StatefulSet, member_of, parent_of};
    use proptest::prelude::*;

    #[test]
    fn takes_pods_for_members_as_the_controller_does() {
        for yes in ["db-0", "db-01", "db-2147483648", "db-99999999999999999999"] {
            assert_eq!(parent_of(yes), Some("db"), "{yes}");
        }
        assert_eq!(parent_of("thanos-store-0-12"), Some("thanos-store-0"));
        for no in ["db", "db-", "-0", "db-+1", "db-1a", "", "0"] {
            assert_eq!(parent_of(no), None, "{no}");
        }
    }

    #[test]
    fn reads_names_as_the_controller_writes_them() {
        assert_eq!(member_of("db-0"), Some(("db", 0)));
        assert_eq!(member_of("thanos-store-0-12"), Some(("thanos-store-0", 12)));
        assert_eq!(member_of("db-2147483647"), Some(("db", 2_147_483_647)));
        for no in ["db", "db-", "-0", "db-01", "db-2147483648", "db-+1", "db-1a", "", "0"] {
            assert_eq!(member_of(no), None, "{no}");
        }
    }

    #[test]
    fn a_claim_template_replaces_the_volume_of_its_name() {
        let set: StatefulSet<'_> = serde_json::from_str(
            r#"{"metadata": {"name": "db"}, "spec": {
                "template": {"spec": {"volumes": [{"name": "data"}, {"name": "config"}]}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}"#,
        )
        .unwrap();
        let names: Vec<_> = set.effective_volumes().map(|(index, volume)| (index, volume.name.as_str())).collect();
        assert_eq!(names, [(1, "config")]);
        assert_eq!(set.claim_names(3).collect::<Vec<_>>(), ["data-db-3"]);
    }

    #[test]
    fn absent_null_and_default_are_the_same() {
        for json in [
            r#"{}"#,
            r#"{"spec": null}"#,
            r#"{"spec": {"replicas": null, "ordinals": null, "podManagementPolicy": null}}"#,
        ] {
            let set: StatefulSet<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(
                (set.replicas(), set.start(), set.is_ordered(), set.service_name()),
                (1, 0, Some(true), None),
                "{json}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_member_name_is_read_back(set in "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", ordinal in 0..i32::MAX) {
            let name = format!("{set}-{ordinal}");
            prop_assert_eq!(member_of(&name), Some((set.as_str(), i64::from(ordinal))));
        }
    }
}
