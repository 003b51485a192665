//! Names of claims that two sets would share, and claims that wait under a member's name.

use std::collections::BTreeSet;

use stateward_sdk::contract::{WRITES_FIELD, is_governed};
use stateward_sdk::objects::{Quantity, member_of, readings};
use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-16 of the rule catalogue.
pub const CLAIM_COLLISION: Rule = Rule {
    id: "remote-volumes/claim-collision",
    title: "A member's claims are its own",
    description: "Claims are named `<template>-<set>-<ordinal>`, and a claim that exists under that name is taken as it is. So template `data` of \
                  set `a-b` and template `data-a` of set `b` share their disks, and a claim left over or made by hand with another class, mode or \
                  a smaller size becomes the member's volume, past every rule on the template. Sets whose claims differ by their ordinals alone \
                  are warned about: whoever scales one of them later is not asked. In baseline it is refused where one of the two sets has one writer: \
                  the members of the other would write to the manager's disk.",
    category: "own volume, re-attaching",
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[
        Read::by_name(
            StatefulSet::KIND,
            &[WRITES_FIELD, "/spec/ordinals", "/spec/replicas", "/spec/volumeClaimTemplates"],
        ),
        Read::of(
            PersistentVolumeClaim::KIND,
            &[
                "/metadata/annotations/volume.beta.kubernetes.io~1storage-class",
                "/spec/accessModes",
                "/spec/resources/requests/storage",
                "/spec/storageClassName",
                "/spec/volumeMode",
                "/status/capacity/storage",
            ],
        ),
    ],
    ..Rule::VALIDATE
};

/// Fires on templates whose claims another set makes too, and on those under whose claims' names something else exists. A claim that only grew
/// is fine.
pub fn claim_collision(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if set.metadata.name.is_empty() {
        return;
    }
    for template in set.claim_templates().filter(|template| !template.claim.metadata.name.is_empty()) {
        let rival = rival(set, &template, cx, out);
        if let Some(rival) = &rival {
            report_rival(&template, rival, cx, out);
        }
        if rival.is_none_or(|rival| !rival.is_met) {
            check_existing(set, &template, cx, out);
        }
    }
}

/// Another set whose claims have the names of this one's, but for the ordinal.
struct Rival {
    name: String,
    /// Its claim template.
    template: String,
    /// The first claim that both sets have, or would have.
    claim: String,
    /// Both have it with the replicas that they have now.
    is_met: bool,
    /// One of the two is, so that a disk would have two writers.
    is_governed: bool,
}

/// The set that makes claims of the same names, or will once it or this one grows: nobody asks this rule then. Only names with more dashes than
/// one can be read in two ways, so few sets are asked for.
fn rival(set: &StatefulSet, template: &ClaimTemplate, cx: &Context<Settings>, out: &mut Findings) -> Option<Rival> {
    let (name, set_name) = (&template.claim.metadata.name, &set.metadata.name);
    if !name.contains('-') && !set_name.contains('-') {
        return None;
    }
    let stem = format!("{name}-{set_name}");
    let mut rival: Option<Rival> = None;
    for (other_template, other_name) in readings(&stem).filter(|(_, other)| *other != set_name.as_str()) {
        match cx.find::<StatefulSet>(other_name) {
            Found::Unknown => {
                out.unavailable::<StatefulSet>();
                return rival;
            }
            Found::Absent => {}
            Found::Found(other) if !other.has_claim_template(other_template) => {}
            Found::Found(other) => {
                let (ours, theirs) = (ordinals(set), ordinals(&other));
                let is_met = ours.start < theirs.end && theirs.start < ours.end;
                let claim = format!("{stem}-{}", ours.start.max(theirs.start));
                let is_governed = is_governed(set) || is_governed(&other);
                let found = Rival {
                    name: other_name.to_owned(),
                    template: other_template.to_owned(),
                    claim,
                    is_met,
                    is_governed,
                };
                let weight = |rival: &Rival| (rival.is_met, rival.is_governed);
                if rival.as_ref().is_none_or(|known| weight(known) < weight(&found)) {
                    rival = Some(found);
                }
            }
        }
    }
    rival
}

fn report_rival(template: &ClaimTemplate, rival: &Rival, cx: &Context<Settings>, out: &mut Findings) {
    let Rival { name, template: theirs, claim, is_met, is_governed } = rival;
    let path = template.path().key("metadata").key("name");
    let finding = if *is_met {
        let what = format!("StatefulSet `{name}` has a claim `{claim}` too: members of both sets get one volume");
        let finding = out.finding(path, template.place(), what);
        if *is_governed { finding } else { lower(finding, cx) }
    } else {
        let what = format!(
            "StatefulSet `{name}` names its claims alike: once one of the sets grows to `{claim}`, members of both get one volume"
        );
        // A place of its own: whoever then grows it by an update has not had that finding before.
        out.finding(path, format!("{}.name", template.place()), what).at_most(Action::Warn)
    };
    // Names can be read in two ways only where a template's name has a dash: this one's, or else the other's.
    finding.hint(if template.claim.metadata.name.contains('-') {
        "give the claim template another name, without a dash".to_owned()
    } else {
        format!("give the claim template `{theirs}` of `{name}` a name without a dash, or this one another name")
    });
}

/// The ordinals that a set makes claims for. One of 0 replicas will be scaled up one day, when nobody asks this rule.
fn ordinals(set: &StatefulSet) -> std::ops::Range<i64> {
    let start = set.start();
    start..start.saturating_add(set.replicas().max(1))
}

/// Reports the first claim under a member's name that is not what the template makes.
fn check_existing(set: &StatefulSet, template: &ClaimTemplate, cx: &Context<Settings>, out: &mut Findings) {
    let stem = format!("{}-{}", template.claim.metadata.name, set.metadata.name);
    let ordinals = ordinals(set);
    if ordinals.end.saturating_sub(ordinals.start) <= MANY_MEMBERS {
        for ordinal in ordinals {
            match cx.find::<PersistentVolumeClaim>(&format!("{stem}-{ordinal}")) {
                Found::Unknown => return out.unavailable::<PersistentVolumeClaim>(),
                Found::Absent => {}
                Found::Found(claim) => {
                    if report_other(template, &claim, cx, out) {
                        return;
                    }
                }
            }
        }
        return;
    }
    let Some(claims) = cx.list::<PersistentVolumeClaim>() else {
        return out.unavailable::<PersistentVolumeClaim>();
    };
    let mut members = claims.iter().filter(|claim| {
        // `data-db-007` is no member's.
        member_of(&claim.metadata.name).is_some_and(|(of, ordinal)| of == stem && ordinals.contains(&ordinal))
    });
    members.any(|claim| report_other(template, claim, cx, out));
}

/// Reports a claim that is not what the template makes; answers whether it is one.
fn report_other(
    template: &ClaimTemplate,
    claim: &PersistentVolumeClaim,
    cx: &Context<Settings>,
    out: &mut Findings,
) -> bool {
    let (wanted, name) = (&template.claim.spec, &claim.metadata.name);
    let spec = template.path().key("spec");
    let (path, what) = if let (Some(is_block), Some(wants_block)) = (claim.is_block(), template.claim.is_block())
        && is_block != wants_block
    {
        let mode = if is_block { "a block device" } else { "a file system" };
        (spec.key("volumeMode"), format!("claim `{name}` exists and is {mode}"))
    } else if let (Some(class), Some(wanted)) = (claim.class_name(), template.claim.class_name())
        && class != wanted
    {
        (spec.key("storageClassName"), format!("claim `{name}` exists with class `{class}`"))
    } else if let (Some(has), Some(wants)) = (access_modes(claim), access_modes(template.claim))
        && has != wants
    {
        (spec.key("accessModes"), format!("claim `{name}` exists with access mode {}", words(&has)))
    } else if let Some(size) = smaller(claim, wanted.resources.requests.storage.as_ref()) {
        (
            spec.key("resources").key("requests").key("storage"),
            format!("claim `{name}` exists with no more than {size}"),
        )
    } else {
        return false;
    };
    lower(out.finding(path, template.place(), format!("{what}: the member gets it as it is")), cx)
        .hint(format!("delete or move the claim `{name}` if nothing needs it, or make the template fit it"));
    true
}

/// In baseline, whoever is not one writer's is warned.
fn lower<'f>(finding: Made<'f>, cx: &Context<Settings>) -> Made<'f> {
    if cx.profile() == Profile::Baseline { finding.at_most(Action::Warn) } else { finding }
}

/// Without order; `None` where none is said.
fn access_modes<'c>(claim: &'c PersistentVolumeClaim) -> Option<BTreeSet<&'c str>> {
    let modes: BTreeSet<_> = claim.spec.access_modes.iter().map(|mode| mode.as_str()).collect();
    (!modes.is_empty()).then_some(modes)
}

fn words(modes: &BTreeSet<&str>) -> String {
    modes.iter().map(|mode| format!("`{mode}`")).collect::<Vec<_>>().join(" and ")
}

/// What a claim has, if it is less than wanted. A volume may be larger than its claim asked for.
fn smaller<'q>(claim: &'q PersistentVolumeClaim, wanted: Option<&Quantity>) -> Option<&'q Quantity<'q>> {
    let wanted = wanted?.thousandths()?;
    let amounts = [&claim.status.capacity.storage, &claim.spec.resources.requests.storage];
    let sizes = amounts.into_iter().flatten().filter_map(|size| Some((size.thousandths()?, size)));
    let (size, written) = sizes.max_by_key(|(size, _)| *size)?;
    (size < wanted).then_some(written)
}

/// Claims of so many members are asked for one by one; beyond it all claims of the namespace are cheaper.
const MANY_MEMBERS: i64 = 32;

#[cfg(test)]
mod tests {
    use super::CLAIM_COLLISION;
    use crate::RemoteVolumes;
    use proptest::prelude::*;
    use serde_json::Value;
    use stateward_sdk::prelude::Action;
    use stateward_sdk::testing::{Test, json};

    fn set(name: &str, template: &str, start: u8, replicas: u8) -> Value {
        json!({"kind": "StatefulSet", "metadata": {"name": name}, "spec": {"replicas": replicas, "ordinals": {"start": start},
            "volumeClaimTemplates": [{"metadata": {"name": template}}]}})
    }

    fn claims(name: &str, template: &str, start: u8, replicas: u8) -> Vec<String> {
        (start..start + replicas).map(|ordinal| format!("{template}-{name}-{ordinal}")).collect()
    }

    proptest! {
        #[test]
        fn fires_where_names_are_the_same(
            names in ("[ab](-[ab]){0,2}", "[ab](-[ab]){0,2}"),
            templates in ("[ab](-[ab]){0,2}", "[ab](-[ab]){0,2}"),
            starts in (0..4_u8, 0..4_u8),
            replicas in (1..4_u8, 1..4_u8),
        ) {
            prop_assume!(names.0 != names.1);
            let mine = claims(&names.0, &templates.0, starts.0, replicas.0);
            let theirs = claims(&names.1, &templates.1, starts.1, replicas.1);
            let are_shared = mine.iter().any(|claim| theirs.contains(claim));
            let may_be_shared = format!("{}-{}", templates.0, names.0) == format!("{}-{}", templates.1, names.1);
            let said = Test::<RemoteVolumes>::create(set(&names.0, &templates.0, starts.0, replicas.0))
                .beside(set(&names.1, &templates.1, starts.1, replicas.1))
                .knowing("PersistentVolumeClaim")
                .judge(&CLAIM_COLLISION);
            prop_assert_eq!(!said.findings.is_empty(), may_be_shared);
            // Nobody governs them: a warning.
            prop_assert!(said.findings.iter().all(|finding| finding.at_most == Some(Action::Warn)));
            let said_strictly = Test::<RemoteVolumes>::create(set(&names.0, &templates.0, starts.0, replicas.0))
                .beside(set(&names.1, &templates.1, starts.1, replicas.1))
                .knowing("PersistentVolumeClaim")
                .strict()
                .judge(&CLAIM_COLLISION);
            prop_assert_eq!(said_strictly.findings.iter().any(|finding| finding.at_most.is_none()), are_shared);
        }
    }

    #[test]
    fn a_disk_of_one_writer_is_not_shared_in_any_profile() {
        let governed = |mut set: Value| {
            set["metadata"]["annotations"] = json!({"stateward.dev/writes": "manager-only"});
            set
        };
        let (plain, rival) = (set("b", "data-a", 0, 1), set("a-b", "data", 0, 1));
        for (set, beside, is_refused) in [
            (plain.clone(), rival.clone(), false),
            (governed(plain.clone()), rival.clone(), true),
            (plain, governed(rival), true),
        ] {
            let said = Test::<RemoteVolumes>::create(set)
                .beside(beside)
                .knowing("PersistentVolumeClaim")
                .judge(&CLAIM_COLLISION);
            assert_eq!(said.findings.iter().map(|finding| finding.at_most.is_none()).collect::<Vec<_>>(), [is_refused]);
        }
    }
}
