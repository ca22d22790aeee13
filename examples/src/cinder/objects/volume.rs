//! Volumes, who uses them, and their types.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize};

use super::{Cluster, ConsistencyGroup, Dictionary, Group, SnapshotList, cluster_or_host};

/// A volume.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9")]
pub struct Volume {
    /// Its id.
    pub id: String,
    /// The id that the back end has it under, if a migration has left it there.
    #[serde(rename = "_name_id")]
    pub name_id: Field<Option<String>>,
    /// Its id in an interface that is gone.
    pub ec2_id: Field<Option<String>>,
    /// The user who made it.
    pub user_id: Field<Option<String>>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// Whether it counts for its project's quota.
    pub use_quota: Field<bool>,
    /// The snapshot that it is made from.
    pub snapshot_id: Field<Option<String>>,
    /// The cluster whose back end has it.
    pub cluster_name: Field<Option<String>>,
    /// See `cluster_name`.
    pub cluster: Field<Option<Box<Object<Cluster>>>>,
    /// The back end that has it: `host@backend#pool`.
    pub host: Field<Option<String>>,
    /// Its size in GiB.
    pub size: Field<Option<u64>>,
    /// The availability zone that it is in.
    pub availability_zone: Field<Option<String>>,
    /// Its state, such as `creating` or `available`.
    pub status: Field<Option<String>>,
    /// Whether it is attached: `attached`, `detached`, or on the way.
    pub attach_status: Field<Option<String>>,
    /// How its migration is.
    pub migration_status: Field<Option<String>>,
    /// When a back end was found.
    pub scheduled_at: Field<Option<String>>,
    /// When the back end had made it.
    pub launched_at: Field<Option<String>>,
    /// When its deletion began.
    pub terminated_at: Field<Option<String>>,
    /// The name that its owner gave it.
    pub display_name: Field<Option<String>>,
    /// What its owner says of it.
    pub display_description: Field<Option<String>>,
    /// Its id on the back end.
    pub provider_id: Field<Option<String>>,
    /// Where the back end has it.
    pub provider_location: Field<Option<String>>,
    /// How the back end lets hosts in.
    pub provider_auth: Field<Option<String>>,
    /// How the back end has laid it out.
    pub provider_geometry: Field<Option<String>>,
    /// Its type.
    pub volume_type_id: Field<Option<String>>,
    /// The volume that it is copied from.
    pub source_volid: Field<Option<String>>,
    /// The key that its data is encrypted with.
    pub encryption_key_id: Field<Option<String>>,
    /// The consistency group that it is in.
    pub consistencygroup_id: Field<Option<String>>,
    /// The group that it is in.
    pub group_id: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
    /// Whether it can be booted from.
    pub bootable: Field<Option<bool>>,
    /// Whether several hosts may attach it at once.
    pub multiattach: Field<Option<bool>>,
    /// How its replication is.
    pub replication_status: Field<Option<String>>,
    /// What the back end says of its replication.
    pub replication_extended_status: Field<Option<String>>,
    /// What the back end keeps of its replication.
    pub replication_driver_data: Field<Option<String>>,
    /// Its state before the present one.
    pub previous_status: Field<Option<String>>,
    /// What its owner notes of it.
    pub metadata: Field<Option<BTreeMap<String, String>>>,
    /// What administrators note of it.
    pub admin_metadata: Field<Option<BTreeMap<String, String>>>,
    /// What its image said of itself.
    pub glance_metadata: Field<Option<BTreeMap<String, String>>>,
    /// See `volume_type_id`.
    pub volume_type: Field<Option<Box<Object<VolumeType>>>>,
    /// Who uses it.
    pub volume_attachment: Field<Option<Object<VolumeAttachmentList>>>,
    /// See `consistencygroup_id`.
    pub consistencygroup: Field<Option<Box<Object<ConsistencyGroup>>>>,
    /// Its snapshots.
    pub snapshots: Field<Option<Object<SnapshotList>>>,
    /// See `group_id`.
    pub group: Field<Option<Box<Object<Group>>>>,
    /// The service that has it.
    pub service_uuid: Field<Option<String>>,
    /// Whether its back end has one target for several volumes.
    pub shared_targets: Field<Option<bool>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
}

impl Volume {
    /// Returns where requests about it go: its cluster, or else its host.
    #[must_use]
    pub fn service_topic_queue(&self) -> Option<&str> {
        cluster_or_host(&self.cluster_name, &self.host)
    }
}

/// Several [`Volume`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct VolumeList {
    /// They.
    pub objects: Vec<Object<Volume>>,
}

/// Who uses a volume, and how.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.3")]
pub struct VolumeAttachment {
    /// Its id.
    pub id: String,
    /// The volume that is used.
    pub volume_id: Field<String>,
    /// The virtual machine that uses it.
    pub instance_uuid: Field<Option<String>>,
    /// The host that uses it.
    pub attached_host: Field<Option<String>>,
    /// Where it is mounted, such as `/dev/vdb`.
    pub mountpoint: Field<Option<String>>,
    /// When it was attached.
    pub attach_time: Field<Option<String>>,
    /// When it was detached.
    pub detach_time: Field<Option<String>>,
    /// Whether it is attached: `attached`, `detached`, or on the way.
    pub attach_status: Field<Option<String>>,
    /// `rw` or `ro`.
    pub attach_mode: Field<Option<String>>,
    /// See `volume_id`.
    pub volume: Field<Box<Object<Volume>>>,
    /// How the host reaches it.
    pub connection_info: Field<Option<Dictionary>>,
    /// What the host said of itself.
    pub connector: Field<Option<Dictionary>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

/// Several [`VolumeAttachment`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct VolumeAttachmentList {
    /// They.
    pub objects: Vec<Object<VolumeAttachment>>,
}

/// A kind of volume that users can choose.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.3")]
pub struct VolumeType {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Field<Option<String>>,
    /// What its owner says of it.
    pub description: Field<Option<String>>,
    /// Whether every project may use it.
    pub is_public: Field<Option<bool>>,
    /// The projects that may use it.
    pub projects: Field<Option<Vec<String>>>,
    /// What its volumes need of a back end.
    pub extra_specs: Field<Option<BTreeMap<String, Option<String>>>>,
    /// How fast its volumes may be.
    pub qos_specs_id: Field<Option<String>>,
    /// See `qos_specs_id`.
    pub qos_specs: Field<Option<Box<Object<QualityOfServiceSpecs>>>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

/// Several [`VolumeType`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct VolumeTypeList {
    /// They.
    pub objects: Vec<Object<VolumeType>>,
}

/// How fast the volumes of some types may be.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct QualityOfServiceSpecs {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Field<String>,
    /// Who keeps to them: `front-end`, `back-end` or `both`.
    pub consumer: Field<String>,
    /// The limits.
    pub specs: Field<Option<BTreeMap<String, Option<String>>>>,
    /// The types that have them.
    pub volume_types: Field<Option<Object<VolumeTypeList>>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

/// Several [`QualityOfServiceSpecs`].
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct QualityOfServiceSpecsList {
    /// They.
    pub objects: Vec<Object<QualityOfServiceSpecs>>,
}
