//! The whole interface of Cinder's volume manager, as `cinder/volume/rpcapi.py` calls it.
//!
//! Names, arguments and versions are those of the wire. What a peer of an older version leaves out has a default.
//!
//! A back end `node-1@ceph` listens twice. Callers that know 3.6 name the topic `cinder-volume.node-1@ceph` and the
//! host `node-1`. Older ones name the topic `cinder-volume` and the host `node-1@ceph`, and what is for all back ends
//! goes to that topic, too. The second topic and its host together are the first topic: the two share a queue, as they
//! do in Cinder.

use rpc_runtime::{Context, Object, objects::ObjectOr, rpc_api};
use serde::{Deserialize, Serialize};

use super::{
    VolumeError,
    objects::{
        Backup, BackupDevice, CleanupRequest, Dictionary, Group, GroupSnapshot, LogLevel,
        LogLevelList, ManageableSnapshot, ManageableVolume, Reference, RequestSpec, Snapshot,
        Volume, VolumeAttachment,
    },
};

/// A back end that a volume moves to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Destination {
    /// `host@backend#pool`.
    pub host: String,
    /// The cluster that it belongs to. Callers that do not know 3.5 do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// What its driver reported last.
    pub capabilities: Dictionary,
}

/// Where replicas of a group can be found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplicationTargets {
    /// One dictionary for each target, with `backend_id` at least.
    pub replication_targets: Vec<Dictionary>,
}

/// Makes and keeps the volumes of one back end.
#[rpc_api(topic = "cinder-volume", version = "3.20")]
pub trait VolumeManager {
    /// Creates a volume on this back end.
    #[rpc(host)]
    async fn create_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(default)] request_spec: Option<Object<RequestSpec>>,
        #[arg(default)] filter_properties: Option<Dictionary>,
        #[arg(default = true)] allow_reschedule: bool,
    );

    /// Sets a volume back to what it was when a snapshot was made.
    #[rpc(since = "3.15", host)]
    async fn revert_to_snapshot(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        snapshot: Object<Snapshot>,
    );

    /// Deletes a volume, or only forgets it.
    #[rpc(host)]
    async fn delete_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(default)] unmanage_only: bool,
        #[arg(default)] cascade: bool,
    );

    /// Creates a snapshot of a volume.
    #[rpc(host)]
    async fn create_snapshot(&self, ctx: Context, snapshot: Object<Snapshot>);

    /// Deletes a snapshot, or only forgets it.
    #[rpc(host)]
    async fn delete_snapshot(
        &self,
        ctx: Context,
        snapshot: Object<Snapshot>,
        #[arg(default)] unmanage_only: bool,
    );

    /// Notes who uses a volume, and where it is mounted.
    #[rpc(host)]
    async fn attach_volume(
        &self,
        ctx: Context,
        volume_id: String,
        instance_uuid: Option<String>,
        host_name: Option<String>,
        mountpoint: Option<String>,
        mode: Option<String>,
        #[arg(since = "3.3")] volume: Option<Object<Volume>>,
    ) -> Object<VolumeAttachment>;

    /// Notes that somebody no longer uses a volume.
    #[rpc(host)]
    async fn detach_volume(
        &self,
        ctx: Context,
        volume_id: String,
        #[arg(default)] attachment_id: Option<String>,
        #[arg(since = "3.4")] volume: Option<Object<Volume>>,
    ) -> ();

    /// Uploads a volume as an image.
    #[rpc(host)]
    async fn copy_volume_to_image(&self, ctx: Context, volume_id: String, image_meta: Dictionary);

    /// Lets a host reach a volume. Returns how.
    #[rpc(host)]
    async fn initialize_connection(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        connector: Dictionary,
    ) -> Result<Dictionary, VolumeError>;

    /// Takes away what [`initialize_connection`](Self::initialize_connection) gave.
    #[rpc(host)]
    async fn terminate_connection(
        &self,
        ctx: Context,
        volume_id: String,
        connector: Option<Dictionary>,
        #[arg(default)] force: bool,
    ) -> ();

    /// Stops exporting a volume. Some callers wait for it, others do not.
    #[rpc(host)]
    async fn remove_export(&self, ctx: Context, volume_id: String) -> ();

    /// Asks every back end to report to the schedulers what it can do.
    #[rpc(fanout)]
    async fn publish_service_capabilities(&self, ctx: Context);

    /// Gives a volume to another project. Returns what the back end has changed of it.
    #[rpc(host)]
    async fn accept_transfer(
        &self,
        ctx: Context,
        volume_id: String,
        new_user: String,
        new_project: String,
        #[arg(since = "3.16", default)] no_snapshots: bool,
    ) -> Option<Dictionary>;

    /// Has a volume grow to `new_size` GiB.
    #[rpc(host)]
    async fn extend_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_size: u64,
        reservations: Option<Vec<String>>,
    );

    /// Ends the growth of an attached volume, after its host has taken part in it.
    #[rpc(since = "3.19", host)]
    async fn extend_volume_completion(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_size: u64,
        reservations: Option<Vec<String>>,
        error: bool,
    );

    /// Moves a volume to another back end.
    #[rpc(host)]
    async fn migrate_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        #[arg(name = "host")] destination: Destination,
        #[arg(default)] force_host_copy: bool,
    );

    /// Ends a migration: the new volume takes the place of the old one. Returns the id of the one that is left.
    #[rpc(host)]
    async fn migrate_volume_completion(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_volume: Object<Volume>,
        #[arg(default)] error: bool,
    ) -> String;

    /// Gives a volume another type, here or, if need be, on another back end.
    #[rpc(host)]
    async fn retype(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_type_id: String,
        #[arg(name = "host")] destination: Destination,
        #[arg(default = "never".to_owned())] migration_policy: String,
        #[arg(default)] reservations: Option<Vec<String>>,
        #[arg(default)] old_reservations: Option<Vec<String>>,
    );

    /// Takes what the back end has already into Cinder, as a volume.
    #[rpc(host)]
    async fn manage_existing(&self, ctx: Context, volume: Object<Volume>, r#ref: Option<Reference>);

    /// Takes over what the back end knows of a volume that has moved here.
    #[rpc(host)]
    async fn update_migrated_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_volume: Object<Volume>,
        volume_status: String,
    ) -> ();

    /// Lets nothing new be made on this back end. Returns whether that worked.
    #[rpc(host)]
    async fn freeze_host(&self, ctx: Context) -> bool;

    /// Ends [`freeze_host`](Self::freeze_host).
    #[rpc(host)]
    async fn thaw_host(&self, ctx: Context) -> bool;

    /// Moves a back end's work to its replica.
    #[rpc(since = "3.8", host)]
    async fn failover(&self, ctx: Context, #[arg(default)] secondary_backend_id: Option<String>);

    /// What [`failover`](Self::failover) was before 3.8.
    #[rpc(host)]
    async fn failover_host(
        &self,
        ctx: Context,
        #[arg(default)] secondary_backend_id: Option<String>,
    );

    /// Tells every member of a cluster how a failover has ended.
    #[rpc(since = "3.8", fanout)]
    async fn failover_completed(&self, ctx: Context, updates: Dictionary);

    /// Takes a snapshot that the back end has already into Cinder.
    #[rpc(host)]
    async fn manage_existing_snapshot(
        &self,
        ctx: Context,
        snapshot: Object<Snapshot>,
        r#ref: Option<Reference>,
    );

    /// Returns what the back end can do, asking its driver again if `discover` says so.
    #[rpc(host)]
    async fn get_capabilities(&self, ctx: Context, discover: bool) -> Dictionary;

    /// Prepares what a backup reads from. Callers wait for it before 3.17; later ones do not, and `async_call` has
    /// the device sent to the backup service.
    #[rpc(host)]
    async fn get_backup_device(
        &self,
        ctx: Context,
        backup: Object<Backup>,
        #[arg(since = "3.2", default)] want_objects: bool,
        #[arg(since = "3.17", default)] async_call: bool,
    ) -> Option<BackupDevice>;

    /// Says whether the back end keeps its files from other users.
    #[rpc(host)]
    async fn secure_file_operations_enabled(
        &self,
        ctx: Context,
        volume: Option<Object<Volume>>,
    ) -> bool;

    /// Lists what the back end has and could take into Cinder as volumes.
    #[rpc(host)]
    async fn get_manageable_volumes(
        &self,
        ctx: Context,
        marker: Option<Reference>,
        limit: Option<u64>,
        offset: Option<u64>,
        sort_keys: Option<Vec<String>>,
        sort_dirs: Option<Vec<String>>,
        #[arg(since = "3.10", default)] want_objects: bool,
    ) -> Vec<ObjectOr<ManageableVolume, Dictionary>>;

    /// Lists what the back end has and could take into Cinder as snapshots.
    #[rpc(host)]
    async fn get_manageable_snapshots(
        &self,
        ctx: Context,
        marker: Option<Reference>,
        limit: Option<u64>,
        offset: Option<u64>,
        sort_keys: Option<Vec<String>>,
        sort_dirs: Option<Vec<String>>,
        #[arg(since = "3.10", default)] want_objects: bool,
    ) -> Vec<ObjectOr<ManageableSnapshot, Dictionary>>;

    /// Creates a group on this back end.
    #[rpc(host)]
    async fn create_group(&self, ctx: Context, group: Object<Group>);

    /// Deletes a group with its volumes.
    #[rpc(host)]
    async fn delete_group(&self, ctx: Context, group: Object<Group>);

    /// Adds volumes to a group, and takes others out of it: their ids, with commas between them.
    #[rpc(host)]
    async fn update_group(
        &self,
        ctx: Context,
        group: Object<Group>,
        #[arg(default)] add_volumes: Option<String>,
        #[arg(default)] remove_volumes: Option<String>,
    );

    /// Creates a group with what a snapshot of a group, or another group, has in it.
    #[rpc(host)]
    async fn create_group_from_src(
        &self,
        ctx: Context,
        group: Object<Group>,
        #[arg(default)] group_snapshot: Option<Object<GroupSnapshot>>,
        #[arg(default)] source_group: Option<Object<Group>>,
    );

    /// Creates a snapshot of each volume of a group.
    #[rpc(host)]
    async fn create_group_snapshot(&self, ctx: Context, group_snapshot: Object<GroupSnapshot>);

    /// Deletes the snapshots of a group's volumes.
    #[rpc(host)]
    async fn delete_group_snapshot(&self, ctx: Context, group_snapshot: Object<GroupSnapshot>);

    /// Lets a host reach a snapshot. Returns how.
    #[rpc(since = "3.13", host)]
    async fn initialize_connection_snapshot(
        &self,
        ctx: Context,
        snapshot_id: String,
        connector: Dictionary,
    ) -> Dictionary;

    /// Takes away what [`initialize_connection_snapshot`](Self::initialize_connection_snapshot) gave.
    #[rpc(since = "3.13", host)]
    async fn terminate_connection_snapshot(
        &self,
        ctx: Context,
        snapshot_id: String,
        connector: Option<Dictionary>,
        #[arg(default)] force: bool,
    ) -> ();

    /// Stops exporting a snapshot. Some callers wait for it, others do not.
    #[rpc(since = "3.13", host)]
    async fn remove_export_snapshot(&self, ctx: Context, snapshot_id: String) -> ();

    /// Lets the host of an attachment reach the volume. Returns how.
    #[rpc(since = "3.9", host)]
    async fn attachment_update(
        &self,
        ctx: Context,
        vref: Object<Volume>,
        connector: Dictionary,
        attachment_id: String,
    ) -> Dictionary;

    /// Ends an attachment.
    #[rpc(since = "3.9", host)]
    async fn attachment_delete(
        &self,
        ctx: Context,
        attachment_id: String,
        vref: Object<Volume>,
    ) -> ();

    /// Cleans up what a service was interrupted in, this one or another of its cluster.
    #[rpc(since = "3.7", host)]
    async fn do_cleanup(&self, ctx: Context, cleanup_request: Object<CleanupRequest>);

    /// Sets the levels of one service's loggers.
    #[rpc(since = "3.12", host)]
    async fn set_log_levels(&self, ctx: Context, log_request: Object<LogLevel>);

    /// Returns the levels of one service's loggers.
    #[rpc(since = "3.12", host)]
    async fn get_log_levels(
        &self,
        ctx: Context,
        log_request: Object<LogLevel>,
    ) -> Object<LogLevelList>;

    /// Begins to replicate a group.
    #[rpc(since = "3.14", host)]
    async fn enable_replication(&self, ctx: Context, group: Object<Group>);

    /// Ends the replication of a group.
    #[rpc(since = "3.14", host)]
    async fn disable_replication(&self, ctx: Context, group: Object<Group>);

    /// Moves a group's work to its replica.
    #[rpc(since = "3.14", host)]
    async fn failover_replication(
        &self,
        ctx: Context,
        group: Object<Group>,
        #[arg(default)] allow_attached_volume: bool,
        #[arg(default)] secondary_backend_id: Option<String>,
    );

    /// Lists where a group can be replicated to.
    #[rpc(since = "3.14", host)]
    async fn list_replication_targets(
        &self,
        ctx: Context,
        group: Object<Group>,
    ) -> ReplicationTargets;

    /// Writes an image anew to a volume.
    #[rpc(since = "3.18", host)]
    async fn reimage(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        image_meta: Dictionary,
        #[arg(since = "3.20")] image_snap: Option<String>,
    );
}
