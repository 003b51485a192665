//! `check --fix`: only the bytes of the fields are written, a second run writes nothing, and what cannot be written stays and is named.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use stateward_tests::{cache, root, skip, stateward};

fn check(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(stateward());
    command.arg("check").args(arguments).current_dir(folder).env("STATEWARD_CACHE_DIR", cache()).env("NO_COLOR", "1");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Two sets in one file of an editor on Windows, with a mark at its beginning and what people write beside the fields.
fn shop() -> String {
    let set = fs::read_to_string(root().join("tests/cli/inputs/set.yaml")).unwrap();
    let other = set.replace("name: orders", "name: 'stock'").replace(
        "terminationGracePeriodSeconds: 0",
        "terminationGracePeriodSeconds: 0   # zero, so that tests are fast\n      hostname: \"same\" # for all",
    );
    format!("\u{feff}# The shop.\n---\n{set}\n---\n# The stock.\n{other}\n# End.").replace('\n', "\r\n")
}

#[test]
fn only_the_bytes_of_the_fields_are_written_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    let before = shop();
    fs::write(&file, &before).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("shop.yaml", folder.path().join("link.yaml")).unwrap();

    let shown = check(folder.path(), &["--diff", "link.yaml"]);
    assert_eq!((shown.status.code(), fs::read_to_string(&file).unwrap() == before), (Some(1), true));
    assert_eq!(text(&shown.stderr), "would fix 3 findings in 1 file\n");

    let fixed = check(folder.path(), &["--fix", "link.yaml"]);
    let after = fs::read_to_string(&file).unwrap();
    let expected = before.replace("Seconds: 0", "Seconds: 30").replace("hostname: \"same\" # for all", "# for all");
    assert_eq!(after, expected);
    assert_eq!((text(&fixed.stderr).as_str(), fixed.status.code()), ("fixed 3 findings in 1 file\n", Some(0)));
    assert!(!text(&fixed.stdout).contains("zero-grace") && !text(&fixed.stdout).contains("can be fixed"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(folder.path().join("link.yaml")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");

    let again = check(folder.path(), &["--fix", "shop.yaml"]);
    assert_eq!(text(&again.stderr), "nothing to fix\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), after);
}

/// The diff is what other tools make of the two files.
#[test]
fn the_diff_leads_to_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.yaml"), shop().trim_start_matches('\u{feff}')).unwrap();
    let diff = check(folder.path(), &["--diff", "shop.yaml"]);
    fs::copy(folder.path().join("shop.yaml"), folder.path().join("patched.yaml")).unwrap();
    check(folder.path(), &["--fix", "shop.yaml"]);
    fs::write(folder.path().join("fix.diff"), text(&diff.stdout).replace("shop.yaml", "patched.yaml")).unwrap();
    let applied = Command::new("git").args(["apply", "fix.diff"]).current_dir(folder.path()).output();
    let Ok(applied) = applied else { return skip("fix", "there is no git") };
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("patched.yaml"), read("shop.yaml"));
}

#[test]
fn what_cannot_be_written_stays_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let set = fs::read_to_string(root().join("tests/cli/inputs/set.yaml")).unwrap();
    let shared = set.replace("terminationGracePeriodSeconds: 0", "<<: &grace {terminationGracePeriodSeconds: 0}");
    fs::write(folder.path().join("a.yaml"), &shared).unwrap();
    let output = check(folder.path(), &["--fix", "a.yaml"]);
    assert_eq!(fs::read_to_string(folder.path().join("a.yaml")).unwrap(), shared);
    let said = text(&output.stderr);
    assert!(
        said.contains("ordered-identity/zero-grace is not fixed: `terminationGracePeriodSeconds` comes from a `<<`"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));

    let stdin = check(folder.path(), &["--fix", "-"]);
    assert_eq!(stdin.status.code(), Some(2));
    assert!(text(&stdin.stderr).contains("hint: name the file"), "{}", text(&stdin.stderr));
    let no_place = check(folder.path(), &["--diff", "a.yaml", "-o", "json"]);
    assert!(text(&no_place.stderr).contains("give each `-o FORMAT=FILE` a file"));
}

/// Real files: whatever is fixed, other lines stay, and what is left has no remedy that could be written.
#[test]
fn real_files_are_fixed_once() {
    let corpus = root().join("../shared/corpus");
    if !corpus.is_dir() {
        return skip("fix", "there is no ../shared/corpus");
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| fs::write(folder.path().join(name), fs::read(corpus.join(name)).unwrap()).unwrap();
    let names: Vec<String> = fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.iter().for_each(|name| copy(name));
    let arguments = ["--profile", "strict", "--fail-on", "audit", "-o", "json", "."];
    let report: Value = serde_json::from_slice(&check(folder.path(), &arguments).stdout).unwrap();
    let fixable = report["results"].as_array().unwrap().iter().filter(|finding| finding["fix"].is_array()).count();
    let fixed = check(folder.path(), &[&arguments[..], &["--fix"]].concat());
    let said = text(&fixed.stderr);
    assert!(said.contains("fixed "), "{said}");
    assert!(fixable > 10, "{fixable}");
    let left: Value = serde_json::from_slice(&fixed.stdout).unwrap();
    assert!(left["results"].as_array().unwrap().iter().all(|finding| finding["fix"].is_null()));
    let mut changed = 0;
    for name in &names {
        let read = |folder: &Path| fs::read_to_string(folder.join(name)).unwrap();
        let (before, after) = (read(&corpus), read(folder.path()));
        let kept = |text: &str| {
            text.lines().filter(|line| line.trim_start().starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(kept(&before), kept(&after), "{name}: comments");
        let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
        let gone = before.iter().filter(|line| !after.contains(line)).count();
        changed += usize::from(before != after);
        assert!(gone <= 6, "{name}: {gone} lines are gone");
    }
    assert!(changed > 5, "{changed} files");
    let again = check(folder.path(), &[&arguments[..], &["--fix"]].concat());
    assert!(text(&again.stderr).contains("nothing to fix"), "{}", text(&again.stderr));
}
