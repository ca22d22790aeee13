//! Backups, and the devices that they read from.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, ObjectOr, leave_out_unset},
    wire,
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct as _};

use super::{Json, Snapshot, Volume};

/// A backup of a volume.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.7")]
pub struct Backup {
    /// Its id.
    pub id: String,
    /// The user who made it.
    pub user_id: Field<String>,
    /// The project that it belongs to.
    pub project_id: Field<String>,
    /// The volume that it is a copy of.
    pub volume_id: Field<String>,
    /// The host of the backup service that has it.
    pub host: Field<Option<String>>,
    /// The availability zone that it is in.
    pub availability_zone: Field<Option<String>>,
    /// Its location in the backup service's store.
    pub container: Field<Option<String>>,
    /// The backup that it adds to, if it is an incremental one.
    pub parent_id: Field<Option<String>>,
    /// See `parent_id`.
    pub parent: Field<Option<Box<Object<Self>>>>,
    /// Its state, such as `creating` or `available`.
    pub status: Field<Option<String>>,
    /// The reason for its failure.
    pub fail_reason: Field<Option<String>>,
    /// Its size in GiB.
    pub size: Field<Option<u64>>,
    /// The name that its owner gave it.
    pub display_name: Field<Option<String>>,
    /// The description that its owner gave it.
    pub display_description: Field<Option<String>>,
    /// The backup service's own data.
    pub service_metadata: Field<Option<String>>,
    /// The driver that made it.
    pub service: Field<Option<String>>,
    /// How many objects it has in its container.
    pub object_count: Field<Option<u64>>,
    /// The volume that exists while it is made.
    pub temp_volume_id: Field<Option<String>>,
    /// The snapshot that exists while it is made.
    pub temp_snapshot_id: Field<Option<String>>,
    /// The number of backups that add to it.
    pub num_dependent_backups: Field<Option<u64>>,
    /// The snapshot that it is a copy of.
    pub snapshot_id: Field<Option<String>>,
    /// The time of its data.
    pub data_timestamp: Field<Option<String>>,
    /// The volume that it is restored to.
    pub restore_volume_id: Field<Option<String>>,
    /// The metadata that its owner has set.
    pub metadata: Field<Option<BTreeMap<String, String>>>,
    /// The key that its data is encrypted with.
    pub encryption_key_id: Field<Option<String>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

/// A list of [`Backup`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct BackupList {
    /// The objects in the list.
    pub objects: Vec<Object<Backup>>,
}

/// The volume or snapshot that a backup reads from.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct BackupDeviceInfo {
    /// The volume, if the device is one.
    pub volume: Field<Option<Box<Object<Volume>>>>,
    /// The snapshot, if the device is one.
    pub snapshot: Field<Option<Box<Object<Snapshot>>>>,
    /// Whether the back end protects its files from other users.
    pub secure_enabled: Field<bool>,
}

/// The device that a backup reads from: an object, or a dictionary for a caller that does not ask
/// for objects.
pub type BackupDevice = ObjectOr<BackupDeviceInfo, PlainBackupDevice>;

/// The dictionary form of a [`BackupDevice`].
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Members")]
pub struct PlainBackupDevice {
    /// The device.
    pub backup_device: VolumeOrSnapshot,
    /// Whether the back end protects its files from other users.
    pub secure_enabled: bool,
}

/// A volume or a snapshot.
#[derive(Clone, Debug)]
pub enum VolumeOrSnapshot {
    /// A volume.
    Volume(Box<Object<Volume>>),
    /// A snapshot.
    Snapshot(Box<Object<Snapshot>>),
}

/// The dictionary on the wire, in which one entry determines the class of another.
#[derive(Deserialize)]
struct Members {
    backup_device: Json,
    is_snapshot: bool,
    secure_enabled: bool,
}

impl TryFrom<Members> for PlainBackupDevice {
    type Error = serde_json::Error;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        let Members { backup_device, is_snapshot, secure_enabled } = members;
        let backup_device = if is_snapshot {
            VolumeOrSnapshot::Snapshot(wire::read(backup_device.get())?)
        } else {
            VolumeOrSnapshot::Volume(wire::read(backup_device.get())?)
        };
        Ok(Self { backup_device, secure_enabled })
    }
}

impl Serialize for PlainBackupDevice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("PlainBackupDevice", 3)?;
        match &self.backup_device {
            VolumeOrSnapshot::Volume(volume) => {
                members.serialize_field("backup_device", volume)?;
                members.serialize_field("is_snapshot", &false)?;
            }
            VolumeOrSnapshot::Snapshot(snapshot) => {
                members.serialize_field("backup_device", snapshot)?;
                members.serialize_field("is_snapshot", &true)?;
            }
        }
        members.serialize_field("secure_enabled", &self.secure_enabled)?;
        members.end()
    }
}
