//! What mutating rules make of the input's objects, before any of them is judged: neighbours are what the API server would have stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stateward_core::admit::mutate;
use stateward_core::verdict::Verdict;
use stateward_manifests::Neighbours;

use super::judge::{Bench, facts, on_all_cores};

/// An object of which mutating rules had something to say.
pub(super) struct Admitted {
    /// What.
    pub(super) verdict: Verdict,
    /// What it was told of the others, and will be.
    pub(super) neighbours: Arc<Neighbours>,
    /// What became of it; `None`: nothing else.
    pub(super) object: Option<Arc<str>>,
}

/// By their places in the input. From then on the inventory answers what became of them.
pub(super) async fn all(bench: &Arc<Bench>) -> HashMap<usize, Admitted> {
    let parts = on_all_cores(|next| work(Arc::clone(bench), next)).await;
    let admitted: HashMap<usize, Admitted> = parts.into_iter().flatten().collect();
    bench.inventory.change(admitted.iter().filter_map(|(&place, one)| Some((place, Arc::clone(one.object.as_ref()?)))));
    admitted
}

async fn work(bench: Arc<Bench>, next: Arc<AtomicUsize>) -> Vec<(usize, Admitted)> {
    let mut admitted = Vec::new();
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(document) = bench.objects.get(place) else { return admitted };
        let Ok(request) = bench.request(document) else { continue };
        let neighbours = Arc::new(bench.inventory.neighbours(document));
        let Verdict { changes, undecided, failures, object, .. } =
            mutate(&bench.set, &request, &facts(&neighbours)).await;
        if !(changes.is_empty() && undecided.is_empty() && failures.is_empty()) {
            // Without the answer to an API server, which is as large as the changes.
            let verdict = Verdict { changes, undecided, failures, ..Verdict::default() };
            admitted.push((place, Admitted { verdict, neighbours, object: object.map(Arc::from) }));
        }
    }
}
