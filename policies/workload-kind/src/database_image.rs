//! Databases that run where nothing keeps their data.

use stateward_sdk::images::{is_companion, is_database, name as image_name};
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{LONE_POD_WITHOUT_CLAIM, TOP_TEMPLATE_WITHOUT_CLAIM};

/// WL-3 of the rule catalogue. A guess by the image's name, so it never denies.
///
/// The image alone is not enough on real manifests: a container called `mongos` or `metrics` runs from the database's image and holds nothing, and
/// neither does a Pod that does not restart: that is a client or a task (`kubectl run -it --rm --image=mysql`).
pub const DATABASE_IMAGE: Rule = Rule {
    id: "workload-kind/database-image",
    title: "Databases run as StatefulSets",
    description: "A database in a Deployment without a claim loses its data with every pod (kubernetes/kubernetes#12136), and the next pod has \
                  another name that no other member knows. Of 249 real Deployments 22 run a database's image (as in \
                  kubeflow/community-distribution#326), 17 of them without any claim.",
    category: "identified, own volume",
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[
        Subject::of(Resource::DEPLOYMENTS, &[Operation::Create, Operation::Update]).when(TOP_TEMPLATE_WITHOUT_CLAIM),
        Subject::of(Resource::REPLICA_SETS, &[Operation::Create, Operation::Update]).when(TOP_TEMPLATE_WITHOUT_CLAIM),
        Subject::of(Resource::PODS, &[Operation::Create]).when(LONE_POD_WITHOUT_CLAIM),
    ],
    ..Rule::VALIDATE
};

/// Fires on every container that holds a database, in pods without a claim.
pub fn database_image_of_deployment(deployment: &Deployment, cx: &Context<Settings>, out: &mut Findings) {
    judge(&deployment.metadata, &deployment.spec.template.spec, TEMPLATE, cx, out);
}

/// The same of a ReplicaSet that nobody controls.
pub fn database_image_of_replica_set(set: &ReplicaSet, cx: &Context<Settings>, out: &mut Findings) {
    judge(&set.metadata, &set.spec.template.spec, TEMPLATE, cx, out);
}

/// The same of a Pod that nobody controls.
pub fn database_image_of_pod(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    if !matches!(pod.spec.restart_policy.as_str(), "OnFailure" | "Never") {
        judge(&pod.metadata, &pod.spec, "/spec/containers", cx, out);
    }
}

fn judge(metadata: &ObjectMeta, pod: &PodSpec, path: &str, cx: &Context<Settings>, out: &mut Findings) {
    if metadata.controller().is_some() || pod.volumes.iter().any(|volume| volume.persistent_volume_claim.is_some()) {
        return;
    }
    for (index, container) in pod.containers.iter().enumerate() {
        let Container { name, image, .. } = container;
        if is_database(image, &cx.settings.database_images) && !is_companion(name) {
            out.finding(
                Pointer::new(path).index(index).key("image"),
                format!("containers[{name}]"),
                format!(
                    "`{}` is a database, and its pod has no claim: what it holds goes with the pod",
                    image_name(image)
                ),
            )
            .hint("make it a StatefulSet with a claim template for its data");
        }
    }
}

const TEMPLATE: &str = "/spec/template/spec/containers";
