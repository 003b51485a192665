//! `stateward check` on a folder of objects, against reading the same folder and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stateward_core::contract::MANAGER;

use super::{Effort, Programs};
use crate::cpu;
use crate::input::Input;
use crate::process::{CACHE_VARIABLE, Folders};
use crate::statistics::{median, ratio};

/// One format of one input.
#[derive(Clone, Copy, Debug)]
pub struct Checking {
    /// `JSON` or `YAML`.
    pub format: &'static str,
    /// Objects a second, from the start of the program to its end.
    pub per_second: f64,
    /// Time of the program to that of reading alone.
    pub ratio: f64,
    /// The same with CPU times.
    pub cpu_ratio: f64,
    /// Reading alone, objects a second.
    pub parsed_per_second: f64,
}

/// Measures both formats.
pub fn measure(
    programs: &Programs,
    input: &Input,
    folders: &Folders,
    work: &Path,
    effort: Effort,
) -> Result<Vec<Checking>> {
    let mut sets = Vec::new();
    for format in [
        Format { name: "JSON", extension: "json", write: Value::to_string },
        Format { name: "YAML", extension: "yaml", write: yaml },
    ] {
        let folder = work.join(format!("{}-{}", input.name, format.extension));
        write(input, &format, &folder, effort.objects)?;
        sets.push((format.name, folder));
    }
    let mut samples: Vec<Samples> = sets.iter().map(|_| Samples::default()).collect();
    for _ in 0..effort.rounds.clamp(1, 5) {
        for ((_, folder), samples) in sets.iter().zip(&mut samples) {
            let before = cpu::of_ended_children();
            samples.check.push(check(programs, folders, folder)?.as_secs_f64());
            samples.check_cpu.push(cpu::of_ended_children().saturating_sub(before).as_secs_f64());
            let before = cpu::of_this_process();
            samples.parse.push(parse(folder, effort.objects)?.as_secs_f64());
            samples.parse_cpu.push(cpu::of_this_process().saturating_sub(before).as_secs_f64());
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of objects")]
    let objects = effort.objects as f64;
    let summed = sets.iter().zip(&samples).map(|((format, _), samples)| Checking {
        format,
        per_second: objects / median(&samples.check),
        ratio: ratio(&samples.check, &samples.parse),
        cpu_ratio: ratio(&samples.check_cpu, &samples.parse_cpu),
        parsed_per_second: objects / median(&samples.parse),
    });
    Ok(summed.collect())
}

#[derive(Default)]
struct Samples {
    check: Vec<f64>,
    check_cpu: Vec<f64>,
    parse: Vec<f64>,
    parse_cpu: Vec<f64>,
}

struct Format {
    name: &'static str,
    extension: &'static str,
    write: fn(&Value) -> String,
}

/// A repository of manifests: a folder for each ten objects, a file for each object. Rules see what is in their folder: ten sets, as the *real* input has
/// in its namespace.
fn write(input: &Input, format: &Format, folder: &Path, objects: usize) -> Result<()> {
    for (n, set) in input.sets.iter().cycle().take(objects).enumerate() {
        let part = folder.join(format!("{:04}", n / OBJECTS_PER_FOLDER));
        if n.is_multiple_of(OBJECTS_PER_FOLDER) {
            fs::create_dir_all(&part)?;
        }
        let mut set = set.clone();
        rename(&mut set, n)?;
        fs::write(part.join(format!("{}.{}", n % OBJECTS_PER_FOLDER, format.extension)), (format.write)(&set))?;
    }
    Ok(())
}

/// Names are unique; who is the manager follows from the name, else the clean set would not be clean any more.
fn rename(set: &mut Value, n: usize) -> Result<()> {
    let metadata = set.get_mut("metadata").and_then(Value::as_object_mut).context("a set without metadata")?;
    let name = metadata.get("name").and_then(Value::as_str).context("a set without a name")?;
    let name = format!("{name}-{n}x");
    if let Some(manager) = metadata.get_mut("annotations").and_then(|annotations| annotations.get_mut(MANAGER)) {
        *manager = format!("{name}-0").into();
    }
    metadata.insert("name".to_owned(), name.into());
    Ok(())
}

fn check(programs: &Programs, folders: &Folders, folder: &Path) -> Result<Duration> {
    let start = Instant::now();
    let status = Command::new(&programs.stateward)
        .arg("check")
        .arg("--policies")
        .arg(&folders.policies)
        .arg("--inventory")
        .arg(&folders.inventory)
        .arg(folder)
        .env(CACHE_VARIABLE, &folders.cache)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("`stateward check` does not run")?;
    let took = start.elapsed();
    ensure!(matches!(status.code(), Some(0 | 1)), "`stateward check` ended with {status}");
    Ok(took)
}

fn parse(folder: &Path, objects: usize) -> Result<Duration> {
    let start = Instant::now();
    let documents = stateward_manifests::read(&[PathBuf::from(folder)]);
    let took = start.elapsed();
    ensure!(documents.errors.is_empty(), "the objects cannot be read: {:?}", documents.errors.first());
    ensure!(documents.objects.len() == objects, "{} of {objects} objects were read", documents.objects.len());
    Ok(took)
}

/// Block style, as people write it; texts in double quotes, which are JSON's.
fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(value, 0, &mut text);
    text
}

fn write_yaml(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                begin_line(indent, text);
                text.push_str(&format!("{}:", Value::from(key.as_str())));
                write_below(value, indent, text);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for element in elements {
                begin_line(indent, text);
                text.push('-');
                write_below(element, indent, text);
            }
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn write_below(value: &Value, indent: usize, text: &mut String) {
    let is_block = value.as_object().is_some_and(|members| !members.is_empty())
        || value.as_array().is_some_and(|elements| !elements.is_empty());
    if !is_block {
        text.push(' ');
    }
    write_yaml(value, indent + 2, text);
}

fn begin_line(indent: usize, text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.extend(std::iter::repeat_n(' ', indent));
}

const OBJECTS_PER_FOLDER: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_says_what_json_says() {
        let value =
            json!({ "a": [1, { "b": "x: y\nz", "c": {} }, [], ["true", null]], "kind": "K", "apiVersion": "v1" });
        let documents = stateward_manifests::read_text("a.yaml", yaml(&value));
        assert!(documents.errors.is_empty(), "{:?}", documents.errors);
        assert_eq!(serde_json::from_str::<Value>(&documents.objects[0].json).unwrap(), value);
    }
}
