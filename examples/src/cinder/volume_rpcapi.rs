//! The complete interface of Cinder's volume manager, as `cinder/volume/rpcapi.py` calls it.
//!
//! Names, arguments, versions and destinations on the wire are Cinder's, under every cap. Arguments
//! that an older peer omits have a default. Requests carry version 3.0 wherever Cinder's do,
//! whatever they require of a back end.
//!
//! A request goes to a back end, `node-1@ceph`, or to a cluster of them, `cluster-a@ceph`. The
//! client finds either in an object that it sends, as Cinder's `service_topic_queue` does. If it
//! sends no such object, the argument `host` names the destination. A pool, `node-1@ceph#fast`,
//! stands for its back end.
//!
//! A back end listens twice. Callers that know 3.6 use the topic `cinder-volume.node-1@ceph` and
//! the host `node-1`. Older ones use the topic `cinder-volume` and the host `node-1@ceph`, and
//! fanout casts to all back ends also use that topic. The second topic and its host together form
//! the first topic, so the two share a queue, as in Cinder.

mod places;

use rpc_runtime::{CallResult, Context, Object, Version, objects::ObjectOr, rpc_api};
use serde::{Deserialize, Serialize};

pub use self::places::Destination;
use self::places::backend;
use super::{
    VolumeError,
    objects::{
        Backup, BackupDevice, CleanupRequest, Dictionary, Group, GroupSnapshot, LogLevel,
        LogLevelList, ManageableSnapshot, ManageableVolume, Reference, RequestSpec, Snapshot,
        Volume, VolumeAttachment,
    },
};

/// The possible targets of a group's replication.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplicationTargets {
    /// One dictionary for each target, with at least `backend_id`.
    pub replication_targets: Vec<Dictionary>,
}

/// Creates and keeps the volumes of one back end.
#[rpc_api(topic = "cinder-volume", version = "3.20", send = "3.0", address = backend)]
pub trait VolumeManager {
    /// Creates a volume on this back end.
    #[rpc(host = "volume.service_topic_queue()")]
    async fn create_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(default)] request_spec: Option<Object<RequestSpec>>,
        #[arg(default)] filter_properties: Option<Dictionary>,
        #[arg(default = true)] allow_reschedule: bool,
    );

    /// Reverts a volume to a snapshot.
    #[rpc(since = "3.15", send = "3.15", host = "volume.service_topic_queue()")]
    async fn revert_to_snapshot(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        snapshot: Object<Snapshot>,
    );

    /// Deletes a volume, or only removes it from Cinder.
    #[rpc(host = "volume.service_topic_queue()")]
    async fn delete_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(default)] unmanage_only: bool,
        #[arg(default)] cascade: bool,
    );

    /// Creates a snapshot of a volume.
    #[rpc(host = "host")]
    async fn create_snapshot(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        snapshot: Object<Snapshot>,
    );

    /// Deletes a snapshot, or only removes it from Cinder.
    #[rpc(host = "snapshot.service_topic_queue()")]
    async fn delete_snapshot(
        &self,
        ctx: Context,
        snapshot: Object<Snapshot>,
        #[arg(default)] unmanage_only: bool,
    );

    /// Records a volume's user and mount point.
    #[rpc(send = "3.3", before("3.3", send = "3.0"), host = "host")]
    async fn attach_volume(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        volume_id: String,
        instance_uuid: Option<String>,
        host_name: Option<String>,
        mountpoint: Option<String>,
        mode: Option<String>,
        #[arg(since = "3.3", or = "drop")] volume: Option<Object<Volume>>,
    ) -> Object<VolumeAttachment>;

    /// Records that a volume was detached.
    #[rpc(send = "3.4", before("3.4", send = "3.0"), host = "host")]
    async fn detach_volume(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        volume_id: String,
        #[arg(default)] attachment_id: Option<String>,
        #[arg(since = "3.4", or = "drop")] volume: Option<Object<Volume>>,
    ) -> ();

    /// Uploads a volume as an image.
    #[rpc(host = "host")]
    async fn copy_volume_to_image(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        volume_id: String,
        image_meta: Dictionary,
    );

    /// Makes a volume accessible to a host. Returns how the host connects.
    #[rpc(host = "volume.service_topic_queue()")]
    async fn initialize_connection(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        connector: Dictionary,
    ) -> Result<Dictionary, VolumeError>;

    /// Revokes the access that [`initialize_connection`](Self::initialize_connection) granted.
    #[rpc(host = "host")]
    async fn terminate_connection(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        volume_id: String,
        connector: Option<Dictionary>,
        #[arg(default)] force: bool,
    ) -> ();

    /// Stops exporting a volume. Some callers wait for the end, others do not.
    #[rpc(either, host = "host")]
    async fn remove_export(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        volume_id: String,
    ) -> ();

    /// Asks every back end to report its capabilities to the schedulers.
    #[rpc(fanout)]
    async fn publish_service_capabilities(&self, ctx: Context);

    /// Transfers a volume to another project. Returns the back end's changes to it.
    #[rpc(send = "3.16", before("3.16", send = "3.0"), host = "host")]
    async fn accept_transfer(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        volume_id: String,
        new_user: String,
        new_project: String,
        #[arg(since = "3.16", default)] no_snapshots: bool,
    ) -> Option<Dictionary>;

    /// Extends a volume to `new_size` GiB.
    #[rpc(host = "volume.service_topic_queue()")]
    async fn extend_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_size: u64,
        reservations: Option<Vec<String>>,
    );

    /// Completes the extension of an attached volume, after its host has done its part.
    #[rpc(since = "3.19", send = "3.19", host = "volume.service_topic_queue()")]
    async fn extend_volume_completion(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_size: u64,
        reservations: Option<Vec<String>>,
        error: bool,
    );

    /// Moves a volume to another back end.
    #[rpc(send = "3.5", before("3.5", send = "3.0"), host = "volume.service_topic_queue()")]
    async fn migrate_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(name = "host", before("3.5", with = Destination::without_cluster))]
        destination: Destination,
        #[arg(default)] force_host_copy: bool,
    );

    /// Completes a migration: the new volume replaces the old one. Returns the id of the remaining
    /// volume.
    #[rpc(host = "volume.service_topic_queue()")]
    async fn migrate_volume_completion(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_volume: Object<Volume>,
        #[arg(default)] error: bool,
    ) -> String;

    /// Changes a volume's type, here or, if necessary, on another back end.
    #[rpc(send = "3.5", before("3.5", send = "3.0"), host = "volume.service_topic_queue()")]
    async fn retype(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_type_id: String,
        #[arg(name = "host", before("3.5", with = Destination::without_cluster))]
        destination: Destination,
        #[arg(default = "never".to_owned())] migration_policy: String,
        #[arg(default)] reservations: Option<Vec<String>>,
        #[arg(default)] old_reservations: Option<Vec<String>>,
    );

    /// Imports an existing volume of the back end into Cinder.
    #[rpc(host = "volume.service_topic_queue()")]
    async fn manage_existing(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(default)] r#ref: Option<Reference>,
    );

    /// Updates a migrated volume with the back end's data about it.
    #[rpc(host = "new_volume.service_topic_queue()")]
    async fn update_migrated_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_volume: Object<Volume>,
        volume_status: String,
    ) -> ();

    /// Forbids new resources on this back end. Returns whether that worked.
    #[rpc(host = "host")]
    async fn freeze_host(&self, ctx: Context, #[arg(route)] host: String) -> bool;

    /// Ends [`freeze_host`](Self::freeze_host).
    #[rpc(host = "host")]
    async fn thaw_host(&self, ctx: Context, #[arg(route)] host: String) -> bool;

    /// Fails a back end over to its replica. Before 3.8, when clusters did not exist, a host was
    /// failed over.
    #[rpc(send = "3.8", before("3.8", name = "failover_host", send = "3.0"), host = "host")]
    async fn failover(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        #[arg(default)] secondary_backend_id: Option<String>,
    );

    /// Tells every member of a cluster the result of a failover.
    #[rpc(since = "3.8", fanout, send = "3.8", host = "host")]
    async fn failover_completed(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        updates: Dictionary,
    );

    /// Imports an existing snapshot of the back end into Cinder.
    #[rpc(host = "host")]
    async fn manage_existing_snapshot(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        snapshot: Object<Snapshot>,
        #[arg(default)] r#ref: Option<Reference>,
    );

    /// Returns the back end's capabilities, and asks its driver again if `discover` is set.
    #[rpc(host = "host")]
    async fn get_capabilities(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        discover: bool,
    ) -> Dictionary;

    /// Prepares the device that a backup reads from. With `async_call`, since 3.17, the back end
    /// sends the device to the backup service, so that the caller does not wait.
    #[rpc(
        either,
        send = "3.17",
        before("3.17", send = "3.2"),
        before("3.2", send = "3.0"),
        host = "host"
    )]
    async fn get_backup_device(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        backup: Object<Backup>,
        #[arg(since = "3.2", constant = true, default)] want_objects: bool,
        #[arg(since = "3.17", constant = true, default)] async_call: bool,
    ) -> Option<BackupDevice>;

    /// Requests the device that a backup reads from. Returns the device if the back end may be
    /// older than 3.17. Otherwise it returns `None`, and the back end sends the device to the
    /// backup service.
    #[rpc(manual)]
    async fn request_backup_device(
        &self,
        ctx: &Context,
        host: String,
        backup: &Object<Backup>,
    ) -> CallResult<Option<BackupDevice>> {
        if self.can_send_version(Version::new(3, 17)) {
            self.get_backup_device_cast(ctx, host, backup).await?;
            return Ok(None);
        }
        self.get_backup_device(ctx, host, backup).await
    }

    /// Returns whether the back end protects its files from other users.
    #[rpc(host = "volume.service_topic_queue()")]
    async fn secure_file_operations_enabled(&self, ctx: Context, volume: Object<Volume>) -> bool;

    /// Lists the back end's volumes that could be imported into Cinder.
    #[rpc(send = "3.10", before("3.10", send = "3.0"), host = "host")]
    async fn get_manageable_volumes(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        marker: Option<Reference>,
        limit: Option<u64>,
        offset: Option<u64>,
        sort_keys: Option<Vec<String>>,
        sort_dirs: Option<Vec<String>>,
        #[arg(since = "3.10", constant = true, default)] want_objects: bool,
    ) -> Vec<ObjectOr<ManageableVolume, Dictionary>>;

    /// Lists the back end's snapshots that could be imported into Cinder.
    #[rpc(send = "3.10", before("3.10", send = "3.0"), host = "host")]
    async fn get_manageable_snapshots(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        marker: Option<Reference>,
        limit: Option<u64>,
        offset: Option<u64>,
        sort_keys: Option<Vec<String>>,
        sort_dirs: Option<Vec<String>>,
        #[arg(since = "3.10", constant = true, default)] want_objects: bool,
    ) -> Vec<ObjectOr<ManageableSnapshot, Dictionary>>;

    /// Creates a group on this back end.
    #[rpc(host = "group.service_topic_queue()")]
    async fn create_group(&self, ctx: Context, group: Object<Group>);

    /// Deletes a group with its volumes.
    #[rpc(host = "group.service_topic_queue()")]
    async fn delete_group(&self, ctx: Context, group: Object<Group>);

    /// Adds volumes to a group, and removes others: their ids, separated by commas.
    #[rpc(host = "group.service_topic_queue()")]
    async fn update_group(
        &self,
        ctx: Context,
        group: Object<Group>,
        #[arg(default)] add_volumes: Option<String>,
        #[arg(default)] remove_volumes: Option<String>,
    );

    /// Creates a group from a snapshot of a group, or from another group.
    #[rpc(host = "group.service_topic_queue()")]
    async fn create_group_from_src(
        &self,
        ctx: Context,
        group: Object<Group>,
        #[arg(default)] group_snapshot: Option<Object<GroupSnapshot>>,
        #[arg(default)] source_group: Option<Object<Group>>,
    );

    /// Creates a snapshot of each volume of a group.
    #[rpc(host = "group_snapshot.service_topic_queue()")]
    async fn create_group_snapshot(&self, ctx: Context, group_snapshot: Object<GroupSnapshot>);

    /// Deletes the snapshots of a group's volumes.
    #[rpc(host = "group_snapshot.service_topic_queue()")]
    async fn delete_group_snapshot(&self, ctx: Context, group_snapshot: Object<GroupSnapshot>);

    /// Makes a snapshot accessible to a host. Returns how the host connects.
    #[rpc(since = "3.13", send = "3.13", host = "host")]
    async fn initialize_connection_snapshot(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        snapshot_id: String,
        connector: Dictionary,
    ) -> Dictionary;

    /// Revokes the access that
    /// [`initialize_connection_snapshot`](Self::initialize_connection_snapshot) granted.
    #[rpc(since = "3.13", send = "3.13", host = "host")]
    async fn terminate_connection_snapshot(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        snapshot_id: String,
        connector: Option<Dictionary>,
        #[arg(default)] force: bool,
    ) -> ();

    /// Stops exporting a snapshot. Some callers wait for the end, others do not.
    #[rpc(since = "3.13", either, send = "3.13", host = "host")]
    async fn remove_export_snapshot(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        snapshot_id: String,
    ) -> ();

    /// Makes the volume accessible to the host of an attachment. Returns how the host connects.
    #[rpc(since = "3.9", send = "3.9", host = "vref.service_topic_queue()")]
    async fn attachment_update(
        &self,
        ctx: Context,
        vref: Object<Volume>,
        connector: Dictionary,
        attachment_id: String,
    ) -> Dictionary;

    /// Ends an attachment.
    #[rpc(since = "3.9", send = "3.9", host = "vref.service_topic_queue()")]
    async fn attachment_delete(
        &self,
        ctx: Context,
        attachment_id: String,
        vref: Object<Volume>,
    ) -> ();

    /// Cleans up the interrupted work of a service, this one or another of its cluster.
    #[rpc(since = "3.7", send = "3.7", host = "cleanup_request.service_topic_queue()")]
    async fn do_cleanup(&self, ctx: Context, cleanup_request: Object<CleanupRequest>);

    /// Sets the levels of one service's loggers.
    #[rpc(since = "3.12", send = "3.12", host = "host")]
    async fn set_log_levels(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        log_request: Object<LogLevel>,
    );

    /// Returns the levels of one service's loggers.
    #[rpc(since = "3.12", send = "3.12", host = "host")]
    async fn get_log_levels(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        log_request: Object<LogLevel>,
    ) -> Object<LogLevelList>;

    /// Starts the replication of a group.
    #[rpc(since = "3.14", send = "3.14", host = "group.service_topic_queue()")]
    async fn enable_replication(&self, ctx: Context, group: Object<Group>);

    /// Stops the replication of a group.
    #[rpc(since = "3.14", send = "3.14", host = "group.service_topic_queue()")]
    async fn disable_replication(&self, ctx: Context, group: Object<Group>);

    /// Fails a group over to its replica.
    #[rpc(since = "3.14", send = "3.14", host = "group.service_topic_queue()")]
    async fn failover_replication(
        &self,
        ctx: Context,
        group: Object<Group>,
        #[arg(default)] allow_attached_volume: bool,
        #[arg(default)] secondary_backend_id: Option<String>,
    );

    /// Lists the possible targets of a group's replication.
    #[rpc(since = "3.14", send = "3.14", host = "group.service_topic_queue()")]
    async fn list_replication_targets(
        &self,
        ctx: Context,
        group: Object<Group>,
    ) -> ReplicationTargets;

    /// Writes an image to a volume again.
    #[rpc(
        since = "3.18",
        send = "3.20",
        before("3.20", send = "3.18"),
        host = "volume.service_topic_queue()"
    )]
    async fn reimage(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        image_meta: Dictionary,
        #[arg(since = "3.20")] image_snap: Option<String>,
    );
}
