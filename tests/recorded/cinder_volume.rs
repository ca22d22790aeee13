//! `cinder.volume.rpcapi.VolumeAPI`.

mod attached;
mod grouped;
mod kept;

use examples::cinder::{
    objects::{Backup, CleanupRequest, Dictionary, LogLevel, Reference, Service, Volume},
    volume_rpcapi::{VolumeManagerClient, volume_manager},
};
use rpc_runtime::{AnyHost, Context, Object, Unchecked};

use crate::{
    compare::{Calls, Difference, Ended, What, assert_equal, ended},
    managers::{Place, assert_understood},
    recording::Inputs,
};

struct VolumeManager;

type Client = VolumeManagerClient<Unchecked, AnyHost>;

impl Calls for VolumeManager {
    type Api = volume_manager::Api;

    async fn call(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Ended {
        if let Some(ended) = kept::make(client, ctx, call, given).await {
            return ended;
        }
        if let Some(ended) = attached::make(client, ctx, call, given).await {
            return ended;
        }
        if let Some(ended) = grouped::make(client, ctx, call, given).await {
            return ended;
        }
        let ended = of_services(client, ctx, call, given).await;
        ended.unwrap_or_else(|| panic!("no such method: {call}"))
    }
}

/// Returns the host of a volume that is not sent.
fn place_of_volume(given: &Inputs) -> String {
    let volume = given.get::<Object<Volume>>("volume");
    volume.service_topic_queue().unwrap_or_default().to_owned()
}

/// Calls to a back end, or to the service that runs it.
async fn of_services(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Option<Ended> {
    let service = || given.get::<Object<Service>>("service");
    let place = || service().service_topic_queue().unwrap_or_default().to_owned();
    let host = || service().host.value().cloned().unwrap_or_default();
    let loggers = || given.get::<Object<LogLevel>>("log_request");
    let replica = || given.get::<Option<String>>("secondary_backend_id");
    Some(match call {
        "publish_service_capabilities" => ended(client.publish_service_capabilities(ctx).await),
        "freeze_host" => ended(client.freeze_host(ctx, place()).await),
        "thaw_host" => ended(client.thaw_host(ctx, place()).await),
        "failover" => ended(client.failover(ctx, place(), replica()).await),
        "failover_completed" => {
            let updates = given.get::<Dictionary>("updates");
            ended(client.failover_completed(ctx, place(), updates).await)
        }
        "get_capabilities" => {
            let (place, discover) =
                (given.get::<String>("backend_id"), given.get::<bool>("discover"));
            ended(client.get_capabilities(ctx, place, discover).await)
        }
        "get_backup_device" => {
            let (place, backup) = (place_of_volume(given), given.get::<Object<Backup>>("backup"));
            ended(client.request_backup_device(ctx, place, &backup).await)
        }
        "get_manageable_volumes" | "get_manageable_snapshots" => {
            let marker = given.get::<Option<Reference>>("marker");
            let (limit, offset) =
                (given.get::<Option<u64>>("limit"), given.get::<Option<u64>>("offset"));
            let keys = given.get::<Option<Vec<String>>>("sort_keys");
            let ways = given.get::<Option<Vec<String>>>("sort_dirs");
            let place = place();
            if call == "get_manageable_volumes" {
                let request =
                    client.get_manageable_volumes(ctx, place, marker, limit, offset, keys, ways);
                return Some(ended(request.await));
            }
            let request =
                client.get_manageable_snapshots(ctx, place, marker, limit, offset, keys, ways);
            ended(request.await)
        }
        "do_cleanup" => {
            let request = given.get::<Object<CleanupRequest>>("cleanup_request");
            ended(client.do_cleanup(ctx, request).await)
        }
        "set_log_levels" => ended(client.set_log_levels(ctx, host(), loggers()).await),
        "get_log_levels" => ended(client.get_log_levels(ctx, host(), loggers()).await),
        _ => return None,
    })
}

const DIFFERENCES: &[Difference] = &[
    // For a volume without a back end, Python's client asks any back end; this library's client
    // sends nothing.
    Difference {
        step: "initialize_connection, nowhere yet",
        caps: ("3.0", "3.20"),
        what: What::OnlyTheirs,
    },
];

#[tokio::test]
async fn the_volume_client_sends_what_cinders_sends() {
    assert_equal::<VolumeManager>("cinder-volume.json", DIFFERENCES).await;
}

/// Each back end and each cluster listens on two topics.
const PLACES: [Place; 10] = [
    ("cinder-volume", "node-1@ceph"),
    ("cinder-volume.node-1@ceph", "node-1"),
    ("cinder-volume", "node-2@nfs"),
    ("cinder-volume.node-2@nfs", "node-2"),
    ("cinder-volume", "node-1"),
    ("cinder-volume.node-1", "node-1"),
    ("cinder-volume", "node-1.example.org@ceph"),
    ("cinder-volume.node-1.example.org@ceph", "node-1.example.org"),
    ("cinder-volume", "cluster-a@ceph"),
    ("cinder-volume.cluster-a@ceph", "cluster-a"),
];

#[tokio::test(flavor = "multi_thread")]
async fn cinders_back_ends_understand_the_volume_client() {
    assert_understood::<VolumeManager>("volume", &PLACES, &[]).await;
}
