//! The embedded component is what it says, and asks for nothing but the contract.

#![allow(clippy::unwrap_used, reason = "tests")]

use wasmparser::{ComponentExternalKind, Parser, Payload};

fn names() -> (Vec<String>, Vec<String>) {
    let component = stateward_builtin::component("stateful").unwrap();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                let exported = section
                    .into_iter()
                    .map(Result::unwrap)
                    .filter(|export| export.kind == ComponentExternalKind::Instance);
                exports.extend(exported.map(|export| export.name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

#[test]
fn imports_the_contract_alone() {
    let (imports, exports) = names();
    assert!(!imports.is_empty());
    for import in imports {
        assert!(import.starts_with("stateward:policy/"), "imports `{import}`");
    }
    assert_eq!(exports, ["stateward:policy/rules@0.1.0"]);
}

#[test]
fn is_small_and_tells_nothing_of_the_machine() {
    let component = stateward_builtin::component("stateful").unwrap();
    // Compiling it takes time in proportion, and every start without a cache waits for that. 92 rules are 1.2 MB.
    assert!(component.len() < 1300 * 1024, "{} bytes", component.len());
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_str().unwrap();
    assert!(!component.windows(workspace.len()).any(|window| window == workspace.as_bytes()));
}

#[test]
fn other_names_are_unknown() {
    assert_eq!(stateward_builtin::component("stateless"), None);
}

#[test]
fn default_policies_cover_every_family() {
    let manifest = stateward_stateful::describe();
    for rule in &manifest.rules {
        let family = rule.id.split('/').next().unwrap();
        assert!(stateward_builtin::DEFAULT_POLICIES.contains(&format!("rules: [\"{family}/*\"]")), "{family}");
    }
}
