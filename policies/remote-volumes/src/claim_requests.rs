//! Claims of members that are made or deleted by themselves, and where their volumes live.

use stateward_sdk::accounts::is_machinery;
use stateward_sdk::bindings::stateward::policy::types::User;
use stateward_sdk::objects::MemberClaim;
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::classes::{BETA_DEFAULT, CREATED, DEFAULT, class_read};
use crate::conditions::{CLAIM_DELETED, CLAIM_MADE, CLAIM_MADE_BY_OTHERS};
use crate::drivers::{Placement, placement};

/// VOL-20 of the rule catalogue. A worker's claim may have to go, to let the worker start afresh: a warning, whatever the profile.
pub const CLAIM_IN_USE: Rule = Rule {
    id: "remote-volumes/claim-in-use",
    title: "Nobody deletes the claim of a member",
    description: "A claim that is deleted under its pod stays until the pod goes; the replacement then starts with an empty volume or, on servers \
                  before 1.27, waits for ever (kubernetes/kubernetes#113139). If it was the manager's, the data is gone, and workers copy the \
                  emptiness.",
    category: promise::RE_ATTACHING,
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    needs_user: true,
    subjects: &[Subject::of(Resource::CLAIMS, &[Operation::Delete]).when(CLAIM_DELETED)],
    reads: &[SETS],
    ..Rule::VALIDATE
};

/// VOL-21 of the rule catalogue. A pod's ephemeral volume becomes a claim `<pod>-<volume>`, which a controller of Kubernetes makes: that one belongs to
/// its pod, and is judged, too.
pub const SQUATTED_CLAIM: Rule = Rule {
    id: "remote-volumes/squatted-claim",
    title: "Members' claims are made from the template",
    description: "The controller takes a claim that exists under a member's name as it is. One that somebody made by hand becomes the member's \
                  volume, now or when the set grows, with whatever class, access mode and contents it has. So does the claim of another pod's ephemeral volume, and it goes with that pod. Tools that restore belong into the \
                  setting `restorers`.",
    category: "own volume, one writer",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    needs_user: true,
    subjects: &[Subject::of(Resource::CLAIMS, &[Operation::Create]).when(CLAIM_MADE_BY_OTHERS)],
    reads: &[SETS],
    ..Rule::VALIDATE
};

/// SC-1 and SC-11 of the rule catalogue. The one place where class and volume are no guess: the server has put the default class into the claim
/// by then. A claim is a set's if it has the name of one, whoever makes it. Volumes are asked for by name only: in a cluster there are thousands.
pub const LOCAL_CLAIM: Rule = Rule {
    id: "remote-volumes/local-claim",
    title: "A member's volume can follow it to another node",
    description: "The claim of a member gets a volume on one node: the member is tied to that node (topolvm/topolvm#194), and the data is lost with \
                  it. Judged when the claim is made, where its class is settled; a volume that is named in the claim counts more than the class, \
                  since static volumes of the class `kubernetes.io/no-provisioner` may be on a network. A volume that names the claim by its own \
                  `claimRef`, or that a claim of class `\"\"` finds by itself, is not seen: that would take all volumes of the cluster.",
    category: "remote, re-attaching",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::of(Resource::CLAIMS, &[Operation::Create]).when(CLAIM_MADE)],
    reads: &[
        class_read(&["/provisioner", CREATED, DEFAULT, BETA_DEFAULT]),
        Read::by_name(
            PersistentVolume::KIND,
            &["/spec/csi/driver", "/spec/hostPath", "/spec/local", "/spec/nodeAffinity"],
        ),
    ],
    ..Rule::VALIDATE
};

/// Fires when a person deletes a claim that a member of a live set has, or is about to have. Of several sets that could have made its name the one
/// whose manager's it is counts.
pub fn claim_in_use(claim: &PersistentVolumeClaim, cx: &Context<Settings>, out: &mut Findings) {
    let members = members_of_live_sets(claim, cx, out, |_, is_person| is_person);
    let wanted = members.iter().filter(|member| member.is_wanted());
    let Some(member) = wanted.max_by_key(|member| member.is_manager()) else { return };
    let (set, ordinal) = (&member.set, member.ordinal);
    let name = &set.metadata.name;
    let claim = &claim.metadata.name;
    if member.is_manager() {
        out.finding(
            "/metadata/name",
            "name",
            format!("`{claim}` holds the data of `{name}-{ordinal}`, the manager of `{name}`"),
        )
        .hint(format!("back it up and scale `{name}` to 0 first"));
    } else {
        out.finding(
            "/metadata/name",
            "name",
            format!("`{claim}` holds the data of `{name}-{ordinal}`, a live member of `{name}`"),
        )
        .hint(format!(
            "scale `{name}` to {} first; to start the member afresh, delete its pod too",
            ordinal - set.start()
        ))
        .at_most(Action::Warn);
    }
}

/// Fires when a person who does not restore makes a claim that is, or will be, a member's of a live set.
pub fn squatted_claim(claim: &PersistentVolumeClaim, cx: &Context<Settings>, out: &mut Findings) {
    let is_of_pod = claim.metadata.controller().is_some_and(|owner| owner.kind.as_str() == "Pod");
    let members = members_of_live_sets(claim, cx, out, |user, is_person| {
        if is_person { !cx.settings.restorers.contains(&user.username) } else { is_of_pod && is_machinery(user, &[]) }
    });
    let Some(member) = members.iter().find(|member| member.ordinal >= member.set.start()) else { return };
    let (name, set) = (&claim.metadata.name, &member.set.metadata.name);
    out.finding(
        "/metadata/name",
        "name",
        format!("`{set}-{}` of the StatefulSet `{set}` would take this claim for its own", member.ordinal),
    )
    .hint(format!("choose another name than `{name}`, and let the claim template make it"));
}

/// Fires on a member's claim whose volume, or else class, lives on one node.
pub fn local_claim(claim: &PersistentVolumeClaim, cx: &Context<Settings>, out: &mut Findings) {
    if MemberClaim::of(&claim.metadata.name).is_none() {
        return;
    }
    let volume = &claim.spec.volume_name;
    if !volume.is_empty() {
        match cx.find::<PersistentVolume>(volume) {
            Found::Found(found) => {
                let is_local =
                    found.is_node_local() || placement(&found.spec.csi.driver, &cx.settings) == Placement::NodeLocal;
                if is_local {
                    out.finding(
                        "/spec/volumeName",
                        "volumeName",
                        format!("volume `{volume}` lives on one node: the member is tied to it"),
                    )
                    .hint("let the class of the claim template make a volume on remote storage");
                }
                return;
            }
            Found::Unknown => out.unavailable::<PersistentVolume>(),
            Found::Absent => {}
        }
    }
    let name = claim.class_name();
    if name == Some("") {
        return;
    }
    match cx.storage_class(name) {
        Found::Unknown => out.unavailable::<StorageClass>(),
        Found::Absent => {}
        Found::Found(class) => {
            let driver = &class.provisioner;
            if placement(driver, &cx.settings) == Placement::NodeLocal {
                let class = &class.metadata.name;
                out.finding(
                    if claim.spec.storage_class_name.is_some() { "/spec/storageClassName" } else { "/spec" },
                    "storageClassName",
                    format!("class `{class}` (`{driver}`) keeps volumes on one node: the member is tied to it"),
                )
                .hint("name a class with remote storage in the set's claim template");
            }
        }
    }
}

/// A claim's owner-to-be.
struct Member<'c> {
    set: StatefulSet<'c>,
    ordinal: i64,
}

impl Member<'_> {
    /// The set has it, or wants it.
    fn is_wanted(&self) -> bool {
        let replicas = self.set.replicas().max(self.set.status.replicas);
        (self.set.start()..self.set.start().saturating_add(replicas)).contains(&self.ordinal)
    }

    fn is_manager(&self) -> bool {
        self.ordinal == self.set.start()
    }
}

/// The live sets that could have made the claim's name, if whoever asks, a person or not, is `concerned`. Says what it does not know.
fn members_of_live_sets<'c>(
    claim: &PersistentVolumeClaim,
    cx: &Context<'c, '_, Settings>,
    out: &mut Findings,
    is_concerned: impl Fn(&User, bool) -> bool,
) -> Vec<Member<'c>> {
    let mut members = Vec::new();
    let Some(read) = MemberClaim::of(&claim.metadata.name) else { return members };
    let (Some(is_person), Some(user)) = (cx.is_person(&cx.settings.trusted_users), cx.user()) else {
        out.needs_user();
        return members;
    };
    if !is_concerned(user, is_person) {
        return members;
    }
    for (template, name) in read.readings() {
        match cx.find::<StatefulSet>(name) {
            Found::Unknown => out.unavailable::<StatefulSet>(),
            Found::Found(set) if set.is_live() && set.has_claim_template(template) => {
                members.push(Member { set, ordinal: read.ordinal });
            }
            Found::Found(_) | Found::Absent => {}
        }
    }
    members
}

const SETS: Read = Read::by_name(
    StatefulSet::KIND,
    &["/spec/ordinals", "/spec/replicas", "/spec/volumeClaimTemplates", "/status/replicas"],
);
