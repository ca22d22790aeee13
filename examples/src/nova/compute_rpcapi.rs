//! The complete interface of Nova's compute services, as `nova/compute/rpcapi.py` calls it.
//!
//! As in Nova, two majors are one interface: 6.5, and 5.13, which has the items that 6.0 dropped
//! and renamed. Clients may be capped at 5.0 and later. Requests carry 6.0, or 5.0, wherever Nova's
//! do. Each goes to one host: the instance's, unless an argument names another. Since 6.5, requests
//! that finish running operations use their own topic, `compute-alt`, so that a service can finish
//! them during shutdown without receiving new work.
//!
//! An interface is one trait, and this one has 73 methods, which explains the length of this file.

use std::collections::BTreeMap;

use rpc_runtime::{Context, Object, rpc_api};

use super::{
    ComputeError,
    objects::{
        BlockDeviceMapping, BlockDeviceMappingList, Diagnostics, Dictionary, ExternalEvent, Flavor,
        Image, InjectedFile, Instance, Json, Limits, LiveMigrateData, Migration, MigrationContext,
        NetworkRequestList, RequestSpec, SchedulerLimits, Selection, ShareMapping,
        legacy_request_spec,
    },
    options::{long_rpc_timeout, rpc_response_timeout},
};

/// Runs instances on one host.
#[rpc_api(
    topic = "compute",
    version = "6.5",
    send = "6.0",
    previous(version = "5.13", send = "5.0"),
    aliases(
        queens = "5.0",
        rocky = "5.0",
        stein = "5.1",
        train = "5.3",
        ussuri = "5.11",
        victoria = "5.12",
        wallaby = "6.0",
        xena = "6.0",
        yoga = "6.0",
        zed = "6.1",
        antelope = "6.2",
        bobcat = "6.2",
        caracal = "6.3",
        dalmatian = "6.3",
        epoxy = "6.4",
        flamingo = "6.4",
        gazpacho = "6.5",
        hibiscus = "6.5"
    )
)]
pub trait Compute {
    /// Starts a stopped instance.
    #[rpc(host = "instance.host")]
    async fn start_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Stops an instance, and gives its system time for that if `clean_shutdown` is set.
    #[rpc(either, host = "instance.host")]
    async fn stop_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        clean_shutdown: bool,
    ) -> ();

    /// Restarts an instance, `SOFT` or `HARD`.
    #[rpc(host = "instance.host")]
    async fn reboot_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        block_device_info: Option<Dictionary>,
        reboot_type: String,
    );

    /// Pauses an instance, whose memory is kept.
    #[rpc(host = "instance.host")]
    async fn pause_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Resumes a paused instance.
    #[rpc(host = "instance.host")]
    async fn unpause_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Suspends an instance, whose memory is written to disk.
    #[rpc(host = "instance.host")]
    async fn suspend_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Resumes a suspended instance.
    #[rpc(host = "instance.host")]
    async fn resume_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Starts an instance from a rescue image.
    #[rpc(host = "instance.host")]
    async fn rescue_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        rescue_password: Option<String>,
        rescue_image_ref: Option<String>,
        clean_shutdown: bool,
    );

    /// Starts an instance from its own disk again.
    #[rpc(host = "instance.host")]
    async fn unrescue_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Deletes an instance and its devices.
    #[rpc(host = "instance.host")]
    async fn terminate_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        bdms: BlockDeviceMappingList,
    );

    /// Hides an instance until it is deleted or restored.
    #[rpc(host = "instance.host")]
    async fn soft_delete_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Restores a hidden instance.
    #[rpc(host = "instance.host")]
    async fn restore_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Makes an instance's system panic and dump its memory.
    #[rpc(host = "instance.host")]
    async fn trigger_crash_dump(&self, ctx: Context, instance: Object<Instance>);

    /// Makes an instance's system flush its disks and pause writes.
    #[rpc(host = "instance.host")]
    async fn quiesce_instance(&self, ctx: Context, instance: Object<Instance>) -> ();

    /// Ends [`quiesce_instance`](Self::quiesce_instance).
    #[rpc(host = "instance.host")]
    async fn unquiesce_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(default)] mapping: Option<Vec<BlockDeviceMapping>>,
    );

    /// Sets the password of an instance's administrator.
    #[rpc(host = "instance.host")]
    async fn set_admin_password(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        new_pass: Option<String>,
    ) -> ();

    /// Saves an instance as an image, and stops it. Before 5.13, a caller with accelerators gets an
    /// error.
    #[rpc(host = "instance.host", before("5.13", send = "5.0"), before("6.0", send = "5.13"))]
    async fn shelve_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        image_id: Option<String>,
        clean_shutdown: bool,
        #[arg(since = "5.13", required, or = "error")] accel_uuids: Option<Vec<String>>,
    );

    /// Frees the host of a shelved instance.
    #[rpc(host = "instance.host", before("5.13", send = "5.0"), before("6.0", send = "5.13"))]
    async fn shelve_offload_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        clean_shutdown: bool,
        #[arg(since = "5.13", required, or = "drop")] accel_uuids: Option<Vec<String>>,
    );

    /// Recreates a shelved instance.
    #[rpc(
        host = "host",
        before("5.2", send = "5.0"),
        before("5.13", send = "5.2"),
        before("6.0", send = "5.13")
    )]
    async fn unshelve_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(route)] host: String,
        #[arg(since = "5.2", required, or = "drop")] request_spec: Option<Object<RequestSpec>>,
        image: Option<Image>,
        filter_properties: Option<Dictionary>,
        node: Option<String>,
        #[arg(since = "5.13", required, or = "drop")] accel_uuids: Option<Vec<String>>,
    );

    /// Creates an image of an instance.
    #[rpc(host = "instance.host")]
    async fn snapshot_instance(&self, ctx: Context, instance: Object<Instance>, image_id: String);

    /// Creates an image of an instance, and keeps the latest `rotation` images of its kind.
    #[rpc(host = "instance.host")]
    async fn backup_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        image_id: String,
        backup_type: String,
        rotation: u64,
    );

    /// Creates an instance.
    #[rpc(host = "host", before("5.11", send = "5.0"), before("6.0", send = "5.11"))]
    async fn build_and_run_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(route)] host: String,
        image: Image,
        request_spec: Object<RequestSpec>,
        filter_properties: Dictionary,
        #[arg(default)] admin_password: Option<String>,
        #[arg(default)] injected_files: Option<Vec<InjectedFile>>,
        #[arg(default)] requested_networks: Option<Object<NetworkRequestList>>,
        #[arg(default)] security_groups: Option<Vec<String>>,
        #[arg(default)] block_device_mapping: Option<BlockDeviceMappingList>,
        #[arg(default)] node: Option<String>,
        #[arg(default)] limits: Option<Limits>,
        #[arg(default)] host_list: Option<Vec<Object<Selection>>>,
        #[arg(since = "5.11", required, or = "drop")] accel_uuids: Option<Vec<String>>,
    );

    /// Recreates an instance from an image, in place or on another host.
    #[rpc(
        host = "host_or(host.as_ref(), Some(instance))",
        send = "6.2",
        before("5.12", send = "5.0"),
        before("6.0", send = "5.12"),
        before("6.1", send = "6.0"),
        before("6.2", send = "6.1")
    )]
    async fn rebuild_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        new_pass: Option<String>,
        injected_files: Option<Vec<InjectedFile>>,
        image_ref: Option<String>,
        orig_image_ref: Option<String>,
        orig_sys_metadata: Option<Dictionary>,
        bdms: BlockDeviceMappingList,
        recreate: bool,
        on_shared_storage: Option<bool>,
        #[arg(route)] host: Option<String>,
        #[arg(name = "scheduled_node")] node: Option<String>,
        preserve_ephemeral: bool,
        migration: Option<Object<Migration>>,
        limits: Option<Limits>,
        request_spec: Option<Object<RequestSpec>>,
        #[arg(since = "5.12", required, or = "drop")] accel_uuids: Option<Vec<String>>,
        #[arg(since = "6.1", default)] reimage_boot_volume: bool,
        #[arg(since = "6.2")] target_state: Option<String>,
    );

    /// Attaches a volume to an instance.
    #[rpc(host = "instance.host")]
    async fn attach_volume(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        bdm: BlockDeviceMapping,
    );

    /// Detaches a volume from an instance.
    #[rpc(host = "instance.host")]
    async fn detach_volume(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        volume_id: String,
        attachment_id: Option<String>,
    );

    /// Replaces a volume by another.
    #[rpc(host = "instance.host")]
    async fn swap_volume(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        old_volume_id: String,
        new_volume_id: String,
        new_attachment_id: Option<String>,
    );

    /// Creates a snapshot of an instance's volume.
    #[rpc(host = "instance.host")]
    async fn volume_snapshot_create(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        volume_id: String,
        create_info: Dictionary,
    );

    /// Deletes a snapshot of an instance's volume.
    #[rpc(host = "instance.host")]
    async fn volume_snapshot_delete(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        volume_id: String,
        snapshot_id: String,
        delete_info: Dictionary,
    );

    /// Reserves a device name for a volume.
    #[rpc(
        host = "instance.host",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout()
    )]
    async fn reserve_block_device_name(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        device: Option<String>,
        volume_id: String,
        disk_bus: Option<String>,
        device_type: Option<String>,
        tag: Option<String>,
        multiattach: bool,
    ) -> BlockDeviceMapping;

    /// Removes an instance's connection to a volume on a host.
    #[rpc(
        host = "host",
        topic = "compute-alt",
        topic_since = "6.5",
        send = "6.3",
        before("6.0", send = "5.0"),
        before("6.3", send = "6.0")
    )]
    async fn remove_volume_connection(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        volume_id: String,
        #[arg(route)] host: String,
        #[arg(since = "6.3", or = "drop", default)] delete_attachment: bool,
    ) -> ();

    /// Grants a host access to a file share.
    #[rpc(since = "6.4", send = "6.4", host = "instance.host")]
    async fn allow_share(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        share_mapping: ShareMapping,
    );

    /// Revokes a host's access to a file share.
    #[rpc(since = "6.4", send = "6.4", host = "instance.host")]
    async fn deny_share(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        share_mapping: ShareMapping,
    );

    /// Attaches an instance to a network.
    #[rpc(host = "instance.host")]
    async fn attach_interface(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        network_id: Option<String>,
        port_id: Option<String>,
        requested_ip: Option<String>,
        tag: Option<String>,
    ) -> Json;

    /// Detaches an instance from a network.
    #[rpc(host = "instance.host")]
    async fn detach_interface(&self, ctx: Context, instance: Object<Instance>, port_id: String);

    /// Adds an address to an instance.
    #[rpc(host = "instance.host")]
    async fn add_fixed_ip_to_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        network_id: String,
    );

    /// Removes an address from an instance.
    #[rpc(host = "instance.host")]
    async fn remove_fixed_ip_from_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        address: String,
    );

    /// Passes the network configuration to an instance's system.
    #[rpc(host = "instance.host")]
    async fn inject_network_info(&self, ctx: Context, instance: Object<Instance>);

    /// Tells a host the events of another service about its instances. The first instance
    /// determines the host, unless `host` does.
    #[rpc(
        host = "host_or(host.as_ref(), instances.first())",
        topic = "compute-alt",
        topic_since = "6.5"
    )]
    async fn external_instance_event(
        &self,
        ctx: Context,
        instances: Vec<Object<Instance>>,
        events: Vec<ExternalEvent>,
        #[arg(route)] host: Option<String>,
    );

    /// Returns the last lines of an instance's console, or all of them.
    #[rpc(host = "instance.host")]
    async fn get_console_output(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        tail_length: Option<u64>,
    ) -> String;

    /// Returns the access data of an instance's VNC console.
    #[rpc(host = "instance.host")]
    async fn get_vnc_console(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        console_type: String,
    ) -> Dictionary;

    /// Returns the access data of an instance's SPICE console.
    #[rpc(host = "instance.host")]
    async fn get_spice_console(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        console_type: String,
    ) -> Dictionary;

    /// Returns the access data of an instance's MKS console.
    #[rpc(host = "instance.host")]
    async fn get_mks_console(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        console_type: String,
    ) -> Dictionary;

    /// Returns the access data of an instance's serial console.
    #[rpc(host = "instance.host")]
    async fn get_serial_console(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        console_type: String,
    ) -> Dictionary;

    /// Returns whether a port belongs to an instance's console.
    #[rpc(host = "instance.host", topic = "compute-alt", topic_since = "6.5")]
    async fn validate_console_port(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        port: String,
        console_type: String,
    ) -> bool;

    /// Returns diagnostics of an instance, in its driver's form.
    #[rpc(host = "instance.host")]
    async fn get_diagnostics(&self, ctx: Context, instance: Object<Instance>) -> Dictionary;

    /// Returns diagnostics of an instance, in the form that all drivers share.
    #[rpc(host = "instance.host")]
    async fn get_instance_diagnostics(
        &self,
        ctx: Context,
        instance: Object<Instance>,
    ) -> Diagnostics;

    /// Checks whether `destination` can receive a running instance.
    #[rpc(
        host = "destination",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("5.3", send = "5.0"),
        before("6.0", send = "5.3")
    )]
    async fn check_can_live_migrate_destination(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(route)] destination: String,
        block_migration: Option<bool>,
        disk_over_commit: Option<bool>,
        #[arg(since = "5.3", required, or = "drop")] migration: Option<Object<Migration>>,
        #[arg(since = "5.3", required, or = "drop")] limits: Option<Object<SchedulerLimits>>,
    ) -> LiveMigrateData;

    /// Checks whether a running instance can leave its host for the described destination.
    #[rpc(host = "instance.host")]
    async fn check_can_live_migrate_source(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        dest_check_data: LiveMigrateData,
    ) -> LiveMigrateData;

    /// Returns whether two hosts share their disks. Before 6.0 the instance was sent; now it only
    /// determines the host.
    #[rpc(
        host = "host_or(host.as_ref(), instance.as_ref())",
        topic = "compute-alt",
        topic_since = "6.5"
    )]
    async fn check_instance_shared_storage(
        &self,
        ctx: Context,
        data: Json,
        #[arg(until = "6.0")] instance: Option<Object<Instance>>,
        #[arg(route)] host: Option<String>,
    ) -> bool;

    /// Moves a running instance to `dest`.
    #[rpc(host = "host", topic = "compute-alt", topic_since = "6.5")]
    async fn live_migration(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        dest: String,
        block_migration: Option<bool>,
        #[arg(route)] host: String,
        migration: Option<Object<Migration>>,
        migrate_data: Option<LiveMigrateData>,
    );

    /// Forces a migration to complete soon, at any cost.
    #[rpc(host = "host_or(migration.source_compute.value(), Some(instance))")]
    async fn live_migration_force_complete(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(route)] migration: Object<Migration>,
    );

    /// Aborts a migration.
    #[rpc(host = "instance.host")]
    async fn live_migration_abort(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration_id: u64,
    );

    /// Prepares a host for a running instance. Before 6.0, servers required an argument that they
    /// ignored.
    #[rpc(
        host = "host",
        topic = "compute-alt",
        topic_since = "6.5",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout()
    )]
    async fn pre_live_migration(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(until = "6.0", value = None)] block_migration: Option<bool>,
        disk: Option<Json>,
        #[arg(route)] host: String,
        migrate_data: LiveMigrateData,
    ) -> LiveMigrateData;

    /// Makes a host the owner of an instance that has arrived.
    #[rpc(
        host = "host",
        topic = "compute-alt",
        topic_since = "6.5",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout()
    )]
    async fn post_live_migration_at_destination(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        block_migration: Option<bool>,
        #[arg(route)] host: String,
    ) -> ();

    /// Cleans up a host after an instance failed to arrive.
    #[rpc(host = "host", topic = "compute-alt", topic_since = "6.5")]
    async fn rollback_live_migration_at_destination(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(route)] host: String,
        destroy_disks: bool,
        migrate_data: Option<LiveMigrateData>,
    );

    /// Frees the resources that a host has reserved for an instance, and waits for that.
    #[rpc(
        since = "5.3",
        host = "host",
        topic = "compute-alt",
        topic_since = "6.5",
        before("6.0", send = "5.3")
    )]
    async fn drop_move_claim_at_destination(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(route)] host: String,
    ) -> ();

    /// Reserves resources on a host for an instance, and starts its move. Before 6.0 a flavor was
    /// an instance type, and before 5.1 the request spec was a dictionary.
    #[rpc(host = "host", before("5.1", send = "5.0"), before("6.0", send = "5.1"))]
    async fn prep_resize(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        image: Image,
        #[arg(before("6.0", name = "instance_type"))] flavor: Object<Flavor>,
        #[arg(route)] host: String,
        migration: Option<Object<Migration>>,
        #[arg(before("5.1", with = legacy_request_spec))] request_spec: Object<RequestSpec>,
        filter_properties: Option<Dictionary>,
        node: Option<String>,
        clean_shutdown: bool,
        host_list: Option<Vec<Object<Selection>>>,
    );

    /// Moves an instance off its host, for a change of its size.
    #[rpc(
        host = "instance.host",
        topic = "compute-alt",
        topic_since = "6.5",
        before("5.2", send = "5.0"),
        before("6.0", send = "5.2")
    )]
    async fn resize_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
        image: Image,
        #[arg(before("6.0", name = "instance_type"))] flavor: Object<Flavor>,
        #[arg(since = "5.2", required, or = "drop")] request_spec: Option<Object<RequestSpec>>,
        clean_shutdown: bool,
    );

    /// Starts an instance on its new host.
    #[rpc(
        host = "host",
        topic = "compute-alt",
        topic_since = "6.5",
        before("5.2", send = "5.0"),
        before("6.0", send = "5.2")
    )]
    async fn finish_resize(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
        image: Image,
        disk_info: Option<String>,
        #[arg(route)] host: String,
        #[arg(since = "5.2", required, or = "drop")] request_spec: Option<Object<RequestSpec>>,
    );

    /// Cleans up an instance's former host after a change of its size.
    #[rpc(either, host = "host_or(host.as_ref(), Some(instance))")]
    async fn confirm_resize(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
        #[arg(route)] host: Option<String>,
    ) -> ();

    /// Moves an instance off its new host, back to the former one.
    #[rpc(
        host = "host_or(host.as_ref(), Some(instance))",
        before("5.2", send = "5.0"),
        before("6.0", send = "5.2")
    )]
    async fn revert_resize(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
        #[arg(route)] host: Option<String>,
        #[arg(since = "5.2", required, or = "drop")] request_spec: Option<Object<RequestSpec>>,
    );

    /// Restarts an instance on the host that it had before its size changed.
    #[rpc(
        host = "host",
        topic = "compute-alt",
        topic_since = "6.5",
        before("5.2", send = "5.0"),
        before("6.0", send = "5.2")
    )]
    async fn finish_revert_resize(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
        #[arg(route)] host: Option<String>,
        #[arg(since = "5.2", required, or = "drop")] request_spec: Option<Object<RequestSpec>>,
    );

    /// Reserves resources for an instance on a host of another cell.
    #[rpc(
        since = "5.5",
        host = "destination",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("6.0", send = "5.5")
    )]
    async fn prep_snapshot_based_resize_at_dest(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        flavor: Object<Flavor>,
        nodename: String,
        migration: Object<Migration>,
        limits: Option<Object<SchedulerLimits>>,
        #[arg(until = "6.0")] request_spec: Option<Object<RequestSpec>>,
        #[arg(route)] destination: String,
    ) -> Result<MigrationContext, ComputeError>;

    /// Moves an instance off its host to one of another cell, as an image.
    #[rpc(
        since = "5.6",
        host = "instance.host",
        topic = "compute-alt",
        topic_since = "6.5",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("6.0", send = "5.6")
    )]
    async fn prep_snapshot_based_resize_at_source(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
        snapshot_id: Option<String>,
    ) -> ();

    /// Starts an instance from an image on its new host.
    #[rpc(
        since = "5.7",
        host = "migration.dest_compute",
        topic = "compute-alt",
        topic_since = "6.5",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("6.0", send = "5.7")
    )]
    async fn finish_snapshot_based_resize_at_dest(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
        snapshot_id: Option<String>,
        #[arg(until = "6.0")] request_spec: Option<Object<RequestSpec>>,
    ) -> ();

    /// Cleans up the host that an instance has left for another cell.
    #[rpc(
        since = "5.8",
        host = "migration.source_compute",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("6.0", send = "5.8")
    )]
    async fn confirm_snapshot_based_resize_at_source(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
    ) -> ();

    /// Cleans up the new host of an instance that returns to its former cell.
    #[rpc(
        since = "5.9",
        host = "migration.dest_compute",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("6.0", send = "5.9")
    )]
    async fn revert_snapshot_based_resize_at_dest(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
    ) -> ();

    /// Restarts an instance in its former cell.
    #[rpc(
        since = "5.10",
        host = "migration.source_compute",
        topic = "compute-alt",
        topic_since = "6.5",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("6.0", send = "5.10")
    )]
    async fn finish_revert_snapshot_based_resize_at_source(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
    ) -> ();

    /// Puts a host into maintenance mode, or ends it: `host_param` is that host, and `host`
    /// receives the request.
    #[rpc(host = "host")]
    async fn host_maintenance_mode(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        #[arg(name = "host")] host_param: String,
        mode: String,
    ) -> String;

    /// Starts or stops a host.
    #[rpc(host = "host")]
    async fn host_power_action(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        action: String,
    ) -> String;

    /// Returns how long a host has been up, as the host's text.
    #[rpc(host = "host")]
    async fn get_host_uptime(&self, ctx: Context, #[arg(route)] host: String) -> String;

    /// Enables or disables a host for new instances.
    #[rpc(
        host = "host",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout()
    )]
    async fn set_host_enabled(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        enabled: bool,
    ) -> Option<String>;

    /// Makes a host fetch images. Returns the result of each.
    #[rpc(
        since = "5.4",
        host = "host",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("6.0", send = "5.4")
    )]
    async fn cache_images(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        image_ids: Vec<String>,
    ) -> BTreeMap<String, String>;
}

/// Returns `host`, or else the instance's host.
fn host_or<'a>(
    host: Option<&'a String>,
    instance: Option<&'a Object<Instance>>,
) -> Option<&'a str> {
    let host = host.filter(|host| !host.is_empty());
    let host = host.or_else(|| instance.and_then(|instance| instance.host.value()));
    host.map(String::as_str)
}
