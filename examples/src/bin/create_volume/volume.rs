//! A volume host: it creates volumes on its back end, and reports the remaining room to the
//! schedulers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use examples::cinder::{
    Capabilities, RequestSpec, SchedulerClient, Volume, VolumeError, VolumeManager,
    VolumeManagerServer,
};
use rpc_runtime::{Context, Running, Server, Transport};
use uuid::Uuid;

use crate::{Error, tell};

struct Backend {
    /// `host@backend`.
    host: String,
    room: u64,
    scheduler: SchedulerClient,
    volumes: Mutex<BTreeMap<Uuid, Volume>>,
}

/// Starts the back end `host` with `room` GiB.
pub(crate) async fn start(transport: &Transport, host: &str, room: u64) -> Result<Running, Error> {
    let scheduler = SchedulerClient::new(transport);
    let backend = Backend { host: host.to_owned(), room, scheduler, volumes: Mutex::default() };
    let capabilities = backend.capabilities();
    let scheduler = backend.scheduler.clone();
    let server = Server::builder(transport)
        .host(host)
        .serve(VolumeManagerServer::new(backend))
        .bind()
        .await?
        .run();
    // Running schedulers receive this report; those that start later ask for one.
    scheduler.update_service_capabilities(&Context::new(), "volume", host, capabilities).await?;
    Ok(server)
}

impl Backend {
    fn volumes(&self) -> MutexGuard<'_, BTreeMap<Uuid, Volume>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn capabilities(&self) -> Capabilities {
        let volumes = self.volumes();
        let taken: u64 = volumes.values().map(|volume| volume.size).sum();
        Capabilities {
            volume_backend_name: self.host.clone(),
            total_capacity_gb: self.room,
            free_capacity_gb: self.room.saturating_sub(taken),
            volumes: volumes.keys().copied().collect(),
        }
    }

    async fn report(&self, ctx: &Context) {
        let reported = self
            .scheduler
            .update_service_capabilities(ctx, "volume", &self.host, self.capabilities())
            .await;
        if let Err(error) = reported {
            tell(&self.host, format_args!("cannot report: {error}"));
        }
    }
}

impl VolumeManager for Backend {
    async fn create_volume(&self, ctx: Context, mut volume: Volume, _: Option<RequestSpec>) {
        let who = ctx.user_id().unwrap_or_else(|| "nobody".to_owned());
        tell(
            &self.host,
            format_args!("creating `{}`, {} GiB, for {who}", volume.display_name, volume.size),
        );
        volume.status = "available".to_owned();
        volume.host = Some(self.host.clone());
        self.volumes().insert(volume.id, volume);
        self.report(&ctx).await;
    }

    async fn get_volume(&self, _: Context, volume_id: Uuid) -> Result<Volume, VolumeError> {
        self.volumes().get(&volume_id).cloned().ok_or(VolumeError::VolumeNotFound { volume_id })
    }

    async fn publish_service_capabilities(&self, ctx: Context) {
        self.report(&ctx).await;
    }
}
