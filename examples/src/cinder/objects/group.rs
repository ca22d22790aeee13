//! Groups of volumes, and the consistency groups that preceded them.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize};

use super::{Cluster, SnapshotList, VolumeList, VolumeTypeList, cluster_or_host};

/// A group of volumes.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.2")]
pub struct Group {
    /// Its id.
    pub id: String,
    /// The user who made it.
    pub user_id: Field<String>,
    /// The project that it belongs to.
    pub project_id: Field<String>,
    /// The cluster whose back end has it.
    pub cluster_name: Field<Option<String>>,
    /// The back end that has it: `host@backend#pool`.
    pub host: Field<Option<String>>,
    /// The availability zone that it is in.
    pub availability_zone: Field<Option<String>>,
    /// Its name.
    pub name: Field<Option<String>>,
    /// The description that its owner gave it.
    pub description: Field<Option<String>>,
    /// Its type.
    pub group_type_id: Field<String>,
    /// The types that its volumes may have.
    pub volume_type_ids: Field<Option<Vec<String>>>,
    /// Its state, such as `creating` or `available`.
    pub status: Field<Option<String>>,
    /// The snapshot that it is made from.
    pub group_snapshot_id: Field<Option<String>>,
    /// The group that it is copied from.
    pub source_group_id: Field<Option<String>>,
    /// The state of its replication.
    pub replication_status: Field<Option<String>>,
    /// Its volumes.
    pub volumes: Field<Option<Object<VolumeList>>>,
    /// The types that its volumes may have.
    pub volume_types: Field<Option<Object<VolumeTypeList>>>,
    /// Its snapshots.
    pub group_snapshots: Field<Option<Object<GroupSnapshotList>>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

impl Group {
    /// Returns the target of requests about it: its cluster, or else its host.
    #[must_use]
    pub fn service_topic_queue(&self) -> Option<&str> {
        cluster_or_host(&self.cluster_name, &self.host)
    }
}

/// A list of [`Group`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct GroupList {
    /// The objects in the list.
    pub objects: Vec<Object<Group>>,
}

/// Snapshots of a group's volumes, made at one time.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct GroupSnapshot {
    /// Its id.
    pub id: String,
    /// The group that it is of.
    pub group_id: Field<String>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// The user who made it.
    pub user_id: Field<Option<String>>,
    /// Its name.
    pub name: Field<Option<String>>,
    /// The description that its owner gave it.
    pub description: Field<Option<String>>,
    /// Its state, such as `creating` or `available`.
    pub status: Field<Option<String>>,
    /// The type of its group.
    pub group_type_id: Field<Option<String>>,
    /// See `group_id`.
    pub group: Field<Option<Box<Object<Group>>>>,
    /// Its snapshots.
    pub snapshots: Field<Option<Object<SnapshotList>>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

impl GroupSnapshot {
    /// Returns the target of requests about it: its group's target. The sender must have loaded the
    /// group.
    #[must_use]
    pub fn service_topic_queue(&self) -> Option<&str> {
        self.group.value()?.service_topic_queue()
    }
}

/// A list of [`GroupSnapshot`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct GroupSnapshotList {
    /// The objects in the list.
    pub objects: Vec<Object<GroupSnapshot>>,
}

/// A kind of group that users can choose.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct GroupType {
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
    /// Its groups' requirements for a back end.
    pub group_specs: Field<Option<BTreeMap<String, Option<String>>>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

/// A list of [`GroupType`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct GroupTypeList {
    /// The objects in the list.
    pub objects: Vec<Object<GroupType>>,
}

/// A consistency group, the predecessor of groups.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.4")]
pub struct ConsistencyGroup {
    /// Its id.
    pub id: String,
    /// The user who made it.
    pub user_id: Field<String>,
    /// The project that it belongs to.
    pub project_id: Field<String>,
    /// The cluster whose back end has it.
    pub cluster_name: Field<Option<String>>,
    /// See `cluster_name`.
    pub cluster: Field<Option<Box<Object<Cluster>>>>,
    /// The back end that has it: `host@backend#pool`.
    pub host: Field<Option<String>>,
    /// The availability zone that it is in.
    pub availability_zone: Field<Option<String>>,
    /// Its name.
    pub name: Field<Option<String>>,
    /// The description that its owner gave it.
    pub description: Field<Option<String>>,
    /// The types that its volumes may have: ids, separated by commas.
    pub volume_type_id: Field<Option<String>>,
    /// Its state, such as `creating` or `available`.
    pub status: Field<Option<String>>,
    /// The snapshot that it is made from.
    pub cgsnapshot_id: Field<Option<String>>,
    /// The consistency group that it is copied from.
    pub source_cgid: Field<Option<String>>,
    /// Its snapshots.
    pub cgsnapshots: Field<Option<Object<CGSnapshotList>>>,
    /// Its volumes.
    pub volumes: Field<Option<Object<VolumeList>>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

/// A list of [`ConsistencyGroup`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct ConsistencyGroupList {
    /// The objects in the list.
    pub objects: Vec<Object<ConsistencyGroup>>,
}

/// A snapshot of a [`ConsistencyGroup`].
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct CGSnapshot {
    /// Its id.
    pub id: String,
    /// The consistency group that it is of.
    pub consistencygroup_id: Field<Option<String>>,
    /// The project that it belongs to.
    pub project_id: Field<String>,
    /// The user who made it.
    pub user_id: Field<String>,
    /// Its name.
    pub name: Field<Option<String>>,
    /// The description that its owner gave it.
    pub description: Field<Option<String>>,
    /// Its state, such as `creating` or `available`.
    pub status: Field<Option<String>>,
    /// See `consistencygroup_id`.
    pub consistencygroup: Field<Option<Box<Object<ConsistencyGroup>>>>,
    /// Its snapshots.
    pub snapshots: Field<Option<Object<SnapshotList>>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

/// A list of [`CGSnapshot`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct CGSnapshotList {
    /// The objects in the list.
    pub objects: Vec<Object<CGSnapshot>>,
}
