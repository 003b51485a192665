//! Tells warnings and refusals that nobody reads as Events: a controller does not show its answers to anybody.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType};
use stateward_core::unread::{About, Unread};
use tokio::sync::mpsc;

use crate::events::recorder;
use crate::follow::said;

/// Writes an Event for each, until the sender is gone. What is said again counts up its Event once a minute, however often a controller tries:
/// it may try ten times in a second. Each replica tells what its own answers said, as an Event of its own.
pub async fn tell(client: Client, replica: &str, mut unread: mpsc::Receiver<Unread>) {
    let recorder = recorder(&client, replica);
    let mut told = Told::default();
    while let Some(Unread { about, operation, warnings, refusals }) = unread.recv().await {
        let refusals = refusals.into_iter().map(|refusal| (REFUSED, refusal));
        let notes = refusals.chain(warnings.into_iter().map(|warning| (WARNED, warning)));
        for (reason, mut note) in notes.take(MOST_EVENTS) {
            note.truncate(note.floor_char_boundary(LONGEST_NOTE));
            if !told.is_due(&about, &note, Instant::now()) {
                continue;
            }
            let event = Event {
                type_: EventType::Warning,
                reason: reason.to_owned(),
                note: Some(note),
                action: operation.to_string(),
                secondary: None,
            };
            if let Err(error) = recorder.publish(&event, &reference(&about)).await {
                tracing::warn!(error = said(&error), reason, "event not written");
            }
        }
    }
}

/// When what was said last.
#[derive(Default)]
struct Told(HashMap<(About, String), Instant>);

impl Told {
    fn is_due(&mut self, about: &About, warning: &str, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < AGAIN;
        let what = (about.clone(), warning.to_owned());
        if self.0.get(&what).copied().is_some_and(is_recent) {
            return false;
        }
        if self.0.len() >= MOST_KNOWN {
            self.0.retain(|_, at| is_recent(*at));
        }
        // A cluster in which so much is wrong within a minute has told enough.
        if self.0.len() >= MOST_KNOWN {
            return false;
        }
        self.0.insert(what, now);
        true
    }
}

fn reference(about: &About) -> ObjectReference {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ObjectReference {
        api_version: some(&about.api_version),
        kind: some(&about.kind),
        namespace: some(&about.namespace),
        name: some(&about.name),
        uid: some(&about.uid),
        ..ObjectReference::default()
    }
}

/// Of the Events; what `kubectl get events --field-selector reason=` takes.
const WARNED: &str = "PolicyWarning";

/// As above.
const REFUSED: &str = "PolicyRefusal";

/// The API server takes no longer ones (`validateV1EventSeries`: less than 1 KiB).
const LONGEST_NOTE: usize = 1000;

const AGAIN: Duration = Duration::from_secs(60);

/// Of one answer: warnings come worst first.
const MOST_EVENTS: usize = 8;

/// 0.5 KB each.
const MOST_KNOWN: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_a_minute_and_never_too_much() {
        let (mut told, now) = (Told::default(), Instant::now());
        let set = |name: usize| About { name: name.to_string(), ..About::default() };
        assert!(told.is_due(&set(0), "careful", now));
        assert!(!told.is_due(&set(0), "careful", now + Duration::from_secs(59)));
        assert!(told.is_due(&set(0), "or else", now));
        assert!(told.is_due(&set(1), "careful", now));
        assert!(told.is_due(&set(0), "careful", now + AGAIN));
        let later = now + AGAIN + AGAIN;
        let said = (0..2 * MOST_KNOWN).filter(|name| told.is_due(&set(*name), "careful", later)).count();
        assert!((MOST_KNOWN - 4..=MOST_KNOWN).contains(&said), "{said}");
        assert!(told.is_due(&set(0), "careful", later + AGAIN));
        assert!(told.0.len() <= MOST_KNOWN);
    }
}
