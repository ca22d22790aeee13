//! The complete interface of Cinder's scheduler, as `cinder/scheduler/rpcapi.py` calls it.
//!
//! Names, arguments and versions on the wire are Cinder's, under every cap. Arguments that an older
//! peer omits have a default. Requests carry version 3.0 wherever Cinder's do, whatever they
//! require of the scheduler.

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
    /// The driver's latest report.
    pub capabilities: Dictionary,
}

/// Finds back ends for new resources, and keeps the reports of the back ends.
#[rpc_api(topic = "cinder-scheduler", version = "3.12", send = "3.0")]
pub trait Scheduler {
    /// Finds a back end for a group, and has it create the group.
    async fn create_group(
        &self,
        ctx: Context,
        group: Object<Group>,
        #[arg(default)] group_spec: Option<FlatRequestSpec>,
        #[arg(default)] request_spec_list: Option<Vec<FlatRequestSpec>>,
        #[arg(default)] group_filter_properties: Option<Dictionary>,
        #[arg(default)] filter_properties_list: Option<Vec<Dictionary>>,
    );

    /// Finds a back end for a volume, and has it create the volume. Some callers give a dictionary
    /// as the specification.
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

    /// Returns whether `backend` has room for the request.
    #[rpc(since = "3.8")]
    async fn validate_host_capacity(
        &self,
        ctx: Context,
        backend: String,
        request_spec: Object<RequestSpec>,
        filter_properties: Option<Dictionary>,
    ) -> bool;

    /// Has the volume's back end create a snapshot, if it has room.
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

    /// Moves a volume to `backend`, if that passes the filters. Before 3.3, when clusters did not
    /// exist, the destination was a host.
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

    /// Changes a volume's type, and moves the volume if its back end cannot have that type.
    async fn retype(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        request_spec: Option<FlatRequestSpec>,
        #[arg(default)] filter_properties: Option<Dictionary>,
    );

    /// Has a back end import an existing volume of its own into Cinder.
    async fn manage_existing(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        request_spec: Option<FlatRequestSpec>,
        #[arg(default)] filter_properties: Option<Dictionary>,
    );

    /// Has a back end import an existing snapshot of its own into Cinder.
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

    /// Extends a volume, if its back end has room.
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

    /// Reports to every scheduler the capabilities of a service. Schedulers ignore unknown
    /// arguments.
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

    /// Reports a service's capabilities to a scheduler, for listeners of its notifications. Before
    /// 3.5 the service was a host.
    #[rpc(since = "3.1", send = "3.5", before("3.5", send = "3.1"))]
    async fn notify_service_capabilities(
        &self,
        ctx: Context,
        service_name: String,
        capabilities: Option<Dictionary>,
        #[arg(before("3.5", name = "host"))] backend: String,
        #[arg(since = "3.5", or = "drop")] timestamp: Option<String>,
    );

    /// Has services clean up interrupted work. Returns the services that were asked, and those that
    /// are down.
    #[rpc(since = "3.4", send = "3.4")]
    async fn work_cleanup(
        &self,
        ctx: Context,
        cleanup_request: Object<CleanupRequest>,
    ) -> (Vec<Object<Service>>, Vec<Object<Service>>);

    /// Cleans up this scheduler's own interrupted work.
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

    /// Finds a host for a backup, and has it create the backup.
    #[rpc(since = "3.12")]
    async fn create_backup(&self, ctx: Context, backup: Object<Backup>);
}
