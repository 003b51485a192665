//! Who may write: the sets of the manager contract as they run, seen from outside with a person's own rights.
//!
//! [`gather`](mod@gather) reads what is stored; [`judge`] is a pure function over that. What a member must carry and whom a Service leads to is asked of
//! the rules' own functions, so that this cannot say anything else than the webhook does.

mod gather;
mod judge;
mod problems;
mod services;
mod view;

pub use gather::{Endpoint, Error, Facts, Unread};
pub use judge::{judge, judge_governed};
pub use view::{Difference, Endpoints, Look, Member, PodState, Problem, ServiceView, SetView, Stamp};

use kube::Client;

/// All sets of the contract, of one namespace or of all.
pub async fn look(client: &Client, namespace: Option<&str>) -> Result<Look, Error> {
    let mut sets = Vec::new();
    let (namespaces, mut unread) = gather::sets(client, namespace).await?;
    let settings = gather::settings(client).await;
    for (namespace, stored) in namespaces {
        let facts = gather::around(client, namespace, stored, settings.clone()).await?;
        sets.extend(judge_governed(&facts));
        unread.extend(facts.unread);
    }
    Ok(Look { sets, unread })
}

/// One set, of the contract or not. `None`: there is no such set.
pub async fn look_at(client: &Client, namespace: &str, name: &str) -> Result<Option<Look>, Error> {
    let (namespaces, _) = gather::sets_of(client, namespace).await?;
    let settings = gather::settings(client).await;
    for (namespace, stored) in namespaces {
        let facts = gather::around(client, namespace, stored, settings.clone()).await?;
        if let Some(set) = judge(&facts, name) {
            return Ok(Some(Look { sets: vec![set], unread: facts.unread }));
        }
    }
    Ok(None)
}
