//! Cinder's scheduler and volume manager, as far as creating a volume needs them.
//!
//! Topics, methods, arguments and versions are Cinder's own; the objects have the few fields that the flow uses, and
//! one more: without Cinder's database, a back end reports which volumes it has.
//!
//! The whole interfaces are in [`scheduler_rpcapi`], [`volume_rpcapi`] and [`backup_rpcapi`].

pub mod backup_rpcapi;
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
