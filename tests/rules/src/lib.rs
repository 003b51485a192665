//! Runs the built-in rules natively, in seconds: for the cases of each family, and for what was judged by hand. Needs no Wasm and no engine.

pub mod by_hand;
pub mod cel;
pub mod corpus;
pub mod reviews;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use stateward_cases::{Bind, Case, CaseFile, CaseFiles, CaseResult, Outcome, Runner, Sign};
use stateward_core::resources::WasmPolicy;
use stateward_manifests::{policy_files, read_text};

/// One case with what came of it.
pub struct Ran<'f> {
    /// Where it is written.
    pub file: &'f CaseFile,
    /// What was asked.
    pub case: &'f Case,
    /// What came of it.
    pub result: CaseResult,
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("../..")).to_path_buf()
}

/// The cases of every family.
pub fn case_files() -> CaseFiles {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root().join("policies"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|family| family.path().join("cases"))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort();
    let mut files = stateward_cases::read(&folders);
    // As somebody who stands in the repository reads them.
    let prefix = format!("{}/", root().display());
    for file in &mut files.files {
        file.data.file = file.data.file.trim_start_matches(&prefix).into();
    }
    for error in files.errors.iter_mut().chain(&mut files.skipped) {
        error.file = error.file.trim_start_matches(&prefix).to_owned();
    }
    files
}

/// The shipped policies as resources.
pub fn default_policies() -> Vec<WasmPolicy> {
    let documents = read_text("default-policies.yaml", stateward_native::DEFAULT_POLICIES.to_owned());
    policy_files::parse(&documents.objects).policies.into_iter().map(|from| from.resource).collect()
}

/// Runs every case with the shipped policies.
pub async fn run_all<'f>(files: &'f CaseFiles, bind: &dyn Bind) -> Result<Vec<Ran<'f>>, String> {
    let runner = Runner::new(default_policies(), bind).await.map_err(|errors| format!("{errors:?}"))?;
    let mut all = Vec::new();
    for file in &files.files {
        for case in &file.cases {
            all.push(Ran { file, case, result: runner.run(file, case).await });
        }
    }
    Ok(all)
}

impl Ran<'_> {
    /// What is wrong, with its line; `None` when it passed.
    pub fn complaint(&self) -> Option<String> {
        let place = format!("{}:{}", self.file.data.file, self.case.position.line);
        match &self.result.outcome {
            Outcome::Passed => None,
            Outcome::Broken(error) => Some(format!("{place}: {}\n{error}\n", self.case.name)),
            Outcome::Failed(differences) => {
                let mut text = format!("{place}: {} [{}]\n", self.case.name, self.case.rule);
                for difference in differences {
                    let profiles: Vec<String> = difference.profiles.iter().map(ToString::to_string).collect();
                    let _ = writeln!(text, "  in {} (- expected, + found)", profiles.join(" and "));
                    for line in &difference.lines {
                        let sign = match line.sign {
                            Sign::Same => ' ',
                            Sign::Expected => '-',
                            Sign::Found => '+',
                        };
                        let _ = writeln!(text, "  {sign} {}", line.text);
                    }
                }
                Some(text)
            }
        }
    }
}

/// Drives a future that waits for nothing outside: native rules answer at once.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}

/// Says that a test lacks something. `cargo xtask test` ends with all of these.
#[expect(clippy::print_stdout, reason = "seen with `--nocapture`")]
pub fn skip(test: &str, reason: &str) {
    println!("skipped: {test}: {reason}");
    if let Some(file) = std::env::var_os("STATEWARD_SKIPPED") {
        let mut lines = std::fs::read_to_string(&file).unwrap_or_default();
        lines.push_str(&format!("{test}: {reason}\n"));
        let _ = std::fs::write(file, lines);
    }
}
