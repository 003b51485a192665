//! A model of the manager contract, for a model checker that visits every state: an API server that judges a request now and stores it later,
//! the StatefulSet controller with slow terminations and adoptions, an owner who scales, moves, replaces and re-makes his set, and an attacker
//! with all rights in the namespace. What admits or refuses is the product's own: the same rules, behind the same conditions, folded by the same core.
//!
//! Read [`objects`] and [`world`] (what a state is), then [`controller`], [`owner`] and [`attacker`] (what may happen), [`webhook`] and [`conditions`] (who
//! decides), [`model`] (where each step leads), [`properties`] (what must hold) and [`guards`] (the rules that make it hold, and how far each is tried).

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test kit fails by panicking")]

pub mod attacker;
pub mod conditions;
pub mod controller;
pub mod guards;
pub mod model;
pub mod objects;
pub mod owner;
pub mod properties;
pub mod request;
pub mod webhook;
pub mod world;
