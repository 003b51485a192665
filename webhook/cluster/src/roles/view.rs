//! What is told of a set. As JSON these are the fields that a program may rely on.

use serde::Serialize;

use super::gather::Unread;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// By namespace and name.
    pub sets: Vec<SetView>,
    /// What this account may not read: of it nothing is said, good or bad.
    pub unread: Vec<Unread>,
}

/// One StatefulSet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The annotation `stateward.dev/writes` as it is.
    pub writes: Option<String>,
    /// Its owner wants one writer.
    pub governed: bool,
    /// How many members are wanted.
    pub replicas: i64,
    /// The only member that may write; `null` outside of the contract.
    pub manager: Option<String>,
    /// By ordinal, those that are wanted and not there included; `null` where pods cannot be read.
    pub members: Option<Vec<Member>>,
    /// How many members are ready.
    pub ready: Option<usize>,
    /// How many members have no role, those on their way out left out.
    pub unstamped: Option<usize>,
    /// The Services for writing; `null` where Services cannot be read.
    pub write_services: Option<Vec<ServiceView>>,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
}

/// A member, or where one should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its number.
    pub ordinal: i64,
    /// How its pod is.
    pub state: PodState,
    /// The label `stateward.dev/role` as it is.
    pub role: Option<String>,
    /// The annotation `stateward.dev/write` as it is.
    pub write: Option<String>,
    /// Its keys against the computed ones; `null` without a pod, and outside of the contract.
    pub stamp: Option<Stamp>,
    /// The keys that are not as computed.
    pub differences: Vec<Difference>,
    /// Where it runs.
    pub node: Option<String>,
}

/// How a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodState {
    /// There is none.
    Absent,
    /// It is on its way out; until its containers have stopped it may still write.
    Terminating,
    /// It runs, or will, and does not serve.
    Unready,
    /// It serves.
    Ready,
}

/// How a member's keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stamp {
    /// Exactly the computed ones.
    Right,
    /// There is no role.
    Missing,
    /// Those of a worker, as every pod has them that the set has adopted, on the first member.
    Adopted,
    /// Others than computed.
    Wrong,
}

/// A key of a pod that is not as computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Such as `stateward.dev/role`.
    pub key: &'static str,
    /// As it is.
    pub found: Option<String>,
    /// As it should be.
    pub computed: Option<String>,
}

/// A Service for writing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Where it leads now; `null` where EndpointSlices cannot be read.
    pub endpoints: Option<Vec<Endpoints>>,
}

/// One place that a Service leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// The pod, where the EndpointSlice names one.
    pub pod: Option<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Traffic goes there.
    pub ready: bool,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// One word for it that does not change: `two-writers`, `unstamped-members`, ..
    pub kind: &'static str,
    /// What, with the value.
    pub message: String,
    /// The command or the field that mends it.
    pub hint: String,
}

impl SetView {
    /// `namespace/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
