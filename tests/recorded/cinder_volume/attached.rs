//! Calls about the use of volumes and snapshots: attachments, connections, exports.

use examples::cinder::objects::{Dictionary, Snapshot, Volume};
use rpc_runtime::{Context, Object};

use super::{Client, place_of_volume};
use crate::{
    compare::{Ended, ended},
    recording::Inputs,
};

pub(super) async fn make(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Inputs,
) -> Option<Ended> {
    if call.ends_with("_snapshot") {
        return to_snapshots(client, ctx, call, given).await;
    }
    if call.starts_with("attachment_") {
        return by_attachments(client, ctx, call, given).await;
    }
    to_volumes(client, ctx, call, given).await
}

async fn to_volumes(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Option<Ended> {
    let volume = || given.get::<Object<Volume>>("volume");
    let id = || volume().id.clone();
    let text = |name: &str| given.get::<Option<String>>(name);
    let flag = |name: &str| given.get::<Option<bool>>(name).unwrap_or_default();
    let place = || place_of_volume(given);
    Some(match call {
        "attach_volume" => {
            let (instance, host) = (text("instance_uuid"), text("host_name"));
            let (mountpoint, mode) = (text("mountpoint"), text("mode"));
            let request =
                client.attach_volume(ctx, place(), id(), instance, host, mountpoint, mode);
            ended(request.volume(volume()).await)
        }
        "detach_volume" => {
            let request = client.detach_volume(ctx, place(), id(), text("attachment_id"));
            ended(request.volume(volume()).await)
        }
        "initialize_connection" => {
            let connector = given.get::<Dictionary>("connector");
            ended(client.initialize_connection(ctx, volume(), connector).await)
        }
        "terminate_connection" => {
            let connector = given.get::<Option<Dictionary>>("connector");
            let force = flag("force");
            ended(client.terminate_connection(ctx, place(), id(), connector, force).await)
        }
        "remove_export" if flag("sync") => ended(client.remove_export(ctx, place(), id()).await),
        "remove_export" => ended(client.remove_export_cast(ctx, place(), id()).await),
        _ => return None,
    })
}

async fn by_attachments(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Inputs,
) -> Option<Ended> {
    let volume = given.get::<Object<Volume>>("vref");
    let attachment = given.get::<String>("attachment_id");
    Some(match call {
        "attachment_update" => {
            let connector = given.get::<Dictionary>("connector");
            ended(client.attachment_update(ctx, volume, connector, attachment).await)
        }
        "attachment_delete" => ended(client.attachment_delete(ctx, attachment, volume).await),
        _ => return None,
    })
}

async fn to_snapshots(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Option<Ended> {
    let place = || {
        let snapshot = given.get::<Object<Snapshot>>("snapshot");
        snapshot.service_topic_queue().unwrap_or_default().to_owned()
    };
    let id = || given.get::<Object<Snapshot>>("snapshot").id.clone();
    let flag = |name: &str| given.get::<Option<bool>>(name).unwrap_or_default();
    Some(match call {
        "initialize_connection_snapshot" => {
            let connector = given.get::<Dictionary>("connector");
            ended(client.initialize_connection_snapshot(ctx, place(), id(), connector).await)
        }
        "terminate_connection_snapshot" => {
            let connector = given.get::<Option<Dictionary>>("connector");
            let force = flag("force");
            let request =
                client.terminate_connection_snapshot(ctx, place(), id(), connector, force);
            ended(request.await)
        }
        "remove_export_snapshot" if flag("sync") => {
            ended(client.remove_export_snapshot(ctx, place(), id()).await)
        }
        "remove_export_snapshot" => {
            ended(client.remove_export_snapshot_cast(ctx, place(), id()).await)
        }
        _ => return None,
    })
}
