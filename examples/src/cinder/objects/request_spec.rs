//! What a volume needs of a back end.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, Fields, leave_out_unset},
};
use serde::{Deserialize, Serialize};

use super::{Dictionary, Volume, VolumeType};

/// What a volume needs of a back end.
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
    /// The volume to be placed.
    pub volume_id: Field<Option<String>>,
    /// See `volume_id`.
    pub volume: Field<Option<Box<Object<Volume>>>>,
    /// Its type.
    pub volume_type: Field<Option<Box<Object<VolumeType>>>>,
    /// What it is like.
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
    /// What is to be done, such as `create_volume`.
    pub operation: Field<Option<String>>,
    /// The availability zones that it may be in.
    pub availability_zones: Field<Option<Vec<String>>>,
}

/// What the volume to be placed is like.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct VolumeProperties {
    /// Whether it is attached: `attached`, `detached`, or on the way.
    pub attach_status: Field<Option<String>>,
    /// The availability zone that it is in.
    pub availability_zone: Field<Option<String>>,
    /// The snapshot of a consistency group that it is part of.
    pub cgsnapshot_id: Field<Option<String>>,
    /// The consistency group that it is in.
    pub consistencygroup_id: Field<Option<String>>,
    /// The group that it is in.
    pub group_id: Field<Option<String>>,
    /// What its owner says of it.
    pub display_description: Field<Option<String>>,
    /// The name that its owner gave it.
    pub display_name: Field<Option<String>>,
    /// The key that its data is encrypted with.
    pub encryption_key_id: Field<Option<String>>,
    /// What its owner notes of it.
    pub metadata: Field<Option<BTreeMap<String, String>>>,
    /// Whether several hosts may attach it at once.
    pub multiattach: Field<Option<bool>>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// How fast it may be.
    pub qos_specs: Field<Option<BTreeMap<String, String>>>,
    /// How its replication is.
    pub replication_status: Field<Option<String>>,
    /// What is set aside of quotas for it.
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

/// A [`RequestSpec`] that its sender has flattened, with what else it wants to say. What is deeper than three levels is
/// cut off.
pub type FlatRequestSpec = Fields<PlainRequestSpec>;

/// What a [`FlatRequestSpec`] has that a scheduler looks at.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlainRequestSpec {
    /// The volume to be placed.
    pub volume_id: Field<Option<String>>,
    /// What it is like. Some senders give the whole volume, flattened, too.
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
    /// What is to be done, such as `create_volume`.
    pub operation: Field<Option<String>>,
    /// The availability zones that it may be in.
    pub availability_zones: Field<Option<Vec<Option<String>>>>,
    /// Whether a volume may move to be of another type: `never` or `on-demand`.
    pub migration_policy: Field<Option<String>>,
}
