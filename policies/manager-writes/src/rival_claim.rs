//! Refuses members whose own claim is another member's by another reading of its name.

use stateward_sdk::accounts::is_machinery;
use stateward_sdk::disks::{HOLDER_POD_FIELDS, HOLDER_SET_FIELDS, Holder, holder};
use stateward_sdk::objects::readings;
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{MEMBER_WITH_RIVAL, POD_CREATED};
use crate::member::owner_of;
use crate::refusal::REFUSAL;

/// Asked where `claim-collision` was not, or where the sets grew into each other. Nobody waits for the answer: of the 206 StatefulSets of the corpus that
/// have claim templates, 195 have a dash in their name or in a template's, and with no replica up none of their members would start.
pub const RIVAL_CLAIM: Rule = Rule {
    id: "manager-writes/rival-claim",
    title: "A member's disk is its own by every reading of its name",
    description: "Template `data` of set `a-b` and template `data-a` of set `b` make claims of one name, and a claim that exists is taken as it is: \
                  members of both sets write to one file system. `remote-volumes/claim-collision` refuses a set that would share a disk of one \
                  writer; this rule refuses its members, where the set was made while nobody asked, or before the other one joined the contract. \
                  Between sets of which neither is governed it warns in baseline.",
    category: "own volume, one writer",
    when_undecided: Action::Audit,
    subjects: &[Subject::of(Resource::PODS, POD_CREATED).when(MEMBER_WITH_RIVAL)],
    reads: &[Read::by_name(StatefulSet::KIND, HOLDER_SET_FIELDS), Read::by_name(Pod::KIND, HOLDER_POD_FIELDS).live()],
    ..REFUSAL
};

/// Fires on a StatefulSet's pod with a claim that a template makes for it, while another member has or wants that claim. Pods that somebody else makes are
/// `foreign-claim`'s.
pub fn rival_claim(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let is_others = |user| !is_machinery(user, &[]) && !cx.settings.is_controller(&user.username);
    if owner_of(pod).is_none() || cx.user().is_some_and(is_others) {
        return;
    }
    let mut asked = 0;
    for (index, volume) in pod.spec.volumes.iter().enumerate() {
        let Some(claim) = &volume.persistent_volume_claim else { continue };
        let (name, pod_name) = (claim.claim_name.as_str(), pod.metadata.name.as_str());
        let Some((stem, _)) = member_of(name).filter(|_| name == format!("{}-{pod_name}", volume.name)) else {
            continue;
        };
        let ways = readings(stem).count();
        if ways < 2 || claim.read_only || pod.spec.only_reads(&volume.name) {
            continue;
        }
        let path = Pointer::new("/spec/volumes").index(index).key("persistentVolumeClaim").key("claimName");
        let place = format!("volumes[{}]", volume.name);
        asked += ways;
        if asked > MOST_READINGS {
            out.finding(path, place, format!("the claims of `{pod_name}` can be read in more than {MOST_READINGS} ways: nobody can tell whose they are"))
                .hint("give claim templates names without dashes");
            return;
        }
        let Some(Holder { member, is_governed, is_left }) = holder(name, Some(pod_name), cx, out) else { continue };
        let finding = out.finding(
            path,
            place,
            format!("claim `{name}` of `{pod_name}` is member `{member}`'s as well: two would write to it"),
        );
        let finding = finding.hint(if is_left {
            format!("wait until pod `{member}` is gone, or give one of the two sets other names")
        } else {
            "give one of the two sets another name, or its template or volume a name without a dash".to_owned()
        });
        if cx.profile() == Profile::Baseline && !is_governed {
            finding.at_most(Action::Warn);
        }
    }
}

/// Of one pod. The host answers 1,000 look-ups in one call, two for each, and a call that fails refuses nothing here. No set of the corpus has more than 12.
const MOST_READINGS: usize = 200;

#[cfg(test)]
mod tests {
    use super::RIVAL_CLAIM;
    use crate::ManagerWrites;
    use crate::settings::CONTROLLER_ACCOUNT;
    use serde_json::Value;
    use stateward_sdk::testing::{Said, Test, json};

    fn set(name: &str, template: &str, start: i64, writes: &str) -> Value {
        json!({"kind": "StatefulSet", "metadata": {"name": name, "annotations": {"stateward.dev/writes": writes}},
            "spec": {"replicas": 6, "ordinals": {"start": start}, "volumeClaimTemplates": [{"metadata": {"name": template}}]}})
    }

    /// `b-5`, with the claim of its set's template `data-a`.
    fn member() -> Value {
        json!({"kind": "Pod", "metadata": {"name": "b-5",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "b", "uid": "2", "controller": true}]},
            "spec": {"volumes": [{"name": "data-a", "persistentVolumeClaim": {"claimName": "data-a-b-5"}}]}})
    }

    fn beside(rival: Value) -> Test<ManagerWrites> {
        Test::create(member()).by(CONTROLLER_ACCOUNT).beside(set("b", "data-a", 0, "any")).beside(rival)
    }

    fn refusals(said: &Said) -> Vec<bool> {
        said.findings.iter().map(|finding| finding.at_most.is_none()).collect()
    }

    #[test]
    fn a_member_of_another_set_gets_no_disk_of_one_writer() {
        let said = beside(set("a-b", "data", 5, "manager-only")).knowing("Pod").judge(&RIVAL_CLAIM);
        assert_eq!(refusals(&said), [true]);
        let plain = beside(set("a-b", "data", 5, "any")).knowing("Pod").judge(&RIVAL_CLAIM);
        assert!(plain.is_silent(), "`claim-collision` warns of both sets");
        let later = beside(set("a-b", "data", 6, "manager-only")).knowing("Pod").judge(&RIVAL_CLAIM);
        assert!(later.is_silent(), "its first member is `a-b-6`");
        let orphan = json!({"kind": "Pod", "metadata": {"name": "a-b-5", "labels": {"stateward.dev/role": "manager"}},
            "spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-a-b-5"}}]}});
        assert_eq!(refusals(&beside(orphan).judge(&RIVAL_CLAIM)), [true]);
    }

    /// Else each would keep the other from starting.
    #[test]
    fn of_two_governed_sets_the_one_that_has_the_disk_keeps_it() {
        let of_both = || {
            let sets = Test::<ManagerWrites>::create(member()).by(CONTROLLER_ACCOUNT);
            sets.beside(set("b", "data-a", 0, "manager-only")).beside(set("a-b", "data", 5, "manager-only"))
        };
        assert!(of_both().knowing("Pod").judge(&RIVAL_CLAIM).is_silent());
        let other = json!({"kind": "Pod", "metadata": {"name": "a-b-5"},
            "spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-a-b-5"}}]}});
        assert_eq!(refusals(&of_both().beside(other).judge(&RIVAL_CLAIM)), [true]);
    }

    #[test]
    fn more_readings_than_can_be_looked_up_are_refused() {
        let mut pod = member();
        let volumes = (0..30).map(|number| {
            let name = format!("a-b-c-d-e-f-g-h-{number}");
            json!({"name": name, "persistentVolumeClaim": {"claimName": format!("{name}-b-5")}})
        });
        pod["spec"]["volumes"] = volumes.collect();
        let said = Test::<ManagerWrites>::create(pod)
            .by(CONTROLLER_ACCOUNT)
            .knowing("StatefulSet")
            .knowing("Pod")
            .judge(&RIVAL_CLAIM);
        assert_eq!(refusals(&said), [true]);
    }

    /// Its own set makes no such claim: the template names it.
    #[test]
    fn a_disk_that_the_template_names_is_warned_about_between_plain_sets() {
        let test = Test::<ManagerWrites>::create(member()).by(CONTROLLER_ACCOUNT).knowing("Pod");
        assert_eq!(refusals(&test.clone().beside(set("a-b", "data", 0, "any")).judge(&RIVAL_CLAIM)), [false]);
        assert_eq!(refusals(&test.beside(set("a-b", "data", 0, "manager-only")).judge(&RIVAL_CLAIM)), [true]);
    }

    #[test]
    fn others_pods_are_foreign_claims() {
        let rival = set("a-b", "data", 5, "manager-only");
        let mut bare = member();
        bare["metadata"]["ownerReferences"] = Value::Null;
        let judge = |pod: Value, by: &str| {
            Test::<ManagerWrites>::create(pod).by(by).beside(rival.clone()).knowing("Pod").judge(&RIVAL_CLAIM)
        };
        assert!(judge(member(), "alice").is_silent());
        assert!(judge(bare, CONTROLLER_ACCOUNT).is_silent());
    }
}
