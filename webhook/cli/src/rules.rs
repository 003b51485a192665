//! `stateward rules`: which rules are in force, and all about one of them.

mod examples;

use anyhow::{Context, bail};
use stateward_core::policy::Policy;
use stateward_engine::PolicyLoader;
use stateward_report::rules::{RuleInForce, write_json, write_markdown, write_page, write_table};

use crate::args::RulesArgs;
use crate::engine;
use crate::exit::{Exit, print_errors, print_warnings};
use crate::output::{Format, Output, require_distinct_files};
use crate::policies::PolicySource;

use examples::{Bound, Examples};

/// Loads the policies, picks, prints.
pub(crate) fn run(args: &RulesArgs) -> anyhow::Result<Exit> {
    require_distinct_files(&args.output)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().context("cannot start a runtime")?;
    let loader = PolicyLoader::new(engine::start(engine::print_warning)?);
    let source = PolicySource { paths: args.policies.clone(), profile: None, namespace: "default".to_owned() };
    let loaded = runtime.block_on(source.load(&loader));
    for errors in [&loaded.unreadable, &loaded.refused] {
        print_errors(errors);
    }
    print_warnings(&loaded.warnings);
    let all = in_force(loaded.set.policies());
    let bound = Bound(&loaded.set);
    let examples = runtime.block_on(Examples::new(&bound))?;
    match &args.explain {
        Some(name) => {
            let mut rule = by_name(&all, name)?.clone();
            rule.examples = runtime.block_on(examples.of(&rule.rule.id));
            Output { format: Format::Text, file: None }.write(|out| write_page(&rule, out))?;
        }
        None => {
            let mut picked = pick(all, &args.rules)?;
            if args.output.iter().any(|output| output.format == Format::Markdown) {
                for rule in &mut picked {
                    rule.examples = runtime.block_on(examples.of(&rule.rule.id));
                }
            }
            for output in &args.output {
                output.write(|out| match output.format {
                    Format::Json => write_json(&picked, out),
                    Format::Markdown => write_markdown(&picked, out),
                    _ => write_table(&picked, out),
                })?;
            }
        }
    }
    Ok(Exit { unreadable: !loaded.unreadable.is_empty(), policy_failed: !loaded.refused.is_empty(), ..Exit::default() })
}

/// Every rule of every policy, without examples.
pub(crate) fn in_force(policies: &[Policy]) -> Vec<RuleInForce<'_>> {
    policies.iter().flat_map(of_policy).collect()
}

fn of_policy(policy: &Policy) -> impl Iterator<Item = RuleInForce<'_>> {
    policy.rules().map(move |(rule, [baseline, strict])| RuleInForce {
        policy: &policy.name,
        mode: policy.mode,
        rule,
        baseline,
        strict,
        examples: Vec::new(),
    })
}

/// `family/name`, or the name where one family alone has it.
fn by_name<'r, 'a>(all: &'r [RuleInForce<'a>], name: &str) -> anyhow::Result<&'r RuleInForce<'a>> {
    let fits = |each: &&RuleInForce<'_>| {
        each.rule.id == name || each.rule.id.split_once('/').is_some_and(|(_, end)| end == name)
    };
    match all.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [rule] => Ok(rule),
        [] => bail!("no rule `{name}` is in force\nhint: `stateward rules` lists them{}", nearest(all, name)),
        [first, ..] => Ok(first),
    }
}

/// `; did you mean ..` where a rule's name shares a word.
fn nearest(all: &[RuleInForce<'_>], name: &str) -> String {
    let words: Vec<&str> = name.rsplit('/').next().unwrap_or(name).split('-').collect();
    let shares = |each: &&RuleInForce<'_>| {
        let end = each.rule.id.rsplit('/').next().unwrap_or_default();
        end.split('-').any(|word| words.contains(&word))
    };
    let near: Vec<String> = all.iter().filter(shares).take(3).map(|each| format!("`{}`", each.rule.id)).collect();
    if near.is_empty() { String::new() } else { format!("; near it are {}", near.join(", ")) }
}

fn pick<'a>(all: Vec<RuleInForce<'a>>, patterns: &[String]) -> anyhow::Result<Vec<RuleInForce<'a>>> {
    let fits = |pattern: &str, id: &str| match pattern.strip_suffix("/*") {
        Some(family) => id.split_once('/').is_some_and(|(of, _)| of == family),
        None => pattern == id,
    };
    for pattern in patterns {
        if !all.iter().any(|each| fits(pattern, &each.rule.id)) {
            bail!("`{pattern}` selects no rule that is in force\nhint: an id or `family/*`{}", nearest(&all, pattern));
        }
    }
    Ok(all
        .into_iter()
        .filter(|each| patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, &each.rule.id)))
        .collect())
}
