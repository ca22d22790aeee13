//! The API process: it casts volumes to the schedulers, and asks their back ends for the result.

use std::time::Duration;

use examples::cinder::{Pool, RequestSpec, SchedulerClient, Volume, VolumeManagerClient};
use rpc_runtime::{Context, Transport};
use tokio::time::{interval, timeout};
use uuid::Uuid;

use crate::{Error, tell};

const ME: &str = "api";
/// How long the creation of a volume may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Creates volumes once `back_ends` back ends are known, and waits for each volume.
pub(crate) async fn create_volumes(transport: &Transport, back_ends: usize) -> Result<(), Error> {
    let scheduler = SchedulerClient::new(transport);
    let ctx = Context::new()
        .with("user_id", "demo")
        .with("project_id", "examples")
        .with("request_id", format!("req-{}", Uuid::new_v4()))
        .with("roles", ["member"]);
    let pools =
        wait_for(&scheduler, &ctx, |pools| (pools.len() >= back_ends).then(|| pools.to_vec()))
            .await?;
    for pool in &pools {
        let room = pool.capabilities.free_capacity_gb;
        tell(ME, format_args!("get_pools: {} has {room} GiB free", pool.name));
    }
    for (name, size) in [("database", 70), ("logs", 50), ("scratch", 20)] {
        create_volume(transport, &scheduler, &ctx, name, size).await?;
    }
    Ok(())
}

async fn create_volume(
    transport: &Transport,
    scheduler: &SchedulerClient,
    ctx: &Context,
    name: &str,
    size: u64,
) -> Result<(), Error> {
    let id = Uuid::new_v4();
    let volume = Volume {
        id,
        display_name: name.to_owned(),
        size,
        status: "creating".to_owned(),
        host: None,
    };
    tell(ME, format_args!("cast create_volume `{name}`, {size} GiB, to any cinder-scheduler"));
    scheduler.create_volume(ctx, &volume, RequestSpec { volume_id: id, size }).await?;

    let host = wait_for(scheduler, ctx, |pools| {
        pools
            .iter()
            .find(|pool| pool.capabilities.volumes.contains(&id))
            .map(|pool| pool.name.clone())
    })
    .await?;
    let made =
        VolumeManagerClient::new(transport).prepare().server(host).get_volume(ctx, id).await?;
    let place = made.host.as_deref().unwrap_or("nowhere");
    tell(
        ME,
        format_args!("call get_volume: `{}` is {} on {place}", made.display_name, made.status),
    );
    Ok(())
}

/// Polls the schedulers for their pools until `found` returns a value.
async fn wait_for<T>(
    scheduler: &SchedulerClient,
    ctx: &Context,
    found: impl Fn(&[Pool]) -> Option<T>,
) -> Result<T, Error> {
    let polling = async {
        let mut polls = interval(Duration::from_millis(50));
        loop {
            polls.tick().await;
            if let Some(found) = found(&scheduler.get_pools(ctx, None).await?) {
                return Ok(found);
            }
        }
    };
    timeout(LIMIT, polling).await?
}
