//! Resizes and cold migrations, within a cell and across cells.

use examples::nova::objects::{
    Dictionary, Flavor, Image, Json, Migration, RequestSpec, SchedulerLimits, Selection,
    flat_dictionary,
};
use rpc_runtime::{Context, Object};

use super::{Client, Given};
use crate::compare::{Ended, ended};

/// Calls within a cell.
pub(super) async fn call(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Given<'_>,
) -> Option<Ended> {
    let instance = || given.instance();
    let (host, migration, spec) = (given.host(), || given.migration(), given.request_spec());
    Some(match call {
        "prep_resize" => prepare(client, ctx, given).await,
        "resize_instance" => {
            let (image, flavor) =
                (given.get::<Image>("image"), given.get::<Object<Flavor>>("flavor"));
            let clean = given.is_set("clean_shutdown", true);
            let request =
                client.resize_instance(ctx, instance(), migration(), image, flavor, spec, clean);
            ended(request.await)
        }
        "finish_resize" => {
            let (image, disks) = (given.get::<Image>("image"), given.text("disk_info"));
            let host = given.text("host");
            let request =
                client.finish_resize(ctx, instance(), migration(), image, disks, host, spec);
            ended(request.await)
        }
        "confirm_resize" => match given.is_set("cast", true) {
            true => ended(client.confirm_resize_cast(ctx, instance(), migration(), host).await),
            false => ended(client.confirm_resize(ctx, instance(), migration(), host).await),
        },
        "revert_resize" => {
            ended(client.revert_resize(ctx, instance(), migration(), host, spec).await)
        }
        "finish_revert_resize" => {
            ended(client.finish_revert_resize(ctx, instance(), migration(), host, spec).await)
        }
        _ => return None,
    })
}

async fn prepare(client: &Client, ctx: &Context, given: &Given<'_>) -> Ended {
    // Python's client flattens an image itself, under every cap.
    let image: Image = flat_dictionary(&given.get::<Json>("image")).expect("an image");
    let request = client.prep_resize(
        ctx,
        given.instance(),
        image,
        given.get::<Object<Flavor>>("flavor"),
        given.text("host"),
        given.get::<Option<Object<Migration>>>("migration"),
        given.get::<Object<RequestSpec>>("request_spec"),
        given.get::<Option<Dictionary>>("filter_properties"),
        given.get::<Option<String>>("node"),
        given.is_set("clean_shutdown", true),
        given.get::<Option<Vec<Object<Selection>>>>("host_list"),
    );
    ended(request.await)
}

/// Calls across cells, by means of an image.
pub(super) async fn across_cells(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Given<'_>,
) -> Option<Ended> {
    let (instance, migration) = (|| given.instance(), || given.migration());
    let (snapshot, spec) = (given.get::<Option<String>>("snapshot_id"), given.request_spec());
    Some(match call {
        "prep_snapshot_based_resize_at_dest" => {
            let (flavor, node) = (given.get::<Object<Flavor>>("flavor"), given.text("nodename"));
            let limits = given.get::<Option<Object<SchedulerLimits>>>("limits");
            let to = given.text("destination");
            let request = client.prep_snapshot_based_resize_at_dest(
                ctx,
                instance(),
                flavor,
                node,
                migration(),
                limits,
                spec,
                to,
            );
            ended(request.await)
        }
        "prep_snapshot_based_resize_at_source" => {
            let request =
                client.prep_snapshot_based_resize_at_source(ctx, instance(), migration(), snapshot);
            ended(request.await)
        }
        "finish_snapshot_based_resize_at_dest" => {
            let request = client.finish_snapshot_based_resize_at_dest(
                ctx,
                instance(),
                migration(),
                snapshot,
                spec,
            );
            ended(request.await)
        }
        "confirm_snapshot_based_resize_at_source" => {
            let request =
                client.confirm_snapshot_based_resize_at_source(ctx, instance(), migration());
            ended(request.await)
        }
        "revert_snapshot_based_resize_at_dest" => {
            let request = client.revert_snapshot_based_resize_at_dest(ctx, instance(), migration());
            ended(request.await)
        }
        "finish_revert_snapshot_based_resize_at_source" => {
            let request =
                client.finish_revert_snapshot_based_resize_at_source(ctx, instance(), migration());
            ended(request.await)
        }
        _ => return None,
    })
}
