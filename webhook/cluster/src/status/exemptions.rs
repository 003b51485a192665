//! What is wrong with exemptions, as Events: whoever wrote one looks at it, not at our pages.

use std::collections::HashSet;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::DynamicObject;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, Resource as _};

use super::EVENT_NOTE;
use crate::events::recorder;
use crate::follow::said;
use crate::wanted::resource;

/// An exemption that does not exempt all that it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExemptionProblem {
    /// Of the exemption.
    pub namespace: String,
    /// Of the exemption.
    pub name: String,
    /// Field and reason, on one line.
    pub problem: String,
}

/// Tells them, each once for as long as it lasts. Only the leader should.
pub struct ExemptionTeller {
    client: Client,
    recorder: Recorder,
    told: HashSet<ExemptionProblem>,
}

impl ExemptionTeller {
    /// `replica` is the pod's name.
    pub fn new(client: Client, replica: &str) -> Self {
        let recorder = recorder(&client, replica);
        Self { client, recorder, told: HashSet::new() }
    }

    /// Writes an Event for each that is new. What could not be told is told the next time.
    pub async fn tell(&mut self, problems: &[ExemptionProblem]) {
        self.told.retain(|told| problems.contains(told));
        for problem in problems {
            if self.told.contains(problem) {
                continue;
            }
            match self.publish(problem).await {
                Ok(()) => drop(self.told.insert(problem.clone())),
                Err(error) => {
                    tracing::warn!(error = said(&error), exemption = problem.name, "event not written");
                }
            }
        }
    }

    async fn publish(&self, problem: &ExemptionProblem) -> Result<(), kube::Error> {
        let kind = resource("PolicyExemption", "policyexemptions");
        let exemptions: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &problem.namespace, &kind);
        // Deleted a moment ago: nobody asks any more.
        let Some(found) = exemptions.get_opt(&problem.name).await? else { return Ok(()) };
        let event = Event {
            type_: EventType::Warning,
            reason: "Invalid".to_owned(),
            note: Some(problem.problem.chars().take(EVENT_NOTE).collect()),
            action: "Load".to_owned(),
            secondary: None,
        };
        let of = ObjectReference { namespace: Some(problem.namespace.clone()), ..found.object_ref(&kind) };
        self.recorder.publish(&event, &of).await
    }
}
