//! A volume's requirements for a back end.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, Fields, leave_out_unset},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Dictionary, Volume, VolumeType};

/// A volume's requirements for a back end.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.5")]
pub struct RequestSpec {
    /// The consistency group that it is in.
    pub consistencygroup_id: Field<Option<String>>,
    /// The group that it is in.
    pub group_id: Field<Option<String>>,
    /// The snapshot of a consistency group that it is part of.
    pub cgsnapshot_id: Field<Option<String>>,
    /// The image that it is made from.
    pub image_id: Field<Option<String>>,
    /// The snapshot that it is made from.
    pub snapshot_id: Field<Option<String>>,
    /// The replica that it is copied from.
    pub source_replicaid: Field<Option<String>>,
    /// The volume that it is copied from.
    pub source_volid: Field<Option<String>>,
    /// The volume to place.
    pub volume_id: Field<Option<String>>,
    /// See `volume_id`.
    pub volume: Field<Option<Box<Object<Volume>>>>,
    /// Its type.
    pub volume_type: Field<Option<Box<Object<VolumeType>>>>,
    /// Its properties.
    pub volume_properties: Field<Option<Box<Object<VolumeProperties>>>>,
    /// The back end of its consistency group.
    #[serde(rename = "CG_backend")]
    pub cg_backend: Field<Option<String>>,
    /// The back end of its group.
    pub group_backend: Field<Option<String>>,
    /// The back end that it has to be on.
    pub resource_backend: Field<Option<String>>,
    /// The backup that it is restored from.
    pub backup_id: Field<Option<String>>,
    /// The operation, such as `create_volume`.
    pub operation: Field<Option<String>>,
    /// The availability zones that it may be in.
    pub availability_zones: Field<Option<Vec<String>>>,
}

impl RequestSpec {
    /// Returns it as a dictionary, which most methods of the scheduler send. The fields of each
    /// object replace the object, and times lose their zone. Of the properties that Cinder
    /// computes, the dictionary has the one that depends on the specification alone,
    /// `resource_properties`.
    ///
    /// # Errors
    /// If a part of it cannot be written.
    pub fn flat(&self) -> serde_json::Result<FlatRequestSpec> {
        let mut fields = flat(serde_json::to_value(self)?, 1);
        if let Some(properties) = fields.get("volume_properties").cloned() {
            fields["resource_properties"] = properties;
        }
        // Through text, because raw values cannot be read from a `Value`.
        serde_json::from_str(&fields.to_string())
    }
}

/// The deepest level of nested objects.
const DEEPEST: usize = 3;

/// Replaces each object by its fields, except objects that are nested too deeply.
fn flat(value: Value, depth: usize) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| flat(item, depth)).collect(),
        Value::Object(mut members) => match members.remove(DATA) {
            Some(Value::Object(mut list)) if list.len() == 1 && list.contains_key("objects") => {
                flat(list.remove("objects").unwrap_or_default(), depth)
            }
            Some(_) if depth == DEEPEST => Value::Null,
            Some(data) => flat(data, depth + 1),
            None => members.into_iter().map(|(key, value)| flat_entry(key, value, depth)).collect(),
        },
        other => other,
    }
}

fn flat_entry(key: String, value: Value, depth: usize) -> (String, Value) {
    let value = match value {
        Value::String(time) if key.ends_with("_at") => match time.strip_suffix('Z') {
            Some(time) => format!("{time}.000000").into(),
            None => time.into(),
        },
        other => flat(other, depth),
    };
    (key, value)
}

/// The member of an object that has its fields.
const DATA: &str = "versioned_object.data";

/// The properties of a volume to place.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct VolumeProperties {
    /// Whether it is attached: `attached`, `detached`, or a transitional state.
    pub attach_status: Field<Option<String>>,
    /// The availability zone that it is in.
    pub availability_zone: Field<Option<String>>,
    /// The snapshot of a consistency group that it is part of.
    pub cgsnapshot_id: Field<Option<String>>,
    /// The consistency group that it is in.
    pub consistencygroup_id: Field<Option<String>>,
    /// The group that it is in.
    pub group_id: Field<Option<String>>,
    /// The description that its owner gave it.
    pub display_description: Field<Option<String>>,
    /// The name that its owner gave it.
    pub display_name: Field<Option<String>>,
    /// The key that its data is encrypted with.
    pub encryption_key_id: Field<Option<String>>,
    /// The metadata that its owner has set.
    pub metadata: Field<Option<BTreeMap<String, String>>>,
    /// Whether several hosts may attach it at once.
    pub multiattach: Field<Option<bool>>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// Its limits on speed.
    pub qos_specs: Field<Option<BTreeMap<String, String>>>,
    /// The state of its replication.
    pub replication_status: Field<Option<String>>,
    /// The quota reservations for it.
    pub reservations: Field<Option<Vec<String>>>,
    /// Its size in GiB.
    pub size: Field<Option<u64>>,
    /// The snapshot that it is made from.
    pub snapshot_id: Field<Option<String>>,
    /// The replica that it is copied from.
    pub source_replicaid: Field<Option<String>>,
    /// The volume that it is copied from.
    pub source_volid: Field<Option<String>>,
    /// Its state, such as `creating` or `available`.
    pub status: Field<Option<String>>,
    /// The user who asks for it.
    pub user_id: Field<Option<String>>,
    /// Its type.
    pub volume_type_id: Field<Option<String>>,
    /// The type of its group.
    pub group_type_id: Field<Option<String>>,
}

/// A [`RequestSpec`] that its sender has flattened, with the sender's further entries. It is cut
/// off below three levels.
pub type FlatRequestSpec = Fields<PlainRequestSpec>;

/// The entries of a [`FlatRequestSpec`] that a scheduler reads.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlainRequestSpec {
    /// The volume to place.
    pub volume_id: Field<Option<String>>,
    /// Its properties. Some senders also include the whole volume, flattened.
    pub volume_properties: Field<Option<Fields<VolumeProperties>>>,
    /// Its type, flattened.
    pub volume_type: Field<Option<Dictionary>>,
    /// The group that it is in.
    pub group_id: Field<Option<String>>,
    /// The snapshot that it is made from.
    pub snapshot_id: Field<Option<String>>,
    /// The image that it is made from.
    pub image_id: Field<Option<String>>,
    /// The volume that it is copied from.
    pub source_volid: Field<Option<String>>,
    /// The back end that it has to be on.
    pub resource_backend: Field<Option<String>>,
    /// The operation, such as `create_volume`.
    pub operation: Field<Option<String>>,
    /// The availability zones that it may be in.
    pub availability_zones: Field<Option<Vec<Option<String>>>>,
    /// Whether a volume may move to another back end to change its type: `never` or `on-demand`.
    pub migration_policy: Field<Option<String>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cinder::objects::{QualityOfServiceSpecs, VolumeAttachment, VolumeAttachmentList};

    #[test]
    fn a_flat_specification_has_fields_in_place_of_objects() {
        let limits = QualityOfServiceSpecs { id: "q".to_owned(), ..Default::default() };
        let kind = VolumeType {
            id: "t".to_owned(),
            created_at: Some("2026-01-02T12:00:00Z".to_owned()).into(),
            qos_specs: Some(Box::new(limits.into())).into(),
            ..VolumeType::default()
        };
        let user = VolumeAttachment { id: "a".to_owned(), ..VolumeAttachment::default() };
        let users = VolumeAttachmentList { objects: vec![user.into()] };
        let volume = Volume {
            id: "v".to_owned(),
            volume_type: Some(Box::new(kind.into())).into(),
            volume_attachment: Some(users.into()).into(),
            ..Volume::default()
        };
        let properties = VolumeProperties { size: Some(4).into(), ..VolumeProperties::default() };
        let spec = RequestSpec {
            volume: Some(Box::new(volume.into())).into(),
            volume_properties: Some(Box::new(properties.into())).into(),
            ..RequestSpec::default()
        };
        let flat = serde_json::to_value(spec.flat().expect("JSON")).expect("JSON");
        let kind =
            json!({"id": "t", "created_at": "2026-01-02T12:00:00.000000", "qos_specs": null});
        let volume = json!({"id": "v", "volume_type": kind, "volume_attachment": [{"id": "a"}]});
        let sizes = json!({"size": 4});
        assert_eq!(
            flat,
            json!({"volume": volume, "volume_properties": sizes, "resource_properties": sizes})
        );
    }
}
