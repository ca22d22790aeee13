//! The whole interface of Cinder's scheduler, as `cinder/scheduler/rpcapi.py` calls it.
//!
//! Names, arguments and versions are those of the wire, under every cap. What a peer of an older version leaves out has a
//! default. Requests say 3.0 of themselves wherever Cinder's do, whatever they need of the scheduler.

use rpc_runtime::{Context, Object, objects::ObjectOr, rpc_api};
use serde::{Deserialize, Serialize};

use super::{
    SchedulerError,
    objects::{
        Backup, CleanupRequest, Dictionary, FlatRequestSpec, Group, LogLevel, LogLevelList,
        Reference, RequestSpec, Service, Snapshot, Volume,
    },
};

/// A pool of a back end, as the scheduler lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pool {
    /// `host@backend#pool`.
    pub name: String,
    /// What its driver reported last.
    pub capabilities: Dictionary,
}

/// Finds back ends for what is to be made, and keeps what they report of themselves.
#[rpc_api(topic = "cinder-scheduler", version = "3.12", send = "3.0")]
pub trait Scheduler {
    /// Finds a back end for a group, and has the group made there.
    async fn create_group(
        &self,
        ctx: Context,
        group: Object<Group>,
        #[arg(default)] group_spec: Option<FlatRequestSpec>,
        #[arg(default)] request_spec_list: Option<Vec<FlatRequestSpec>>,
        #[arg(default)] group_filter_properties: Option<Dictionary>,
        #[arg(default)] filter_properties_list: Option<Vec<Dictionary>>,
    );

    /// Finds a back end for a volume, and has the volume made there. Some callers give a dictionary as the specification.
    async fn create_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(default)] snapshot_id: Option<String>,
        #[arg(default)] image_id: Option<String>,
        #[arg(default)] request_spec: Option<ObjectOr<RequestSpec, FlatRequestSpec>>,
        #[arg(default)] filter_properties: Option<Dictionary>,
        #[arg(since = "3.10")] backup_id: Option<String>,
    );

    /// Says whether `backend` has room for what is asked for.
    #[rpc(since = "3.8")]
    async fn validate_host_capacity(
        &self,
        ctx: Context,
        backend: String,
        request_spec: Object<RequestSpec>,
        filter_properties: Option<Dictionary>,
    ) -> bool;

    /// Has a snapshot made, if the volume's back end has room for it.
    #[rpc(since = "3.9")]
    async fn create_snapshot(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        snapshot: Object<Snapshot>,
        backend: String,
        #[arg(default)] request_spec: Option<Object<RequestSpec>>,
        #[arg(default)] filter_properties: Option<Dictionary>,
    );

    /// Moves a volume to `backend`, if that passes the filters. Before 3.3, when there were no clusters, that was a host.
    #[rpc(send = "3.3", before("3.3", name = "migrate_volume_to_host", send = "3.0"))]
    async fn migrate_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(before("3.3", name = "host"))] backend: String,
        #[arg(before("3.3", name = "force_host_copy"))] force_copy: bool,
        #[arg(default)] request_spec: Option<FlatRequestSpec>,
        #[arg(default)] filter_properties: Option<Dictionary>,
    );

    /// Gives a volume another type, and moves it if its back end cannot have that type.
    async fn retype(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        request_spec: Option<FlatRequestSpec>,
        #[arg(default)] filter_properties: Option<Dictionary>,
    );

    /// Has a back end take what it has already into Cinder, as a volume.
    async fn manage_existing(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        request_spec: Option<FlatRequestSpec>,
        #[arg(default)] filter_properties: Option<Dictionary>,
    );

    /// Has a back end take a snapshot that it has already into Cinder.
    #[rpc(since = "3.11")]
    async fn manage_existing_snapshot(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        snapshot: Object<Snapshot>,
        r#ref: Option<Reference>,
        request_spec: Option<FlatRequestSpec>,
        #[arg(default)] filter_properties: Option<Dictionary>,
    );

    /// Has a volume grow, if its back end has room for that.
    #[rpc(since = "3.2")]
    async fn extend_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_size: u64,
        reservations: Option<Vec<String>>,
        #[arg(default)] request_spec: Option<FlatRequestSpec>,
        #[arg(default)] filter_properties: Option<Dictionary>,
    );

    /// Lists the pools that pass `filters`.
    async fn get_pools(
        &self,
        ctx: Context,
        #[arg(default)] filters: Option<Dictionary>,
    ) -> Result<Vec<Pool>, SchedulerError>;

    /// Tells every scheduler what a service can do. Schedulers take whatever they are told.
    #[rpc(fanout, extra = "ignore", send = "3.3", before("3.3", send = "3.0"))]
    async fn update_service_capabilities(
        &self,
        ctx: Context,
        service_name: String,
        host: String,
        capabilities: Option<Dictionary>,
        #[arg(since = "3.3", or = "drop")] cluster_name: Option<String>,
        #[arg(since = "3.3", or = "drop")] timestamp: Option<String>,
    );

    /// Tells a scheduler what a service can do, for those who watch its notifications. Before 3.5 the service was a host.
    #[rpc(since = "3.1", send = "3.5", before("3.5", send = "3.1"))]
    async fn notify_service_capabilities(
        &self,
        ctx: Context,
        service_name: String,
        capabilities: Option<Dictionary>,
        #[arg(before("3.5", name = "host"))] backend: String,
        #[arg(since = "3.5", or = "drop")] timestamp: Option<String>,
    );

    /// Has services clean up what was interrupted. Returns those that were asked, and those that are down.
    #[rpc(since = "3.4", send = "3.4")]
    async fn work_cleanup(
        &self,
        ctx: Context,
        cleanup_request: Object<CleanupRequest>,
    ) -> (Vec<Object<Service>>, Vec<Object<Service>>);

    /// Cleans up what this scheduler itself was interrupted in.
    #[rpc(since = "3.4", send = "3.4")]
    async fn do_cleanup(&self, ctx: Context, cleanup_request: Object<CleanupRequest>);

    /// Sets the levels of one scheduler's loggers.
    #[rpc(since = "3.7", send = "3.7", host = "host")]
    async fn set_log_levels(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        log_request: Object<LogLevel>,
    );

    /// Returns the levels of one scheduler's loggers.
    #[rpc(since = "3.7", send = "3.7", host = "host")]
    async fn get_log_levels(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        log_request: Object<LogLevel>,
    ) -> Object<LogLevelList>;

    /// Finds a host for a backup, and has the backup made there.
    #[rpc(since = "3.12")]
    async fn create_backup(&self, ctx: Context, backup: Object<Backup>);
}
