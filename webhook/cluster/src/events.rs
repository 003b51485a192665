//! What a person should see without asking: Events on our Deployment when the webhooks are no longer registered, and when they are again.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource};

use crate::crds::GROUP;
use crate::follow::said;
use crate::names;
use crate::registration::RegistrationState;

/// Writes them. Only the leader should.
pub struct Announcer {
    client: Client,
    namespace: String,
    recorder: Recorder,
}

impl Announcer {
    /// `replica` is the pod's name.
    pub fn new(client: Client, namespace: &str, replica: &str) -> Self {
        let recorder = recorder(&client, replica);
        Self { client, namespace: namespace.to_owned(), recorder }
    }

    /// What has changed between the two.
    pub async fn announce(&self, before: &RegistrationState, now: &RegistrationState) {
        if let Some(disputed) = now.disputed.as_ref().filter(|_| before.disputed.is_none()) {
            self.publish(Event {
                type_: EventType::Warning,
                reason: "Disputed".to_owned(),
                note: Some(disputed.clone()),
                action: "Register".to_owned(),
                secondary: None,
            })
            .await;
        }
        let event = match (&before.paused, &now.paused) {
            (before, Some(paused)) if before.as_ref() != Some(paused) => Event {
                type_: EventType::Warning,
                reason: "NotRegistered".to_owned(),
                note: Some(format!("{paused}: {}", paused.consequence())),
                action: "Register".to_owned(),
                secondary: None,
            },
            (Some(ended), None) => Event {
                type_: EventType::Normal,
                reason: "Registered".to_owned(),
                note: Some(format!("ended: {ended}")),
                action: "Register".to_owned(),
                secondary: None,
            },
            _ => return,
        };
        self.publish(event).await;
    }

    async fn publish(&self, event: Event) {
        if let Err(error) = self.recorder.publish(&event, &self.deployment().await).await {
            tracing::warn!(error = said(&error), reason = event.reason, "event not written");
        }
    }

    async fn deployment(&self) -> ObjectReference {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        match deployments.get_opt(names::APP).await {
            Ok(Some(deployment)) => deployment.object_ref(&()),
            // Not ours to read, or outside the cluster: the Event is found by its reason.
            _ => ObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: Some("Deployment".to_owned()),
                name: Some(names::APP.to_owned()),
                namespace: Some(self.namespace.clone()),
                ..ObjectReference::default()
            },
        }
    }
}

/// Writes Events as this replica's.
pub(crate) fn recorder(client: &Client, replica: &str) -> Recorder {
    Recorder::new(client.clone(), Reporter { controller: GROUP.to_owned(), instance: Some(replica.to_owned()) })
}
