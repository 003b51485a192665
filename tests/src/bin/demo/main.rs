//! What `cargo xtask demo` runs: plays the API server to a real webhook and shows what a user would see.
#![expect(clippy::print_stdout, reason = "the demonstration is what it prints")]

mod webhook;

use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use serde_json::{Value, json};
use stateward_tests::root;
use webhook::Webhook;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let folder = root().join("tests/demo");
    let webhook = Webhook::start(&folder.join("cluster"))?;
    println!("{TITLE}a webhook on loopback, over TLS, with the built-in policies in profile baseline{TITLE:#}");
    let mut totals = Totals::default();
    for (number, Scene { file, title }) in SCENES.iter().enumerate() {
        println!("\n{TITLE}{:>2}  {title}{TITLE:#}", number + 1);
        totals.add(&show(&webhook, &folder.join("reviews").join(file))?);
    }
    let Totals { allowed, changed, warned, refused } = totals;
    println!(
        "\n{} requests: {allowed} allowed ({changed} of them changed, {warned} warned), {refused} refused",
        SCENES.len()
    );
    println!("\nwhy? ask for one of them, step by step:");
    println!(
        "  target/debug/stateward explain tests/demo/reviews/04-forge-manager.json --inventory tests/demo/cluster"
    );
    offer_to_stay(&webhook)
}

/// A request of the story.
struct Scene {
    /// In `tests/demo/reviews`.
    file: &'static str,
    title: &'static str,
}

#[derive(Default)]
struct Totals {
    allowed: usize,
    changed: usize,
    warned: usize,
    refused: usize,
}

impl Totals {
    fn add(&mut self, shown: &Shown) {
        self.allowed += usize::from(!shown.refused);
        self.changed += usize::from(shown.changed && !shown.refused);
        self.warned += usize::from(shown.warned && !shown.refused);
        self.refused += usize::from(shown.refused);
    }
}

/// What became of one request.
#[derive(Default)]
struct Shown {
    changed: bool,
    warned: bool,
    refused: bool,
}

/// The API server's way: mutate, apply the patch, then all validating calls on the result.
fn show(webhook: &Webhook, file: &Path) -> Result<Shown> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut review: Value = serde_json::from_str(&text)?;
    let mut shown = Shown::default();

    let mutated = webhook.post("/mutate", &review)?;
    let mut warnings = warnings(&mutated);
    if let Some(patch) = mutated["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch)?;
        print_changes(&serde_json::from_slice(&patch)?);
        let patch: json_patch::Patch = serde_json::from_slice(&patch)?;
        let object = review.pointer_mut("/request/object").context("there is a patch, but nothing to patch")?;
        json_patch::patch(object, &patch)?;
        shown.changed = true;
    }
    let mut denials = Vec::new();
    for path in ["/validate/closed", "/validate/fail", "/validate/ignore"] {
        let response = webhook.post(path, &review)?;
        warnings.extend(self::warnings(&response));
        if response["allowed"] != json!(true) {
            denials.push(response["status"].clone());
        }
    }
    for warning in &warnings {
        println!("    {WARNED}warned{WARNED:#}   {}", wrap(warning));
    }
    for status in &denials {
        let code = status["code"].as_u64().unwrap_or_default();
        let reason = status["reason"].as_str().unwrap_or_default();
        println!("    {REFUSED}refused{REFUSED:#}  {code} {reason}");
        for line in status["message"].as_str().unwrap_or_default().lines() {
            println!("             {}", wrap(line));
        }
    }
    shown.warned = !warnings.is_empty();
    shown.refused = !denials.is_empty();
    if !shown.refused {
        println!("    {ALLOWED}allowed{ALLOWED:#}");
    }
    Ok(shown)
}

fn warnings(response: &Value) -> Vec<String> {
    let warnings = response["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    warnings.iter().filter_map(|warning| Some(warning.as_str()?.to_owned())).collect()
}

/// Breaks a line between words, so that it stays readable beside its label.
fn wrap(line: &str) -> String {
    let mut wrapped = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        if width > 0 && width + word.len() >= MAX_WIDTH {
            wrapped.push_str("\n               ");
            width = 0;
        } else if width > 0 {
            wrapped.push(' ');
        }
        wrapped.push_str(word);
        width += word.len() + 1;
    }
    wrapped
}

/// One line for each operation; a new map is shown by its entries.
fn print_changes(patch: &Value) {
    for operation in patch.as_array().map(Vec::as_slice).unwrap_or_default() {
        let path = operation["path"].as_str().unwrap_or_default();
        match operation["value"].as_object() {
            Some(entries) => entries
                .iter()
                .for_each(|(key, value)| print_change(&format!("{path}/{}", key.replace('/', "~1")), value)),
            None => print_change(path, &operation["value"]),
        }
    }
}

fn print_change(path: &str, value: &Value) {
    let field: Vec<String> = path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    let (key, parents) = field.split_last().map_or(("", &[][..]), |(key, parents)| (key.as_str(), parents));
    println!("    {CHANGED}changed{CHANGED:#}  {}[{key}] = {value}", parents.join("."));
}

/// On a terminal the server may stay for a while.
fn offer_to_stay(webhook: &Webhook) -> Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Ok(());
    }
    println!("\nthe webhook still runs; Enter ends it");
    println!("  curl --cacert {} -H 'content-type: application/json' \\", webhook.ca_file.display());
    println!(
        "       --data @tests/demo/reviews/06-create-broken-database.json https://{}/validate/fail",
        webhook.address
    );
    println!("  curl http://{}/metrics", webhook.admin_address);
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("the terminal is gone");
    }
    Ok(())
}

const SCENES: &[Scene] = &[
    Scene {
        file: "01-create-database.json",
        title: "dana creates a database of three members; only the manager shall write",
    },
    Scene { file: "02-create-first-member.json", title: "the StatefulSet controller creates its first member" },
    Scene { file: "03-create-second-member.json", title: "the StatefulSet controller creates its second member" },
    Scene { file: "04-forge-manager.json", title: "alice makes a pod by hand that claims to be the manager" },
    Scene {
        file: "05-promote-worker-through-status.json",
        title: "alice makes a worker the manager, through pods/status",
    },
    Scene {
        file: "06-create-broken-database.json",
        title: "alice creates a database whose three members share one disk",
    },
    Scene { file: "07-scale-shared-disk.json", title: "an admin scales a set with one disk to three members" },
    Scene {
        file: "08-create-queue-on-local-disks.json",
        title: "alice creates a queue on disks that stay with their node",
    },
    Scene { file: "09-kubelet-reports-status.json", title: "a kubelet reports a pod's status" },
    Scene { file: "10-garbage-collector-deletes.json", title: "the garbage collector deletes a pod" },
];

/// Columns beside the label: 120 in all.
const MAX_WIDTH: usize = 105;

const TITLE: Style = Style("1");
const CHANGED: Style = Style("36");
const WARNED: Style = Style("33");
const REFUSED: Style = Style("1;31");
const ALLOWED: Style = Style("32");

/// An ANSI style on a terminal that wants colour, nothing elsewhere. `{STYLE}` begins it, `{STYLE:#}` ends it.
struct Style(&'static str);

impl std::fmt::Display for Style {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return Ok(());
        }
        if f.alternate() { f.write_str("\x1b[0m") } else { write!(f, "\x1b[{}m", self.0) }
    }
}
