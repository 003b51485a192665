//! The role as an environment variable, for programs that read no files. A container reads it once, when it starts.

use serde::Serialize;
use stateward_sdk::prelude::*;

/// Adds `STATEWARD_ROLE` to every container, before its other variables so that they may refer to it.
pub fn stamp(pod: &Pod, out: &mut Changes) {
    let lists = [("containers", &pod.spec.containers), ("initContainers", &pod.spec.init_containers)];
    let mut operations = Vec::new();
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            stamp_container(container, &Pointer::new("/spec").key(list).index(index).key("env"), &mut operations);
        }
    }
    out.json_patch(&operations, format!("members know their role by `{NAME}`"));
}

fn stamp_container(container: &Container, env: &Pointer, operations: &mut Vec<Operation>) {
    let Some(variables) = &container.env else {
        operations.push(Operation::new("add", env.clone(), Value::List([Variable::ROLE])));
        return;
    };
    let mut named = variables.iter().enumerate().filter(|(_, variable)| variable.name.as_str() == NAME).peekable();
    if named.peek().is_none() {
        operations.push(Operation::new("add", env.clone().index(0), Value::One(Variable::ROLE)));
    }
    for (index, variable) in named {
        if variable.value_from.as_ref().is_none_or(|source| source.field_ref.field_path.as_str() != FIELD) {
            operations.push(Operation::new("replace", env.clone().index(index), Value::One(Variable::ROLE)));
        }
    }
}

/// One operation of RFC 6902.
#[derive(Serialize)]
struct Operation {
    op: &'static str,
    path: String,
    value: Value,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    One(Variable),
    List([Variable; 1]),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Variable {
    name: &'static str,
    value_from: ValueFrom,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ValueFrom {
    field_ref: FieldRef,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldRef {
    field_path: &'static str,
}

impl Operation {
    fn new(op: &'static str, path: Pointer, value: Value) -> Self {
        Self { op, path: path.into(), value }
    }
}

impl Variable {
    const ROLE: Self = Self { name: NAME, value_from: ValueFrom { field_ref: FieldRef { field_path: FIELD } } };
}

const NAME: &str = "STATEWARD_ROLE";
const FIELD: &str = "metadata.labels['stateward.dev/role']";
