//! What the command prints, as transcripts in `tests/cli`: exit code, stdout and stderr.

use stateward_tests::{root, stateward};

#[test]
fn transcripts() {
    // Paths in transcripts are those of a reader who stands in the repository.
    std::env::set_current_dir(root()).unwrap();
    let cache = tempfile::tempdir().unwrap();
    trycmd::TestCases::new()
        .register_bin("stateward", stateward().as_path())
        .env("STATEWARD_CACHE_DIR", cache.path().to_string_lossy())
        .env("NO_COLOR", "1")
        .case("tests/cli/*.md");
}

/// Here and not in a transcript: trycmd takes the backslashes of JSON for those of paths.
#[test]
fn sarif_describes_the_rules_that_occur() {
    let cache = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(stateward())
        .args(["check", "-o", "sarif", "--only-failures", "tests/cli/inputs/set.yaml"])
        .current_dir(root())
        .env("STATEWARD_CACHE_DIR", cache.path())
        .output()
        .unwrap();
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}
