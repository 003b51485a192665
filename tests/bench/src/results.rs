//! The page of results: DESIGN section 15 row by row, then every figure behind it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::load::Protocol;
use crate::measure::checking::Checking;
use crate::measure::evaluation::Evaluation;
use crate::measure::matching::Matching;
use crate::measure::serving::Serving;
use crate::measure::starting::Starting;
use crate::{input::thousands, machine};

/// Everything that was measured with one input.
pub struct OfInput {
    /// `clean`, `real`
    pub name: &'static str,
    /// What it is.
    pub what: String,
    /// Validating rules that were on.
    pub rules: usize,
    /// Engine only.
    pub evaluation: Evaluation,
    /// Over TLS.
    pub serving: Vec<Serving>,
    /// From files.
    pub checking: Vec<Checking>,
}

/// Everything that was measured.
pub struct Results {
    /// How it was run.
    pub command: String,
    /// *clean* and *real*.
    pub inputs: Vec<OfInput>,
    /// Ready and idle.
    pub starting: Starting,
    /// Policies that do not match.
    pub matching: Vec<Matching>,
    /// Of the program, stripped.
    pub binary_bytes: u64,
    /// Before the first measurement.
    pub machine_load: Option<f64>,
}

/// One promise.
struct Row {
    measure: String,
    measured: String,
    budget: String,
    met: bool,
}

impl Results {
    /// The promises that were not kept.
    pub fn missed(&self) -> Vec<String> {
        self.rows()
            .into_iter()
            .filter(|row| !row.met)
            .map(|row| format!("{}: {}, budget {}", row.measure, row.measured, row.budget))
            .collect()
    }

    /// The page, without notes.
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_page(&mut page);
        page
    }

    /// Writes the page, and keeps the notes that people wrote below the last one.
    pub fn write(&self, path: &Path) -> Result<()> {
        let notes = fs::read_to_string(path).ok().and_then(|page| Some(page.get(page.find(NOTES)?..)?.to_owned()));
        let notes = notes.unwrap_or_else(|| format!("{NOTES}\n"));
        fs::write(path, self.page() + "\n" + &notes).with_context(|| format!("cannot write {}", path.display()))
    }

    fn write_page(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "# Speed and size, measured\n")?;
        writeln!(
            page,
            "Written by `{}` on {}: do not edit above the notes.\n",
            self.command,
            jiff::Timestamp::now().strftime("%Y-%m-%d")
        )?;
        writeln!(page, "Machine: {}.", machine::in_words())?;
        if let Some(load) = self.machine_load {
            writeln!(page, "Load before the first measurement: {load:.1}. Server and load generator share the cores.")?;
        }
        writeln!(
            page,
            "All figures are medians over interleaved rounds. Compare figures of one table only: ratios travel, times do not.\n"
        )?;
        for input in &self.inputs {
            writeln!(page, "* *{}*: {}; {} validating rules on.", input.name, input.what, input.rules)?;
        }
        writeln!(page, "\n| Measure | Measured | Budget | Met |\n|---|---|---|---|")?;
        for row in self.rows() {
            writeln!(
                page,
                "| {} | {} | {} | {} |",
                row.measure,
                row.measured,
                row.budget,
                if row.met { "yes" } else { "**no**" }
            )?;
        }
        self.write_evaluations(page)?;
        self.write_servings(page)?;
        self.write_checkings(page)?;
        writeln!(page, "\n## A policy that does not match, 1,000 of them installed\n")?;
        writeln!(page, "| Not matched by | for each |\n|---|---|")?;
        self.matching.iter().try_for_each(|matching| writeln!(page, "| {} | {} µs |", matching.by, small(matching.us)))
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for input in &self.inputs {
            let (name, budget_us) = (input.name, if input.name == "clean" { 35.0 } else { 110.0 });
            let evaluation = &input.evaluation;
            rows.push(Row::at_most(
                format!("fresh, isolated evaluation, {name}, CPU"),
                evaluation.fresh_us,
                budget_us,
                "µs",
            ));
            rows.push(Row::at_most(format!("the same to the rules run natively, {name}"), evaluation.ratio, 3.0, "×"));
        }
        for input in &self.inputs {
            let name = input.name;
            for serving in
                input.serving.iter().filter(|serving| serving.protocol == Protocol::Http1 && serving.clients == 8)
            {
                let cpu = format!("server CPU per request over TLS, {name}, 8 connections");
                let cpu_ratio = format!("the same to the server with native rules, {name}");
                if name == "clean" {
                    rows.push(Row::at_most(cpu, serving.wasm.cpu_us, 75.0, "µs"));
                    rows.push(Row::at_most(cpu_ratio, serving.cpu_ratio, 1.8, "×"));
                } else {
                    rows.push(Row::without_budget(cpu, serving.wasm.cpu_us, "µs"));
                    rows.push(Row::without_budget(cpu_ratio, serving.cpu_ratio, "×"));
                }
                rows.push(Row::at_least(
                    format!("requests/s to the native server, {name}, 8 connections"),
                    serving.throughput_ratio,
                    0.5,
                    "×",
                ));
            }
            for serving in
                input.serving.iter().filter(|serving| serving.protocol == Protocol::Http1 && serving.clients == 64)
            {
                rows.push(Row::at_most(
                    format!("p99 to p50 at 64 connections, {name}"),
                    serving.wasm.p99_to_p50,
                    2.0,
                    "×",
                ));
            }
        }
        let starting = &self.starting;
        rows.push(Row::at_most(
            "resident memory, idle, built-ins loaded".to_owned(),
            megabytes(starting.idle.all),
            30.0,
            "MB",
        ));
        rows.push(Row::at_most("ready, cold: nothing compiled".to_owned(), starting.cold_ms / 1e3, 2.0, "s"));
        rows.push(Row::at_most("ready, warm cache".to_owned(), starting.warm_ms, 100.0, "ms"));
        for matching in &self.matching {
            rows.push(Row::at_most(
                format!("a policy that does not match by {}, 1,000 installed", matching.by),
                matching.us,
                0.2,
                "µs",
            ));
        }
        for input in &self.inputs {
            for checking in &input.checking {
                let (name, format) = (input.name, checking.format);
                let least = if format == "JSON" { 10_000.0 } else { 4_000.0 };
                rows.push(Row::at_least(format!("`check`, {format}, {name}"), checking.per_second, least, "objects/s"));
                rows.push(Row::at_most(
                    format!("`check` to parsing alone, {format}, {name}, time"),
                    checking.ratio,
                    2.0,
                    "×",
                ));
            }
        }
        rows.push(Row::at_most("binary, stripped".to_owned(), megabytes(self.binary_bytes), 40.0, "MB"));
        rows
    }

    fn write_evaluations(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## One evaluation: thread CPU\n")?;
        writeln!(page, "*Whole decision*: what core does around it too (plan, fold, messages).\n")?;
        writeln!(
            page,
            "| Input | fresh instance | native | ratio | whole decision | spread of fresh | findings per object |\n|---|---|---|---|---|---|---|"
        )?;
        for OfInput { name, evaluation: e, what: _, rules: _, serving: _, checking: _ } in &self.inputs {
            writeln!(
                page,
                "| {name} | {:.1} µs | {:.1} µs | {:.2} × | {:.1} µs | ±{:.1} % | {:.1} |",
                e.fresh_us, e.native_us, e.ratio, e.decision_us, e.spread_percent, e.findings_per_review
            )?;
        }
        Ok(())
    }

    fn write_servings(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## The server over TLS\n")?;
        writeln!(
            page,
            "`POST /validate/fail`, closed loop. HTTP/1.1: a connection for each client; HTTP/2: all on one connection, as the API server calls a URL.\n"
        )?;
        writeln!(
            page,
            "| Input | HTTP | clients | CPU | native CPU | ratio | requests/s | native | ratio | p50 | p99 | native p50 | native p99 |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|"
        )?;
        for input in &self.inputs {
            for s in &input.serving {
                writeln!(
                    page,
                    "| {} | {} | {} | {:.1} µs | {:.1} µs | {:.2} × | {} | {} | {:.2} × | {:.0} µs | {:.0} µs | {:.0} µs | {:.0} µs |",
                    input.name,
                    if s.protocol == Protocol::Http1 { "1.1" } else { "2" },
                    s.clients,
                    s.wasm.cpu_us,
                    s.native.cpu_us,
                    s.cpu_ratio,
                    whole(s.wasm.per_second),
                    whole(s.native.per_second),
                    s.throughput_ratio,
                    s.wasm.p50_us,
                    s.wasm.p99_us,
                    s.native.p50_us,
                    s.native.p99_us
                )?;
            }
        }
        Ok(())
    }

    fn write_checkings(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## `stateward check` on a folder\n")?;
        writeln!(
            page,
            "From the start of the program to its end, with a warm cache; parsing alone is the same reader on as many cores.\n"
        )?;
        writeln!(
            page,
            "| Input | format | objects/s | parsing alone, objects/s | ratio of time | ratio of CPU |\n|---|---|---|---|---|---|"
        )?;
        for input in &self.inputs {
            for c in &input.checking {
                let (checked, parsed) = (whole(c.per_second), whole(c.parsed_per_second));
                writeln!(
                    page,
                    "| {} | {} | {checked} | {parsed} | {:.2} × | {:.2} × |",
                    input.name, c.format, c.ratio, c.cpu_ratio
                )?;
            }
        }
        Ok(())
    }
}

impl Row {
    fn at_most(measure: String, measured: f64, budget: f64, unit: &str) -> Self {
        Self {
            measure,
            measured: amount(measured, unit),
            budget: format!("≤ {}", amount(budget, unit)),
            met: measured <= budget,
        }
    }

    fn at_least(measure: String, measured: f64, budget: f64, unit: &str) -> Self {
        Self {
            measure,
            measured: amount(measured, unit),
            budget: format!("≥ {}", amount(budget, unit)),
            met: measured >= budget,
        }
    }

    fn without_budget(measure: String, measured: f64, unit: &str) -> Self {
        Self { measure, measured: amount(measured, unit), budget: "-".to_owned(), met: true }
    }
}

/// The file that the results are kept in.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md")
}

fn amount(value: f64, unit: &str) -> String {
    match unit {
        "objects/s" => format!("{} {unit}", whole(value)),
        "×" => format!("{value:.2} {unit}"),
        _ if value < 1.0 => format!("{} {unit}", small(value)),
        _ => format!("{value:.1} {unit}"),
    }
}

fn small(value: f64) -> String {
    format!("{value:.3}")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people to read")]
fn whole(value: f64) -> String {
    thousands(value.max(0.0).round() as usize)
}

#[expect(clippy::cast_precision_loss, reason = "bytes for people to read")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

const NOTES: &str = "## Notes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_it_is_met() {
        let row = Row::at_most("binary".to_owned(), 12.34, 40.0, "MB");
        assert_eq!((row.measured.as_str(), row.budget.as_str(), row.met), ("12.3 MB", "≤ 40.0 MB", true));
        let row = Row::at_least("check".to_owned(), 9_999.4, 10_000.0, "objects/s");
        assert_eq!(
            (row.measured.as_str(), row.budget.as_str(), row.met),
            ("9,999 objects/s", "≥ 10,000 objects/s", false)
        );
        assert_eq!(amount(0.0123, "µs"), "0.012 µs");
        assert_eq!(amount(2.345, "×"), "2.35 ×");
    }
}
