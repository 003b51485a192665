//! The component `stateful`: all built-in families in one, so that a request costs one call.

stateward_sdk::component! {
    name: "stateful",
    version: env!("CARGO_PKG_VERSION"),
    description: "Keeps stateful workloads stateful: ordered identity, remote volumes of their own, one writer, the right kind, back-up.",
    settings_schema: include_str!("settings.schema.json"),
    families: [
        stateward_ordered_identity::OrderedIdentity,
        stateward_remote_volumes::RemoteVolumes,
        stateward_manager_writes::ManagerWrites,
        stateward_workload_kind::WorkloadKind,
        stateward_operations::Operations,
    ],
}
