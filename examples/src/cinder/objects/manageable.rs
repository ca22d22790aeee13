//! Resources of a back end that Cinder does not manage.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize};

/// A volume of a back end that Cinder does not manage.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ManageableVolume {
    /// The back end's name for it.
    pub reference: Field<BTreeMap<String, Option<String>>>,
    /// Its size in GiB.
    pub size: Field<Option<u64>>,
    /// Whether it can be imported into Cinder.
    pub safe_to_manage: Field<Option<bool>>,
    /// The reason why it cannot.
    pub reason_not_safe: Field<Option<String>>,
    /// Its id, if Cinder manages it after all.
    pub cinder_id: Field<Option<String>>,
    /// Further data of the back end.
    pub extra_info: Field<Option<BTreeMap<String, Option<String>>>>,
}

/// A list of [`ManageableVolume`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ManageableVolumeList {
    /// The objects in the list.
    pub objects: Vec<Object<ManageableVolume>>,
}

/// A snapshot of a back end that Cinder does not manage.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ManageableSnapshot {
    /// The back end's name for its volume.
    pub source_reference: Field<BTreeMap<String, Option<String>>>,
    /// The back end's name for it.
    pub reference: Field<BTreeMap<String, Option<String>>>,
    /// Its size in GiB.
    pub size: Field<Option<u64>>,
    /// Whether it can be imported into Cinder.
    pub safe_to_manage: Field<Option<bool>>,
    /// The reason why it cannot.
    pub reason_not_safe: Field<Option<String>>,
    /// Its id, if Cinder manages it after all.
    pub cinder_id: Field<Option<String>>,
    /// Further data of the back end.
    pub extra_info: Field<Option<BTreeMap<String, Option<String>>>>,
}

/// A list of [`ManageableSnapshot`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ManageableSnapshotList {
    /// The objects in the list.
    pub objects: Vec<Object<ManageableSnapshot>>,
}
