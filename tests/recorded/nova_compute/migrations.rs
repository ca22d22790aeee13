//! Live migrations.

use examples::nova::objects::{Instance, Json, Migration, SchedulerLimits};
use rpc_runtime::{Context, Object, Version};

use super::{Client, Given};
use crate::compare::{Ended, ended};

pub(super) async fn call(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Given<'_>,
) -> Option<Ended> {
    let instance = || given.instance();
    let blocks = || given.get::<Option<bool>>("block_migration");
    let (host, data) = (|| given.text("host"), || given.get::<Json>("migrate_data"));
    Some(match call {
        "supports_numa_live_migration" => {
            // The caller checks the cap itself, so nothing is sent.
            let _ = client.can_send_version(Version::new(5, 3));
            Ended::Refused
        }
        "check_can_live_migrate_destination" => check(client, ctx, given).await,
        "check_can_live_migrate_source" => {
            let data = given.get::<Json>("dest_check_data");
            ended(client.check_can_live_migrate_source(ctx, instance(), data).await)
        }
        "check_instance_shared_storage" => {
            let instance = given.get::<Option<Object<Instance>>>("instance");
            let (data, host) = (given.get::<Json>("data"), given.host());
            ended(client.check_instance_shared_storage(ctx, data, instance, host).await)
        }
        "live_migration" => {
            let (dest, data) = (given.text("dest"), given.get::<Option<Json>>("migrate_data"));
            let migration = given.get::<Option<Object<Migration>>>("migration");
            let request =
                client.live_migration(ctx, instance(), dest, blocks(), host(), migration, data);
            ended(request.await)
        }
        "live_migration_force_complete" => {
            let migration = given.migration();
            ended(client.live_migration_force_complete(ctx, instance(), migration).await)
        }
        "live_migration_abort" => {
            let migration = given.get::<u64>("migration_id");
            ended(client.live_migration_abort(ctx, instance(), migration).await)
        }
        "pre_live_migration" => {
            let disk = given.get::<Option<Json>>("disk");
            ended(client.pre_live_migration(ctx, instance(), disk, host(), data()).await)
        }
        "post_live_migration_at_destination" => {
            let request =
                client.post_live_migration_at_destination(ctx, instance(), blocks(), host());
            ended(request.await)
        }
        "rollback_live_migration_at_destination" => {
            let destroy = given.get::<bool>("destroy_disks");
            let request = client.rollback_live_migration_at_destination(
                ctx,
                instance(),
                host(),
                destroy,
                data(),
            );
            ended(request.await)
        }
        "drop_move_claim_at_destination" => {
            ended(client.drop_move_claim_at_destination(ctx, instance(), host()).await)
        }
        _ => return None,
    })
}

async fn check(client: &Client, ctx: &Context, given: &Given<'_>) -> Ended {
    let request = client.check_can_live_migrate_destination(
        ctx,
        given.instance(),
        given.text("destination"),
        given.get::<Option<bool>>("block_migration"),
        given.get::<Option<bool>>("disk_over_commit"),
        given.get::<Option<Object<Migration>>>("migration"),
        given.get::<Option<Object<SchedulerLimits>>>("limits"),
    );
    ended(request.await)
}
