//! What a back end has and Cinder does not know.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize};

/// A volume that a back end has and Cinder does not know.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ManageableVolume {
    /// What the back end calls it.
    pub reference: Field<BTreeMap<String, Option<String>>>,
    /// Its size in GiB.
    pub size: Field<Option<u64>>,
    /// Whether it can be taken into Cinder.
    pub safe_to_manage: Field<Option<bool>>,
    /// Why it cannot.
    pub reason_not_safe: Field<Option<String>>,
    /// Its id, if Cinder knows it after all.
    pub cinder_id: Field<Option<String>>,
    /// What else the back end says of it.
    pub extra_info: Field<Option<BTreeMap<String, Option<String>>>>,
}

/// Several [`ManageableVolume`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ManageableVolumeList {
    /// They.
    pub objects: Vec<Object<ManageableVolume>>,
}

/// A snapshot that a back end has and Cinder does not know.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ManageableSnapshot {
    /// What the back end calls the volume that it was made of.
    pub source_reference: Field<BTreeMap<String, Option<String>>>,
    /// What the back end calls it.
    pub reference: Field<BTreeMap<String, Option<String>>>,
    /// Its size in GiB.
    pub size: Field<Option<u64>>,
    /// Whether it can be taken into Cinder.
    pub safe_to_manage: Field<Option<bool>>,
    /// Why it cannot.
    pub reason_not_safe: Field<Option<String>>,
    /// Its id, if Cinder knows it after all.
    pub cinder_id: Field<Option<String>>,
    /// What else the back end says of it.
    pub extra_info: Field<Option<BTreeMap<String, Option<String>>>>,
}

/// Several [`ManageableSnapshot`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ManageableSnapshotList {
    /// They.
    pub objects: Vec<Object<ManageableSnapshot>>,
}
