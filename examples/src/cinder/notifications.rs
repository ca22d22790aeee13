//! What Cinder tells of, as that of 29.0.0 does: `cinder/volume/volume_utils.py`, and its scheduler's failures.
//!
//! | Type | Event | Publisher |
//! |---|---|---|
//! | [`VolumeCreating`], [`VolumeCreated`], [`VolumeResized`], [`VolumeAttached`], [`VolumeDeleted`] | `volume.create.start`, `volume.create.end`, `volume.resize.end`, `volume.attach.end`, `volume.delete.end` | `volume.HOST` |
//! | [`SnapshotCreated`] | `snapshot.create.end` | `snapshot.HOST` |
//! | [`BackupCreated`] | `backup.create.end` | `backup.HOST` |
//! | [`VolumeNotScheduled`] | `scheduler.create_volume`, of priority `error` | `scheduler.HOST` |
//!
//! `tests/recorded` reads what Cinder's own code was recorded to send.

use std::{collections::BTreeMap, time::SystemTime};

use rpc_runtime::{notification, wire};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// A volume, as `_usage_from_volume` tells of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VolumeUsage {
    /// The project.
    pub tenant_id: String,
    /// The back end, with its pool.
    pub host: Option<String>,
    /// The user who asked for it.
    pub user_id: String,
    /// The zone that it is in.
    pub availability_zone: Option<String>,
    /// The volume.
    pub volume_id: Uuid,
    /// The id of its type.
    pub volume_type: Option<String>,
    /// The name that its owner gave it.
    pub display_name: Option<String>,
    /// When it came to be used.
    #[serde(with = "wire::datetime")]
    pub launched_at: SystemTime,
    /// When it was made.
    #[serde(with = "wire::datetime")]
    pub created_at: SystemTime,
    /// Its status, such as `available`.
    pub status: String,
    /// The snapshot.
    pub snapshot_id: Option<Uuid>,
    /// In GiB.
    pub size: u64,
    /// Its status as a replica.
    pub replication_status: Option<String>,
    /// More of that.
    pub replication_extended_status: Option<String>,
    /// The driver's own notes on that.
    pub replication_driver_data: Option<String>,
    /// What its user notes.
    pub metadata: Option<Vec<Item>>,
    /// Rows of Cinder's database, absent where the volume is not there any more.
    #[serde(default)]
    pub volume_attachment: Vec<Value>,
    /// Rows of Cinder's database, absent where there are none.
    #[serde(default)]
    pub glance_metadata: Vec<Value>,
}

/// A key and its value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Item {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Option<String>,
}

/// A snapshot, as `_usage_from_snapshot` tells of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SnapshotUsage {
    /// The project.
    pub tenant_id: String,
    /// The user who asked for it.
    pub user_id: String,
    /// The zone that it is in.
    pub availability_zone: Option<String>,
    /// The volume.
    pub volume_id: Uuid,
    /// In GiB.
    pub volume_size: u64,
    /// The snapshot.
    pub snapshot_id: Uuid,
    /// The name that its owner gave it.
    pub display_name: Option<String>,
    /// When it was made.
    #[serde(with = "wire::datetime")]
    pub created_at: SystemTime,
    /// Its status, such as `available`.
    pub status: String,
    /// When it was deleted, or nothing, as text.
    pub deleted: String,
    /// What its user notes, as the text that Python makes of a dictionary.
    pub metadata: String,
}

/// A backup, as `_usage_from_backup` tells of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BackupUsage {
    /// The project.
    pub tenant_id: String,
    /// The user who asked for it.
    pub user_id: String,
    /// The zone that it is in.
    pub availability_zone: Option<String>,
    /// The backup.
    pub backup_id: Uuid,
    /// The host that it is on.
    pub host: Option<String>,
    /// The name that its owner gave it.
    pub display_name: Option<String>,
    /// When it was made.
    #[serde(with = "wire::datetime")]
    pub created_at: SystemTime,
    /// Its status, such as `available`.
    pub status: String,
    /// The volume.
    pub volume_id: Option<Uuid>,
    /// In GiB.
    pub size: Option<u64>,
    /// The backup service's own notes.
    pub service_metadata: Option<String>,
    /// The backup service.
    pub service: Option<String>,
    /// Why it failed.
    pub fail_reason: Option<String>,
    /// The backup that it adds to.
    pub parent_id: Option<Uuid>,
    /// How many add to it.
    pub num_dependent_backups: Option<u64>,
    /// The snapshot.
    pub snapshot_id: Option<Uuid>,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($usage:ident) = $event_type:literal;)*) => {$(
        $(#[$doc])*
        #[notification(event_type = $event_type)]
        #[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
        pub struct $name(pub $usage);
    )*};
}

events! {
    /// A volume is about to be made.
    VolumeCreating(VolumeUsage) = "volume.create.start";
    /// A volume is there.
    VolumeCreated(VolumeUsage) = "volume.create.end";
    /// A volume has another size.
    VolumeResized(VolumeUsage) = "volume.resize.end";
    /// A volume is in use.
    VolumeAttached(VolumeUsage) = "volume.attach.end";
    /// A volume is gone.
    VolumeDeleted(VolumeUsage) = "volume.delete.end";
    /// A snapshot is there.
    SnapshotCreated(SnapshotUsage) = "snapshot.create.end";
    /// A backup is there.
    BackupCreated(BackupUsage) = "backup.create.end";
}

/// No back end takes a volume.
#[notification(event_type = "scheduler.create_volume", priority = "error")]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VolumeNotScheduled {
    /// What was asked for.
    pub request_spec: BTreeMap<String, Value>,
    /// What the volume was to be like.
    pub volume_properties: BTreeMap<String, Value>,
    /// The volume.
    pub volume_id: Option<Uuid>,
    /// Its state.
    pub state: BTreeMap<String, Value>,
    /// The method that was called.
    pub method: String,
    /// The exception, as the text that Python makes of it.
    pub reason: String,
}
