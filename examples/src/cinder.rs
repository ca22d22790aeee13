//! Cinder's scheduler and volume manager, as far as the creation of a volume requires them.
//!
//! Topics, methods, arguments and versions are Cinder's own. The objects have the few fields that
//! the flow uses, and one more: because Cinder's database is missing here, a back end reports its
//! volumes.
//!
//! The complete interfaces are in [`scheduler_rpcapi`], [`volume_rpcapi`] and [`backup_rpcapi`].
//!
//! # What Cinder does by hand
//! Cinder's three `rpcapi.py` decide in code which requests older services can receive. Each entry
//! describes that code, with the version that brought the change, and after the arrow the
//! attributes that replace it.
//!
//! ## All three
//! - Most methods send 3.0, or 2.0 in backup, whatever they use → `send = "3.0"` on the trait.
//! - 4, 15 and 3 of the methods raise `ServiceTooOld` below a version, and send that version →
//!   `since` and `send` on the method.
//! - `set_log_levels` and `get_log_levels` go to the host of a service that they do not send (3.7,
//!   3.12, 2.1) → `host = "host"`, `#[arg(route)]`.
//!
//! ## Scheduler
//! - `create_backup` (3.12), `create_snapshot` (3.9), `extend_volume` (3.2),
//!   `manage_existing_snapshot` (3.11) and `validate_host_capacity` (3.8) raise below their
//!   version, and yet send 3.0 → `since`.
//! - `create_volume` removes `backup_id`, and the request still carries 3.0 (3.10) →
//!   `#[arg(since)]`.
//! - `migrate_volume` calls `migrate_volume_to_host` with `host` and `force_host_copy` (3.3) →
//!   `before` on the method and on both arguments.
//! - `update_service_capabilities` adds `cluster_name` and `timestamp` (3.3) →
//!   `#[arg(since, or = "drop")]`, and `before` for its version.
//! - The manager's `update_service_capabilities` accepts unknown arguments (`**kwargs`) →
//!   `extra = "ignore"`.
//! - `notify_service_capabilities` sends `host` instead of `backend`, and omits `timestamp` (3.1,
//!   3.5) → `since`, `before` on method and argument, `#[arg(since)]`.
//! - `create_group`, `retype`, `manage_existing` and others flatten specifications → the type of
//!   the argument, and [`RequestSpec::flat`](objects::RequestSpec::flat).
//!
//! ## Volume
//! - All but one derive a topic from the back end, or else use a host, and cut off the pool (3.6) →
//!   `address = backend`.
//! - Most go to the cluster, or else the host, of an object →
//!   `host = "volume.service_topic_queue()"`.
//! - `create_snapshot`, `freeze_host` and others do not send that object → `host = "host"`,
//!   `#[arg(route)]`.
//! - `update_migrated_volume` goes to the back end of the second of two volumes →
//!   `host = "new_volume.…"`.
//! - `attach_volume` (3.3) and `detach_volume` (3.4) remove `volume` →
//!   `#[arg(since, or = "drop")]`, and `before` for the version.
//! - `accept_transfer` removes `no_snapshots` (3.16) → `#[arg(since)]`, and `before` for the
//!   version.
//! - `reimage` (3.18) removes `image_snap` (3.20) → `since`, `#[arg(since)]`, and `before` for the
//!   version.
//! - `migrate_volume` and `retype` remove the cluster from the dictionary `host` (3.5) →
//!   `#[arg(name, before(…, with))]`.
//! - `failover` calls `failover_host` (3.8) → `before(…, name)`.
//! - `failover_completed` is a fanout cast to the services of one cluster, for which it does not
//!   check the version (3.8) → `fanout` with `host`.
//! - `remove_export` and `remove_export_snapshot` (3.13) are calls if `sync` is set, and casts
//!   otherwise → `either`.
//! - `get_manageable_volumes` and `get_manageable_snapshots` add `want_objects` (3.10) →
//!   `#[arg(since, constant = true)]`.
//! - `get_backup_device` was a call, then one with `want_objects` (3.2), then a cast with
//!   `async_call` (3.17) → `either`, constants, and `before` twice; `manual` for
//!   `request_backup_device`.
//!
//! ## Backup
//! - Most go to the host of the backup → `host = "backup.host"`.
//! - `restore_backup`, `import_record` and `check_support_to_force_delete` go to a host that is not
//!   sent → `host = "…"`, `#[arg(route)]`.
//! - `restore_backup` removes `volume_is_new`, and the request still carries 2.0 (2.4) →
//!   `#[arg(since, or = "drop", default)]`.
//! - `continue_backup` has no check, although older services do not have the method (2.3) →
//!   `since`.
//!
//! # Differences
//! - A client does not send a request for a host without the host's name: `CallError::MissingHost`.
//!   Python sends it to any host.
//! - A client does not send `continue_backup` to services before 2.3. Python sends it, and the
//!   backup never happens.
//! - A client whose cap is not proven rejects arguments that are too new with
//!   `CallError::VersionCap`, also `backup_id`, `no_snapshots` and `image_snap` if they are set.
//!   Python removes them silently, like `…_or_drop`.
//! - `create_group` accepts missing specifications. Python raises an exception.
//! - A server accepts `restore_backup` without `volume_is_new`, which Python's clients below 2.4
//!   omit. Cinder's own service does not.
//! - Callers themselves set `timestamp`, and record in the database the cleanup that an interrupted
//!   `create_volume`, `delete_volume` or `create_snapshot` requires.
//! - The value that `get_backup_device` returns below 3.2 stays a dictionary:
//!   [`BackupDevice`](objects::BackupDevice) is either.

pub mod backup_rpcapi;
pub mod notifications;
pub mod objects;
pub mod scheduler_rpcapi;
pub mod volume_rpcapi;

use rpc_runtime::{Context, Failure, RemoteError, rpc_api};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: Uuid,
    /// The name that its owner gave it.
    pub display_name: String,
    /// Its size in GiB.
    pub size: u64,
    /// `creating` until a back end has made it, then `available`.
    pub status: String,
    /// The back end that has it: `host@backend`.
    pub host: Option<String>,
}

/// A volume's requirements for a back end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestSpec {
    /// The volume to place.
    pub volume_id: Uuid,
    /// Its size in GiB.
    pub size: u64,
}

/// The capabilities of a back end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Capabilities {
    /// The name of the back end.
    pub volume_backend_name: String,
    /// Its total room, in GiB.
    pub total_capacity_gb: u64,
    /// Its free room, in GiB.
    pub free_capacity_gb: u64,
    /// Its volumes, since there is no database.
    pub volumes: Vec<Uuid>,
}

/// A back end, as the scheduler lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pool {
    /// `host@backend`.
    pub name: String,
    /// Its latest report.
    pub capabilities: Capabilities,
}

/// Restricts a list of pools.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Filters {
    /// The free room that a pool must have, in GiB.
    pub min_free_capacity_gb: Option<u64>,
}

/// The scheduler's errors.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "cinder.exception")]
pub enum SchedulerError {
    /// No back end fits.
    #[error("No valid backend was found. {reason}")]
    NoValidBackend {
        /// The reason.
        reason: String,
    },
    /// An error that this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

/// The volume manager's errors.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "cinder.exception")]
pub enum VolumeError {
    /// This back end does not have the volume.
    #[error("Volume {volume_id} could not be found.")]
    VolumeNotFound {
        /// The volume asked for.
        volume_id: Uuid,
    },
    /// An error that this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

/// Places volumes on back ends.
#[rpc_api(topic = "cinder-scheduler", version = "3.12")]
pub trait Scheduler {
    /// Creates a volume on the back end that the scheduler picks.
    async fn create_volume(
        &self,
        ctx: Context,
        volume: Volume,
        request_spec: Option<RequestSpec>,
        #[arg(since = "3.10")] backup_id: Option<Uuid>,
    );

    /// Lists the pools that pass `filters`.
    async fn get_pools(
        &self,
        ctx: Context,
        filters: Option<Filters>,
    ) -> Result<Vec<Pool>, SchedulerError>;

    /// Reports to every scheduler the capabilities of a back end.
    #[rpc(fanout)]
    async fn update_service_capabilities(
        &self,
        ctx: Context,
        service_name: String,
        host: String,
        capabilities: Capabilities,
    );

    /// Returns whether `backend` has room.
    #[rpc(since = "3.8")]
    async fn validate_host_capacity(
        &self,
        ctx: Context,
        backend: String,
        request_spec: RequestSpec,
    ) -> bool;
}

/// Creates and keeps volumes on one back end.
#[rpc_api(topic = "cinder-volume", version = "3.20")]
pub trait VolumeManager {
    /// Creates a volume on this back end.
    #[rpc(host)]
    async fn create_volume(&self, ctx: Context, volume: Volume, request_spec: Option<RequestSpec>);

    /// Returns a volume that this back end has. (Cinder reads its database for that.)
    #[rpc(host, timeout = "10s")]
    async fn get_volume(&self, ctx: Context, volume_id: Uuid) -> Result<Volume, VolumeError>;

    /// Asks every back end to report its capabilities to the schedulers.
    #[rpc(fanout)]
    async fn publish_service_capabilities(&self, ctx: Context);
}
