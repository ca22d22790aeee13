//! Cinder's installed object classes, against the structs of the examples.

use std::{collections::BTreeMap, fmt::Debug, process::Command};

use examples::cinder::objects::{
    Backup, BackupDeviceInfo, BackupList, CGSnapshot, CGSnapshotList, CleanupRequest, Cluster,
    ClusterList, ConsistencyGroup, ConsistencyGroupList, Group, GroupList, GroupSnapshot,
    GroupSnapshotList, GroupType, GroupTypeList, Json, LogLevel, LogLevelList, ManageableSnapshot,
    ManageableSnapshotList, ManageableVolume, ManageableVolumeList, QualityOfServiceSpecs,
    QualityOfServiceSpecsList, RequestSpec, Service, ServiceList, Snapshot, SnapshotList, Volume,
    VolumeAttachment, VolumeAttachmentList, VolumeList, VolumeProperties, VolumeType,
    VolumeTypeList,
};
use rpc_runtime::{Object, VersionedObject, wire};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};
use serde_json::Value;
use tests::required;

/// A class, as the Python program prints it.
#[derive(Deserialize)]
struct Class {
    name: String,
    fields: Vec<String>,
    /// One object with all fields, and one whose fields are null.
    objects: Vec<Json>,
}

#[test]
fn every_class_of_cinder_is_read_with_all_of_its_fields_and_written_as_it_came() {
    let Some(python) = required("RPC_TEST_CINDER_PYTHON") else { return };
    let mut classes = classes(&python);
    macro_rules! check {
        ($($class:ident)*) => {
            $(check::<$class>(&classes.remove(stringify!($class)).expect(stringify!($class)));)*
        };
    }
    check! {
        Backup BackupDeviceInfo BackupList CGSnapshot CGSnapshotList CleanupRequest Cluster ClusterList
        ConsistencyGroup ConsistencyGroupList Group GroupList GroupSnapshot GroupSnapshotList GroupType
        GroupTypeList LogLevel LogLevelList ManageableSnapshot ManageableSnapshotList ManageableVolume
        ManageableVolumeList QualityOfServiceSpecs QualityOfServiceSpecsList RequestSpec Service ServiceList
        Snapshot SnapshotList Volume VolumeAttachment VolumeAttachmentList VolumeList VolumeProperties VolumeType
        VolumeTypeList
    }
    let others: Vec<_> = classes.keys().collect();
    assert_eq!(others, ["BackupImport"], "no method of the examples takes it");
}

/// Runs the Python program that prints the classes.
fn classes(python: &str) -> BTreeMap<String, Class> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/cinder/classes.py");
    let mut command = Command::new(python);
    command.arg(program).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
    let output = command.output().expect("Python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let text = String::from_utf8(output.stdout).expect("text");
    let classes = text.lines().map(|line| wire::read::<Class>(line).expect(line));
    classes.map(|class| (class.name.clone(), class)).collect()
}

/// Checks that `T` has the class's fields and version, also inside other objects.
fn check<T: VersionedObject + Debug>(class: &Class) {
    let name = &class.name;
    assert_eq!(T::NAME, name);
    assert_eq!(field_names::<T>(), class.fields.join(" "), "the fields of {name}");
    for object in &class.objects {
        let read: Object<T> =
            wire::read(object.get()).unwrap_or_else(|error| panic!("{error}: {object}"));
        assert_eq!(*read.version(), T::VERSION, "the version of {name}");
        let came: Value = wire::read(object.get()).expect("JSON");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), came, "{name} as it is written");
        // `Debug` prints the names of unknown fields.
        assert_eq!(format!("{read:?}").matches("unknown: [\"").count(), 0, "{read:?}");
    }
}

/// Returns the names by which serde knows a struct's fields.
fn field_names<T: VersionedObject + Debug>() -> String {
    T::deserialize(FieldNames).expect_err("there is nothing to read").to_string()
}

/// A deserializer without a value, whose error lists the requested fields.
struct FieldNames;

impl<'de> Deserializer<'de> for FieldNames {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        Err(Error::custom(fields.join(" ")))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
