//! The nodes of a JSON text that is known to be valid, with their places: what [`crate::yaml_span`] reads of YAML.

use crate::json_span::{locate_value, skip_blank, skip_string, unquote};
use crate::yaml_span::{Children, Entry, Outline, OutlineNode};

/// Reads the value that begins at a byte, or behind blanks there.
pub(crate) fn read(json: &str, from: usize) -> Outline {
    let mut outline = Outline::default();
    add(json, skip_blank(json, from), &mut outline);
    outline
}

/// Adds a value and what is in it. It is as deep as the reader lets it be.
fn add(json: &str, at: usize, outline: &mut Outline) -> usize {
    let added = outline.nodes.len();
    let span = locate_value(json, at);
    let end = span.end;
    outline.nodes.push(OutlineNode { span, children: Children::None, is_block_text: false, has_properties: false });
    let byte = |at: usize| json.as_bytes().get(at).copied();
    let children = match byte(at) {
        Some(b'{') => {
            let mut entries = Vec::new();
            let mut at = skip_blank(json, at + 1);
            while at < end && byte(at) == Some(b'"') {
                let key_span = at..skip_string(json, at);
                let value = skip_blank(json, skip_blank(json, key_span.end) + 1);
                let node = add(json, value, outline);
                let key = unquote(json.get(key_span.clone()).unwrap_or_default()).into_owned();
                entries.push(Entry { key, is_merge: false, key_span, value: node });
                at = behind_comma(json, node, outline);
            }
            Children::Entries(entries)
        }
        Some(b'[') => {
            let mut items = Vec::new();
            let mut at = skip_blank(json, at + 1);
            while at + 1 < end {
                let node = add(json, at, outline);
                items.push(node);
                at = behind_comma(json, node, outline);
            }
            Children::Items(items)
        }
        _ => Children::None,
    };
    if let Some(node) = outline.nodes.get_mut(added) {
        node.children = children;
    }
    added
}

fn behind_comma(json: &str, node: usize, outline: &Outline) -> usize {
    let end = outline.nodes.get(node).map_or(json.len(), |node| node.span.end);
    let next = skip_blank(json, end);
    if json.as_bytes().get(next) == Some(&b',') { skip_blank(json, next + 1) } else { next }
}
