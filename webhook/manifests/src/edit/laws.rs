//! Laws of editing: the file means the object with the change, and no other byte is written.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use stateward_core::evaluate::Change;
use stateward_core::patch;

use super::{Edited, Operation, edit};
use crate::laws::{Tree, block, pointers, tree, value};
use crate::read_text;

/// How a file is written, beside its objects.
#[derive(Clone, Copy, Debug)]
struct Style {
    /// `- a: 1` instead of a line for the dash.
    is_compact: bool,
    has_comments: bool,
    is_windows: bool,
    ends_without_break: bool,
}

fn style() -> impl Strategy<Value = Style> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(is_compact, has_comments, is_windows, ends_without_break)| Style {
            is_compact,
            has_comments,
            is_windows,
            ends_without_break,
        },
    )
}

fn document(tree: &Tree) -> String {
    let mut yaml = "apiVersion: example.com/v1\nkind: Thing\nspec:".to_owned();
    block(tree, 2, &mut yaml);
    yaml.push('\n');
    yaml
}

fn styled(yaml: &str, style: Style) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in yaml.lines() {
        let indent = line.len() - line.trim_start().len();
        match lines.last_mut() {
            Some(last)
                if style.is_compact && last.ends_with('-') && last.len() + 1 == indent && !last.starts_with("--") =>
            {
                last.push(' ');
                last.push_str(line.trim_start());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if style.has_comments && at % 3 == 1 {
            text.push_str(&format!("{}# line {at}: 'why' \"\u{fc}\"\n\n", " ".repeat(indent)));
        }
        text.push_str(line);
        text.push('\n');
    }
    if style.ends_without_break {
        text.truncate(text.trim_end().len());
    }
    if style.is_windows { text.replace('\n', "\r\n") } else { text }
}

/// Something that can be done to the tree: at one of its places, with one of the values.
fn operation(tree: &Tree, place: Index, what: Index, new: &Value) -> Operation {
    let mut places = Vec::new();
    pointers(tree, "/spec", &mut places);
    let (path, old) = place.get(&places).clone();
    let child = |name: &str| format!("{path}/{name}");
    let add = match &old {
        Value::Object(members) if !members.contains_key("added") => Some(child("added")),
        Value::Array(items) => Some(child(&items.len().to_string())),
        _ => None,
    };
    let replace = Operation::Replace { path: path.clone(), value: new.clone() };
    let mut all = vec![replace];
    all.extend(add.map(|path| Operation::Add { path, value: new.clone() }));
    all.extend((path != "/spec").then_some(Operation::Remove { path }));
    what.get(&all).clone()
}

fn applied(object: &Value, operation: &Operation) -> Value {
    let mut object = object.clone();
    patch::apply(&mut object, &Change::JsonPatch(json!([operation]).to_string())).unwrap();
    object
}

/// Makes the change to the object at an index of a file, and looks at everything that must hold.
fn check(text: &str, index: usize, operation: &Operation) -> Result<(), TestCaseError> {
    let before = read_text("test.yaml", text.to_owned());
    prop_assert_eq!(&before.errors, &[]);
    let object = &before.objects[index];
    let written = match edit(&[(object, std::slice::from_ref(operation))]).remove(0) {
        Ok(written) => written,
        Err(why) if text.contains('#') && why.to_string() == "a comment would be lost" => return Ok(()),
        Err(why) => return Err(TestCaseError::fail(format!("{why}: {operation:?}\n{text}"))),
    };
    let mut edited = Edited::new(text);
    written.iter().rev().for_each(|new| edited.replace(new));
    prop_assert_eq!(&edited.replacements(), &written);
    let after = edited.text();
    let meanings = |objects: &[crate::Document]| {
        objects.iter().map(|each| serde_json::from_str(&each.json).unwrap()).collect::<Vec<Value>>()
    };
    let mut expected = meanings(&before.objects);
    expected[index] = applied(&expected[index], operation);
    let reread = object.reread(after.clone());
    prop_assert_eq!(meanings(&reread), expected, "{:?}\n{}\n---\n{}", operation, text, after);
    // One place, and of a value that stays where it is nothing before it and nothing behind it.
    prop_assert!(written.len() <= 1);
    for new in &written {
        match operation {
            Operation::Add { .. } => prop_assert!(new.span.is_empty()),
            Operation::Replace { path, .. } => {
                let place = object.locate(path);
                let begin = place.key.map_or(place.value.start, |key| key.start);
                prop_assert!(
                    begin <= new.span.start && new.span.end <= place.value.end.max(new.span.start),
                    "{:?}\n{}",
                    new,
                    text
                );
            }
            Operation::Remove { .. } => prop_assert!(text[new.span.clone()].trim() != "" && !new.text.contains('\n')),
        }
        let comments = |text: &str| text.matches("# line").count();
        prop_assert_eq!(comments(&after), comments(text), "comments of\n{}\n---\n{}", text, after);
        prop_assert!(!text.contains("\r\n") || !after.replace("\r\n", "").contains('\n'), "line breaks");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn yaml_means_the_object_with_the_change(tree in tree(), new in tree(), place: Index, what: Index, style in style()) {
        let document = document(&tree);
        let text = styled(&format!("# head\n---\n{document}---\n{document}---\napiVersion: v1\nkind: Last\n"), style);
        check(&text, 1, &operation(&tree, place, what, &value(&new)))?;
        let alone = styled(&document, style);
        check(&alone, 0, &operation(&tree, place, what, &value(&new)))?;
    }

    #[test]
    fn json_means_the_object_with_the_change(tree in tree(), new in tree(), place: Index, what: Index, pretty in any::<bool>()) {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Thing", "spec": value(&tree)});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [object, object]});
        let write = |value: &Value| if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() };
        let operation = operation(&tree, place, what, &value(&new));
        check(&format!("{}\n{}", write(&object), write(&object)), 1, &operation)?;
        check(&write(&list), 1, &operation)?;
    }

    /// Two changes of one object are written as each alone.
    #[test]
    fn changes_that_do_not_meet_are_written_together(tree in tree(), new in tree(), places: [Index; 2], whats: [Index; 2], style in style()) {
        let text = styled(&document(&tree), style);
        let read = read_text("test.yaml", text.clone());
        let object = &read.objects[0];
        let operations = [0, 1].map(|each| [operation(&tree, places[each], whats[each], &value(&new))]);
        let answers = edit(&[(object, &operations[0]), (object, &operations[1])]);
        if let [Ok(first), Ok(second)] = &answers[..]
            && !first.iter().any(|one| second.iter().any(|other| one.meets(other)))
        {
            let mut edited = Edited::new(text.as_str());
            prop_assert!(edited.replace_original(first) || first.is_empty());
            prop_assert!(edited.replace_original(second) || second.is_empty());
            let reread = object.reread(edited.text());
            prop_assert_eq!(reread.len(), 1, "{}", edited.text());
        }
    }
}
