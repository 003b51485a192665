//! Laws of reading and writing reviews.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};
use stateward_core::request::Operation;
use stateward_core::verdict::{Cause, Response, Status, Verdict};
use stateward_server::review::{DecodeError, Phase, decode, encode};

proptest! {
    #[test]
    fn the_answer_carries_the_reviews_uid_and_fits_its_phase(uid in ".{1,40}", verdict in verdict(), mutating: bool) {
        let phase = if mutating { Phase::Mutating } else { Phase::Validating };
        let answer: Value = serde_json::from_slice(&encode(&uid, &verdict, phase).unwrap()).unwrap();
        let response = &answer["response"];
        prop_assert_eq!((&answer["apiVersion"], &answer["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
        prop_assert_eq!(&response["uid"], &json!(uid));
        prop_assert_eq!(&response["allowed"], &json!(verdict.allowed));
        prop_assert_eq!(response.get("patch").is_some(), response.get("patchType").is_some());
        prop_assert!(mutating || response.get("patch").is_none());
        prop_assert_eq!(response.get("status").is_some(), !verdict.allowed && verdict.response.status.is_some());
    }

    #[test]
    fn what_is_not_needed_does_not_matter(noise in json_value(), key in "[a-z]{1,8}x", name in "[a-z]{0,12}", dry_run: bool) {
        let plain = review(&name, dry_run);
        let mut noisy = plain.clone();
        for at in ["", "/request", "/request/kind", "/request/resource", "/request/userInfo"] {
            noisy.pointer_mut(at).unwrap().as_object_mut().unwrap().insert(key.clone(), noise.clone());
        }
        let (plain, noisy) = (plain.to_string(), noisy.to_string());
        let (plain, noisy) = (decode(plain.as_bytes()).unwrap(), decode(noisy.as_bytes()).unwrap());
        prop_assert_eq!(format!("{plain:?}"), format!("{noisy:?}"));
        prop_assert_eq!(plain.name.as_deref().unwrap_or_default(), name);
        prop_assert_eq!(plain.dry_run, dry_run);
    }

    #[test]
    fn the_object_is_the_very_text_that_came(object in json_value(), before in "[ \n]{0,3}") {
        prop_assume!(!object.is_null());
        let mut review = review("db", false);
        review["request"]["object"] = "OBJECT".into();
        let text = format!("{before}{object:#}");
        let body = review.to_string().replace("\"OBJECT\"", &text);
        let request = decode(body.as_bytes()).unwrap();
        prop_assert_eq!(request.object.as_deref(), Some(text.trim_start()));
        prop_assert!(matches!(request.object, Some(Cow::Borrowed(_))), "copied");
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..600) {
        let _ = decode(&bytes);
        let mut body = review("db", false).to_string().into_bytes();
        body.truncate(cut);
        body.extend(bytes);
        let _ = decode(&body);
    }
}

#[test]
fn reads_what_the_api_server_leaves_out() {
    // A deleted collection names no object; escapes make text ours; nobody is not an empty name.
    let body = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io\/v1","request":{"uid":"a\u0062c","kind":{"group":"","version":"v1","kind":"Pod"},
        "resource":{"group":"","version":"v1","resource":"pods"},"subResource":"status","namespace":"","operation":"DELETE","userInfo":{"username":"","groups":null,"extra":null},
        "object":null,"oldObject":{"kind":"Pod"},"options":null}}"#;
    let request = decode(body.as_bytes()).unwrap();
    assert_eq!(
        (&*request.uid, request.operation, &*request.resource.subresource),
        ("abc", Operation::Delete, "status")
    );
    assert!(
        request.name.is_none()
            && request.namespace.is_none()
            && request.user.is_none()
            && request.object.is_none()
            && request.options.is_none()
    );
    assert_eq!(request.old_object.as_deref(), Some(r#"{"kind":"Pod"}"#));
    assert!(!request.dry_run);
}

#[test]
fn reads_the_whole_user() {
    let mut review = review("db", false);
    review["request"]["userInfo"] = json!({ "username": "alice", "uid": "7", "groups": ["dev", "system:authenticated"], "extra": { "scopes": ["a", "b"], "none": null } });
    let review = review.to_string();
    let user = decode(review.as_bytes()).unwrap().user.unwrap();
    assert_eq!(
        (&*user.username, &*user.uid, user.groups),
        ("alice", "7", vec![Cow::from("dev"), Cow::from("system:authenticated")])
    );
    assert_eq!(
        user.extra,
        vec![(Cow::from("none"), vec![]), (Cow::from("scopes"), vec![Cow::from("a"), Cow::from("b")])]
    );
}

#[test]
fn never_quotes_much_of_what_it_refuses() {
    let mut review = review("db", false);
    review["kind"] = "secret ".repeat(1_000).into();
    let review = review.to_string();
    let refused = decode(review.as_bytes()).unwrap_err();
    assert!(matches!(refused, DecodeError::WrongKind { .. }));
    assert!(refused.to_string().len() < 300, "{refused}");
}

fn review(name: &str, dry_run: bool) -> Value {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "u",
            "kind": { "group": "apps", "version": "v1", "kind": "StatefulSet" },
            "resource": { "group": "apps", "version": "v1", "resource": "statefulsets" },
            "name": name,
            "namespace": "demo",
            "operation": "CREATE",
            "userInfo": { "username": "alice" },
            "object": { "kind": "StatefulSet" },
            "oldObject": null,
            "dryRun": dry_run,
        },
    })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\"\\\\]{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let patch = proptest::option::of(Just(json!([{ "op": "add", "path": "/metadata/labels", "value": { "a": "b" } }])));
    let cause = ("[a-z.]{0,9}", ".{0,20}").prop_map(|(field, message)| Cause {
        reason: "FieldValueInvalid".to_owned(),
        message,
        field,
    });
    let status = proptest::option::of(proptest::collection::vec(cause, 0..3).prop_map(|causes| Status {
        code: 403,
        reason: "Forbidden",
        causes,
        ..Status::default()
    }));
    (any::<bool>(), patch, status, proptest::collection::vec(".{1,20}", 0..3)).prop_map(
        |(allowed, patch, status, warnings)| Verdict {
            allowed,
            patch: patch.map(|patch| serde_json::from_value(patch).unwrap()),
            response: Response { status, warnings, audit_annotations: vec![("rule".to_owned(), "why".to_owned())] },
            ..Verdict::default()
        },
    )
}
