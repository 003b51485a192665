use std::time::{Duration, Instant};

use super::*;
use crate::request::{Operation, Request, User};
use crate::testing;

const OBJECT: &str = r#"{"metadata":{"name":"db","labels":{"app":"db","team/x":"a"},"annotations":{"stateward.dev/writes":"any"}},
    "spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"db","image":"reg/db:1"},{"name":"log","image":"hub/log:2"}]}}}}"#;

fn request<'a>() -> Request<'a> {
    let user = User {
        username: "alice".into(),
        groups: vec!["dev".into(), "ops".into()],
        extra: vec![("k".into(), vec!["v".into()])],
        ..User::default()
    };
    Request { user: Some(user), ..testing::request(Operation::Create, OBJECT) }
}

#[track_caller]
fn evaluates(expression: &str, expected: bool) {
    let condition = Condition::compile("c", expression).unwrap_or_else(|error| panic!("{expression}: {error:?}"));
    assert_eq!(condition.evaluate(&Variables::new(&request())), Ok(expected), "{expression}");
}

#[track_caller]
fn fails(expression: &str, reason: &str) {
    let condition = Condition::compile("c", expression).unwrap_or_else(|error| panic!("{expression}: {error:?}"));
    assert_eq!(
        condition.evaluate(&Variables::new(&request())),
        Err(ConditionFailure::Failed(reason.to_owned())),
        "{expression}"
    );
}

#[track_caller]
fn refuses(expression: &str, message: &str) {
    let error = Condition::compile("c", expression).map(|_| ()).unwrap_err();
    assert_eq!(error.message, message, "{expression}");
}

#[test]
fn evaluates_what_administrators_write() {
    for (expression, expected) in [
        ("true", true),
        ("object.spec.replicas > 1 && has(object.metadata.labels.app)", true),
        ("object.spec.replicas + 1 == 4", true),
        ("has(object.spec.serviceName)", false),
        ("!has(object.metadata.labels.nope) || object.metadata.labels.nope == 'x'", true),
        ("object.metadata.labels['team/x'] == 'a'", true),
        ("object.metadata.?annotations['stateward.dev/writes'].orValue('none') == 'any'", true),
        ("object.?status.?replicas.orValue(0) == 0", true),
        ("object.spec.template.spec.containers.all(c, c.image.startsWith('reg/'))", false),
        ("object.spec.template.spec.containers.exists(c, c.image.matches('^hub/[a-z]+:'))", true),
        ("object.spec.template.spec.containers.filter(c, c.name != 'log').all(c, c.image.startsWith('reg/'))", true),
        ("object.spec.template.spec.containers.map(c, c.name) == ['db', 'log']", true),
        ("object.spec.template.spec.containers.exists_one(c, c.name in ['db', 'x'])", true),
        ("object.spec.template.spec.containers[1].name == 'log'", true),
        ("object.spec.template.spec.containers.size() == 2", true),
        ("size(object.metadata.labels) == 2", true),
        ("object.metadata.labels.all(k, k.startsWith('team/') || k == 'app')", true),
        ("oldObject == null", true),
        ("request.operation == 'CREATE' && request.namespace == 'prod' && request.name == 'db'", true),
        (
            "request.kind.kind == 'StatefulSet' && request.resource.resource == 'statefulsets' && request.subResource == ''",
            true,
        ),
        ("request.userInfo.username == 'alice' && 'ops' in request.userInfo.groups", true),
        ("request.userInfo.extra['k'] == ['v'] && !request.dryRun", true),
        ("timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')", true),
        ("duration('1h') > duration('59m')", true),
        ("type(object.spec.replicas) == int && string(3) == '3'", true),
        ("object.spec.replicas > 5 ? false : true", true),
        ("optional.of(1).hasValue() && !optional.none().hasValue()", true),
    ] {
        evaluates(expression, expected);
    }
}

#[test]
fn errors_do_not_tell_what_the_object_holds() {
    fails("object.metadata.ownerReferences.size() > 0", "no such key: ownerReferences");
    fails("object.spec.template.spec.containers[5].name == 'x'", "index out of bounds");
    fails("object.spec.template < object.spec", "found no matching overload for '_<_' applied to '(map, map)'");
    fails("oldObject.spec.replicas == 1", "found no matching overload for '_._' applied to '(null_type, string)'");
    fails("object.spec.replicas", "it is neither true nor false but a value of type int");
    fails("1 / (object.spec.replicas - 3) == 1", "division by zero");
}

#[test]
fn refuses_at_load_what_cannot_work() {
    refuses("", "the expression is empty");
    refuses("object.", "not a CEL expression: Syntax error: no viable alternative at input '.' (line 1, column 8)");
    refuses("authorizer.group('apps').allowed()", "the function `allowed` is not available in match conditions");
    refuses("isURL(object.spec.x)", "the function `isURL` is not available in match conditions");
    refuses(
        "quantity('1Gi').isLessThan(quantity('2Gi'))",
        "the function `isLessThan` is not available in match conditions",
    );
    refuses("object.spec.x.find('a') == 'b'", "the function `find` is not available in match conditions");
    refuses("lists.range(1000000000).size() > 1", "the function `range` is not available in match conditions");
    refuses("namespaceObject.metadata.name == 'x'", "`namespaceObject` is not known here");
    refuses("request.requestKind.kind == 'x'", "`request.requestKind` is not available");
    refuses("object.a.all(x, x.b.all(y, y == 1))", "`all` is nested in another macro");
    refuses("object.a.map(x, object.b.filter(y, true)).size() > 1", "`filter` is nested in another macro");
    refuses("object.a.map(x, x).all(y, y == 1)", "`all` ranges over the result of `map`");
    refuses("object.a.map(x, [x, x]).size() > 1", "inside a macro, a list or map may hold only literals");
    refuses("object.a.exists(x, object.a + object.a == x)", "`+` cannot be used inside a macro");
    refuses("object.a.matches(object.b)", "`matches` takes a pattern that is written out");
    refuses(r"object.a.matches('(\\w{500}){500}')", r"the pattern `(\w{500}){500}` is too costly");
    refuses("object.a.matches('(')", "`(` is not a regular expression");
    refuses("Foo{a: 1} == 1", "`Foo` is not a known type");
    refuses(&format!("'{}' == ''", "x".repeat(1024)), "the expression is 1032 bytes long; at most 1024");
}

/// Every function that is let through exists in the library: a call fails for its arguments, not for its name.
#[test]
fn the_functions_that_are_let_through_exist() {
    for expression in [
        "bool('true')",
        "size(bytes('a')) == 1",
        "double(1) == 1.0",
        "dyn(1) == 1",
        "int('1') == 1",
        "matches('a', 'a')",
        "uint(1) == 1u",
        "'abc'.contains('b') && 'abc'.endsWith('c')",
        "optional.of(1).or(optional.none()).value() == 1",
        "!optional.ofNonZeroValue(0).hasValue()",
        "[1].existsOne(x, x == 1)",
        "-1 < 0 && 5 % 2 == 1 && 2 * 3 == 6 && 6 / 3 == 2",
        "timestamp('2026-01-01T00:00:00Z').getFullYear() == 2026 && timestamp('2026-01-01T00:00:00Z').getMonth() == 0",
        "timestamp('2026-01-01T00:00:00Z').getDate() == 1 && timestamp('2026-01-01T00:00:00Z').getDayOfMonth() == 0",
        "timestamp('2026-01-01T00:00:00Z').getDayOfWeek() == 4 && timestamp('2026-01-01T00:00:00Z').getDayOfYear() == 0",
        "duration('90m').getHours() == 1 && duration('90s').getMinutes() == 1 && duration('1s').getSeconds() == 1",
        "duration('1s').getMilliseconds() == 0 || true",
    ] {
        evaluates(expression, true);
    }
}

#[test]
fn who_asks_is_not_guessed() {
    let mut request = request();
    request.user = None;
    let asks = Condition::compile("c", "request.userInfo.username != 'alice'").unwrap();
    assert_eq!(asks.evaluate(&Variables::new(&request)), Err(ConditionFailure::NeedsUser));
    let does_not = Condition::compile("c", "request.namespace == 'prod'").unwrap();
    assert_eq!(does_not.evaluate(&Variables::new(&request)), Ok(true));
}

/// Expressions of every shape that recurses, as long as is allowed, on half the stack of a server's worker. An overflow would end the process.
#[test]
fn hostile_expressions_never_abort_the_process() {
    let chain = |head: &str, link: &str, tail: &str, links: usize| format!("{head}{}{tail}", link.repeat(links));
    let mut hostile = Vec::new();
    for links in [60, 100, 120, 200, 249, 340, 500, 1000] {
        hostile.extend([
            chain("1", "+1", " > 0", links),
            chain("1", "-1", " < 0", links),
            chain("object", ".a", " == 1", links),
            chain("object", ".?a", ".hasValue()", links),
            chain("object", "[0]", " == 1", links),
            chain("object", "['a']", " == 1", links),
            chain("", "!", "true", links),
            chain("", "-", "1 == 1", links),
            chain("", "(", "1", links),
            chain("", "[", "", links),
            chain("", "{", "", links),
            format!("{}1{} == 1", "(".repeat(links), ")".repeat(links)),
            format!("{}1{} == 1", "[".repeat(links), "]".repeat(links)),
            format!("{}1{} == 1", "{1:".repeat(links), "}".repeat(links)),
            format!("{}object.a{} == 1", "size(".repeat(links), ")".repeat(links)),
            chain("true", "&&true", "", links),
            chain("true", "||true", "", links),
            chain("", "true?", "true", links),
            chain("", "true?true:", "true", links),
            chain("1", "==1", "", links),
            chain("1", " in [1]", "", links),
            chain("object.a", ".filter(x,true)", ".size() > 0", links),
            chain("object.a", ".b()", "", links),
            chain("'", "\\x41", "' == 'A'", links),
            chain("", "\u{202E}", "", links),
            chain("", "`a", "", links),
            chain("", "a\n", "", links),
        ]);
    }
    hostile.extend([
        "lists.range(1000000000).all(x, true)".to_owned(),
        "\"".repeat(3),
        "'''".to_owned(),
        "b'\\xff'".to_owned(),
        "\0".to_owned(),
    ]);
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            let request = testing::request(Operation::Create, r#"{"a":{"a":[[0]]}}"#);
            for expression in &hostile {
                if let Ok(condition) = Condition::compile("c", expression) {
                    let _ = condition.evaluate(&Variables::new(&request));
                }
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

/// The worst that is let through, on the largest object that is: seconds would stop a worker.
#[test]
fn the_costliest_condition_ends() {
    let list: Vec<u32> = (0..40_000).collect();
    let small: Vec<u32> = (0..2_000).collect();
    let object = serde_json::json!({"large": list, "small": small, "text": "x".repeat(30_000)}).to_string();
    let request = testing::request(Operation::Create, &object);
    let started = Instant::now();
    for expression in [
        "object.small.all(x, x in object.small || x in object.small || x in object.small)",
        "object.large.all(x, x >= 0)",
        "object.large.map(x, object.large).size() > 0",
        "object.small.exists(x, object.text.contains('y'))",
        "object.large == object.large",
    ] {
        let condition = Condition::compile("c", expression).unwrap();
        let _ = condition.evaluate(&Variables::new(&request));
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
