//! What a stateful application is promised, in the words of the page that this project stands on. A rule's category names the promises it keeps.
//!
//! A category holds one promise, or several joined with `, ` (`"remote, re-attaching"`): [`of`] takes them apart.

/// Members are created in order, each once the one before is ready, and deleted in reverse.
pub const ORDERED: &str = "ordered";
/// Each member has a name of its own that it keeps.
pub const IDENTIFIED: &str = "identified";
/// Each member has a DNS name of its own.
pub const REACHABLE: &str = "reachable by name";
/// Each member has a volume of its own.
pub const OWN_VOLUME: &str = "own volume";
/// The volume is not on the node that the member runs on.
pub const REMOTE: &str = "remote";
/// The replacement of a member gets the volume of the one it replaces.
pub const RE_ATTACHING: &str = "re-attaching";
/// Only the first member, the manager, may write.
pub const ONE_WRITER: &str = "one writer";
/// Workers synchronise from the manager.
pub const SYNCHRONISED: &str = "synchronised";
/// What is written can be had back.
pub const BACKED_UP: &str = "backed up";
/// Members do not all go at once. Not one of the promises, but what makes them worth something.
pub const AVAILABLE: &str = "available";
/// Somebody answers for it. Not one of the promises either.
pub const MANAGED: &str = "managed";

/// The promises, in the order in which a member comes to be.
pub const ALL: [&str; 9] =
    [ORDERED, IDENTIFIED, REACHABLE, OWN_VOLUME, REMOTE, RE_ATTACHING, ONE_WRITER, SYNCHRONISED, BACKED_UP];

/// What a category names.
pub fn of(category: &str) -> impl Iterator<Item = &str> {
    category.split(", ")
}
