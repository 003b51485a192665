//! Types and calls generated from `policies/wit/policy.wit`. Natively the types work as they are; the imports exist in Wasm alone.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated: the canonical ABI passes pointers, and the contract's comments are in policy.wit"
)]

wit_bindgen::generate!({
    world: "policy",
    path: "../wit",
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_policy",
    default_bindings_module: "stateward_sdk::bindings",
});
