//! Instances: created, started, stopped, copied, deleted.

use examples::nova::objects::{
    BlockDeviceMapping, Dictionary, Image, InjectedFile, Json, Migration, NetworkRequestList,
    RequestSpec, Selection,
};
use rpc_runtime::{Context, Object};

use super::{Client, Given};
use crate::compare::{Ended, ended};

/// Calls that change the state of an instance.
pub(super) async fn call(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Given<'_>,
) -> Option<Ended> {
    let instance = || given.instance();
    Some(match call {
        "start_instance" => ended(client.start_instance(ctx, instance()).await),
        "pause_instance" => ended(client.pause_instance(ctx, instance()).await),
        "unpause_instance" => ended(client.unpause_instance(ctx, instance()).await),
        "suspend_instance" => ended(client.suspend_instance(ctx, instance()).await),
        "resume_instance" => ended(client.resume_instance(ctx, instance()).await),
        "unrescue_instance" => ended(client.unrescue_instance(ctx, instance()).await),
        "soft_delete_instance" => ended(client.soft_delete_instance(ctx, instance()).await),
        "restore_instance" => ended(client.restore_instance(ctx, instance()).await),
        "trigger_crash_dump" => ended(client.trigger_crash_dump(ctx, instance()).await),
        "quiesce_instance" => ended(client.quiesce_instance(ctx, instance()).await),
        "unquiesce_instance" => {
            let mapping = given.get::<Option<Vec<BlockDeviceMapping>>>("mapping");
            ended(client.unquiesce_instance(ctx, instance(), mapping).await)
        }
        "stop_instance" => {
            let clean = given.is_set("clean_shutdown", true);
            match given.is_set("do_cast", true) {
                true => ended(client.stop_instance_cast(ctx, instance(), clean).await),
                false => ended(client.stop_instance(ctx, instance(), clean).await),
            }
        }
        "reboot_instance" => {
            let devices = given.get::<Option<Dictionary>>("block_device_info");
            let kind = given.text("reboot_type");
            ended(client.reboot_instance(ctx, instance(), devices, kind).await)
        }
        "rescue_instance" => {
            let password = given.get::<Option<String>>("rescue_password");
            let image = given.get::<Option<String>>("rescue_image_ref");
            let clean = given.is_set("clean_shutdown", true);
            ended(client.rescue_instance(ctx, instance(), password, image, clean).await)
        }
        "set_admin_password" => {
            let password = given.get::<Option<String>>("new_pass");
            ended(client.set_admin_password(ctx, instance(), password).await)
        }
        "terminate_instance" => {
            ended(client.terminate_instance(ctx, instance(), given.get::<Json>("bdms")).await)
        }
        _ => return None,
    })
}

/// Calls that create an instance, or an image of one.
pub(super) async fn make(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Given<'_>,
) -> Option<Ended> {
    let instance = || given.instance();
    let clean = given.is_set("clean_shutdown", true);
    Some(match call {
        "snapshot_instance" => {
            ended(client.snapshot_instance(ctx, instance(), given.text("image_id")).await)
        }
        "backup_instance" => {
            let (image, kind) = (given.text("image_id"), given.text("backup_type"));
            let rotation = given.get::<u64>("rotation");
            ended(client.backup_instance(ctx, instance(), image, kind, rotation).await)
        }
        "shelve_instance" => {
            let (image, used) = (given.get::<Option<String>>("image_id"), given.accelerators());
            ended(client.shelve_instance(ctx, instance(), image, clean, used).await)
        }
        "shelve_offload_instance" => {
            let used = given.accelerators();
            ended(client.shelve_offload_instance(ctx, instance(), clean, used).await)
        }
        "unshelve_instance" => unshelve(client, ctx, given).await,
        "build_and_run_instance" => build(client, ctx, given).await,
        "rebuild_instance" => rebuild(client, ctx, given).await,
        _ => return None,
    })
}

async fn unshelve(client: &Client, ctx: &Context, given: &Given<'_>) -> Ended {
    let request = client.unshelve_instance(
        ctx,
        given.instance(),
        given.text("host"),
        given.request_spec(),
        given.get::<Option<Image>>("image"),
        given.get::<Option<Dictionary>>("filter_properties"),
        given.get::<Option<String>>("node"),
        given.accelerators(),
    );
    ended(request.await)
}

async fn build(client: &Client, ctx: &Context, given: &Given<'_>) -> Ended {
    let request = client.build_and_run_instance(
        ctx,
        given.instance(),
        given.text("host"),
        given.get::<Image>("image"),
        given.get::<Object<RequestSpec>>("request_spec"),
        given.get::<Dictionary>("filter_properties"),
        given.get::<Option<String>>("admin_password"),
        given.get::<Option<Vec<InjectedFile>>>("injected_files"),
        given.get::<Option<Object<NetworkRequestList>>>("requested_networks"),
        given.get::<Option<Vec<String>>>("security_groups"),
        given.get::<Option<Json>>("block_device_mapping"),
        given.get::<Option<String>>("node"),
        given.limits(),
        given.get::<Option<Vec<Object<Selection>>>>("host_list"),
        given.accelerators(),
    );
    ended(request.await)
}

async fn rebuild(client: &Client, ctx: &Context, given: &Given<'_>) -> Ended {
    let request = client.rebuild_instance(
        ctx,
        given.instance(),
        given.get::<Option<String>>("new_pass"),
        given.get::<Option<Vec<InjectedFile>>>("injected_files"),
        given.get::<Option<String>>("image_ref"),
        given.get::<Option<String>>("orig_image_ref"),
        given.get::<Option<Dictionary>>("orig_sys_metadata"),
        given.get::<Json>("bdms"),
        given.is_set("recreate", false),
        given.get::<Option<bool>>("on_shared_storage"),
        given.host(),
        given.get::<Option<String>>("node"),
        given.is_set("preserve_ephemeral", false),
        given.get::<Option<Object<Migration>>>("migration"),
        given.limits(),
        given.request_spec(),
        given.accelerators(),
    );
    let request = request.reimage_boot_volume(given.is_set("reimage_boot_volume", false));
    ended(request.target_state(given.get::<Option<String>>("target_state")).await)
}
