//! The interface of Nova's conductor for tasks that involve several services, as `ComputeTaskAPI`
//! of `nova/conductor/rpcapi.py` calls it.
//!
//! It shares its topic with [`Conductor`](super::conductor_rpcapi::Conductor), and has its own
//! namespace. Nova's client has no cap, and no option for one, so it no longer sends the older
//! forms; this trait declares them all the same. Servers accept instances, flavors and networks as
//! objects, the form that clients of 1.10 and later send.

use std::collections::BTreeMap;

use rpc_runtime::{Context, Object, rpc_api};
use serde::Serialize;

use super::{
    objects::{
        Aggregate, BlockDeviceMappingList, BuildRequest, Dictionary, Flat, Flavor, Image,
        InjectedFile, Instance, Json, Migration, NetworkRequestList, RequestSpec, Selection,
        TagList, as_flat, flat_flavor, flat_instance, network_tuples,
    },
    options::{long_rpc_timeout, rpc_response_timeout},
};

/// Runs tasks that involve several services.
#[rpc_api(topic = "conductor", version = "1.26", namespace = "compute_task")]
pub trait ComputeTask {
    /// Moves an instance, or changes its size. Before 1.10 a flavor was a dictionary, and before
    /// 1.6 an instance.
    #[rpc(
        either,
        since = "1.4",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout()
    )]
    async fn migrate_server(
        &self,
        ctx: Context,
        #[arg(before("1.6", with = flat_instance))] instance: Object<Instance>,
        scheduler_hint: Option<Dictionary>,
        live: bool,
        rebuild: bool,
        #[arg(before("1.10", with = flat_flavor))] flavor: Option<Object<Flavor>>,
        block_migration: Option<bool>,
        disk_over_commit: Option<bool>,
        #[arg(default)] reservations: Option<Vec<String>>,
        #[arg(since = "1.11", or = "drop", default = true)] clean_shutdown: bool,
        #[arg(since = "1.13", or = "drop")] request_spec: Option<Object<RequestSpec>>,
        #[arg(since = "1.20", or = "drop")] host_list: Option<Vec<Object<Selection>>>,
    ) -> ();

    /// Moves a running instance.
    #[rpc(since = "1.15")]
    async fn live_migrate_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        scheduler_hint: Dictionary,
        block_migration: Option<bool>,
        disk_over_commit: Option<bool>,
        request_spec: Option<Object<RequestSpec>>,
    );

    /// Finds hosts for instances, and has them created there. Before 1.10 the flavor in the filter
    /// properties was a dictionary, and before 1.9 networks were tuples. Devices were sent until
    /// 1.7.
    #[rpc(
        since = "1.5",
        before("1.7", send = "1.5"),
        before("1.8", send = "1.7"),
        before("1.9", send = "1.8")
    )]
    async fn build_instances(
        &self,
        ctx: Context,
        instances: Vec<Object<Instance>>,
        image: Image,
        #[arg(before("1.10", with = flat_instance_type))] filter_properties: Dictionary,
        admin_password: Option<String>,
        injected_files: Option<Vec<InjectedFile>>,
        #[arg(before("1.9", with = network_tuples))] requested_networks: Option<
            Object<NetworkRequestList>,
        >,
        security_groups: Option<Vec<String>>,
        #[arg(until = "1.7", with = as_flat)] block_device_mapping: Option<BlockDeviceMappingList>,
        #[arg(until = "1.7", default = true)] legacy_bdm: bool,
        #[arg(since = "1.18", or = "drop")] request_spec: Option<Object<RequestSpec>>,
        #[arg(since = "1.19", or = "drop")] host_lists: Option<Vec<Vec<Object<Selection>>>>,
    );

    /// Finds hosts for instances without a cell, and has them created there.
    #[rpc(since = "1.16")]
    async fn schedule_and_build_instances(
        &self,
        ctx: Context,
        build_requests: Vec<BuildRequest>,
        request_specs: Vec<Object<RequestSpec>>,
        image: Image,
        admin_password: Option<String>,
        injected_files: Option<Vec<InjectedFile>>,
        requested_networks: Option<Object<NetworkRequestList>>,
        block_device_mapping: Vec<BlockDeviceMappingList>,
        #[arg(since = "1.17", or = "drop")] tags: Option<Vec<TagList>>,
    );

    /// Finds a host for a shelved instance, and has it recreated there.
    #[rpc(since = "1.3")]
    async fn unshelve_instance(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        #[arg(since = "1.14", or = "drop")] request_spec: Option<Object<RequestSpec>>,
    );

    /// Has an instance recreated from an image: in place, on `host`, or on a host that the
    /// scheduler picks.
    #[rpc(since = "1.8")]
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
        #[arg(default)] host: Option<String>,
        #[arg(default)] preserve_ephemeral: bool,
        #[arg(since = "1.12", or = "drop")] request_spec: Option<Object<RequestSpec>>,
        #[arg(since = "1.24", default)] reimage_boot_volume: bool,
        #[arg(since = "1.25")] target_state: Option<String>,
    );

    /// Makes the hosts of an aggregate fetch images.
    #[rpc(since = "1.21")]
    async fn cache_images(
        &self,
        ctx: Context,
        aggregate: Object<Aggregate>,
        image_ids: Vec<String>,
    );

    /// Confirms that an instance stays in its new cell.
    #[rpc(either, since = "1.22")]
    async fn confirm_snapshot_based_resize(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
    ) -> ();

    /// Returns an instance to its former cell.
    #[rpc(since = "1.23")]
    async fn revert_snapshot_based_resize(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        migration: Object<Migration>,
    );

    /// Attaches a volume to an instance. Returns its device name.
    #[rpc(
        either,
        since = "1.26",
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout()
    )]
    async fn attach_volume(
        &self,
        ctx: Context,
        instance: Object<Instance>,
        volume: Dictionary,
        device: Option<String>,
        disk_bus: Option<String>,
        device_type: Option<String>,
        #[arg(default)] tag: Option<String>,
        #[arg(default)] supports_multiattach: bool,
        #[arg(default)] delete_on_termination: bool,
    ) -> Option<String>;
}

/// An entry of the filter properties, in its form before 1.10.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Property<'a> {
    Flavor(Flat<'a, Json>),
    Other(&'a Json),
}

/// Returns filter properties with the flavor as a dictionary.
fn flat_instance_type(properties: &Dictionary) -> BTreeMap<&str, Property<'_>> {
    let properties = properties.iter().map(|(name, value)| match name.as_str() {
        "instance_type" => (name.as_str(), Property::Flavor(Flat(value))),
        name => (name, Property::Other(value)),
    });
    properties.collect()
}
