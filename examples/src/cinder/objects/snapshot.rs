//! Snapshots of volumes.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize};

use super::{CGSnapshot, GroupSnapshot, Volume};

/// A snapshot of a volume.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.6")]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// The user who made it.
    pub user_id: Field<Option<String>>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// Whether it counts towards its project's quota.
    pub use_quota: Field<bool>,
    /// The volume that it belongs to.
    pub volume_id: Field<Option<String>>,
    /// The snapshot of a consistency group that it is part of.
    pub cgsnapshot_id: Field<Option<String>>,
    /// The snapshot of a group that it is part of.
    pub group_snapshot_id: Field<Option<String>>,
    /// Its state, such as `creating` or `available`.
    pub status: Field<Option<String>>,
    /// Its progress in percent.
    pub progress: Field<Option<String>>,
    /// The size of its volume in GiB.
    pub volume_size: Field<Option<u64>>,
    /// The name that its owner gave it.
    pub display_name: Field<Option<String>>,
    /// The description that its owner gave it.
    pub display_description: Field<Option<String>>,
    /// The key that its data is encrypted with.
    pub encryption_key_id: Field<Option<String>>,
    /// Its type.
    pub volume_type_id: Field<Option<String>>,
    /// Its location on the back end.
    pub provider_location: Field<Option<String>>,
    /// Its id on the back end.
    pub provider_id: Field<Option<String>>,
    /// The metadata that its owner has set.
    pub metadata: Field<BTreeMap<String, String>>,
    /// The credentials that the back end expects from hosts.
    pub provider_auth: Field<Option<String>>,
    /// See `volume_id`.
    pub volume: Field<Option<Box<Object<Volume>>>>,
    /// See `cgsnapshot_id`.
    pub cgsnapshot: Field<Option<Box<Object<CGSnapshot>>>>,
    /// See `group_snapshot_id`.
    pub group_snapshot: Field<Option<Box<Object<GroupSnapshot>>>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

impl Snapshot {
    /// Returns the target of requests about it: its volume's target. The sender must have loaded
    /// the volume.
    #[must_use]
    pub fn service_topic_queue(&self) -> Option<&str> {
        self.volume.value()?.service_topic_queue()
    }
}

/// A list of [`Snapshot`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct SnapshotList {
    /// The objects in the list.
    pub objects: Vec<Object<Snapshot>>,
}
