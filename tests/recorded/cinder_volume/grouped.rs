//! Calls about groups of volumes.

use examples::cinder::objects::{Group, GroupSnapshot};
use rpc_runtime::{Context, Object};

use super::Client;
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
    let group = || given.get::<Object<Group>>("group");
    let snapshot = || given.get::<Object<GroupSnapshot>>("group_snapshot");
    let text = |name: &str| given.get::<Option<String>>(name);
    Some(match call {
        "create_group" => ended(client.create_group(ctx, group()).await),
        "delete_group" => ended(client.delete_group(ctx, group()).await),
        "update_group" => {
            let (add, remove) = (text("add_volumes"), text("remove_volumes"));
            ended(client.update_group(ctx, group(), add, remove).await)
        }
        "create_group_from_src" => {
            let snapshot = given.get::<Option<Object<GroupSnapshot>>>("group_snapshot");
            let source = given.get::<Option<Object<Group>>>("source_group");
            ended(client.create_group_from_src(ctx, group(), snapshot, source).await)
        }
        "create_group_snapshot" => ended(client.create_group_snapshot(ctx, snapshot()).await),
        "delete_group_snapshot" => ended(client.delete_group_snapshot(ctx, snapshot()).await),
        "enable_replication" => ended(client.enable_replication(ctx, group()).await),
        "disable_replication" => ended(client.disable_replication(ctx, group()).await),
        "failover_replication" => {
            let attached = given.get::<Option<bool>>("allow_attached_volume").unwrap_or_default();
            let replica = text("secondary_backend_id");
            ended(client.failover_replication(ctx, group(), attached, replica).await)
        }
        "list_replication_targets" => ended(client.list_replication_targets(ctx, group()).await),
        _ => return None,
    })
}
