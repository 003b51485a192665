//! Judges stored objects as if they were made now and nobody knew by whom.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use stateward_core::admit::{Facts, Route, validate};
use stateward_core::inventory::{Before, Store};
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{Operation, Request};
use stateward_core::verdict::Verdict;

use super::Stored;

/// What one scan judges by.
pub struct Judge {
    set: Arc<PolicySet>,
    others: Arc<dyn Store>,
    now: Timestamp,
}

impl Judge {
    /// `others` answers look-ups; `now` decides which exemptions have ended.
    pub fn new(set: Arc<PolicySet>, others: Arc<dyn Store>, now: Timestamp) -> Self {
        Self { set, others, now }
    }

    /// What a CREATE of the object would be told beside all others, with the trace of who was asked. Its response is nobody's.
    pub async fn one(&self, stored: &Stored) -> Verdict {
        let Stored { kind, resource, namespace, name, json, .. } = stored;
        let before = Before::new(Arc::clone(&self.others), kind.clone(), namespace.clone(), name.clone());
        let facts =
            Facts { inventory: Arc::new(before), now: self.now, deadline: Instant::now() + TIMEOUT, trace: true };
        let request = Request {
            uid: Cow::Borrowed(""),
            operation: Operation::Create,
            kind: kind.clone(),
            resource: resource.clone(),
            name: Some(Cow::Borrowed(name)),
            namespace: namespace.as_deref().map(Cow::Borrowed),
            user: None,
            dry_run: false,
            object: Some(Cow::Borrowed(json)),
            old_object: None,
            options: None,
        };
        validate(&self.set, &request, Route::All, &facts).await
    }
}

/// Policies have limits of their own; this one ends what no limit of theirs ends. As long as the API server would wait at most.
const TIMEOUT: Duration = Duration::from_secs(30);
