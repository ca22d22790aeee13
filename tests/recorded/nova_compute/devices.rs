//! Volumes, shares and networks of an instance.

use examples::nova::objects::{Dictionary, Json};
use rpc_runtime::Context;

use super::{Client, Given};
use crate::compare::{Ended, ended};

pub(super) async fn call(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Given<'_>,
) -> Option<Ended> {
    let instance = || given.instance();
    let volume = || given.text("volume_id");
    let maybe = |name| given.get::<Option<String>>(name);
    Some(match call {
        "attach_volume" => {
            ended(client.attach_volume(ctx, instance(), given.get::<Json>("bdm")).await)
        }
        "detach_volume" => {
            ended(client.detach_volume(ctx, instance(), volume(), maybe("attachment_id")).await)
        }
        "swap_volume" => {
            let (old, new) = (given.text("old_volume_id"), given.text("new_volume_id"));
            let attachment = maybe("new_attachment_id");
            ended(client.swap_volume(ctx, instance(), old, new, attachment).await)
        }
        "volume_snapshot_create" => {
            let info = given.get::<Dictionary>("create_info");
            ended(client.volume_snapshot_create(ctx, instance(), volume(), info).await)
        }
        "volume_snapshot_delete" => {
            let (snapshot, info) =
                (given.text("snapshot_id"), given.get::<Dictionary>("delete_info"));
            ended(client.volume_snapshot_delete(ctx, instance(), volume(), snapshot, info).await)
        }
        "reserve_block_device_name" => {
            let (device, bus, kind) = (maybe("device"), maybe("disk_bus"), maybe("device_type"));
            let (tag, shared) = (maybe("tag"), given.is_set("multiattach", false));
            let request = client.reserve_block_device_name(
                ctx,
                instance(),
                device,
                volume(),
                bus,
                kind,
                tag,
                shared,
            );
            ended(request.await)
        }
        "remove_volume_connection" => {
            let request =
                client.remove_volume_connection(ctx, instance(), volume(), given.text("host"));
            ended(request.delete_attachment(given.is_set("delete_attachment", false)).await)
        }
        "allow_share" => {
            ended(client.allow_share(ctx, instance(), given.get::<Json>("share_mapping")).await)
        }
        "deny_share" => {
            ended(client.deny_share(ctx, instance(), given.get::<Json>("share_mapping")).await)
        }
        "attach_interface" => {
            let (network, port) = (maybe("network_id"), maybe("port_id"));
            let (address, tag) = (maybe("requested_ip"), maybe("tag"));
            ended(client.attach_interface(ctx, instance(), network, port, address, tag).await)
        }
        "detach_interface" => {
            ended(client.detach_interface(ctx, instance(), given.text("port_id")).await)
        }
        "add_fixed_ip_to_instance" => {
            ended(client.add_fixed_ip_to_instance(ctx, instance(), given.text("network_id")).await)
        }
        "remove_fixed_ip_from_instance" => {
            let address = given.text("address");
            ended(client.remove_fixed_ip_from_instance(ctx, instance(), address).await)
        }
        "inject_network_info" => ended(client.inject_network_info(ctx, instance()).await),
        _ => return None,
    })
}
