//! `cinder.scheduler.rpcapi.SchedulerAPI`.

use examples::cinder::{
    objects::{
        Backup, CleanupRequest, Dictionary, FlatRequestSpec, Group, LogLevel, Reference,
        RequestSpec, Snapshot, Volume,
    },
    scheduler_rpcapi::{SchedulerClient, scheduler},
};
use rpc_runtime::{AnyHost, Context, Object, Unchecked, objects::ObjectOr};

use crate::{
    compare::{Calls, Difference, Ended, What, assert_equal, ended},
    managers::assert_understood,
    recording::Inputs,
};

struct Scheduler;

/// The time that Python inserts if the caller gives none. Clients of this library leave that to the
/// caller.
const NOW: &str = "2026-01-02T13:00:00.000250";

impl Calls for Scheduler {
    type Api = scheduler::Api;

    async fn call(
        client: &SchedulerClient<Unchecked, AnyHost>,
        ctx: &Context,
        call: &str,
        given: &Inputs,
    ) -> Ended {
        let volume = || given.get::<Object<Volume>>("volume");
        let spec = || given.get::<Option<Object<RequestSpec>>>("request_spec");
        let flat_spec = || given.get::<Option<AnySpec>>("request_spec").map(flat);
        let properties = || given.get::<Option<Dictionary>>("filter_properties");
        let service = || given.get::<String>("service_name");
        let capabilities = || given.get::<Option<Dictionary>>("capabilities");
        let cleanup = || given.get::<Object<CleanupRequest>>("cleanup_request");
        let loggers = || given.get::<Object<LogLevel>>("log_request");
        let host = || given.inside::<String>("service/versioned_object.data/host");
        match call {
            "create_group" => {
                let group = given.get::<Object<Group>>("group");
                let group_spec = given.get::<Option<AnySpec>>("group_spec").map(flat);
                let specs = given.get::<Option<Vec<AnySpec>>>("request_spec_list");
                let specs = specs.map(|specs| specs.into_iter().map(flat).collect::<Vec<_>>());
                let found = given.get::<Option<Dictionary>>("group_filter_properties");
                let list = given.get::<Option<Vec<Dictionary>>>("filter_properties_list");
                ended(client.create_group(ctx, group, group_spec, specs, found, list).await)
            }
            "create_volume" => {
                let snapshot = given.get::<Option<String>>("snapshot_id");
                let image = given.get::<Option<String>>("image_id");
                let spec = given.get::<Option<AnySpec>>("request_spec");
                let request =
                    client.create_volume(ctx, volume(), snapshot, image, spec, properties());
                ended(request.backup_id_or_drop(given.get::<Option<String>>("backup_id")).await)
            }
            "validate_host_capacity" => {
                let (backend, spec) =
                    (given.get::<String>("backend"), spec().expect("a specification"));
                ended(client.validate_host_capacity(ctx, backend, spec, properties()).await)
            }
            "create_snapshot" => {
                let snapshot = given.get::<Object<Snapshot>>("snapshot");
                let backend = given.get::<String>("backend");
                ended(
                    client
                        .create_snapshot(ctx, volume(), snapshot, backend, spec(), properties())
                        .await,
                )
            }
            "migrate_volume" => {
                let backend = given.get::<String>("backend");
                let force = given.get::<Option<bool>>("force_copy").unwrap_or_default();
                ended(
                    client
                        .migrate_volume(ctx, volume(), backend, force, flat_spec(), properties())
                        .await,
                )
            }
            "retype" => ended(client.retype(ctx, volume(), flat_spec(), properties()).await),
            "manage_existing" => {
                ended(client.manage_existing(ctx, volume(), flat_spec(), properties()).await)
            }
            "manage_existing_snapshot" => {
                let snapshot = given.get::<Object<Snapshot>>("snapshot");
                let of = given.get::<Option<Reference>>("ref");
                ended(
                    client
                        .manage_existing_snapshot(
                            ctx,
                            volume(),
                            snapshot,
                            of,
                            flat_spec(),
                            properties(),
                        )
                        .await,
                )
            }
            "extend_volume" => {
                let size = given.get::<u64>("new_size");
                let reserved = given.get::<Option<Vec<String>>>("reservations");
                ended(
                    client
                        .extend_volume(ctx, volume(), size, reserved, flat_spec(), properties())
                        .await,
                )
            }
            "get_pools" => {
                ended(client.get_pools(ctx, given.get::<Option<Dictionary>>("filters")).await)
            }
            "update_service_capabilities" => {
                let host = given.get::<String>("host");
                let request =
                    client.update_service_capabilities(ctx, service(), host, capabilities());
                let request = request.cluster_name(given.get::<Option<String>>("cluster_name"));
                ended(request.timestamp(stamp(given)).await)
            }
            "notify_service_capabilities" => {
                let backend = given.get::<String>("backend");
                let request =
                    client.notify_service_capabilities(ctx, service(), capabilities(), backend);
                ended(request.timestamp(stamp(given)).await)
            }
            "work_cleanup" => ended(client.work_cleanup(ctx, cleanup()).await),
            "do_cleanup" => ended(client.do_cleanup(ctx, cleanup()).await),
            "set_log_levels" => ended(client.set_log_levels(ctx, host(), loggers()).await),
            "get_log_levels" => ended(client.get_log_levels(ctx, host(), loggers()).await),
            "create_backup" => {
                ended(client.create_backup(ctx, given.get::<Object<Backup>>("backup")).await)
            }
            other => panic!("no such method: {other}"),
        }
    }
}

/// A request specification as Python's client accepts it.
type AnySpec = ObjectOr<RequestSpec, FlatRequestSpec>;

/// Flattens a specification, as Python's client does before it sends one.
fn flat(spec: AnySpec) -> FlatRequestSpec {
    match spec {
        ObjectOr::Object(spec) => spec.flat().expect("JSON"),
        ObjectOr::Plain(spec) => spec,
    }
}

/// Returns the time that Python sends: the given one without its zone, or the present.
fn stamp(given: &Inputs) -> String {
    let given = given.get::<Option<String>>("timestamp");
    given.unwrap_or_else(|| NOW.to_owned())
}

const DIFFERENCES: &[Difference] = &[
    // Python's client iterates over the specifications, and fails if there are none.
    Difference {
        step: "create_group, without specifications",
        caps: ("3.0", "3.12"),
        what: What::OnlyOurs,
    },
];

#[tokio::test]
async fn the_scheduler_client_sends_what_cinders_sends() {
    assert_equal::<Scheduler>("cinder-scheduler.json", DIFFERENCES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cinders_scheduler_understands_the_scheduler_client() {
    let places = [("cinder-scheduler", "sched-1"), ("cinder-scheduler", "sched-2")];
    assert_understood::<Scheduler>("scheduler", &places, &[]).await;
}
