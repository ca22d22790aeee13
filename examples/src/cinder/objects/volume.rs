//! Volumes, their attachments, and their types.

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
    /// Its id on the back end, if a migration has made that differ.
    #[serde(rename = "_name_id")]
    pub name_id: Field<Option<String>>,
    /// Its id in the former EC2 interface.
    pub ec2_id: Field<Option<String>>,
    /// The user who made it.
    pub user_id: Field<Option<String>>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// Whether it counts towards its project's quota.
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
    /// Whether it is attached: `attached`, `detached`, or a transitional state.
    pub attach_status: Field<Option<String>>,
    /// The state of its migration.
    pub migration_status: Field<Option<String>>,
    /// The time at which a back end was found.
    pub scheduled_at: Field<Option<String>>,
    /// The time at which the back end had created it.
    pub launched_at: Field<Option<String>>,
    /// The time at which its deletion began.
    pub terminated_at: Field<Option<String>>,
    /// The name that its owner gave it.
    pub display_name: Field<Option<String>>,
    /// The description that its owner gave it.
    pub display_description: Field<Option<String>>,
    /// Its id on the back end.
    pub provider_id: Field<Option<String>>,
    /// Its location on the back end.
    pub provider_location: Field<Option<String>>,
    /// The credentials that the back end expects from hosts.
    pub provider_auth: Field<Option<String>>,
    /// Its layout on the back end.
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
    /// The state of its replication.
    pub replication_status: Field<Option<String>>,
    /// The back end's status of its replication.
    pub replication_extended_status: Field<Option<String>>,
    /// The back end's data about its replication.
    pub replication_driver_data: Field<Option<String>>,
    /// Its state before the present one.
    pub previous_status: Field<Option<String>>,
    /// The metadata that its owner has set.
    pub metadata: Field<Option<BTreeMap<String, String>>>,
    /// The administrators' metadata.
    pub admin_metadata: Field<Option<BTreeMap<String, String>>>,
    /// The metadata of its image.
    pub glance_metadata: Field<Option<BTreeMap<String, String>>>,
    /// See `volume_type_id`.
    pub volume_type: Field<Option<Box<Object<VolumeType>>>>,
    /// Its attachments.
    pub volume_attachment: Field<Option<Object<VolumeAttachmentList>>>,
    /// See `consistencygroup_id`.
    pub consistencygroup: Field<Option<Box<Object<ConsistencyGroup>>>>,
    /// Its snapshots.
    pub snapshots: Field<Option<Object<SnapshotList>>>,
    /// See `group_id`.
    pub group: Field<Option<Box<Object<Group>>>>,
    /// The service that manages it.
    pub service_uuid: Field<Option<String>>,
    /// Whether its back end shares one target between several volumes.
    pub shared_targets: Field<Option<bool>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
}

impl Volume {
    /// Returns the target of requests about it: its cluster, or else its host.
    #[must_use]
    pub fn service_topic_queue(&self) -> Option<&str> {
        cluster_or_host(&self.cluster_name, &self.host)
    }
}

/// A list of [`Volume`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct VolumeList {
    /// The objects in the list.
    pub objects: Vec<Object<Volume>>,
}

/// An attachment of a volume.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.3")]
pub struct VolumeAttachment {
    /// Its id.
    pub id: String,
    /// The attached volume.
    pub volume_id: Field<String>,
    /// The virtual machine that uses it.
    pub instance_uuid: Field<Option<String>>,
    /// The host that uses it.
    pub attached_host: Field<Option<String>>,
    /// The mount point, such as `/dev/vdb`.
    pub mountpoint: Field<Option<String>>,
    /// When it was attached.
    pub attach_time: Field<Option<String>>,
    /// When it was detached.
    pub detach_time: Field<Option<String>>,
    /// Whether it is attached: `attached`, `detached`, or a transitional state.
    pub attach_status: Field<Option<String>>,
    /// `rw` or `ro`.
    pub attach_mode: Field<Option<String>>,
    /// See `volume_id`.
    pub volume: Field<Box<Object<Volume>>>,
    /// The host's connection to it.
    pub connection_info: Field<Option<Dictionary>>,
    /// The host's description of itself.
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

/// A list of [`VolumeAttachment`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct VolumeAttachmentList {
    /// The objects in the list.
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
    /// The description that its owner gave it.
    pub description: Field<Option<String>>,
    /// Whether every project may use it.
    pub is_public: Field<Option<bool>>,
    /// The projects that may use it.
    pub projects: Field<Option<Vec<String>>>,
    /// Its volumes' requirements for a back end.
    pub extra_specs: Field<Option<BTreeMap<String, Option<String>>>>,
    /// Its volumes' limits on speed.
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

/// A list of [`VolumeType`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct VolumeTypeList {
    /// The objects in the list.
    pub objects: Vec<Object<VolumeType>>,
}

/// The limits on speed for the volumes of some types.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct QualityOfServiceSpecs {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Field<String>,
    /// The side that enforces the limits: `front-end`, `back-end` or `both`.
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

/// A list of [`QualityOfServiceSpecs`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct QualityOfServiceSpecsList {
    /// The objects in the list.
    pub objects: Vec<Object<QualityOfServiceSpecs>>,
}
