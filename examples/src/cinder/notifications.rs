//! The notifications of Cinder 29.0.0: those of `cinder/volume/volume_utils.py`, and its
//! scheduler's failures.
//!
//! - [`VolumeCreating`], [`VolumeCreated`], [`VolumeResized`], [`VolumeAttached`] and
//!   [`VolumeDeleted`]: the events `volume.create.start`, `volume.create.end`, `volume.resize.end`,
//!   `volume.attach.end` and `volume.delete.end` of the publisher `volume.HOST`
//! - [`SnapshotCreated`]: `snapshot.create.end` of `snapshot.HOST`
//! - [`BackupCreated`]: `backup.create.end` of `backup.HOST`
//! - [`VolumeNotScheduled`]: `scheduler.create_volume` with priority `error` of `scheduler.HOST`
//!
//! `tests/recorded` reads notifications that were recorded from Cinder's own code.

use std::{collections::BTreeMap, time::SystemTime};

use rpc_runtime::{notification, wire};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// A volume, as `_usage_from_volume` describes it.
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
    /// The time of its first use.
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
    /// The state of its replication.
    pub replication_status: Option<String>,
    /// The driver's status of its replication.
    pub replication_extended_status: Option<String>,
    /// The driver's data about its replication.
    pub replication_driver_data: Option<String>,
    /// The metadata that its user has set.
    pub metadata: Option<Vec<Item>>,
    /// Rows of Cinder's database; absent if the volume no longer exists.
    #[serde(default)]
    pub volume_attachment: Vec<Value>,
    /// Rows of Cinder's database; absent if it has none.
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

/// A snapshot, as `_usage_from_snapshot` describes it.
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
    /// The time of its deletion as text; empty if it exists.
    pub deleted: String,
    /// The metadata that its user has set, as Python's text of a dictionary.
    pub metadata: String,
}

/// A backup, as `_usage_from_backup` describes it.
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
    /// The backup service's own data.
    pub service_metadata: Option<String>,
    /// The backup service.
    pub service: Option<String>,
    /// The reason for its failure.
    pub fail_reason: Option<String>,
    /// The backup that it adds to.
    pub parent_id: Option<Uuid>,
    /// The number of backups that add to it.
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
    /// The creation of a volume begins.
    VolumeCreating(VolumeUsage) = "volume.create.start";
    /// A volume was created.
    VolumeCreated(VolumeUsage) = "volume.create.end";
    /// A volume was resized.
    VolumeResized(VolumeUsage) = "volume.resize.end";
    /// A volume was attached.
    VolumeAttached(VolumeUsage) = "volume.attach.end";
    /// A volume was deleted.
    VolumeDeleted(VolumeUsage) = "volume.delete.end";
    /// A snapshot was created.
    SnapshotCreated(SnapshotUsage) = "snapshot.create.end";
    /// A backup was created.
    BackupCreated(BackupUsage) = "backup.create.end";
}

/// No back end accepts a volume.
#[notification(event_type = "scheduler.create_volume", priority = "error")]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VolumeNotScheduled {
    /// The request's specification.
    pub request_spec: BTreeMap<String, Value>,
    /// The volume's wanted properties.
    pub volume_properties: BTreeMap<String, Value>,
    /// The volume.
    pub volume_id: Option<Uuid>,
    /// Its state.
    pub state: BTreeMap<String, Value>,
    /// The method that was called.
    pub method: String,
    /// The exception, as Python's text.
    pub reason: String,
}
