//! What hostile bytes must not break. A target in `tests/fuzz` is one of these functions; the stable test `fuzz_seeds` calls the same ones.
//! Each takes any bytes, never fails on bytes that are merely wrong, and panics where a law is broken.

mod answers;
mod decode;
mod patch;
mod rules;
mod said;
mod yaml;

pub use answers::answers;
pub use decode::decode;
pub use patch::patch;
pub use yaml::yaml;

/// Takes any bytes; panics where a law is broken.
pub type Target = fn(&[u8]);

/// Every target by its name: that of its file in `tests/fuzz/targets` and of its folder in `tests/fuzz/seeds`.
pub const TARGETS: &[(&str, Target)] = &[("answers", answers), ("decode", decode), ("patch", patch), ("yaml", yaml)];
