//! What a person sees of an edit.

use serde_json::{Value, json};

use super::{Edited, Operation, edit};
use crate::read_text;

fn add(path: &str, value: Value) -> Operation {
    Operation::Add { path: path.to_owned(), value }
}

fn replace(path: &str, value: Value) -> Operation {
    Operation::Replace { path: path.to_owned(), value }
}

fn remove(path: &str) -> Operation {
    Operation::Remove { path: path.to_owned() }
}

/// Of the first object of a text; a refusal in its own words.
fn edited(text: &str, operations: &[Operation]) -> String {
    let read = read_text("x", text.to_owned());
    assert!(read.errors.is_empty(), "{:?}", read.errors);
    let mut text = Edited::new(read.objects[0].text());
    match edit(&[(&read.objects[0], operations)]).remove(0) {
        Ok(written) => {
            text.replace_original(&written);
            text.text()
        }
        Err(why) => format!("refused: {why}"),
    }
}

const HEAD: &str = "apiVersion: apps/v1\nkind: StatefulSet\n";

#[track_caller]
fn check(yaml: &str, operations: &[Operation], expected: &str) {
    let edited = edited(&format!("{HEAD}{yaml}"), operations);
    assert_eq!(edited.strip_prefix(HEAD).unwrap_or(&edited), expected);
}

#[test]
fn a_value_keeps_its_quotes_and_its_comment() {
    check("a: 0   # none\n", &[replace("/a", json!(30))], "a: 30   # none\n");
    check("a: 'Delete'\n", &[replace("/a", json!("Retain"))], "a: 'Retain'\n");
    check("a: \"Delete\" # x\nb: 1\n", &[replace("/a", json!("Retain"))], "a: \"Retain\" # x\nb: 1\n");
    check("a: x\n", &[replace("/a", json!("yes"))], "a: \"yes\"\n");
    check("a: # later\nb: 1\n", &[replace("/a", json!("x"))], "a: x # later\nb: 1\n");
}

#[test]
fn what_is_added_comes_last_in_the_style_of_its_neighbours() {
    check(
        "spec:\n    a: 1 # one\n    # end\n\n# next\nb: 2\n",
        &[add("/spec/c", json!([1, "x"]))],
        "spec:\n    a: 1 # one\n    c: [1, x]\n    # end\n\n# next\nb: 2\n",
    );
    check("spec: {a: 1}\n", &[add("/spec/c", json!(2))], "spec: {a: 1, c: 2}\n");
    check("spec: {\"a\":1}\n", &[add("/spec/c", json!(2))], "spec: {\"a\":1,\"c\":2}\n");
    check("spec: {}\n", &[add("/spec/c", json!({"d": true}))], "spec: {c: {d: true}}\n");
    check(
        "list:\n- a: |\n    text\n\n    more\n",
        &[add("/list/0/b", json!({"c": [{"d": 1}]}))],
        "list:\n- a: |\n    text\n\n    more\n  b:\n    c:\n    - d: 1\n",
    );
    check(
        "list:\n  - a\nb: 1",
        &[add("/list/-", json!({"x": {"v": 1}, "z": 2}))],
        "list:\n  - a\n  - x:\n      v: 1\n    z: 2\nb: 1",
    );
}

#[test]
fn what_is_removed_takes_its_lines_along() {
    check("# before\na:\n  b: 1\n\n  c: 2\nd: 3\n", &[remove("/a/b")], "# before\na:\n\n  c: 2\nd: 3\n");
    check("a:\n  b: 1 # of b\n  c: 2\n", &[remove("/a/b")], "a:\n  # of b\n  c: 2\n");
    check("a:\n  b:\n    # why\n    1\n  c: 2\n", &[remove("/a/b")], "refused: a comment would be lost");
    check("a: {\n  b: 1 # of b\n}\n", &[add("/a/c", json!(2))], "refused: a comment would be lost");
    check("a: [ # none\n  ]\n", &[add("/a/-", json!(2))], "refused: a comment would be lost");
    check("list:\n- a: 1\n  b: 2\n- c\n", &[remove("/list/0/a")], "list:\n- b: 2\n- c\n");
    check("list: # all\n- a\n", &[remove("/list/0")], "refused: a comment would be lost");
    check("list:\n- a # one\nb: 2\n", &[remove("/list/0")], "list: [] # one\nb: 2\n");
    check("list: [a, b,]\n", &[remove("/list/1")], "list: [a,]\n");
    check("a:\r\n  b: 1\r\n  c: 2\r\n", &[remove("/a/b"), replace("/a/c", json!({}))], "a:\r\n  c: {}\r\n");
}

#[test]
fn what_stands_elsewhere_is_refused() {
    check("x: &x {a: 1}\nb: *x\n", &[replace("/b/a", json!(2))], "refused: `b` is an alias");
    check("x: &x {a: 1}\nb: *x\n", &[replace("/x/a", json!(2))], "refused: `x` has an anchor or a tag");
    check("x: &x {a: 1}\nb:\n  <<: *x\n  c: 1\n", &[replace("/b/a", json!(2))], "refused: `a` comes from a `<<`");
    check("x: &x {a: 1}\nb:\n  <<: *x\n  c: 1\n", &[replace("/b/c", json!(2))], "x: &x {a: 1}\nb:\n  <<: *x\n  c: 2\n");
    check("a: !!str 1\n", &[replace("/a", json!("2"))], "refused: `a` has an anchor or a tag");
    check("a: |\n  b\n", &[replace("/a", json!("c"))], "refused: it is a text of several lines");
    check("a: [1, 2]\n", &[add("/a/0", json!(0))], "refused: it would not be the last item");
    check("a: 1\n", &[remove("/b")], "refused: `b` is not written there");
    check("? a\n: 1\n", &[replace("/a", json!([{"b": 1}]))], "? a\n: [{b: 1}]\n");
}

#[test]
fn json_stays_json() {
    let text = "{\"apiVersion\": \"v1\", \"kind\": \"A\",\n\t\"spec\": {\n\t\t\"a\": 1\n\t}\n}\n";
    assert_eq!(
        edited(text, &[add("/spec/b", json!(["x"]))]),
        "{\"apiVersion\": \"v1\", \"kind\": \"A\",\n\t\"spec\": {\n\t\t\"a\": 1,\n\t\t\"b\": [\"x\"]\n\t}\n}\n"
    );
    assert_eq!(edited(text, &[remove("/spec/a")]), "{\"apiVersion\": \"v1\", \"kind\": \"A\",\n\t\"spec\": {}\n}\n");
}

/// Each alone is right; both together in one empty mapping would not be YAML.
#[test]
fn changes_that_meet_are_left_for_the_next_time() {
    let read = read_text("x", format!("{HEAD}a: {{}}\nb: 1\n"));
    let object = &read.objects[0];
    let (one, two, three) = ([add("/a/x", json!(1))], [add("/a/y", json!(2))], [replace("/b", json!(2))]);
    let answers = edit(&[(object, &one), (object, &two), (object, &three), (object, &one)]);
    let written: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(written[0][0].meets(&written[1][0]) && !written[0][0].meets(&written[2][0]));
    assert_eq!(written[0], written[3]);
}
