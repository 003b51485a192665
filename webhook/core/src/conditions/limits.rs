//! What an expression may cost. The library has no cost limit of its own: six nested `all` took 200 ms, five nested `map` over 20 s
//! (`reference/contract.md` section 5).

use crate::prune::Budget;

/// Bytes of an expression.
pub(super) const MAX_EXPRESSION: usize = 1024;

/// Operators, members and calls in one expression, counted before it is parsed: parser and evaluator recurse into each, and an overflow of
/// the stack ends the process. The library took 2,000 `+` to fall over on 2 MiB.
pub(super) const MAX_OPERATORS: usize = 250;

/// Opening brackets, counted before parsing: each costs the parser a dozen frames.
pub(super) const MAX_BRACKETS: usize = 64;

/// Without macros evaluation is linear in what is read. An object has at most 3 MiB.
pub(super) const PLAIN: Budget = Budget { nodes: 200_000, text: 4 << 20 };

/// With a macro it can be quadratic: each element against a whole list.
pub(super) const WITH_MACRO: Budget = Budget { nodes: 2_048, text: 256 << 10 };

/// `map` keeps what each element yields: at worst all that was read, once for each element.
pub(super) const WITH_MAP: Budget = Budget { nodes: 512, text: 32 << 10 };

/// Bytes of a compiled pattern; the library compiles it at each call, in the time that this bounds. `\w+` takes about 20 KiB.
pub(super) const MAX_PATTERN: usize = 128 << 10;
