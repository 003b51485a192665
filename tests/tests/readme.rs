//! The README tells the truth: every transcript in it is run.

use std::process::Command;

use stateward_tests::{demo, root, stateward};

#[test]
fn every_transcript_is_what_the_command_prints() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let transcripts = transcripts(&readme);
    assert!(transcripts.len() >= 2, "the README shows {} transcripts", transcripts.len());
    for Transcript { command, expected } in transcripts {
        assert_eq!(expected, run(&command), "`{command}` prints something else than the README says");
    }
}

/// A command with what it printed, in a block that is marked `console`.
struct Transcript {
    command: String,
    expected: String,
}

fn transcripts(text: &str) -> Vec<Transcript> {
    let mut found: Vec<Transcript> = Vec::new();
    let blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    for block in blocks {
        let first = found.len();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => found.push(Transcript { command: command.to_owned(), expected: String::new() }),
                None => {
                    assert!(found.len() > first, "a console block begins without a command: {line}");
                    let last = found.last_mut().unwrap();
                    last.expected.push_str(line.trim_end());
                    last.expected.push('\n');
                }
            }
        }
    }
    found
}

/// What a user sees, stdout before stderr, and the exit code where it is not 0.
fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let program = words.next().unwrap();
    let mut process = match (program, command) {
        // What the task runs once everything is built; the build's own lines differ from machine to machine.
        (_, "cargo xtask demo") => Command::new(demo()),
        ("stateward", _) => {
            let mut process = Command::new(stateward());
            process.args(words);
            process
        }
        _ => panic!("the README shows `{command}`, which this test does not know how to run"),
    };
    let output = process.current_dir(root()).env_remove("NO_COLOR").output().unwrap();
    let mut printed = String::from_utf8(output.stdout).unwrap();
    printed.push_str(&String::from_utf8(output.stderr).unwrap());
    if !output.status.success() {
        printed.push_str(&format!("? {}\n", output.status.code().unwrap()));
    }
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}
