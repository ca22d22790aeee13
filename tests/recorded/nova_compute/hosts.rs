//! Calls to hosts.

use examples::nova::objects::{ExternalEvent, Instance};
use rpc_runtime::{Context, Object};

use super::{Client, Given};
use crate::compare::{Ended, ended};

pub(super) async fn call(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Given<'_>,
) -> Option<Ended> {
    let host = || given.text("host");
    Some(match call {
        "external_instance_event" => {
            let instances = given.get::<Vec<Object<Instance>>>("instances");
            let events = given.get::<Vec<ExternalEvent>>("events");
            ended(client.external_instance_event(ctx, instances, events, given.host()).await)
        }
        "host_maintenance_mode" => {
            let (of, mode) = (given.text("host_param"), given.text("mode"));
            ended(client.host_maintenance_mode(ctx, host(), of, mode).await)
        }
        "host_power_action" => {
            ended(client.host_power_action(ctx, host(), given.text("action")).await)
        }
        "get_host_uptime" => ended(client.get_host_uptime(ctx, host()).await),
        "set_host_enabled" => {
            ended(client.set_host_enabled(ctx, host(), given.get::<bool>("enabled")).await)
        }
        "cache_images" => {
            let images = given.get::<Vec<String>>("image_ids");
            ended(client.cache_images(ctx, host(), images).await)
        }
        _ => return None,
    })
}
