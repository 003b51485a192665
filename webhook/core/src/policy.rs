//! One installed policy: a [`WasmPolicy`] bound to its component, checked.

mod settings;

use std::time::Duration;

use crate::evaluate::{Component, Limits, RuleIndex};
use crate::labels::Selector;
use crate::manifest::{Action, Manifest, Profile, Rule, RuleKind};
use crate::matching::Matcher;
use crate::pointer;
use crate::resources::{FailurePolicy, LimitsSpec, Match, Mode, WasmPolicy};
use crate::version::{ProfileVersion, Version};

/// One installed policy.
#[derive(Clone)]
pub struct Policy {
    /// `metadata.name`.
    pub name: String,
    /// What it runs.
    pub component: Component,
    /// Caps every action.
    pub mode: Mode,
    /// The least profile in force; a namespace may raise itself.
    pub profile: Profile,
    /// What a failure means.
    pub failure_policy: FailurePolicy,
    /// What it may spend on one request.
    pub limits: Limits,
    /// JSON text, for the component.
    pub settings: String,
    /// Selected rules by ascending index.
    pub(crate) rules: Vec<SelectedRule>,
    /// `spec.match`.
    pub(crate) matcher: Matcher,
    /// `spec.profileVersion`, for the trace.
    pub(crate) profile_version: Option<ProfileVersion>,
}

/// A rule of a policy, with what the policy says of it.
#[derive(Clone, Debug)]
pub(crate) struct SelectedRule {
    pub index: RuleIndex,
    /// From `spec.actions`.
    pub override_action: Option<Action>,
    /// Newer than `spec.profileVersion`.
    pub is_newer: bool,
}

/// Something that is wrong with a resource, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SpecError {
    /// JSON Pointer into the resource: `/spec/actions/remote-volumes~1local-class`.
    pub path: String,
    /// What is wrong, with the value.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SpecError {
    /// Without a hint.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), hint: None }
    }

    /// With one.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Policy {
    /// Binds a resource to its component. What the settings say has been checked by the component already. Answers every error, not the first.
    pub fn new(resource: &WasmPolicy, component: Component) -> Result<Self, Vec<SpecError>> {
        let spec = &resource.spec;
        let mut errors = Vec::new();
        let manifest = &component.manifest;
        let profile_version = profile_version(spec.profile_version.as_deref(), manifest, &mut errors);
        let mut rules = select(&spec.rules, manifest, &mut errors);
        for (id, &action) in &spec.actions {
            let path = format!("/spec/actions/{}", pointer::escape(id));
            match override_problem(id, action, manifest, &rules) {
                Err(error) => errors.push(SpecError { path, ..error }),
                Ok(at) => {
                    if let Some(rule) = rules.get_mut(at) {
                        rule.override_action = Some(action);
                    }
                }
            }
        }
        for selected in &mut rules {
            if let Some(rule) = manifest.rule(selected.index) {
                let since = Version::parse(&rule.since);
                // Fixed rules move together, by the mode alone.
                selected.is_newer =
                    !rule.fixed && profile_version.zip(since).is_some_and(|(pinned, since)| pinned.precedes(since));
            }
        }
        check_fixed(&rules, manifest, &spec.matches, &mut errors);
        settings::check(&spec.settings, &rules, manifest, &mut errors);
        let matcher = Matcher::compile(&spec.matches, &mut errors);
        let limits = limits(&spec.limits, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            name: resource.metadata.name.clone(),
            mode: spec.mode,
            profile: spec.profile,
            failure_policy: if spec.mode == Mode::Enforce { spec.failure_policy } else { FailurePolicy::Ignore },
            limits,
            settings: serde_json::Value::Object(spec.settings.clone()).to_string(),
            rules,
            matcher,
            profile_version,
            component,
        })
    }

    /// The selected rules in the component's order, each with its action in both profiles as this policy says: overridden or not yet in force.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, [Action; 2])> {
        self.described().map(|(selected, rule)| {
            let action = |profile| self.base_action(selected, rule, profile);
            (rule, [action(Profile::Baseline), action(Profile::Strict)])
        })
    }

    /// Ids of the selected rules, in the component's order.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.described().map(|(_, rule)| rule.id.as_str())
    }

    /// Whether it can refuse anything. One that only warns or records does not refuse by failing either: its rules are asked where a missing answer lets
    /// the request go on.
    pub fn may_refuse(&self) -> bool {
        self.mode == Mode::Enforce
    }

    /// The namespaces that it is about, by their labels.
    pub const fn namespace_selector(&self) -> &Selector {
        &self.matcher.namespace_selector
    }

    /// The selected rules with their descriptions.
    pub(crate) fn described(&self) -> impl Iterator<Item = (&SelectedRule, &Rule)> {
        self.rules.iter().filter_map(|selected| Some((selected, self.component.manifest.rule(selected.index)?)))
    }

    /// A selected rule by its index in the manifest.
    pub(crate) fn selected(&self, index: RuleIndex) -> Option<(&SelectedRule, &Rule)> {
        let at = self.rules.binary_search_by_key(&index, |selected| selected.index).ok()?;
        Some((self.rules.get(at)?, self.component.manifest.rule(index)?))
    }

    /// The rule's action before anything is known of a finding: override, else the profile's default, not above Warn for a newer rule.
    pub(crate) fn base_action(&self, selected: &SelectedRule, rule: &Rule, profile: Profile) -> Action {
        match selected.override_action {
            Some(action) => action,
            None if selected.is_newer => rule.action(profile).min(Action::Warn),
            None => rule.action(profile),
        }
    }
}

/// The rules that the patterns select, ascending.
fn select(patterns: &[String], manifest: &Manifest, errors: &mut Vec<SpecError>) -> Vec<SelectedRule> {
    let mut chosen = vec![false; manifest.rules.len()];
    if patterns.is_empty() {
        errors.push(SpecError::new("/spec/rules", "selects no rule").hint("leave `rules` out to select all"));
    }
    for (n, pattern) in patterns.iter().enumerate() {
        let mut found = false;
        for (chosen, rule) in chosen.iter_mut().zip(&manifest.rules) {
            if selects(pattern, &rule.id) {
                *chosen = true;
                found = true;
            }
        }
        if !found {
            let error = SpecError::new(
                format!("/spec/rules/{n}"),
                format!("`{pattern}` selects no rule of component `{}`", manifest.name),
            );
            errors.push(error.hint(suggestion(pattern, manifest)));
        }
    }
    let index_of_chosen = |(index, chosen): (usize, bool)| chosen.then(|| RuleIndex::try_from(index).ok()).flatten();
    chosen
        .into_iter()
        .enumerate()
        .filter_map(index_of_chosen)
        .map(|index| SelectedRule { index, override_action: None, is_newer: false })
        .collect()
}

/// Whether `*`, `family/*` or an id means this rule.
pub(crate) fn selects(pattern: &str, id: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(family) => id.split_once('/').is_some_and(|(of, _)| of == family),
        None => pattern == "*" || pattern == id,
    }
}

/// What may have been meant: the rules of that family, or the families.
fn suggestion(pattern: &str, manifest: &Manifest) -> String {
    let family = pattern.split_once('/').map_or(pattern, |(family, _)| family);
    let mut of_family: Vec<&str> =
        manifest.rules.iter().filter(|rule| rule.family() == family).map(|rule| rule.id.as_str()).collect();
    if of_family.is_empty() {
        let mut families: Vec<String> = manifest.rules.iter().map(|rule| format!("{}/*", rule.family())).collect();
        families.sort_unstable();
        families.dedup();
        return format!("its families are {}", families.join(", "));
    }
    of_family.sort_unstable();
    format!("that family has {}", of_family.join(", "))
}

/// The place of the rule among the selected ones, or what is wrong with overriding it so.
fn override_problem(id: &str, action: Action, manifest: &Manifest, rules: &[SelectedRule]) -> Result<usize, SpecError> {
    let error = |message: String| SpecError::new("", message);
    let Some((at, rule)) = manifest.rules.iter().enumerate().find(|(_, rule)| rule.id == id) else {
        return Err(error(format!("component `{}` has no rule `{id}`", manifest.name)).hint(suggestion(id, manifest)));
    };
    let Some(selected) = rules.iter().position(|selected| selected.index as usize == at) else {
        return Err(error(format!("rule `{id}` is not selected by this policy")).hint("add it to `spec.rules`"));
    };
    if rule.fixed {
        return Err(error(format!("rule `{id}` is fixed: it cannot be overridden"))
            .hint("`spec.mode` moves all fixed rules together"));
    }
    match rule.kind {
        RuleKind::Validate if action == Action::Apply => {
            Err(error(format!("rule `{id}` judges, it cannot be `Apply`")).hint("Off, Audit, Warn or Deny"))
        }
        RuleKind::Mutate if !matches!(action, Action::Apply | Action::Off) => {
            Err(error(format!("rule `{id}` changes objects, it can only be `Apply` or `Off`"))
                .hint("`spec.mode: Warn` says what it would change"))
        }
        _ => Ok(selected),
    }
}

/// Fixed rules of a family are one switch, and match all of their subjects in the namespaces that are chosen.
fn check_fixed(rules: &[SelectedRule], manifest: &Manifest, matches: &Match, errors: &mut Vec<SpecError>) {
    let is_selected = |index: usize| rules.iter().any(|selected| selected.index as usize == index);
    let selected_families: Vec<&str> = manifest
        .rules
        .iter()
        .enumerate()
        .filter(|(index, rule)| rule.fixed && is_selected(*index))
        .map(|(_, rule)| rule.family())
        .collect();
    if selected_families.is_empty() {
        return;
    }
    let missing: Vec<&str> = manifest
        .rules
        .iter()
        .enumerate()
        .filter(|(index, rule)| rule.fixed && !is_selected(*index) && selected_families.contains(&rule.family()))
        .map(|(_, rule)| rule.id.as_str())
        .collect();
    if !missing.is_empty() {
        let message = format!("fixed rules are selected together or not at all; missing: {}", missing.join(", "));
        let families = selected_families.first().map(|family| format!("select `{family}/*`"));
        errors.push(SpecError { path: "/spec/rules".to_owned(), message, hint: families });
    }
    let narrowing = [
        ("resourceRules", !matches.resource_rules.is_empty()),
        ("excludeResourceRules", !matches.exclude_resource_rules.is_empty()),
        ("objectSelector", matches.object_selector.is_some()),
        ("matchConditions", !matches.match_conditions.is_empty()),
    ];
    for (field, _) in narrowing.into_iter().filter(|(_, is_used)| *is_used) {
        errors.push(
            SpecError::new(format!("/spec/match/{field}"), format!("a policy with fixed rules cannot use `{field}`"))
                .hint("`namespaceSelector` is the only way to narrow it"),
        );
    }
}

fn profile_version(text: Option<&str>, manifest: &Manifest, errors: &mut Vec<SpecError>) -> Option<ProfileVersion> {
    let own = Version::parse(&manifest.version).map(Version::profile_version);
    let Some(text) = text else { return own };
    let Some(pinned) = ProfileVersion::parse(text) else {
        let error = SpecError::new("/spec/profileVersion", format!("`{text}` is not a profile version"));
        errors.push(
            error.hint(format!(
                "`vMAJOR.MINOR`, e.g. `{}`",
                own.map_or_else(|| "v0.1".to_owned(), |own| own.to_string())
            )),
        );
        return None;
    };
    Some(pinned)
}

fn limits(spec: &LimitsSpec, errors: &mut Vec<SpecError>) -> Limits {
    let mut limits = Limits::default();
    if let Some(text) = &spec.timeout {
        match parse_timeout(text) {
            Some(timeout) if (MIN_TIMEOUT..=MAX_TIMEOUT).contains(&timeout) => limits.timeout = timeout,
            Some(_) => {
                errors.push(SpecError::new("/spec/limits/timeout", format!("`{text}` is not between 1ms and 10s")))
            }
            None => errors.push(
                SpecError::new("/spec/limits/timeout", format!("`{text}` is not a duration"))
                    .hint("e.g. `200ms`, `1s`"),
            ),
        }
    }
    if let Some(text) = &spec.memory {
        match parse_memory(text) {
            Some(memory) if (MIN_MEMORY..=MAX_MEMORY).contains(&memory) => limits.memory = memory,
            Some(_) => {
                errors.push(SpecError::new("/spec/limits/memory", format!("`{text}` is not between 1Mi and 64Mi")))
            }
            None => errors
                .push(SpecError::new("/spec/limits/memory", format!("`{text}` is not a quantity")).hint("e.g. `64Mi`")),
        }
    }
    limits
}

/// `200ms`, `1s`, `1.5s`.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (number, unit_us) = match text.strip_suffix("ms") {
        Some(number) => (number, 1_000),
        None => (text.strip_suffix('s')?, 1_000_000),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let scale = 10u64.pow(u32::try_from(fraction.len()).ok()?);
    let micros = whole.parse::<u64>().ok()? * unit_us + fraction.parse::<u64>().ok()? * unit_us / scale;
    Some(Duration::from_micros(micros))
}

/// Bytes, or with one of Kubernetes' suffixes up to `Gi`.
fn parse_memory(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "" => 1,
        "k" => 1_000,
        "Ki" => 1 << 10,
        "M" => 1_000_000,
        "Mi" => 1 << 20,
        "G" => 1_000_000_000,
        "Gi" => 1 << 30,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// The epoch's tick.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// The API server's default for a whole call.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);

/// A guest's arena and stack fit.
const MIN_MEMORY: u64 = 1 << 20;

/// The size of the engine's slots.
const MAX_MEMORY: u64 = 64 << 20;

#[cfg(test)]
mod tests;
