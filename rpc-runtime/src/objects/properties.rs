//! Over random objects: what is written is read, and what a program does not know goes on with it.

use std::collections::BTreeMap;

use proptest::{collection::btree_map, option, prelude::*};
use rpc_idl::Version;
use rpc_macros::VersionedObject;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::*;
use crate::json::{
    from_str,
    properties::{any_text, any_value},
    text,
};

#[leave_out_unset(crate = crate)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9", crate = crate)]
struct Volume {
    id: String,
    size: Field<i64>,
    host: Field<Option<String>>,
    inside: Field<Option<Object<Kind>>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.3", crate = crate)]
struct Kind {
    specs: BTreeMap<String, String>,
}

fn field<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Field<T>> {
    option::of(value).prop_map(|value| value.map_or(Field::Unset, Field::Set))
}

fn volume() -> impl Strategy<Value = Volume> {
    let kind =
        btree_map(any_text(), any_text(), 0..3).prop_map(|specs| Object::new(Kind { specs }));
    (any_text(), field(any::<i64>()), field(option::of(any_text())), field(option::of(kind)))
        .prop_map(|(id, size, host, inside)| Volume { id, size, host, inside })
}

proptest! {
    #[test]
    fn an_object_is_read_as_it_was_written_by_both_readers(volume in volume()) {
        let sent = Object::new(volume.clone());
        let ours = text(&sent).expect("JSON");
        let theirs = serde_json::to_string(&sent).expect("JSON");
        for written in [&ours, &theirs] {
            let came: Object<Volume> = from_str(written).expect("an object");
            let again: Object<Volume> = serde_json::from_str(written).expect("an object");
            prop_assert_eq!(&*came, &volume);
            prop_assert_eq!(&*again, &volume);
            prop_assert_eq!(text(&came).expect("JSON"), ours.clone());
            prop_assert!(came.newer().is_none());
        }
    }

    #[test]
    fn what_is_not_known_of_an_object_goes_on_with_it(
        volume in volume(), unknown in btree_map("[A-Z]{1,4}", any_value(), 0..4), minor in 0..30_u64,
        changes in option::of(prop::collection::vec("[a-z]{1,4}", 0..3)),
    ) {
        let mut data: Map<String, Value> = from_str(&text(&volume).expect("JSON")).expect("an object");
        data.extend(unknown.clone());
        let mut whole = json!({
            "versioned_object.name": "Volume", "versioned_object.namespace": "cinder",
            "versioned_object.version": format!("1.{minor}"), "versioned_object.data": data,
        });
        if let Some(changes) = &changes {
            whole["versioned_object.changes"] = json!(changes);
        }
        let came: Object<Volume> = from_str(&text(&whole).expect("JSON")).expect("an object");
        prop_assert_eq!(&*came, &volume);
        prop_assert_eq!(came.newer().is_some(), Version::new(1, minor) > Version::new(1, 9));
        let sent: Value = from_str(&text(&came).expect("JSON")).expect("JSON");
        prop_assert_eq!(&sent["versioned_object.data"], &whole["versioned_object.data"]);
        prop_assert_eq!(&sent["versioned_object.version"], &whole["versioned_object.version"]);
        if changes.is_some_and(|changes| !changes.is_empty()) {
            prop_assert_eq!(&sent["versioned_object.changes"], &whole["versioned_object.changes"]);
        }
    }
}
