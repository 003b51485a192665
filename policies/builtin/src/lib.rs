//! The built-in component, compiled from `policies/stateful` by the build script, and the policies that are shipped with it.

/// The bytes of a built-in component, as `builtin:NAME` refers to them.
pub fn component(name: &str) -> Option<&'static [u8]> {
    COMPONENTS.iter().find(|(each, _)| *each == name).map(|&(_, bytes)| bytes)
}

/// The policies in force where nobody says otherwise: one for each family, as YAML documents.
pub const DEFAULT_POLICIES: &str = include_str!("default-policies.yaml");

/// The cases of the built-in rules, file by file: `(name, YAML)`. They say what each rule accepts and refuses, and the tests hold it to them.
pub const CASES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// By name.
const COMPONENTS: [(&str, &[u8]); 1] = [("stateful", include_bytes!(concat!(env!("OUT_DIR"), "/stateful.wasm")))];
