//! A scheduler: it receives the capabilities of the back ends, and picks one for each volume.

use std::collections::BTreeMap;

use examples::cinder::{
    Capabilities, Filters, Pool, RequestSpec, Scheduler, SchedulerError, SchedulerServer, Volume,
    VolumeManagerClient,
};
use rpc_runtime::{Context, Running, Server, Transport};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{Error, tell};

type Pools = BTreeMap<String, Capabilities>;

struct FilterScheduler {
    host: String,
    volumes: VolumeManagerClient,
    /// The latest report of each back end.
    pools: watch::Sender<Pools>,
}

/// Starts a scheduler on `host`, and asks all back ends to report.
pub(crate) async fn start(transport: &Transport, host: &str) -> Result<Running, Error> {
    let volumes = VolumeManagerClient::new(transport);
    let scheduler = FilterScheduler {
        host: host.to_owned(),
        volumes: volumes.clone(),
        pools: watch::Sender::default(),
    };
    let server = Server::builder(transport)
        .host(host)
        .serve(SchedulerServer::new(scheduler))
        .bind()
        .await?
        .run();
    tell(host, "fanout publish_service_capabilities to every cinder-volume");
    volumes.publish_service_capabilities(&Context::new()).await?;
    Ok(server)
}

impl FilterScheduler {
    /// Picks the back end with the most room, and subtracts the volume's size from its recorded
    /// room, so that the next volume finds the right figure before the back end reports again.
    fn pick(&self, size: u64) -> Result<(String, u64), SchedulerError> {
        let mut picked = None;
        self.pools.send_modify(|pools| {
            let fits = pools.iter_mut().filter(|(_, pool)| pool.free_capacity_gb >= size);
            if let Some((name, pool)) = fits.max_by_key(|(_, pool)| pool.free_capacity_gb) {
                picked = Some((name.clone(), pool.free_capacity_gb));
                pool.free_capacity_gb -= size;
            }
        });
        picked.ok_or_else(|| SchedulerError::NoValidBackend {
            reason: format!("No weighed backends with {size} GiB."),
        })
    }
}

impl Scheduler for FilterScheduler {
    async fn create_volume(
        &self,
        ctx: Context,
        mut volume: Volume,
        request_spec: Option<RequestSpec>,
        _backup_id: Option<Uuid>,
    ) {
        // A request may arrive before the first report. Cinder's scheduler waits for the report,
        // too.
        let mut pools = self.pools.subscribe();
        if pools.wait_for(|pools| !pools.is_empty()).await.is_err() {
            return;
        }
        let size = request_spec.as_ref().map_or(volume.size, |spec| spec.size);
        match self.pick(size) {
            Ok((host, room)) => {
                let name = &volume.display_name;
                tell(
                    &self.host,
                    format_args!(
                        "cast create_volume `{name}` to {host}, which has {room} GiB free"
                    ),
                );
                volume.host = Some(host.clone());
                if let Err(error) = self
                    .volumes
                    .prepare()
                    .server(host)
                    .create_volume(&ctx, &volume, &request_spec)
                    .await
                {
                    tell(&self.host, format_args!("cannot cast create_volume: {error}"));
                }
            }
            Err(error) => {
                tell(&self.host, format_args!("cannot place `{}`: {error}", volume.display_name))
            }
        }
    }

    async fn get_pools(
        &self,
        _: Context,
        filters: Option<Filters>,
    ) -> Result<Vec<Pool>, SchedulerError> {
        let least = filters.and_then(|filters| filters.min_free_capacity_gb).unwrap_or(0);
        let pools = self.pools.borrow();
        let passing = pools.iter().filter(|(_, pool)| pool.free_capacity_gb >= least);
        Ok(passing
            .map(|(name, pool)| Pool { name: name.clone(), capabilities: pool.clone() })
            .collect())
    }

    async fn update_service_capabilities(
        &self,
        _: Context,
        _service: String,
        host: String,
        capabilities: Capabilities,
    ) {
        let room = capabilities.free_capacity_gb;
        tell(
            &self.host,
            format_args!("{host} reports {room} GiB free, {} volumes", capabilities.volumes.len()),
        );
        self.pools.send_modify(|pools| _ = pools.insert(host, capabilities));
    }

    async fn validate_host_capacity(
        &self,
        _: Context,
        backend: String,
        request_spec: RequestSpec,
    ) -> bool {
        self.pools
            .borrow()
            .get(&backend)
            .is_some_and(|pool| pool.free_capacity_gb >= request_spec.size)
    }
}
