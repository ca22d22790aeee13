//! Cinder's scheduler and volume manager, as far as creating a volume needs them.
//!
//! Topics, methods, arguments and versions are Cinder's own; the objects have the few fields that the flow uses, and
//! one more: without Cinder's database, a back end reports which volumes it has.
//!
//! The whole interfaces are in [`scheduler_rpcapi`], [`volume_rpcapi`] and [`backup_rpcapi`].
//!
//! # What Cinder does by hand
//! Cinder's three `rpcapi.py` decide in code what older services can be sent. This is what that code does, and what says
//! the same in a trait.
//!
//! | Method | What Python does | Version | Here |
//! |---|---|---|---|
//! | **All three** | | | |
//! | most | send 3.0, or 2.0 in backup, whatever they use | | `send = "3.0"` on the trait |
//! | 4, 15 and 3 of them | raise `ServiceTooOld` below a version, and send that version | | `since`, `send` on the method |
//! | `set_log_levels`, `get_log_levels` | go to the host of a service that they do not send | 3.7, 3.12, 2.1 | `host = "host"`, `#[arg(route)]` |
//! | **Scheduler** | | | |
//! | `create_backup`, `create_snapshot`, `extend_volume`, `manage_existing_snapshot`, `validate_host_capacity` | raise below a version, and yet send 3.0 | 3.12, 3.9, 3.2, 3.11, 3.8 | `since` |
//! | `create_volume` | takes `backup_id` out; the request still says 3.0 | 3.10 | `#[arg(since)]` |
//! | `migrate_volume` | calls `migrate_volume_to_host` with `host` and `force_host_copy` | 3.3 | `before` on the method and on both arguments |
//! | `update_service_capabilities` | adds `cluster_name` and `timestamp` | 3.3 | `#[arg(since, or = "drop")]`, `before` for its version |
//! | the same, in the manager | takes arguments that it does not know (`**kwargs`) | | `extra = "ignore"` |
//! | `notify_service_capabilities` | sends `host` for `backend`, and no `timestamp` | 3.1, 3.5 | `since`, `before` on method and argument, `#[arg(since)]` |
//! | `create_group`, `retype`, `manage_existing`, … | flatten specifications | | the arguments' type; [`RequestSpec::flat`](objects::RequestSpec::flat) |
//! | **Volume** | | | |
//! | all but one | make a topic of the back end, or else a host; cut off the pool | 3.6 | `address = backend` |
//! | most | go to the cluster, or else the host, of an object | | `host = "volume.service_topic_queue()"` |
//! | `create_snapshot`, `freeze_host`, … | do not send that object | | `host = "host"`, `#[arg(route)]` |
//! | `update_migrated_volume` | goes where the second of two volumes is | | `host = "new_volume.…"` |
//! | `attach_volume`, `detach_volume` | take `volume` out | 3.3, 3.4 | `#[arg(since, or = "drop")]`, `before` for its version |
//! | `accept_transfer` | takes `no_snapshots` out | 3.16 | `#[arg(since)]`, `before` for its version |
//! | `reimage` | takes `image_snap` out | 3.18, 3.20 | `since`, `#[arg(since)]`, `before` for its version |
//! | `migrate_volume`, `retype` | take the cluster out of the dictionary `host` | 3.5 | `#[arg(name, before(…, with))]` |
//! | `failover` | calls `failover_host` | 3.8 | `before(…, name)` |
//! | `failover_completed` | a fanout cast to the services of one cluster, which it does not ask about | 3.8 | `fanout` with `host` |
//! | `remove_export`, `remove_export_snapshot` | a call if `sync`, else a cast | 3.13 (snapshots) | `either` |
//! | `get_manageable_volumes`, `get_manageable_snapshots` | add `want_objects` | 3.10 | `#[arg(since, constant = true)]` |
//! | `get_backup_device` | a call, then with `want_objects`, then a cast with `async_call` | 3.2, 3.17 | `either`, constants, `before` twice; `manual`: `request_backup_device` |
//! | **Backup** | | | |
//! | most | go to the host of the backup | | `host = "backup.host"` |
//! | `restore_backup`, `import_record`, `check_support_to_force_delete` | go to a host that is not sent | | `host = "…"`, `#[arg(route)]` |
//! | `restore_backup` | takes `volume_is_new` out; the request still says 2.0 | 2.4 | `#[arg(since, or = "drop", default)]` |
//! | `continue_backup` | nothing, although older services do not have it | 2.3 | `since` |
//!
//! # Where we differ
//! - What goes to a host is not sent if nobody says which: `CallError::MissingHost`. Python sends it to any.
//! - `continue_backup` is not sent to services before 2.3. Python sends it, and the backup is never made.
//! - A client whose cap is not proven refuses what is too new with `CallError::VersionCap`, also `backup_id`,
//!   `no_snapshots` and `image_snap`, if they are set. Python takes those out without a word. `…_or_drop` does so, too.
//! - `create_group` can do without specifications. Python falls over.
//! - A server takes `restore_backup` without `volume_is_new`, which Python's clients below 2.4 leave out. Cinder's own
//!   service does not.
//! - Two things are left to a caller: to stamp `timestamp`, and to note in the database what is to be cleaned up if
//!   `create_volume`, `delete_volume` or `create_snapshot` is interrupted.
//! - What `get_backup_device` returns below 3.2 stays a dictionary: [`BackupDevice`](objects::BackupDevice) is either.

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

/// What a volume needs of a back end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestSpec {
    /// The volume to place.
    pub volume_id: Uuid,
    /// The room that it takes, in GiB.
    pub size: u64,
}

/// What a back end can do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Capabilities {
    /// The name of the back end.
    pub volume_backend_name: String,
    /// All of its room, in GiB.
    pub total_capacity_gb: u64,
    /// What is left of it, in GiB.
    pub free_capacity_gb: u64,
    /// What it holds, in place of a database.
    pub volumes: Vec<Uuid>,
}

/// A back end, as the scheduler lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pool {
    /// `host@backend`.
    pub name: String,
    /// What it reported last.
    pub capabilities: Capabilities,
}

/// Restricts a list of pools.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Filters {
    /// Only pools with so much room left, in GiB.
    pub min_free_capacity_gb: Option<u64>,
}

/// What the scheduler refuses.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "cinder.exception")]
pub enum SchedulerError {
    /// No back end fits.
    #[error("No valid backend was found. {reason}")]
    NoValidBackend {
        /// Why not.
        reason: String,
    },
    /// What this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

/// What a volume manager refuses.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "cinder.exception")]
pub enum VolumeError {
    /// There is no such volume here.
    #[error("Volume {volume_id} could not be found.")]
    VolumeNotFound {
        /// The volume asked for.
        volume_id: Uuid,
    },
    /// What this version does not know.
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

    /// Tells every scheduler what a back end can do.
    #[rpc(fanout)]
    async fn update_service_capabilities(
        &self,
        ctx: Context,
        service_name: String,
        host: String,
        capabilities: Capabilities,
    );

    /// Says whether `backend` has room.
    #[rpc(since = "3.8")]
    async fn validate_host_capacity(
        &self,
        ctx: Context,
        backend: String,
        request_spec: RequestSpec,
    ) -> bool;
}

/// Makes and keeps volumes on one back end.
#[rpc_api(topic = "cinder-volume", version = "3.20")]
pub trait VolumeManager {
    /// Creates a volume on this very back end.
    #[rpc(host)]
    async fn create_volume(&self, ctx: Context, volume: Volume, request_spec: Option<RequestSpec>);

    /// Returns a volume that this back end has. (Cinder reads its database for that.)
    #[rpc(host, timeout = "10s")]
    async fn get_volume(&self, ctx: Context, volume_id: Uuid) -> Result<Volume, VolumeError>;

    /// Asks every back end to report to the schedulers what it can do.
    #[rpc(fanout)]
    async fn publish_service_capabilities(&self, ctx: Context);
}
