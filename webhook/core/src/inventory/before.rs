//! The other objects as they were before one of them was made.

use std::sync::Arc;

use super::{BoxFuture, Found, Inventory, Labels, Query, Store};
use crate::request::GroupVersionKind;

/// What an admission of an object would have found: everything but the object itself. An audit judges what is stored as if it were made now.
pub struct Before {
    store: Arc<dyn Store>,
    kind: GroupVersionKind<'static>,
    namespace: Option<String>,
    name: String,
}

impl Before {
    /// Without the object of this kind, namespace and name.
    pub fn new(
        store: Arc<dyn Store>,
        kind: GroupVersionKind<'static>,
        namespace: Option<String>,
        name: String,
    ) -> Self {
        Self { store, kind, namespace, name }
    }
}

impl Inventory for Before {
    fn find<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Found> {
        let is_itself = |name: &str, namespace: &Option<String>| {
            name == self.name && *namespace == self.namespace && query.kind == self.kind
        };
        let found = match self.store.matching(query) {
            None => Found::Unknown,
            Some(objects) => {
                let others = objects.iter().filter(|object| !is_itself(&object.name, &object.namespace));
                Found::Objects(others.filter_map(|object| object.answer(query)).collect())
            }
        };
        Box::pin(std::future::ready(found))
    }

    fn namespace_labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Option<Arc<Labels>>> {
        Box::pin(std::future::ready(self.store.labels_of(namespace)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Fields, StoredInventory};
    use crate::manifest::Read;
    use crate::testing::block_on;

    #[test]
    fn an_object_does_not_find_itself() {
        let kind = || GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Service".into() };
        let read = Read { kind: kind(), fields: Vec::new(), by_name: false, live: false };
        let (mut inventory, fields) = (StoredInventory::default(), Fields::new(&[read]));
        for (namespace, name) in [("shop", "db"), ("shop", "web"), ("test", "db")] {
            let json = format!(
                r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"{namespace}"}}}}"#
            );
            inventory.insert_json(&json, None, &fields).unwrap();
        }
        let before = Before::new(Arc::new(inventory), kind(), Some("shop".to_owned()), "db".to_owned());
        let count = |namespace, name| {
            let query = Query { kind: kind(), namespace: Some(namespace), name, labels: None, live: true };
            match block_on(before.find(&query)) {
                Found::Objects(objects) => objects.len(),
                Found::Unknown => usize::MAX,
            }
        };
        assert_eq!([count("shop", None), count("shop", Some("db")), count("test", Some("db"))], [1, 0, 1]);
        assert_eq!(count("nowhere", None), usize::MAX, "what is unknown stays unknown");
    }
}
