//! What an exemption comes to beside the policies in force: rules that are not there, that are fixed, that nobody selects; a time that is over.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{check, expires};
use crate::manifest::RuleKind;
use crate::policy::{Policy, SpecError, selects};
use crate::resources::PolicyExemption;

/// What is to be said of an exemption beside the policies in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Its place among [`PolicySet::exemptions`](crate::policy_set::PolicySet::exemptions).
    pub exemption: usize,
    /// What, and where in the resource.
    pub error: SpecError,
    /// It names what can never be exempted, and exempts nothing at all. Else this is a warning: what it says besides is in force.
    pub refused: bool,
}

/// In the order of the exemptions. Those that [`check`] complains about are left out; without `now` nothing is over.
pub(crate) fn complaints(
    exemptions: &[PolicyExemption],
    policies: &[Policy],
    now: Option<Timestamp>,
) -> Vec<Complaint> {
    if exemptions.is_empty() {
        return Vec::new();
    }
    let rules = Rules::of(policies);
    let mut complaints = Vec::new();
    for (at, exemption) in exemptions.iter().enumerate().filter(|(_, exemption)| check(exemption, None).is_empty()) {
        let told = |told: Told| Complaint { exemption: at, error: told.error, refused: told.refused };
        match expires(exemption).filter(|expires| now.is_some_and(|now| *expires <= now)) {
            // Files outlive their date, and then the rules that they name, too.
            Some(expires) => complaints.push(told(Told::warning(
                SpecError::new("/spec/expires", format!("is over since `{expires}`: nothing is exempt any more"))
                    .hint("delete the exemption, or renew it for at most 90 days"),
            ))),
            None => {
                let patterns = exemption.spec.rules.iter().enumerate();
                complaints.extend(patterns.filter_map(|(n, pattern)| rules.complaint(n, pattern)).map(told));
            }
        }
    }
    complaints
}

struct Told {
    error: SpecError,
    refused: bool,
}

impl Told {
    const fn refusal(error: SpecError) -> Self {
        Self { error, refused: true }
    }

    const fn warning(error: SpecError) -> Self {
        Self { error, refused: false }
    }
}

/// The rules of the components that policies in force use, by id.
struct Rules<'p>(BTreeMap<&'p str, Known>);

/// What is known of a rule, in whichever component has it.
#[derive(Default)]
struct Known {
    is_fixed: bool,
    /// It judges, and is not fixed.
    can_be_exempted: bool,
    /// By a policy in force.
    is_selected: bool,
}

impl<'p> Rules<'p> {
    fn of(policies: &'p [Policy]) -> Self {
        let mut rules: BTreeMap<&str, Known> = BTreeMap::new();
        for policy in policies {
            for rule in &policy.component.manifest.rules {
                let known = rules.entry(&rule.id).or_default();
                known.is_fixed |= rule.fixed;
                known.can_be_exempted |= !rule.fixed && rule.kind == RuleKind::Validate;
            }
            for id in policy.rule_ids() {
                rules.entry(id).or_default().is_selected = true;
            }
        }
        Self(rules)
    }

    /// What is to be said of the `n`th entry of `spec.rules`.
    fn complaint(&self, n: usize, pattern: &str) -> Option<Told> {
        let error = |message: String| SpecError::new(format!("/spec/rules/{n}"), message);
        let meant: Vec<(&str, &Known)> =
            self.0.iter().filter(|(id, _)| selects(pattern, id)).map(|(id, known)| (*id, known)).collect();
        if meant.is_empty() {
            return Some(self.unknown(pattern, &error));
        }
        let fixed: Vec<&str> = meant.iter().filter(|(_, known)| known.is_fixed).map(|(id, _)| *id).collect();
        if !meant.iter().any(|(_, known)| known.can_be_exempted) {
            let error = match (meant.as_slice(), fixed.is_empty()) {
                ([_], false) => error(format!("rule `{pattern}` is fixed: it cannot be exempted")).hint(FIXED_MOVE),
                ([_], true) => error(format!("rule `{pattern}` changes objects: it refuses nothing to be exempt from"))
                    .hint(format!("`spec.actions: {{{pattern}: Off}}` in its policy switches it off")),
                _ => error(format!("no rule of `{pattern}` can be exempted: they are fixed or change objects"))
                    .hint(FIXED_MOVE),
            };
            return Some(Told::refusal(error));
        }
        if !meant.iter().any(|(_, known)| known.is_selected) {
            let error = error(format!("no policy in force selects `{pattern}`: there is nothing to be exempt from"));
            return Some(Told::warning(error.hint(NOBODY)));
        }
        // The others of the family are exempt: refused as a whole, an upgrade that fixes one more rule would bring denials.
        (!fixed.is_empty()).then(|| {
            let message =
                format!("`{pattern}` leaves out the fixed rules, which cannot be exempted: {}", fixed.join(", "));
            Told::warning(error(message).hint(FIXED_MOVE))
        })
    }

    /// A rule that its family lacks is a slip of the pen; a family may be that of a policy which is not there yet, or not any more.
    fn unknown(&self, pattern: &str, error: &impl Fn(String) -> SpecError) -> Told {
        let parts = |id: &'p str| id.split_once('/').unwrap_or((id, ""));
        let (wanted, name) = pattern.split_once('/').unwrap_or((pattern, "*"));
        let names: Vec<&str> =
            self.0.keys().map(|id| parts(id)).filter(|(family, _)| *family == wanted).map(|(_, name)| name).collect();
        if !names.is_empty() {
            let hint = match nearest(name, names.iter().copied()) {
                Some(nearest) => format!("did you mean `{wanted}/{nearest}`?"),
                None => format!("that family has {}", names.join(", ")),
            };
            return Told::refusal(error(format!("there is no rule `{pattern}`")).hint(hint));
        }
        let hint = match nearest(wanted, self.0.keys().map(|id| parts(id).0)) {
            Some(nearest) => format!("did you mean `{nearest}/{name}`?"),
            None => NOBODY.to_owned(),
        };
        Told::warning(error(format!("no policy in force has rules of family `{wanted}`")).hint(hint))
    }
}

/// The one that differs in the fewest letters, if that is at most a third of them.
fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Who may write exemptions may write long ones, and letters are compared with letters.
    if word.len() > MAX_WORD {
        return None;
    }
    let most = word.chars().count() / 3;
    let near = among.map(|each| (strsim::levenshtein(word, each), each)).filter(|(distance, _)| *distance <= most);
    near.min().map(|(_, each)| each)
}

/// Bytes; no family or rule has a longer name.
const MAX_WORD: usize = 100;

const NOBODY: &str = "install the policy that it is meant for, mend it if it did not load, or delete the rule here";

const FIXED_MOVE: &str = "`spec.mode` of their policy moves all fixed rules together";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Action;
    use crate::testing::{broken_rules, component, manifest, rule, wasm_policy};

    /// `demo/fixed` is fixed, family `law` has nothing else; `demo/warn` is in no policy.
    fn policies() -> Vec<Policy> {
        let mut manifest = manifest();
        for id in ["demo/fixed", "law/fixed", "law/other"] {
            let mut rule = rule(id, Action::Deny, Action::Deny);
            rule.fixed = true;
            manifest.rules.push(rule);
        }
        let all_but_one = |policy: &mut crate::resources::WasmPolicy| {
            policy.spec.rules =
                ["demo/deny", "demo/strict", "demo/change", "demo/fixed", "law/*"].map(String::from).to_vec();
        };
        let broken = broken_rules(&manifest);
        vec![Policy::new(&wasm_policy("p", all_but_one), component(manifest, broken)).unwrap()]
    }

    fn told_at(rules: &str, now: i64) -> Vec<String> {
        let text = format!(
            r#"{{"metadata":{{"name":"e"}},"spec":{{"rules":{rules},"names":["db"],"reason":"r","expires":"1970-01-02T00:00:00Z"}}}}"#
        );
        let now = Timestamp::from_second(now).unwrap();
        let told = complaints(&[serde_json::from_str(&text).unwrap()], &policies(), Some(now));
        told.into_iter()
            .map(|told| {
                let kind = if told.refused { "refused" } else { "warning" };
                format!("{kind}: {}; {}", told.error, told.error.hint.as_deref().unwrap_or_default())
            })
            .collect()
    }

    #[track_caller]
    fn tells(rule: &str, expected: &[&str]) {
        assert_eq!(told_at(&format!(r#"["demo/deny","{rule}"]"#), 0), expected);
    }

    #[test]
    fn what_can_never_be_exempted_is_refused() {
        tells("demo/strict", &[]);
        tells(
            "demo/fixed",
            &[
                "refused: /spec/rules/1: rule `demo/fixed` is fixed: it cannot be exempted; `spec.mode` of their policy moves all fixed rules together",
            ],
        );
        tells(
            "law/*",
            &[
                "refused: /spec/rules/1: no rule of `law/*` can be exempted: they are fixed or change objects; `spec.mode` of their policy moves all fixed rules together",
            ],
        );
        tells(
            "demo/change",
            &[
                "refused: /spec/rules/1: rule `demo/change` changes objects: it refuses nothing to be exempt from; `spec.actions: {demo/change: Off}` in its policy switches it off",
            ],
        );
        tells("demo/stict", &["refused: /spec/rules/1: there is no rule `demo/stict`; did you mean `demo/strict`?"]);
        tells(
            "demo/zero-grace",
            &[
                "refused: /spec/rules/1: there is no rule `demo/zero-grace`; that family has change, deny, fixed, strict, warn",
            ],
        );
    }

    #[test]
    fn what_exempts_nothing_as_things_are_is_told() {
        tells(
            "demo/*",
            &[
                "warning: /spec/rules/1: `demo/*` leaves out the fixed rules, which cannot be exempted: demo/fixed; `spec.mode` of their policy moves all fixed rules together",
            ],
        );
        tells(
            "demo/warn",
            &[
                "warning: /spec/rules/1: no policy in force selects `demo/warn`: there is nothing to be exempt from; install the policy that it is meant for, mend it if it did not load, or delete the rule here",
            ],
        );
        tells(
            "ours/*",
            &[
                "warning: /spec/rules/1: no policy in force has rules of family `ours`; install the policy that it is meant for, mend it if it did not load, or delete the rule here",
            ],
        );
        tells(
            "dmo/deny",
            &["warning: /spec/rules/1: no policy in force has rules of family `dmo`; did you mean `demo/deny`?"],
        );
    }

    #[test]
    fn what_is_over_is_told_and_nothing_else() {
        let day = 24 * 60 * 60;
        let over = "warning: /spec/expires: is over since `1970-01-02T00:00:00Z`: nothing is exempt any more; delete the exemption, or renew it for at most 90 days";
        assert_eq!(told_at(r#"["demo/fixed"]"#, day), [over]);
        assert_eq!(told_at(r#"["demo/deny"]"#, day - 1), Vec::<String>::new());
    }

    #[test]
    fn names_the_nearest_only_where_it_is_near() {
        assert_eq!(nearest("zero-gracee", ["short-grace", "zero-grace"].into_iter()), Some("zero-grace"));
        assert_eq!(nearest("zero-grace", ["local-class"].into_iter()), None);
        let long = "x".repeat(MAX_WORD + 1);
        assert_eq!(nearest(&long, [long.as_str()].into_iter()), None);
    }
}
