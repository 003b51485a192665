//! How something is to be deleted.

use super::ObjectMeta;
use crate::text::Text;
use crate::view::view;

view! {
    /// `policy/v1` Eviction: a deletion that a disruption budget may refuse.
    pub struct Eviction<'a> {
        /// Of the pod.
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// How.
        "deleteOptions" => pub delete_options: DeleteOptions<'a>,
    }
}

view! {
    /// `metav1.DeleteOptions`.
    pub struct DeleteOptions<'a> {
        /// `None`: as the object says; 0: at once.
        "gracePeriodSeconds" => pub grace_period_seconds: Option<i64>,
        /// `Orphan`, `Background`, `Foreground`; empty: as the kind has it.
        "propagationPolicy" => pub propagation_policy: Text<'a>,
        /// The older way to say `Orphan`.
        "orphanDependents" => pub orphan_dependents: Option<bool>,
    }
}

impl DeleteOptions<'_> {
    /// Whether what the object owns stays, as the server decides it: what the request says goes before the object's finalizer.
    /// `None`: a policy that is not known here.
    pub fn orphans(&self, metadata: &ObjectMeta) -> Option<bool> {
        if let Some(orphan) = self.orphan_dependents {
            return Some(orphan);
        }
        match self.propagation_policy.as_str() {
            "Orphan" => Some(true),
            "Background" | "Foreground" => Some(false),
            "" => Some(metadata.finalizers.iter().any(|finalizer| finalizer.as_str() == "orphan")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DeleteOptions;
    use crate::objects::ObjectMeta;

    #[test]
    fn the_request_goes_before_the_finalizer() {
        let orphans = |options: &str, finalizers: &str| {
            let metadata = format!(r#"{{"finalizers": {finalizers}}}"#);
            let metadata: ObjectMeta<'_> = serde_json::from_str(&metadata).unwrap();
            serde_json::from_str::<DeleteOptions<'_>>(options).unwrap().orphans(&metadata)
        };
        assert_eq!(orphans("{}", "[]"), Some(false));
        assert_eq!(orphans("{}", r#"["a.example/b", "orphan"]"#), Some(true));
        assert_eq!(orphans("{}", r#"["foregroundDeletion"]"#), Some(false));
        assert_eq!(orphans(r#"{"propagationPolicy": "Orphan"}"#, "[]"), Some(true));
        assert_eq!(orphans(r#"{"propagationPolicy": "Background"}"#, r#"["orphan"]"#), Some(false));
        assert_eq!(orphans(r#"{"orphanDependents": true}"#, "null"), Some(true));
        assert_eq!(orphans(r#"{"orphanDependents": false}"#, r#"["orphan"]"#), Some(false));
        assert_eq!(orphans(r#"{"propagationPolicy": "Adopt"}"#, r#"["orphan"]"#), None);
    }
}
