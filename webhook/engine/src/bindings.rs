//! Generated from `policies/wit/policy.wit`. Only [`crate::convert`], [`crate::guest`] and [`crate::host`] look inside.

wasmtime::component::bindgen!({
    path: "../../policies/wit",
    world: "policy",
    // Neither the object nor the lists of rules are copied on the host: 5 us of a 30 us call.
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: {
        // Waits for the Inventory, and may end the call with words of its own.
        "stateward:policy/lookup.find": async | trappable,
    },
    exports: { default: async },
});
