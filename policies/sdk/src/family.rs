//! A family of rules: its table, its settings, and the dispatch from an index to a function.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::changes::Changes;
use crate::context::Context;
use crate::findings::Findings;
use crate::objects::Object;
use crate::rule::Rule;

/// A family of rules. Written by [`rules!`](crate::rules!).
pub trait Family: Clone {
    /// What administrators may set. Unknown fields belong to other families of the component and are ignored here.
    type Settings: CheckSettings;

    /// In the order of the indexes.
    const RULES: &'static [Rule];

    /// Runs one validating rule on an object. Says nothing where the rule does not judge such objects.
    fn validate(rule: u32, object: &Object<'_>, cx: &Context<'_, '_, Self::Settings>, out: &mut Findings);

    /// Runs one mutating rule on an object.
    fn mutate(rule: u32, object: &Object<'_>, cx: &Context<'_, '_, Self::Settings>, out: &mut Changes);
}

/// What administrators may set for a family.
pub trait CheckSettings: DeserializeOwned + Default + JsonSchema {
    /// What the JSON Schema cannot say. Each error names the field.
    fn check(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Makes a type a [`Family`]: lists its rules, with the function for each kind of object they judge.
///
/// The dispatch is a `match` with direct calls. A table of function pointers costs 50 ns more for each rule: the first call through each entry
/// of a fresh instance's function table goes into the host.
#[macro_export]
macro_rules! rules {
    (
        $(#[$doc:meta])*
        pub struct $family:ident($settings:ty);
        validate { $($check:ident => $($judged:ident: $judge:path),+;)* }
        mutate { $($change:ident => $($changed:ident: $alter:path),+;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $family;

        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the rules' constants")]
        mod index {
            enum Index { $($check,)* $($change,)* }
            $(pub(super) const $check: u32 = Index::$check as u32;)*
            $(pub(super) const $change: u32 = Index::$change as u32;)*
        }

        impl $crate::family::Family for $family {
            type Settings = $settings;

            const RULES: &'static [$crate::rule::Rule] = &[$($check,)* $($change,)*];

            fn validate(
                rule: u32,
                object: &$crate::objects::Object<'_>,
                cx: &$crate::context::Context<'_, '_, $settings>,
                out: &mut $crate::findings::Findings,
            ) {
                match rule {
                    $(index::$check => match object {
                        $($crate::objects::Object::$judged(object) => $judge(object, cx, out),)+
                        _ => {}
                    },)*
                    _ => { let _ = (object, cx, out); }
                }
            }

            fn mutate(
                rule: u32,
                object: &$crate::objects::Object<'_>,
                cx: &$crate::context::Context<'_, '_, $settings>,
                out: &mut $crate::changes::Changes,
            ) {
                match rule {
                    $(index::$change => match object {
                        $($crate::objects::Object::$changed(object) => $alter(object, cx, out),)+
                        _ => {}
                    },)*
                    _ => { let _ = (object, cx, out); }
                }
            }
        }
    };
}
