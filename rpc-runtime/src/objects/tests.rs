//! What Python made, read and written back; and what other versions would make of it.

use std::{collections::BTreeMap, fmt::Debug};

use rpc_macros::VersionedObject;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::*;
use crate::{Arg, Failure, RemoteError as _, json};

#[leave_out_unset(crate = crate)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9", crate = crate)]
struct Volume {
    id: String,
    snapshot_id: Field<Option<String>>,
    host: Field<Option<String>>,
    size: Field<u64>,
    status: Field<Option<String>>,
    display_name: Field<Option<String>>,
    volume_type: Field<Option<Object<VolumeType>>>,
}

#[leave_out_unset(crate = crate)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.3", crate = crate)]
struct VolumeType {
    id: String,
    extra_specs: Field<Option<BTreeMap<String, String>>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1", crate = crate)]
struct VolumeList {
    objects: Vec<Object<Volume>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.5", crate = crate)]
struct RequestSpec {
    volume: Option<Object<Volume>>,
    volume_properties: Object<VolumeProperties>,
}

#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1", crate = crate)]
struct VolumeProperties {
    size: u64,
    reservations: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "2.7", prefix = "nova_object", crate = crate)]
struct Instance {
    uuid: String,
    tags: Vec<String>,
    locked_by: Option<String>,
}

const VOLUME: &str = include_str!("recorded/volume.json");
const REQUEST_SPEC: &str = include_str!("recorded/request_spec.json");
const VOLUME_LIST: &str = include_str!("recorded/volume_list.json");
const INSTANCE: &str = include_str!("recorded/instance.json");

fn read<T: DeserializeOwned>(text: &str) -> T {
    json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Reads an object with both readers, and compares what both writers make of it with what came.
fn round<T: VersionedObject + Debug>(text: &str) -> Object<T> {
    let object: Object<T> = read(text);
    let again: Object<T> = serde_json::from_str(text).expect("serde_json reads it");
    let came: Value = read(text);
    assert_eq!(read::<Value>(&json::text(&object).expect("JSON")), came);
    assert_eq!(serde_json::to_value(&again).expect("JSON"), came);
    object
}

/// Returns a recorded volume after a change in its text.
fn changed(from: &str, to: &str) -> String {
    assert!(VOLUME.contains(from), "{from} is not in it");
    VOLUME.replacen(from, to, 1)
}

fn refusal<T: VersionedObject + Debug>(text: &str) -> String {
    json::from_str::<Object<T>>(text).expect_err("it is refused").to_string()
}

#[test]
fn a_volume_of_python_is_read_and_written_as_it_came() {
    let volume = round::<Volume>(VOLUME);
    assert_eq!(volume.id, "6f2b0a3e-0c1d-4c58-9a53-5f9f3f1f5a01");
    assert_eq!(volume.display_name, Some("data of élan".to_owned()).into());
    assert_eq!(volume.snapshot_id, Field::Set(None));
    assert_eq!(volume.changes(), ["status"]);
    assert_eq!(*volume.version(), Volume::VERSION);
    assert_eq!(volume.newer(), None);
    let kind = volume.volume_type.value().expect("it is loaded");
    let specs = kind.extra_specs.value().expect("they are loaded");
    assert_eq!(specs["ssd"], "1");
}

#[test]
fn lists_and_nested_objects_of_python_are_read_and_written_as_they_came() {
    let spec = round::<RequestSpec>(REQUEST_SPEC);
    assert_eq!(spec.volume_properties.size, 2);
    assert_eq!(spec.volume_properties.reservations, ["r1", "r2"]);
    assert_eq!(spec.volume.as_ref().expect("it is loaded").size, Field::Set(2));
    let volumes = round::<VolumeList>(VOLUME_LIST);
    assert!(volumes.objects[0].display_name.is_unset());
    assert_eq!(volumes.objects[1].display_name, Some("second".to_owned()).into());
}

#[test]
fn an_object_with_another_prefix_is_read_and_written_as_it_came() {
    let instance = round::<Instance>(INSTANCE);
    assert_eq!((&*instance.tags, &instance.locked_by), (&["a".to_owned()][..], &None));
    assert!(refusal::<Volume>(INSTANCE).contains("`versioned_object.name` is missing"));
}

#[test]
fn a_new_object_is_written_as_python_writes_it() {
    let volume = Volume { id: "v1".into(), host: None.into(), ..Volume::default() };
    let volume = Object::new(volume).with_changes(["id", "host"]);
    let written = concat!(
        r#"{"versioned_object.name": "Volume", "versioned_object.namespace": "cinder", "#,
        r#""versioned_object.version": "1.9", "versioned_object.data": {"id": "v1", "host": null}, "#,
        r#""versioned_object.changes": ["id", "host"]}"#
    );
    assert_eq!(json::text(&volume).expect("JSON"), written);
    let silent = json::text(&volume.with_changes([""; 0])).expect("JSON");
    assert!(!silent.contains("changes"), "no change is no member: {silent}");
}

#[test]
fn what_is_not_known_is_kept_in_its_order() {
    let text =
        changed(r#""size": 2"#, r#""zeta": {"a": [NaN, 1e400]}, "size": 2, "alpha": "\ud800""#);
    let text = text.replacen('{', r#"{"versioned_object.later": [1], "#, 1);
    let mut volume: Object<Volume> = read(&text);
    volume.size = 3.into();
    let names: Vec<_> = volume.unknown_fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["zeta", "alpha", "bootable", "metadata", "created_at"]);
    let written = json::text(&volume).expect("JSON");
    assert!(
        written.contains(r#""zeta": {"a": [NaN, 1e400]}, "alpha": "\ud800", "bootable": false"#),
        "{written}"
    );
    assert!(written.contains(r#""size": 3"#), "{written}");
    assert!(written.ends_with(r#""versioned_object.later": [1]}"#), "{written}");
    assert!(!format!("{volume:?}").contains("NaN"), "values that are not known are not logged");
}

#[test]
fn a_newer_minor_is_read_and_goes_on_as_what_it_is() {
    let text = changed(r#"version": "1.9""#, r#"version": "1.12""#);
    let volume = round::<Volume>(&text);
    let newer = volume.newer().expect("1.12 is newer");
    assert_eq!((&newer.got, &newer.known), (&Version::new(1, 12), &Version::new(1, 9)));
    assert_eq!(newer.to_string(), "`cinder.Volume` is of version 1.12, and 1.9 is known");
    for fine in ["1.8", "1.9.4"] {
        let text = changed(r#"version": "1.9""#, &format!(r#"version": "{fine}""#));
        assert_eq!(round::<Volume>(&text).newer(), None, "{fine}");
    }
}

#[test]
fn another_major_name_or_namespace_is_refused_in_one_sentence() {
    for (from, to, refused) in [
        (r#""1.9""#, r#""2.0""#, "`Volume` of version 2.0 cannot be read where 1.9 is known"),
        (r#""1.9""#, r#""0.9""#, "`Volume` of version 0.9 cannot be read where 1.9 is known"),
        (
            r#""Volume""#,
            r#""Backup""#,
            "`cinder.Backup` is no object that is known here, where `cinder.Volume` is expected",
        ),
        (
            r#""cinder""#,
            r#""nova""#,
            "`nova.Volume` is no object that is known here, where `cinder.Volume` is expected",
        ),
    ] {
        assert_eq!(refusal::<Volume>(&changed(from, to)), refused);
    }
}

#[test]
fn data_that_does_not_fit_is_refused_with_the_name_of_its_object() {
    let text = changed(r#""size": 2"#, r#""size": "2""#);
    let refused = "the data of Volume 1.9 does not fit: invalid type: a string, expected u64";
    assert_eq!(refusal::<Volume>(&text), refused);
    assert!(refusal::<VolumeType>(&text).starts_with("`cinder.Volume` is no object"));
    for (member, text) in [("data", "data"), ("name", "name"), ("version", "version")] {
        let text = changed(&format!("versioned_object.{text}"), "other");
        let missing = format!("no versioned object: `versioned_object.{member}` is missing");
        assert_eq!(refusal::<Volume>(&text), missing);
    }
    assert!(refusal::<Volume>("7").contains("expected a versioned object"));
}

#[test]
fn objects_in_objects_end_where_decoding_does() {
    #[derive(Debug, Serialize, Deserialize, VersionedObject)]
    #[object(namespace = "n", version = "1.0", crate = crate)]
    struct Deep {
        next: Option<Box<Object<Self>>>,
    }

    let open = concat!(
        r#"{"versioned_object.name": "Deep", "versioned_object.namespace": "n", "#,
        r#""versioned_object.version": "1.0", "versioned_object.data": {"next": "#
    );
    let deep = |levels: usize| open.repeat(levels) + "null" + &"}}".repeat(levels);
    assert!(read::<Object<Deep>>(&deep(32)).next.is_some());
    assert!(refusal::<Deep>(&deep(33)).contains("nested too deeply"));
    assert!(refusal::<Deep>(&deep(100_000)).contains("nested too deeply"));
}

#[test]
fn who_asks_for_it_receives_what_is_incompatible() {
    let text = changed(r#""1.9""#, r#""2.0""#);
    let received: Received<Volume> = read(&text);
    assert_eq!(read::<Value>(&json::text(&received).expect("JSON")), read::<Value>(&text));
    let Received::Other(unread) = &received else { panic!("{received:?}") };
    assert_eq!((unread.name(), unread.namespace()), ("Volume", "cinder"));
    assert_eq!(*unread.version(), Version::new(2, 0));
    assert!(unread.data().get().starts_with(r#"{"id""#));
    let incompatible = received.into_result().expect_err("another major");
    let failure = Failure::from(incompatible.clone());
    assert_eq!(failure.module(), "oslo_versionedobjects.exception");
    assert_eq!(failure.class(), "IncompatibleObjectVersion");
    for (name, value) in [("objname", "Volume"), ("objver", "2.0"), ("supported", "1.9")] {
        assert_eq!(failure.kwarg_value::<String>(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(Incompatible::from_failure(failure).expect("it is one"), incompatible);
    let fine: Received<Volume> = read(VOLUME);
    assert!(fine.into_result().is_ok_and(|volume| volume.size == Field::Set(2)));
}

#[test]
fn another_class_answers_with_the_originals_error() {
    let received: Received<VolumeType> = read(VOLUME);
    let incompatible = received.into_result().expect_err("another class");
    let failure = incompatible.to_failure();
    assert_eq!(failure.class(), "UnsupportedObjectError");
    assert_eq!(failure.kwarg_value::<String>("objtype").as_deref(), Some("cinder.Volume"));
    assert_eq!(Incompatible::from_failure(failure).expect("it is one"), incompatible);
    let other = Failure::bad_arguments("no");
    assert!(Incompatible::from_failure(other).is_err());
}

#[test]
fn an_object_and_what_stands_in_its_place_are_told_apart() {
    type Either = ObjectOr<Volume, BTreeMap<String, Value>>;
    let object: Either = read(VOLUME);
    assert_eq!(object.object().expect("it is one").size, Field::Set(2));
    let plain: Either = read(r#"{"size": 2, "versioned_object.names": NaN}"#);
    assert_eq!(plain.plain().expect("it is none")["size"], 2);
    for (either, text) in
        [(&object, VOLUME), (&plain, r#"{"size": 2, "versioned_object.names": null}"#)]
    {
        assert_eq!(serde_json::to_value(either).expect("JSON"), read::<Value>(text));
    }
    let other = json::from_str::<Either>(&changed("1.9", "2.0")).expect_err("another major");
    assert!(other.to_string().starts_with("`Volume` of version 2.0"), "{other}");
    assert!(json::from_str::<Either>("[]").is_err());
    assert_eq!(read::<ObjectOr<Volume, Vec<u8>>>("[]").plain().map(Vec::len), Some(0));
}

#[test]
fn a_flattened_object_keeps_what_is_not_known() {
    let text = r#"{"later": NaN, "size": 2, "id": "v", "more": [1]}"#;
    let mut fields: Fields<Volume> = read(text);
    fields.host = None.into();
    let names: Vec<_> = fields.unknown().map(|(name, _)| name).collect();
    assert_eq!(names, ["later", "more"]);
    let written = r#"{"id": "v", "host": null, "size": 2, "later": NaN, "more": [1]}"#;
    assert_eq!(json::text(&fields).expect("JSON"), written);
    assert_eq!(read::<Vec<Option<Fields<Volume>>>>(&format!("[{text}, null]")).len(), 2);
    assert!(json::from_str::<Fields<Volume>>("[]").is_err());
}

#[test]
fn an_unset_field_is_absent_and_no_null() {
    let volume = Volume { id: "v".into(), snapshot_id: Field::Set(None), ..Volume::default() };
    let data = serde_json::to_string(&volume).expect("JSON");
    assert_eq!(data, r#"{"id":"v","snapshot_id":null}"#);
    assert_eq!(read::<Volume>(&data), volume);
    let error = serde_json::to_string(&Field::<u8>::Unset).expect_err("it has no value");
    assert!(error.to_string().contains("skip_serializing_if"), "{error}");
}

#[test]
fn an_object_is_an_argument_by_value_and_by_reference() {
    fn takes<T: crate::Wire>(argument: impl Arg<T>) -> String {
        json::text(&argument).expect("JSON")
    }

    let volume: Object<Volume> = read(VOLUME);
    let written = takes::<Object<Volume>>(&volume);
    assert_eq!(written, takes::<Option<Object<Volume>>>(&volume));
    assert_eq!(written, takes::<Object<Volume>>(volume));
}
