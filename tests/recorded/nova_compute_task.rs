//! `nova.conductor.rpcapi.ComputeTaskAPI`.

use examples::nova::{
    compute_task_rpcapi::{ComputeTaskClient, compute_task},
    objects::{
        Aggregate, BuildRequest, Dictionary, Flavor, Image, InjectedFile, Instance, Json,
        Migration, NetworkRequestList, RequestSpec, Selection, TagList,
    },
};
use rpc_runtime::{AnyHost, Context, Object, Unchecked};

use crate::{
    compare::{Calls, Difference, Ended, What, assert_equal, ended},
    recording::Inputs,
};

type Client = ComputeTaskClient<Unchecked, AnyHost>;

struct ComputeTask;

impl Calls for ComputeTask {
    type Api = compute_task::Api;

    async fn call(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Ended {
        let instance = || given.get::<Object<Instance>>("instance");
        let migration = || given.get::<Object<Migration>>("migration");
        match call {
            "migrate_server" => migrate(client, ctx, given).await,
            "live_migrate_instance" => {
                let request = client.live_migrate_instance(
                    ctx,
                    instance(),
                    given.get::<Dictionary>("scheduler_hint"),
                    given.get::<Option<bool>>("block_migration"),
                    given.get::<Option<bool>>("disk_over_commit"),
                    spec(given),
                );
                ended(request.await)
            }
            "build_instances" => build(client, ctx, given).await,
            "schedule_and_build_instances" => schedule(client, ctx, given).await,
            "unshelve_instance" => {
                ended(client.unshelve_instance(ctx, instance()).request_spec(spec(given)).await)
            }
            "rebuild_instance" => rebuild(client, ctx, given).await,
            "cache_images" => {
                let aggregate = given.get::<Object<Aggregate>>("aggregate");
                let images = given.get::<Vec<String>>("image_ids");
                ended(client.cache_images(ctx, aggregate, images).await)
            }
            "confirm_snapshot_based_resize" if is_set(given, "do_cast", true) => {
                let request =
                    client.confirm_snapshot_based_resize_cast(ctx, instance(), migration());
                ended(request.await)
            }
            "confirm_snapshot_based_resize" => {
                ended(client.confirm_snapshot_based_resize(ctx, instance(), migration()).await)
            }
            "revert_snapshot_based_resize" => {
                ended(client.revert_snapshot_based_resize(ctx, instance(), migration()).await)
            }
            "attach_volume" => attach(client, ctx, given).await,
            other => panic!("no such method: {other}"),
        }
    }
}

fn spec(given: &Inputs) -> Option<Object<RequestSpec>> {
    given.get("request_spec")
}

/// Reads a flag. Without one, returns the default of Python's client.
fn is_set(given: &Inputs, name: &str, default: bool) -> bool {
    given.get::<Option<bool>>(name).unwrap_or(default)
}

/// Makes a call of a method that is either called or cast, with the same arguments for both stubs.
macro_rules! either {
    ($client:ident.$call:ident or $cast:ident($ctx:expr, $given:ident, $($arg:expr),* $(,)?) $(.$set:ident($value:expr))*) => {
        match is_set($given, "do_cast", false) {
            true => ended($client.$cast($ctx, $($arg),*)$(.$set($value))*.await),
            false => ended($client.$call($ctx, $($arg),*)$(.$set($value))*.await),
        }
    };
}

async fn migrate(client: &Client, ctx: &Context, given: &Inputs) -> Ended {
    either! {
        client.migrate_server or migrate_server_cast(
            ctx,
            given,
            given.get::<Object<Instance>>("instance"),
            given.get::<Option<Dictionary>>("scheduler_hint"),
            given.get::<bool>("live"),
            given.get::<bool>("rebuild"),
            given.get::<Option<Object<Flavor>>>("flavor"),
            given.get::<Option<bool>>("block_migration"),
            given.get::<Option<bool>>("disk_over_commit"),
            given.get::<Option<Vec<String>>>("reservations"),
        )
        .clean_shutdown(is_set(given, "clean_shutdown", true))
        .request_spec(spec(given))
        .host_list(given.get::<Option<Vec<Object<Selection>>>>("host_list"))
    }
}

async fn build(client: &Client, ctx: &Context, given: &Inputs) -> Ended {
    let request = client.build_instances(
        ctx,
        given.get::<Vec<Object<Instance>>>("instances"),
        given.get::<Image>("image"),
        given.get::<Dictionary>("filter_properties"),
        given.get::<Option<String>>("admin_password"),
        given.get::<Option<Vec<InjectedFile>>>("injected_files"),
        given.get::<Option<Object<NetworkRequestList>>>("requested_networks"),
        given.get::<Option<Vec<String>>>("security_groups"),
        given.get::<Option<Json>>("block_device_mapping"),
        is_set(given, "legacy_bdm", true),
    );
    let request = request.request_spec(spec(given));
    let lists = given.get::<Option<Vec<Vec<Object<Selection>>>>>("host_lists");
    ended(request.host_lists(lists).await)
}

async fn schedule(client: &Client, ctx: &Context, given: &Inputs) -> Ended {
    let request = client.schedule_and_build_instances(
        ctx,
        given.get::<Vec<BuildRequest>>("build_requests"),
        given.get::<Vec<Object<RequestSpec>>>("request_specs"),
        given.get::<Image>("image"),
        given.get::<Option<String>>("admin_password"),
        given.get::<Option<Vec<InjectedFile>>>("injected_files"),
        given.get::<Option<Object<NetworkRequestList>>>("requested_networks"),
        given.get::<Vec<Json>>("block_device_mapping"),
    );
    ended(request.tags(given.get::<Option<Vec<TagList>>>("tags")).await)
}

async fn rebuild(client: &Client, ctx: &Context, given: &Inputs) -> Ended {
    let request = client.rebuild_instance(
        ctx,
        given.get::<Object<Instance>>("instance"),
        given.get::<Option<String>>("new_pass"),
        given.get::<Option<Vec<InjectedFile>>>("injected_files"),
        given.get::<Option<String>>("image_ref"),
        given.get::<Option<String>>("orig_image_ref"),
        given.get::<Option<Dictionary>>("orig_sys_metadata"),
        given.get::<Json>("bdms"),
        is_set(given, "recreate", false),
        is_set(given, "on_shared_storage", false),
        given.get::<Option<String>>("host"),
        is_set(given, "preserve_ephemeral", false),
    );
    let request = request.request_spec(spec(given));
    let request = request.reimage_boot_volume(is_set(given, "reimage_boot_volume", false));
    ended(request.target_state(given.get::<Option<String>>("target_state")).await)
}

async fn attach(client: &Client, ctx: &Context, given: &Inputs) -> Ended {
    either! {
        client.attach_volume or attach_volume_cast(
            ctx,
            given,
            given.get::<Object<Instance>>("instance"),
            given.get::<Dictionary>("volume"),
            given.get::<Option<String>>("device"),
            given.get::<Option<String>>("disk_bus"),
            given.get::<Option<String>>("device_type"),
            given.get::<Option<String>>("tag"),
            is_set(given, "supports_multiattach", false),
            is_set(given, "delete_on_termination", false),
        )
    }
}

const DIFFERENCES: &[Difference] = &[
    // Python's client sends the form of 1.7 as 1.8, which its own cap refuses.
    Difference { step: "build_instances", caps: ("1.7", "1.7"), what: What::OnlyOurs },
    Difference { step: "build_instances, only it", caps: ("1.7", "1.7"), what: What::OnlyOurs },
    // Without networks, Python's client fails to build tuples from them.
    Difference {
        step: "build_instances, without networks",
        caps: ("1.5", "1.8"),
        what: What::OnlyOurs,
    },
];

#[tokio::test]
async fn the_compute_task_client_sends_what_novas_sends() {
    assert_equal::<ComputeTask>("nova-compute-task.json", DIFFERENCES).await;
}
