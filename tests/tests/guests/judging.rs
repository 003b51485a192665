//! Guests that misbehave in `validate`.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{PATIENCE, Services, beside_neighbour, beside_neighbour_with};

#[test]
fn good() {
    insta::assert_snapshot!(beside_neighbour("good"), @r#"
    Fail: allowed
      warn guest/finds "/spec/replicas" "replicas": there are too many replicas
    Ignore: allowed
      warn guest/finds "/spec/replicas" "replicas": there are too many replicas
    "#);
}

#[test]
fn endless_loop() {
    insta::assert_snapshot!(beside_neighbour("endless_loop"), @r#"
    Fail: denied 500: policy `bad` did not finish within 1000 ms
      failure: bad timeout
    Ignore: allowed
      warning: policy `bad` did not finish within 1000 ms; it was not enforced
      failure: bad timeout
    "#);
}

#[test]
fn endless_recursion() {
    insta::assert_snapshot!(beside_neighbour("endless_recursion"), @r#"
    Fail: denied 500: policy `bad` trapped: call stack exhausted
      failure: bad trap
    Ignore: allowed
      warning: policy `bad` trapped: call stack exhausted; it was not enforced
      failure: bad trap
    "#);
}

#[test]
fn memory_hog() {
    insta::assert_snapshot!(beside_neighbour("memory_hog"), @r#"
    Fail: denied 500: policy `bad` wanted more than 67108864 bytes of memory
      failure: bad memory
    Ignore: allowed
      warning: policy `bad` wanted more than 67108864 bytes of memory; it was not enforced
      failure: bad memory
    "#);
}

#[test]
fn trap() {
    insta::assert_snapshot!(beside_neighbour("trap"), @r#"
    Fail: denied 500: policy `bad` trapped: wasm `unreachable` instruction executed
      failure: bad trap
    Ignore: allowed
      warning: policy `bad` trapped: wasm `unreachable` instruction executed; it was not enforced
      failure: bad trap
    "#);
}

#[test]
fn panic() {
    insta::assert_snapshot!(beside_neighbour("panic"), @r#"
    Fail: denied 500: policy `bad` trapped: wasm `unreachable` instruction executed
      failure: bad trap
    Ignore: allowed
      warning: policy `bad` trapped: wasm `unreachable` instruction executed; it was not enforced
      failure: bad trap
    "#);
}

#[test]
fn gives_up() {
    insta::assert_snapshot!(beside_neighbour("gives_up"), @r#"
    Fail: denied 500: policy `bad` gave up: cannot read�[2J the object at all
      failure: bad gave_up
    Ignore: allowed
      warning: policy `bad` gave up: cannot read�[2J the object at all; it was not enforced
      failure: bad gave_up
    "#);
}

#[test]
fn huge_answer() {
    insta::assert_snapshot!(beside_neighbour("huge_answer"), @r#"
    Fail: denied 500: policy `bad` answered with more than 1048800 bytes
      failure: bad answer_size
    Ignore: allowed
      warning: policy `bad` answered with more than 1048800 bytes; it was not enforced
      failure: bad answer_size
    "#);
}

#[test]
fn many_empty_findings() {
    insta::assert_snapshot!(beside_neighbour("many_empty_findings"), @r#"
    Fail: denied 500: policy `bad` answered with more than 1048800 bytes
      failure: bad answer_size
    Ignore: allowed
      warning: policy `bad` answered with more than 1048800 bytes; it was not enforced
      failure: bad answer_size
    "#);
}

#[test]
fn broken_text() {
    insta::assert_snapshot!(beside_neighbour("broken_text"), @r#"
    Fail: denied 500: policy `bad` gave a bad answer: invalid utf-8 sequence of 1 bytes from index 1
      failure: bad bad_answer
    Ignore: allowed
      warning: policy `bad` gave a bad answer: invalid utf-8 sequence of 1 bytes from index 1; it was not enforced
      failure: bad bad_answer
    "#);
}

#[test]
fn wrong_rule() {
    insta::assert_snapshot!(beside_neighbour("wrong_rule"), @r#"
    Fail: denied 500: policy `bad` gave a bad answer: it speaks of rule 99, which it was not asked about
      failure: bad bad_answer
    Ignore: allowed
      warning: policy `bad` gave a bad answer: it speaks of rule 99, which it was not asked about; it was not enforced
      failure: bad bad_answer
    "#);
}

#[test]
fn wrong_kind_of_rule() {
    insta::assert_snapshot!(beside_neighbour("wrong_kind_of_rule"), @r#"
    Fail: denied 500: policy `bad` gave a bad answer: it speaks of rule 1, which it was not asked about
      failure: bad bad_answer
    Ignore: allowed
      warning: policy `bad` gave a bad answer: it speaks of rule 1, which it was not asked about; it was not enforced
      failure: bad bad_answer
    "#);
}

#[test]
fn wrong_path() {
    insta::assert_snapshot!(beside_neighbour("wrong_path"), @r#"
    Fail: allowed
      warn guest/finds "/spec/there/is/7/none" "replicas": there are too many replicas
    Ignore: allowed
      warn guest/finds "/spec/there/is/7/none" "replicas": there are too many replicas
    "#);
}

#[test]
fn no_pointer() {
    insta::assert_snapshot!(beside_neighbour("no_pointer"), @r#"
    Fail: allowed
      warn guest/finds "" "replicas": there are too many replicas
    Ignore: allowed
      warn guest/finds "" "replicas": there are too many replicas
    "#);
}

#[test]
fn raised_action() {
    insta::assert_snapshot!(beside_neighbour("raised_action"), @r#"
    Fail: allowed
      warn guest/finds "/spec/replicas" "Action::Apply": there are too many replicas
      warn guest/finds "/spec/replicas" "Action::Deny": there are too many replicas
    Ignore: allowed
      warn guest/finds "/spec/replicas" "Action::Apply": there are too many replicas
      warn guest/finds "/spec/replicas" "Action::Deny": there are too many replicas
    "#);
}

#[test]
fn wrong_count() {
    insta::assert_snapshot!(beside_neighbour("wrong_count"), @r#"
    Fail: denied 500: policy `bad` gave a bad answer: 0 judgements for 1 policies
      failure: bad bad_answer
    Ignore: allowed
      warning: policy `bad` gave a bad answer: 0 judgements for 1 policies; it was not enforced
      failure: bad bad_answer
    "#);
}

#[test]
fn control_characters() {
    insta::assert_snapshot!(beside_neighbour("control_characters"), @r#"
    Fail: allowed
      warn guest/finds "/spec/replicas" "a�place": red�[31m, null�, backwards�, a break
      warning: [guest/finds] spec.replicas: red�[31m, null�, backwards�, a break; write fewer
    Ignore: allowed
      warn guest/finds "/spec/replicas" "a�place": red�[31m, null�, backwards�, a break
      warning: [guest/finds] spec.replicas: red�[31m, null�, backwards�, a break; write fewer
    "#);
}

#[test]
fn endless_log() {
    insta::assert_snapshot!(beside_neighbour("endless_log"), @r#"
    Fail: denied 500: policy `bad` did not finish within 1000 ms
      failure: bad timeout
    Ignore: allowed
      warning: policy `bad` did not finish within 1000 ms; it was not enforced
      failure: bad timeout
    "#);
}

#[test]
fn chatty() {
    insta::assert_snapshot!(beside_neighbour("chatty"), @r#"
    Fail: allowed
      warn guest/finds "/spec/replicas" "replicas": there are too many replicas
    Ignore: allowed
      warn guest/finds "/spec/replicas" "replicas": there are too many replicas
    "#);
}

#[test]
fn undeclared_lookup() {
    insta::assert_snapshot!(beside_neighbour("undeclared_lookup"), @r#"
    Fail: denied 500: policy `bad` looked up v1 Secret, which none of its rules declares
      failure: bad undeclared_lookup
    Ignore: allowed
      warning: policy `bad` looked up v1 Secret, which none of its rules declares; it was not enforced
      failure: bad undeclared_lookup
    "#);
}

/// 5 ms each, without end: the request's time is up.
#[test]
fn slow_lookups() {
    let slow = Services { takes: Duration::from_millis(5), objects: 1, bytes: 10 };
    insta::assert_snapshot!(beside_neighbour_with("slow_lookups", Duration::from_millis(700), &(Arc::new(slow) as _)), @r#"
    Fail: denied 500: policy `bad` did not answer before the request's time was up
      failure: bad deadline
    Ignore: allowed
      warning: policy `bad` did not answer before the request's time was up; it was not enforced
      failure: bad deadline
    "#);
}

/// At once, without end: too many.
#[test]
fn too_many_lookups() {
    let fast = Services { takes: Duration::ZERO, objects: 1, bytes: 10 };
    insta::assert_snapshot!(beside_neighbour_with("slow_lookups", PATIENCE, &(Arc::new(fast) as _)), @r#"
    Fail: denied 500: policy `bad` gave a bad answer: made more than 1000 look-ups
      failure: bad bad_answer
    Ignore: allowed
      warning: policy `bad` gave a bad answer: made more than 1000 look-ups; it was not enforced
      failure: bad bad_answer
    "#);
}

/// A list that is cut would read as *absent*.
#[test]
fn large_lookup() {
    let large = Services { takes: Duration::ZERO, objects: 50, bytes: 100_000 };
    insta::assert_snapshot!(beside_neighbour_with("large_lookup", PATIENCE, &(Arc::new(large) as _)), @r#"
    Fail: allowed
      warn guest/finds "/spec/replicas" "replicas": unknown
      warning: [guest/finds] spec.replicas: unknown; write fewer
    Ignore: allowed
      warn guest/finds "/spec/replicas" "replicas": unknown
      warning: [guest/finds] spec.replicas: unknown; write fewer
    "#);
    let small = Services { takes: Duration::ZERO, objects: 50, bytes: 1_000 };
    insta::assert_snapshot!(beside_neighbour_with("large_lookup", PATIENCE, &(Arc::new(small) as _)), @r#"
    Fail: allowed
      warn guest/finds "/spec/replicas" "replicas": 50 objects
      warning: [guest/finds] spec.replicas: 50 objects; write fewer
    Ignore: allowed
      warn guest/finds "/spec/replicas" "replicas": 50 objects
      warning: [guest/finds] spec.replicas: 50 objects; write fewer
    "#);
}
