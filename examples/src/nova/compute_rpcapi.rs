//! The whole interface of Nova's compute services, as `nova/compute/rpcapi.py` calls it.
//!
//! Two majors are one interface here, as there: 6.5, and 5.13, which differs in what 6.0 dropped and renamed. Clients may
//! be capped at 5.0 and later; requests say 6.0 of themselves, or 5.0, wherever Nova's do. Each goes to one host: the
//! instance's, unless an argument says another. What has begun already is finished on a topic of its own, `compute-alt`,
//! since 6.5, so that a service that is shut down takes nothing else.
//!
//! An interface is one trait, and this one has 73 methods: hence the length of this file.

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
    /// Starts an instance that is stopped.
    #[rpc(host = "instance.host")]
    async fn start_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Stops an instance, and gives its system time for that if `clean_shutdown` says so.
    #[rpc(either, host = "instance.host")]
    async fn stop_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        clean_shutdown: bool,
    ) -> ();

    /// Starts an instance anew, `SOFT` or `HARD`.
    #[rpc(host = "instance.host")]
    async fn reboot_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        block_device_info: Option<Dictionary>,
        reboot_type: String,
    );

    /// Holds an instance, and keeps its memory.
    #[rpc(host = "instance.host")]
    async fn pause_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Lets a paused instance go on.
    #[rpc(host = "instance.host")]
    async fn unpause_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Holds an instance, and writes its memory to disk.
    #[rpc(host = "instance.host")]
    async fn suspend_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Lets a suspended instance go on.
    #[rpc(host = "instance.host")]
    async fn resume_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Starts an instance from an image for repairs.
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

    /// Deletes an instance, with its devices.
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

    /// Brings a hidden instance back.
    #[rpc(host = "instance.host")]
    async fn restore_instance(&self, ctx: Context, instance: Object<Instance>);

    /// Has an instance's system panic, and write down its memory.
    #[rpc(host = "instance.host")]
    async fn trigger_crash_dump(&self, ctx: Context, instance: Object<Instance>);

    /// Has an instance's system write its disks, and hold still.
    #[rpc(host = "instance.host")]
    async fn quiesce_instance(&self, ctx: Context, instance: Object<Instance>) -> ();

    /// Lets an instance's system go on.
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

    /// Puts an instance into an image, and stops it. A caller with accelerators is refused before 5.13.
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

    /// Makes an instance of what was shelved.
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

    /// Makes an image of an instance.
    #[rpc(host = "instance.host")]
    async fn snapshot_instance(&self, ctx: Context, instance: Object<Instance>, image_id: String);

    /// Makes an image of an instance, and keeps as many of its kind as `rotation` says.
    #[rpc(host = "instance.host")]
    async fn backup_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        image_id: String,
        backup_type: String,
        rotation: u64,
    );

    /// Makes an instance.
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

    /// Makes an instance anew of an image, where it is or on another host.
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

    /// Gives an instance a volume.
    #[rpc(host = "instance.host")]
    async fn attach_volume(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        bdm: BlockDeviceMapping,
    );

    /// Takes a volume from an instance.
    #[rpc(host = "instance.host")]
    async fn detach_volume(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        volume_id: String,
        attachment_id: Option<String>,
    );

    /// Puts another volume in the place of one.
    #[rpc(host = "instance.host")]
    async fn swap_volume(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        old_volume_id: String,
        new_volume_id: String,
        new_attachment_id: Option<String>,
    );

    /// Makes a snapshot of a volume that an instance has.
    #[rpc(host = "instance.host")]
    async fn volume_snapshot_create(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        volume_id: String,
        create_info: Dictionary,
    );

    /// Deletes a snapshot of a volume that an instance has.
    #[rpc(host = "instance.host")]
    async fn volume_snapshot_delete(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        volume_id: String,
        snapshot_id: String,
        delete_info: Dictionary,
    );

    /// Sets aside a device's name for a volume.
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

    /// Cuts an instance's connection to a volume on a host.
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

    /// Lets a host have a share of files.
    #[rpc(since = "6.4", send = "6.4", host = "instance.host")]
    async fn allow_share(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        share_mapping: ShareMapping,
    );

    /// Takes a share of files from a host.
    #[rpc(since = "6.4", send = "6.4", host = "instance.host")]
    async fn deny_share(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        share_mapping: ShareMapping,
    );

    /// Puts an instance into a network.
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

    /// Takes an instance out of a network.
    #[rpc(host = "instance.host")]
    async fn detach_interface(&self, ctx: Context, instance: Object<Instance>, port_id: String);

    /// Gives an instance one address more.
    #[rpc(host = "instance.host")]
    async fn add_fixed_ip_to_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        network_id: String,
    );

    /// Takes an address from an instance.
    #[rpc(host = "instance.host")]
    async fn remove_fixed_ip_from_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        address: String,
    );

    /// Tells an instance's system of its networks.
    #[rpc(host = "instance.host")]
    async fn inject_network_info(&self, ctx: Context, instance: Object<Instance>);

    /// Tells a host what another service has done for its instances. The first of them says which host, unless `host`
    /// does.
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

    /// Returns the last lines of an instance's console, or all.
    #[rpc(host = "instance.host")]
    async fn get_console_output(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        tail_length: Option<u64>,
    ) -> String;

    /// Returns how to come to an instance's screen, by VNC.
    #[rpc(host = "instance.host")]
    async fn get_vnc_console(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        console_type: String,
    ) -> Dictionary;

    /// Returns how to come to an instance's screen, by SPICE.
    #[rpc(host = "instance.host")]
    async fn get_spice_console(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        console_type: String,
    ) -> Dictionary;

    /// Returns how to come to an instance's screen, by MKS.
    #[rpc(host = "instance.host")]
    async fn get_mks_console(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        console_type: String,
    ) -> Dictionary;

    /// Returns how to come to an instance's serial line.
    #[rpc(host = "instance.host")]
    async fn get_serial_console(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        console_type: String,
    ) -> Dictionary;

    /// Says whether a port is that of an instance's console.
    #[rpc(host = "instance.host", topic = "compute-alt", topic_since = "6.5")]
    async fn validate_console_port(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        port: String,
        console_type: String,
    ) -> bool;

    /// Returns how an instance does, as its driver tells it.
    #[rpc(host = "instance.host")]
    async fn get_diagnostics(&self, ctx: Context, instance: Object<Instance>) -> Dictionary;

    /// Returns how an instance does, as all drivers tell it.
    #[rpc(host = "instance.host")]
    async fn get_instance_diagnostics(
        &self,
        ctx: Context,
        instance: Object<Instance>,
    ) -> Diagnostics;

    /// Says whether `destination` can take an instance that runs.
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

    /// Says whether an instance that runs can leave its host for one that says this of itself.
    #[rpc(host = "instance.host")]
    async fn check_can_live_migrate_source(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        dest_check_data: LiveMigrateData,
    ) -> LiveMigrateData;

    /// Says whether two hosts share their disks. Before 6.0 the instance was sent; now it only says where to.
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

    /// Moves an instance that runs to `dest`.
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

    /// Has a move end soon, whatever that costs.
    #[rpc(host = "host_or(migration.source_compute.value(), Some(instance))")]
    async fn live_migration_force_complete(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(route)] migration: Object<Migration>,
    );

    /// Gives a move up.
    #[rpc(host = "instance.host")]
    async fn live_migration_abort(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration_id: u64,
    );

    /// Makes a host ready for an instance that runs. Before 6.0 servers took an argument that they did not look at.
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

    /// Has a host know an instance as its own that has come to it.
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

    /// Has a host forget an instance that was to come to it.
    #[rpc(host = "host", topic = "compute-alt", topic_since = "6.5")]
    async fn rollback_live_migration_at_destination(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(route)] host: String,
        destroy_disks: bool,
        migrate_data: Option<LiveMigrateData>,
    );

    /// Frees what a host has set aside for an instance that was to come to it, and waits for that.
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

    /// Sets resources aside on a host for an instance that is to come to it, and has it come. Before 6.0 a flavor was an
    /// instance type, and before 5.1 the request spec was a dictionary.
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

    /// Has an instance leave its host, to be of another size.
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

    /// Has an instance start on the host that it has come to.
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

    /// Cleans up where an instance was before its size changed.
    #[rpc(either, host = "host_or(host.as_ref(), Some(instance))")]
    async fn confirm_resize(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
        #[arg(route)] host: Option<String>,
    ) -> ();

    /// Has an instance leave the host that it has come to.
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

    /// Has an instance start again where it was before its size changed.
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

    /// Sets resources aside on a host of another cell for an instance that is to come to it.
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

    /// Has an instance leave its host for one of another cell, as an image.
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

    /// Has an instance start from an image on the host that it has come to.
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

    /// Cleans up the host that an instance has come to, as it goes back to its cell.
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

    /// Has an instance start again in the cell that it had left.
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

    /// Takes a host out of service, or back: `host_param` is which host that is, and `host` who is asked.
    #[rpc(host = "host")]
    async fn host_maintenance_mode(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        #[arg(name = "host")] host_param: String,
        mode: String,
    ) -> String;

    /// Starts a host, or stops it.
    #[rpc(host = "host")]
    async fn host_power_action(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        action: String,
    ) -> String;

    /// Returns how long a host has been up, as it tells that.
    #[rpc(host = "host")]
    async fn get_host_uptime(&self, ctx: Context, #[arg(route)] host: String) -> String;

    /// Says whether a host gets new instances.
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

    /// Has a host fetch images. Returns what became of each.
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

/// Returns `host`, or else the one that the instance is on.
fn host_or<'a>(
    host: Option<&'a String>,
    instance: Option<&'a Object<Instance>>,
) -> Option<&'a str> {
    let host = host.filter(|host| !host.is_empty());
    let host = host.or_else(|| instance.and_then(|instance| instance.host.value()));
    host.map(String::as_str)
}
