//! What the API server evaluates, evaluated without one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use cel::{Context, Program, Value};
use serde_json::{Map, Value as Json};

/// An expression on a request: `request`, `object`, `oldObject`, `namespaceObject`, and `variables` where a policy has some. `name` is for the panic:
/// an expression that fails refuses or skips what it stands for.
#[expect(clippy::panic, clippy::expect_used, reason = "tests fail by panicking")]
pub fn evaluate(expression: &str, request: &Json, variables: &Map<String, Json>, name: &str) -> Value {
    thread_local! {
        // Compiling takes 100 times as long as evaluating.
        static PROGRAMS: RefCell<HashMap<String, Rc<Program>>> = RefCell::default();
    }
    let compile = || Rc::new(Program::compile(expression).unwrap_or_else(|error| panic!("{error}: {expression}")));
    let program =
        PROGRAMS.with_borrow_mut(|known| Rc::clone(known.entry(expression.to_owned()).or_insert_with(compile)));
    let mut context = Context::default();
    let mut add = |variable: &str, value: Json| context.add_variable(variable, value).expect("JSON is a value of CEL");
    add("request", request.clone());
    for of in ["object", "oldObject", "namespaceObject"] {
        add(of, request.get(of).cloned().unwrap_or_default());
    }
    add("variables", Json::Object(variables.clone()));
    program.execute(&context).unwrap_or_else(|error| panic!("{name}: {error}: {expression}"))
}
