//! Calls about volumes and snapshots themselves: created, extended, migrated, deleted.

use examples::cinder::{
    objects::{Dictionary, Reference, RequestSpec, Snapshot, Volume},
    volume_rpcapi::Destination,
};
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
    if let Some(ended) = of_snapshots(client, ctx, call, given).await {
        return Some(ended);
    }
    if let Some(ended) = of_moves(client, ctx, call, given).await {
        return Some(ended);
    }
    of_volumes(client, ctx, call, given).await
}

async fn of_volumes(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Option<Ended> {
    let volume = || given.get::<Object<Volume>>("volume");
    let size = || given.get::<u64>("new_size");
    let reservations = || given.get::<Option<Vec<String>>>("reservations");
    let image = || given.get::<Dictionary>("image_meta");
    let flag = |name: &str| given.get::<Option<bool>>(name).unwrap_or_default();
    let text = |name: &str| given.get::<String>(name);
    Some(match call {
        "create_volume" => {
            let spec = given.get::<Option<Object<RequestSpec>>>("request_spec");
            let properties = given.get::<Option<Dictionary>>("filter_properties");
            let reschedule = given.get::<Option<bool>>("allow_reschedule").unwrap_or(true);
            ended(client.create_volume(ctx, volume(), spec, properties, reschedule).await)
        }
        "delete_volume" => {
            let (forget, cascade) = (flag("unmanage_only"), flag("cascade"));
            ended(client.delete_volume(ctx, volume(), forget, cascade).await)
        }
        "manage_existing" => {
            let of = given.get::<Option<Reference>>("ref");
            ended(client.manage_existing(ctx, volume(), of).await)
        }
        "extend_volume" => ended(client.extend_volume(ctx, volume(), size(), reservations()).await),
        "extend_volume_completion" => {
            let (size, reservations, error) = (size(), reservations(), flag("error"));
            let request = client.extend_volume_completion(ctx, volume(), size, reservations, error);
            ended(request.await)
        }
        "accept_transfer" => {
            let (user, project) = (text("new_user"), text("new_project"));
            let (place, id) = (place_of_volume(given), &volume().id);
            let request = client.accept_transfer(ctx, place, id, user, project);
            ended(request.no_snapshots_or_drop(flag("no_snapshots")).await)
        }
        "secure_file_operations_enabled" => {
            ended(client.secure_file_operations_enabled(ctx, volume()).await)
        }
        "copy_volume_to_image" => {
            let (place, id) = (place_of_volume(given), &volume().id);
            ended(client.copy_volume_to_image(ctx, place, id, image()).await)
        }
        "reimage" => {
            let snapshot = given.get::<Option<String>>("image_snap");
            let request = client.reimage(ctx, volume(), image());
            ended(request.image_snap_or_drop(snapshot).await)
        }
        _ => return None,
    })
}

async fn of_moves(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Option<Ended> {
    let volume = || given.get::<Object<Volume>>("volume");
    let new_volume = || given.get::<Object<Volume>>("new_volume");
    let destination = || given.get::<Destination>("dest_backend");
    Some(match call {
        "migrate_volume" => {
            let force = given.get::<bool>("force_host_copy");
            ended(client.migrate_volume(ctx, volume(), destination(), force).await)
        }
        "retype" => {
            let kind = given.get::<String>("new_type_id");
            let policy = given.get::<Option<String>>("migration_policy");
            let policy = policy.unwrap_or_else(|| "never".to_owned());
            let new = given.get::<Option<Vec<String>>>("reservations");
            let old = given.get::<Option<Vec<String>>>("old_reservations");
            ended(client.retype(ctx, volume(), kind, destination(), policy, new, old).await)
        }
        "migrate_volume_completion" => {
            let error = given.get::<bool>("error");
            ended(client.migrate_volume_completion(ctx, volume(), new_volume(), error).await)
        }
        "update_migrated_volume" => {
            let status = given.get::<String>("original_volume_status");
            ended(client.update_migrated_volume(ctx, volume(), new_volume(), status).await)
        }
        _ => return None,
    })
}

async fn of_snapshots(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Option<Ended> {
    let snapshot = || given.get::<Object<Snapshot>>("snapshot");
    Some(match call {
        "create_snapshot" => {
            ended(client.create_snapshot(ctx, place_of_volume(given), snapshot()).await)
        }
        "delete_snapshot" => {
            let forget = given.get::<Option<bool>>("unmanage_only").unwrap_or_default();
            ended(client.delete_snapshot(ctx, snapshot(), forget).await)
        }
        "revert_to_snapshot" => {
            let volume = given.get::<Object<Volume>>("volume");
            ended(client.revert_to_snapshot(ctx, volume, snapshot()).await)
        }
        "manage_existing_snapshot" => {
            let (place, of) =
                (given.get::<String>("backend"), given.get::<Option<Reference>>("ref"));
            ended(client.manage_existing_snapshot(ctx, place, snapshot(), of).await)
        }
        _ => return None,
    })
}
