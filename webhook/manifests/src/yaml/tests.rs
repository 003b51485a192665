//! Every feature that manifests use, and every way in which hostile text tried to be more.

use std::time::{Duration, Instant};

use super::*;

#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let json: Vec<String> = documents(yaml).into_iter().map(|document| document.json.unwrap()).collect();
    assert_eq!(json, expected, "{yaml}");
}

/// Line and column as an editor counts, and the message.
#[track_caller]
fn refused(yaml: &str) -> String {
    let begun = Instant::now();
    let error = documents(yaml).pop().unwrap().json.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(30));
    format!("{}:{}: {}", error.line, error.column + 1, error.message)
}

#[test]
fn collections_and_scalars() {
    check("a: 1\nb: [x, {k: z}]\nc:\n- - 1\n  - ~\n", &[r#"{"a":1,"b":["x",{"k":"z"}],"c":[[1,null]]}"#]);
    check(
        "a: \"q\\\"\\t\\u0001\"\nb: 'it''s'\nc: !!str 3\nd: !custom 3\n",
        &[r#"{"a":"q\"\t\u0001","b":"it's","c":"3","d":"3"}"#],
    );
    check("1: a\nyes: b\n3.50: c\n'on': d\n", &[r#"{"1":"a","true":"b","3.5":"c","on":"d"}"#]);
}

#[test]
fn several_documents() {
    check("---\na: 1\n---\n---\n# nothing\n--- {b: 2}\n...\n", &["{\"a\":1}", "null", "null", "{\"b\":2}"]);
    assert_eq!(documents("# only\n# comments\n"), []);
}

#[test]
fn block_scalars_and_foreign_line_breaks() {
    check(
        "a: |\r\n  x\r\n  y\r\nb: >-\r\n  folded\r\n  text\r\nc: |+\r\n  k\r\n\r\n",
        &[r#"{"a":"x\ny\n","b":"folded text","c":"k\n\n"}"#],
    );
}

#[test]
fn anchors_and_merges() {
    check("a: &a [x]\nb: *a\n&k c: *k\n", &[r#"{"a":["x"],"b":["x"],"c":"c"}"#]);
    check("base: &b {x: 1, z: 2}\nm:\n  <<: *b\n  z: 3\n", &[r#"{"base":{"x":1,"z":2},"m":{"z":3,"x":1}}"#]);
    check("m: {c: 1, <<: [{a: 1, c: 9}, {a: 2, b: 3}]}\n", &[r#"{"m":{"c":1,"a":1,"b":3}}"#]);
    check("'<<': {a: 1}\n", &[r#"{"<<":{"a":1}}"#]);
    assert_eq!(refused("<<: 3\n"), "2:1: the value of `<<` is neither a mapping nor a list of mappings");
    assert_eq!(refused("<<: {a: 1}\n<<: {b: 1}\n"), "2:1: the key `<<` is there twice");
}

#[test]
fn duplicate_keys_are_refused_with_both_lines() {
    assert_eq!(refused("a: 1\nb: 2\na: 3\n"), "3:1: the key `a` is there twice, first in line 1");
    assert_eq!(refused("a: {\"b\": 1, b: 2}\n"), "1:13: the key `b` is there twice, first in line 1");
    let many: String = (0..100).map(|n| format!("k{n}: {{k0: 1}}\n")).collect();
    assert_eq!(refused(&format!("{many}k7: 1\n")), "101:1: the key `k7` is there twice, first in line 8");
}

#[test]
fn one_broken_document_leaves_the_next_alone() {
    let read: Vec<bool> = documents("a: 1\na: 2\n---\nb: 1\n").iter().map(|document| document.json.is_ok()).collect();
    assert_eq!(read, [false, true]);
}

#[test]
fn what_json_cannot_say_is_refused() {
    assert_eq!(refused("[a]: b\n"), "1:1: a key that is a list or a mapping");
    assert_eq!(refused("~: b\n"), "1:1: a key that is null");
    assert_eq!(refused("a: !!binary aGk=\n"), "1:4: the tag `!!binary`, which has no place in JSON");
    assert_eq!(refused("a: !!int x\n"), "1:4: `x` is not a `!!int`");
    assert_eq!(refused("a: &a [*a]\n"), "1:8: an alias inside of the node that it stands for");
    assert!(refused("a:\n\t- b\n").contains("tabs"));
    assert!(refused("a: *nobody\n").contains("unknown anchor"));
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 9].join(",");
        bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    assert!(refused(&bomb).ends_with("anchors and aliases grow to more than 8 MiB"));
    let merged = "a: &a {".to_owned() + &(0..1000).map(|n| format!("k{n}: v,")).collect::<String>() + "}\n";
    let merging: String = (0..2000).map(|n| format!("m{n}: {{<<: *a}}\n")).collect();
    assert!(refused(&(merged + &merging)).ends_with("anchors and aliases grow to more than 8 MiB"));
}

#[test]
fn depth_is_limited_however_it_is_written() {
    for deep in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        (0..2_000).map(|n| " ".repeat(n) + "a:\n").collect(),
        "{a: ".repeat(100_000),
    ] {
        let message = refused(&deep);
        assert!(message.contains("levels of nesting") || message.contains("recursion limit"), "{message}");
    }
}

/// Each of these took a parser somewhere quadratic time.
#[test]
fn long_texts_take_linear_time() {
    let begun = Instant::now();
    let n = 200_000;
    for text in [
        (0..n).map(|n| format!("k{n}: v\n")).collect(),
        format!("a: [{}]", "b,".repeat(n)),
        format!("a: [{}]", " a".repeat(n)),
        format!("a: |\n{}", "  x\n".repeat(n)),
        format!("a: \"{}\"", "\\n ".repeat(n)),
        "---\n".repeat(n),
        "# comment\n".repeat(n),
        "a\n".repeat(n),
    ] {
        documents(&text);
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
}
