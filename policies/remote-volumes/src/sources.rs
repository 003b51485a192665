//! Where a member's volume comes from, and whether it keeps its name to itself.

use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-8 of the rule catalogue.
pub const DUPLICATE_CLAIM: Rule = Rule {
    id: "remote-volumes/duplicate-claim",
    title: "Claim templates have names of their own",
    description: "The StatefulSet controller keeps claims by their template's name: of two templates with one name the later wins, and the other \
                  disk is never made.",
    category: promise::OWN_VOLUME,
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// VOL-14 of the rule catalogue.
pub const CLONED_SOURCE: Rule = Rule {
    id: "remote-volumes/cloned-source",
    title: "Members start from data of their own",
    description: "A `dataSource` in a claim template fills every member's volume from one snapshot or claim, the manager's too: all begin as \
                  copies with one identity, and a member that is added months later begins with data of that time, or not at all once the \
                  source is gone. The template cannot be changed.",
    category: "own volume, synchronised",
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// VOL-15 of the rule catalogue.
pub const PINNED_VOLUME: Rule = Rule {
    id: "remote-volumes/pinned-volume",
    title: "Any volume of the class will do",
    description: "A claim template with `volumeName` asks for the same volume for each member: the first one gets it, the others wait for ever. \
                  One with `selector` takes only volumes that somebody made by hand: none is made for a new member.",
    category: "own volume, re-attaching",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires once for each name that more than one template has.
pub fn duplicate_claim(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let name = &template.claim.metadata.name;
        let before = set.claim_templates().take(template.index);
        // The third of a name says nothing new.
        if before.filter(|other| other.claim.metadata.name == *name).count() == 1 {
            out.finding(
                template.path().key("metadata").key("name"),
                template.place(),
                format!("two claim templates are named `{name}`: only one of the volumes is made"),
            )
            .hint("give each claim template a name of its own");
        }
    }
}

/// Fires on a template that is filled from something.
pub fn cloned_source(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let spec = &template.claim.spec;
        // The server copies the one into the other.
        let field = match (spec.data_source.0, spec.data_source_ref.0) {
            (true, _) => "dataSource",
            (false, true) => "dataSourceRef",
            (false, false) => continue,
        };
        out.finding(
            template.path().key("spec").key(field),
            template.place(),
            format!("every member of `{}`, now and later, starts as a copy of one source", template.name()),
        )
        .hint(format!(
            "remove `{field}` and let members clone from the manager, or restore into the claims one by one"
        ));
    }
}

/// Fires on a template that asks for one volume, or for volumes that exist.
pub fn pinned_volume(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let spec = &template.claim.spec;
        let (field, what) = if !spec.volume_name.is_empty() {
            (
                "volumeName",
                format!("every member asks for the one volume `{}`: only the first can have it", spec.volume_name),
            )
        } else if spec.selector.0 {
            (
                "selector",
                "no volume is made for a claim with a selector: members wait for volumes made by hand".to_owned(),
            )
        } else {
            continue;
        };
        out.finding(template.path().key("spec").key(field), template.place(), what)
            .hint(format!("remove `{field}` and name a class in `storageClassName`"));
    }
}
