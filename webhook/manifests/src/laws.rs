//! Laws of reading: YAML and JSON of one tree are one object, and the place of a path holds its value.

use crate::{Document, read_text};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A tree and how its YAML is written.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Text(String, Quotes),
    List(Vec<Self>, bool),
    /// Keys are unique.
    Mapping(Vec<(String, Self)>, bool),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Quotes {
    Double,
    Single,
    PlainIfPossible,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "[ -~]{0,8}",
        "[ -~äß→\u{1F600}\\n\\t]{0,6}",
        Just("yes".to_owned()),
        Just("0x10".to_owned()),
        Just("<<".to_owned())
    ]
}

pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    let quotes = prop_oneof![Just(Quotes::Double), Just(Quotes::Single), Just(Quotes::PlainIfPossible)];
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::Int),
        (text(), quotes).prop_map(|(text, quotes)| Tree::Text(text, quotes)),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let entries =
            prop::collection::btree_map(text(), inner.clone(), 0..5).prop_map(|entries| entries.into_iter().collect());
        prop_oneof![
            (prop::collection::vec(inner, 0..5), any::<bool>()).prop_map(|(items, flow)| Tree::List(items, flow)),
            (entries, any::<bool>()).prop_map(|(entries, flow)| Tree::Mapping(entries, flow)),
        ]
    })
}

pub(crate) fn value(tree: &Tree) -> Value {
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => json!(value),
        Tree::Int(value) => json!(value),
        Tree::Text(text, _) => json!(text),
        Tree::List(items, _) => items.iter().map(value).collect(),
        Tree::Mapping(entries, _) => {
            Value::Object(entries.iter().map(|(key, tree)| (key.clone(), value(tree))).collect::<Map<_, _>>())
        }
    }
}

fn quoted(text: &str, quotes: Quotes) -> String {
    let is_word = text.len() > 1
        && text.bytes().all(|byte| byte.is_ascii_lowercase())
        && !["yes", "no", "on", "off", "true", "false", "null"].contains(&text);
    match quotes {
        Quotes::PlainIfPossible if is_word => text.to_owned(),
        Quotes::Single if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', "''")),
        _ => json!(text).to_string(),
    }
}

fn flow(tree: &Tree) -> String {
    match tree {
        Tree::List(items, _) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Tree::Mapping(entries, _) => {
            let entries = entries.iter().map(|(key, tree)| format!("{}: {}", quoted(key, Quotes::Double), flow(tree)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Tree::Text(text, quotes) => quoted(text, *quotes),
        other => value(other).to_string(),
    }
}

/// Writes a node behind `key:` or `-`; the cursor is at the end of that.
pub(crate) fn block(tree: &Tree, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match tree {
        Tree::List(items, false) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("\n{pad}-"));
                block(item, indent + 2, out);
            }
        }
        Tree::Mapping(entries, false) if !entries.is_empty() => {
            for (key, tree) in entries {
                out.push_str(&format!("\n{pad}{}:", quoted(key, Quotes::PlainIfPossible)));
                block(tree, indent + 2, out);
            }
        }
        other => {
            out.push(' ');
            out.push_str(&flow(other));
            out.push_str(" # why");
        }
    }
}

fn object(tree: &Tree) -> Document {
    let mut yaml = "# a comment\napiVersion: example.com/v1\nkind: Thing\nspec:".to_owned();
    block(tree, 2, &mut yaml);
    yaml.push('\n');
    only(&yaml)
}

#[track_caller]
fn only(text: &str) -> Document {
    let mut documents = read_text("test.yaml", text.to_owned());
    assert_eq!(documents.errors, [], "{text}");
    assert_eq!(documents.objects.len(), 1, "{text}");
    documents.objects.remove(0)
}

fn spec(document: &Document) -> Value {
    serde_json::from_str::<Value>(&document.json).unwrap()["spec"].clone()
}

pub(crate) fn pointers(tree: &Tree, pointer: &str, found: &mut Vec<(String, Value)>) {
    found.push((pointer.to_owned(), value(tree)));
    match tree {
        Tree::List(items, _) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{pointer}/{index}"), found);
            }
        }
        Tree::Mapping(entries, _) => {
            for (key, tree) in entries {
                pointers(tree, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

/// What the bytes of a YAML value mean where they stand: the first line's indentation is not part of them.
fn reread(text: &str, span: std::ops::Range<usize>) -> Value {
    let before = text[..span.start].rsplit('\n').next().unwrap_or_default().chars().count();
    let alone = format!("{}{}", " ".repeat(before), &text[span]);
    let indented: String = alone.lines().map(|line| format!("  {line}\n")).collect();
    spec(&only(&format!("apiVersion: v1\nkind: Thing\nspec:\n{indented}")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn yaml_and_json_of_one_tree_are_one_object(tree in tree()) {
        let json = json!({"apiVersion": "example.com/v1", "kind": "Thing", "spec": value(&tree)}).to_string();
        prop_assert_eq!(spec(&object(&tree)), value(&tree));
        prop_assert_eq!(spec(&only(&json)), value(&tree));
    }

    #[test]
    fn the_place_of_a_path_holds_its_value(tree in tree()) {
        let mut yaml = "apiVersion: example.com/v1\nkind: Thing\nspec:".to_owned();
        block(&tree, 2, &mut yaml);
        let document = only(&yaml);
        let mut all = Vec::new();
        pointers(&tree, "/spec", &mut all);
        for (pointer, expected) in all {
            let location = document.locate(&pointer);
            prop_assert_eq!(location.followed, pointer.split('/').count() - 1);
            prop_assert_eq!(reread(&yaml, location.value), expected, "{}", pointer);
            prop_assert!(yaml.get(location.span.clone()).is_some_and(|underlined| !underlined.is_empty() && !underlined.contains('\n')));
        }
    }

    #[test]
    fn the_place_of_a_json_path_holds_its_value(tree in tree(), pretty in any::<bool>()) {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Thing", "spec": value(&tree)});
        let json = if pretty { serde_json::to_string_pretty(&object).unwrap() } else { object.to_string() };
        let document = only(&json);
        let mut all = Vec::new();
        pointers(&tree, "/spec", &mut all);
        for (pointer, expected) in all {
            let location = document.locate(&pointer);
            prop_assert_eq!(serde_json::from_str::<Value>(&json[location.value]).unwrap(), expected, "{}", pointer);
        }
    }

    /// Hostile text may be refused, never more.
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\\n\\t\\räß&*!|>{}\\[\\]:,#'\"%@-]{0,80}") {
        let documents = read_text("test.yaml", text);
        for document in &documents.objects {
            serde_json::from_str::<Value>(&document.json).unwrap();
            document.locate("/spec/a/0");
        }
    }
}
