//! `cargo xtask bench [--quick]`: measures, prints the table and writes RESULTS.md. A quick run shows that everything works; its numbers are worth
//! little, so it writes nothing. The same program is the load generator and the native server, each in a process of its own: what takes minutes
//! to link is linked once.

mod load;
// The product's own log, so that the native server pays the same for a line.
#[path = "../../../../../webhook/cli/src/serve/logging.rs"]
mod logging;
mod native;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use stateward_bench::input::{self, Input};
use stateward_bench::machine;
use stateward_bench::measure::evaluation::Subject;
use stateward_bench::measure::{Effort, Programs, checking, matching, serving, starting};
use stateward_bench::policies::{self, Selection};
use stateward_bench::process::{self, Folders};
use stateward_bench::results::{self, OfInput, Results};
use stateward_core::evaluate::Component;
use stateward_core::inventory::Inventory;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::Request;
use stateward_engine::{Engine, EngineOptions};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        None => bench(Effort::FULL),
        Some((flag, [])) if flag == "--quick" => bench(Effort::QUICK),
        Some((role, [])) if role == "evaluations" => evaluations(Effort::FULL),
        Some((role, rest)) if role == Programs::LOAD => load::run(rest),
        Some((role, rest)) if role == Programs::NATIVE => native::run(rest),
        _ => bail!("usage: bench [--quick | evaluations]"),
    }
}

fn bench(effort: Effort) -> Result<()> {
    let is_quick = effort == Effort::QUICK;
    let results = measure(effort, is_quick)?;
    say(&results.page());
    match results.missed().as_slice() {
        [] => say("every budget is met"),
        missed => say(&format!("{} budgets are missed:\n  {}", missed.len(), missed.join("\n  "))),
    }
    if is_quick {
        say("a quick run: RESULTS.md stays as it is");
    } else {
        results.write(&results::path())?;
        say("written to tests/bench/RESULTS.md");
    }
    Ok(())
}

/// Evaluations alone, on this thread and nowhere else: for a profiler.
fn evaluations(effort: Effort) -> Result<()> {
    let work = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let component = load_component(&runtime)?;
    for (input, selection) in inputs()? {
        let bench = OneInput::new(&input, selection, &component, work.path())?;
        let (requests, inventory) = (bench.decode()?, bench.inventory()?);
        let subject = Subject { requests: &requests, policies: &bench.set, component: &component, inventory };
        say(&format!("{}: {:.2?}", input.name, subject.measure(&runtime, effort)?));
    }
    Ok(())
}

/// Each with the rules that judge it.
fn inputs() -> Result<[(Input, Selection); 2]> {
    let corpus = input::corpus();
    if corpus.is_none() {
        say("../shared/corpus is not there: *real* is generated from our own set");
    }
    Ok([(Input::clean()?, Selection::ObjectRules), (Input::real(corpus.as_deref())?, Selection::AllRules)])
}

fn measure(effort: Effort, is_quick: bool) -> Result<Results> {
    let machine_load = machine::load();
    let programs = Programs::beside(&std::env::current_exe()?)?;
    let work = tempfile::tempdir()?;
    // A thread of its own for everything: the engine runs guests on the caller's worker.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let component = load_component(&runtime)?;
    process::write_certificate(&work.path().join("tls"))?;

    let mut measured = Vec::new();
    let (mut starting, mut matching) = (None, None);
    for (input, selection) in inputs()? {
        let bench = OneInput::new(&input, selection, &component, work.path())?;
        say(&format!("{}: evaluations", input.name));
        let reviews: Vec<Request<'_>> = bench.decode()?;
        let inventory = bench.inventory()?;
        let subject = Subject {
            requests: &reviews,
            policies: &bench.set,
            component: &component,
            inventory: Arc::clone(&inventory),
        };
        let evaluation = subject.measure(&runtime, effort)?;
        if selection == Selection::AllRules {
            say("policies that do not match");
            let request = reviews.first().context("there is no review")?;
            let resources = policies::resources(selection, &component.manifest)?;
            matching = Some(matching::measure(
                &runtime,
                &resources,
                &stateward_native::component(),
                request,
                &inventory,
                effort,
            )?);
        } else {
            say("starts, cold and warm");
            starting = Some(starting::measure(&programs, &bench.folders, effort)?);
        }
        let start = Instant::now();
        let serving = serving::measure(&programs, &input, &bench.reviews, &bench.folders, effort)?;
        say(&format!("{}: the server, {:.0} s", input.name, start.elapsed().as_secs_f64()));
        let checking = checking::measure(&programs, &input, &bench.folders, work.path(), effort)?;
        say(&format!("{}: `check`", input.name));
        measured.push(OfInput {
            name: input.name,
            what: input.what.clone(),
            rules: bench.rules,
            evaluation,
            serving,
            checking,
        });
    }
    Ok(Results {
        command: format!("cargo xtask bench{}", if is_quick { " --quick" } else { "" }),
        inputs: measured,
        starting: starting.context("nothing was started")?,
        matching: matching.context("nothing was matched")?,
        binary_bytes: std::fs::metadata(&programs.stateward)?.len(),
        machine_load,
    })
}

fn load_component(runtime: &Runtime) -> Result<Component> {
    let engine = Engine::new(EngineOptions::default())?;
    let wasm = stateward_builtin::component("stateful").context("there is no built-in component `stateful`")?;
    Ok(runtime.block_on(engine.load("builtin:stateful", wasm))?)
}

/// One input with the policies that judge it, in memory and in folders.
struct OneInput<'a> {
    input: &'a Input,
    set: PolicySet,
    rules: usize,
    folders: Folders,
    reviews: std::path::PathBuf,
}

impl<'a> OneInput<'a> {
    fn new(input: &'a Input, selection: Selection, component: &Component, work: &Path) -> Result<Self> {
        let resources = policies::resources(selection, &component.manifest)?;
        let folder = work.join(input.name);
        let folders = Folders {
            tls: work.join("tls"),
            policies: folder.join("policies"),
            inventory: folder.join("inventory"),
            cache: work.join("cache"),
        };
        policies::write(&resources, &folders.policies)?;
        input.write_inventory(&folders.inventory)?;
        let reviews = folder.join("reviews.jsonl");
        input.write_reviews(&reviews)?;
        let (set, rules) = (policies::bind(&resources, component)?, policies::count_of_rules(&resources, component)?);
        Ok(Self { input, set, rules, folders, reviews })
    }

    fn decode(&self) -> Result<Vec<Request<'_>>> {
        let decode =
            |review: &'a String| stateward_server::review::decode(review.as_bytes()).map_err(anyhow::Error::from);
        self.input.reviews.iter().map(decode).collect()
    }

    /// As the servers read it.
    fn inventory(&self) -> Result<Arc<dyn Inventory>> {
        let documents = stateward_manifests::read(std::slice::from_ref(&self.folders.inventory));
        let (inventory, errors) = stateward_manifests::stored(&documents.objects, &self.set.reads(), "default");
        match documents.errors.iter().chain(&errors).next() {
            Some(error) => bail!("the inventory cannot be read: {error}"),
            None => Ok(Arc::new(inventory)),
        }
    }
}

fn say(line: &str) {
    // Whoever closed the pipe does not want to know.
    let _ = writeln!(std::io::stdout(), "{line}");
}
