//! `stateward explain`: the way of one captured AdmissionReview, step by step. It is answered as the server would answer it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use stateward_core::admit::{Facts, Route, mutate, validate};
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{Operation, Request};
use stateward_core::verdict::Verdict;
use stateward_engine::PolicyLoader;
use stateward_manifests::{cause, read, stored};
use stateward_report::explain::{Answered, write_json, write_text};
use stateward_server::review;

use crate::args::ExplainArgs;
use crate::engine;
use crate::exit::{Exit, NOTE, print_errors, print_warnings};
use crate::output::{Format, require_distinct_files};
use crate::policies::PolicySource;

/// Reads, answers, explains.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    require_distinct_files(&args.output)?;
    let body = read_review(&args.review)?;
    let request = review::decode(&body).map_err(|error| not_a_review(&args.review, &body, &error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().context("cannot start threads")?;
    let loader = PolicyLoader::new(engine::start(engine::print_warning)?);
    let source = PolicySource::of(&args.policies);
    let policies = runtime.block_on(source.load(&loader));
    if policies.set.policies().is_empty() && policies.refused.is_empty() {
        anstream::eprintln!("{NOTE}note{NOTE:#}: {}", source.no_policy());
    }
    let more = read(&args.policies.inventory);
    let (inventory, refused) = stored(&more.objects, &policies.set.reads(), &args.policies.namespace);
    for errors in [&policies.unreadable, &more.errors, &refused, &policies.refused] {
        print_errors(errors);
    }
    print_warnings(&policies.warnings);
    // What could not be read there would count as absent.
    if !(more.errors.is_empty() && refused.is_empty()) {
        return Ok(Exit::usage());
    }
    let facts = Facts {
        inventory: Arc::new(inventory),
        now: jiff::Timestamp::now(),
        deadline: Instant::now() + TIMEOUT,
        trace: true,
    };
    let (mutated, validated) = runtime.block_on(answer(&policies.set, &request, &facts));
    let answers: Vec<Answered<'_>> = mutated
        .iter()
        .map(|verdict| Answered { phase: "mutate", verdict })
        .chain([Answered { phase: "validate", verdict: &validated }])
        .collect();
    for output in &args.output {
        output.write(|out| match output.format {
            Format::Json => write_json(&request, &answers, out),
            _ => write_text(&request, &answers, out),
        })?;
    }
    Ok(Exit {
        unreadable: !policies.unreadable.is_empty(),
        policy_failed: !policies.refused.is_empty() || answers.iter().any(|answer| !answer.verdict.failures.is_empty()),
        denied: !validated.allowed,
        ..Exit::default()
    })
}

/// What the API server would get: the answer of `/mutate` where there is an object to change, then that of all `/validate/*` together.
async fn answer(set: &PolicySet, request: &Request<'_>, facts: &Facts) -> (Option<Verdict>, Verdict) {
    if !matches!(request.operation, Operation::Create | Operation::Update) {
        return (None, validate(set, request, Route::All, facts).await);
    }
    let mutated = mutate(set, request, facts).await;
    let changed = Request {
        object: mutated.object.clone().map(Into::into).or_else(|| request.object.clone()),
        ..request.clone()
    };
    let validated = validate(set, &changed, Route::All, facts).await;
    (Some(mutated), validated)
}

/// Whoever has a manifest wants `check`: what webhooks are registered with would not help there.
fn not_a_review(path: &Path, body: &[u8], error: &review::DecodeError) -> anyhow::Error {
    let path = path.display();
    if String::from_utf8_lossy(body).contains("AdmissionReview") {
        return anyhow!("`{path}`: {error}");
    }
    anyhow!(
        "`{path}` is not an AdmissionReview\nhint: an AdmissionReview is the JSON that the API server posts to a webhook; manifests are judged by `stateward check {path}`"
    )
}

fn read_review(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let mut body = Vec::new();
    let limit = stateward_server::MAX_REVIEW_BYTES as u64 + 1;
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut body))
    };
    read.map_err(|error| anyhow!("cannot read `{}`: {}", path.display(), cause(&error)))?;
    if body.len() as u64 >= limit {
        bail!(
            "`{}` is larger than {} MiB, which the server would not take",
            path.display(),
            stateward_server::MAX_REVIEW_BYTES >> 20
        );
    }
    Ok(body)
}

/// The API server's own limit for a webhook.
const TIMEOUT: Duration = Duration::from_secs(30);
