//! What a case can look up.

use stateward_core::inventory::{Fields, StoredInventory};
use stateward_core::policy_set::PolicySet;
use stateward_manifests::{InputError, kinds};

use crate::case::Case;
use crate::file::CaseFile;
use crate::request::kind_of;

/// The case's neighbours, cut to what the rules declare. Their kinds are known in their namespaces, those under `known` everywhere.
pub(crate) fn of(file: &CaseFile, case: &Case, set: &PolicySet) -> Result<StoredInventory, InputError> {
    let reads = set.reads();
    let fields = Fields::new(&reads);
    let mut inventory = StoredInventory::default();
    // Neighbours that name no namespace are where the case's own object is.
    let own = case.request.namespace.as_deref().unwrap_or("default");
    for neighbour in &case.neighbours {
        let namespace = (!kinds::is_cluster_scoped(&kind_of(&neighbour.object))).then_some(own);
        inventory
            .insert_json(&neighbour.object.to_string(), namespace, &fields)
            .map_err(|error| file.data.error(&neighbour.pointer, without_position(&error.to_string())))?;
    }
    for (kind, pointer) in &case.known {
        let mut of_that_name = reads.iter().filter(|read| read.kind.kind == *kind).peekable();
        if of_that_name.peek().is_none() {
            let mut read: Vec<&str> = reads.iter().map(|read| &*read.kind.kind).collect();
            read.sort_unstable();
            read.dedup();
            let error = file.data.error(pointer, format!("no rule of the policy looks up a `{kind}`"));
            return Err(error.hint(format!("its rules look up {}", read.join(", "))));
        }
        for read in of_that_name {
            inventory.know_everywhere(&read.kind);
        }
    }
    Ok(inventory)
}

/// The line and the column are those of text that nobody has written.
fn without_position(error: &str) -> &str {
    error.split_once(" at line ").map_or(error, |(what, _)| what)
}
