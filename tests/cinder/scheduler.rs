//! `cinder.scheduler.rpcapi.SchedulerAPI` against two schedulers of this library.

use std::ops::RangeInclusive;

use examples::cinder::{
    SchedulerError,
    objects::{
        Backup, CleanupRequest, Dictionary, FlatRequestSpec, Group, LogLevel, LogLevelList,
        Reference, RequestSpec, Service, Snapshot, Volume,
    },
    scheduler_rpcapi::{Pool, Scheduler, scheduler},
};
use rpc_runtime::{Context, Object, objects::ObjectOr};
use serde_json::json;

use crate::{
    received::{Recorder, dictionary, received},
    run::Run,
    servers::Servers,
};

async fn drive(minors: RangeInclusive<u64>) -> Option<Vec<Run>> {
    let mut servers = Servers::new().await?;
    servers.add::<scheduler::Api>("cinder-scheduler", "sched-1").await;
    servers.add::<scheduler::Api>("cinder-scheduler", "sched-2").await;
    let runs = servers.drive("scheduler", &scheduler::INTERFACE, minors).await?;
    for run in &runs {
        assert_eq!(run.failed(), [FAILED]);
        run.assert_all_arrived();
        run.assert_dated(&[]);
    }
    Some(runs)
}

const FAILED: (&str, &str, &str) =
    ("get_pools that fails", "NoValidBackend_Remote", "No valid backend was found. nowhere");

#[tokio::test(flavor = "multi_thread")]
async fn cinders_client_reaches_every_method_of_a_scheduler_of_its_version() {
    let Some(runs) = drive(12..=12).await else { return };
    let run = &runs[0];
    run.assert_complete();
    assert_eq!(run.unused(), [""; 0]);
    let answered = [
        ("validate_host_capacity", "bool"),
        ("get_pools", "list of dict"),
        ("get_pools without filters", "list of dict"),
        ("work_cleanup", "list of list of Service"),
        ("get_log_levels", "LogLevelList"),
    ];
    assert_eq!(run.answered(), answered);
    assert_eq!(run.end.workers, 1, "create_volume records a cleanup");
    assert_eq!(volume_version(run), Some("1.9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cinders_clients_of_all_older_versions_reach_schedulers() {
    let Some(runs) = drive(0..=11).await else { return };
    let later = [
        "create_snapshot",
        "create_backup",
        "manage_existing_snapshot",
        "extend_volume",
        "validate_host_capacity",
        "notify_service_capabilities",
        "work_cleanup",
        "do_cleanup",
        "set_log_levels",
        "get_log_levels",
    ];
    assert_eq!(runs[0].refused("ServiceTooOld"), later);
    assert_eq!(runs[0].unused().len(), later.len());
    assert_eq!(runs[5].refused("ServiceTooOld").len(), 6);
    assert_eq!(runs[11].refused("ServiceTooOld"), ["create_backup"]);
    assert_eq!(
        volume_version(&runs[11]),
        Some("1.8"),
        "Cinder writes objects in the form of older peers"
    );
}

/// Returns the version of the volume that arrived with `create_volume`.
fn volume_version(run: &Run) -> Option<&str> {
    let request = run.received.iter().find(|one| one.method == "create_volume")?;
    request.args["volume"]["versioned_object.version"].as_str()
}

impl Scheduler for Recorder {
    async fn create_group(
        &self,
        ctx: Context,
        group: Object<Group>,
        group_spec: Option<FlatRequestSpec>,
        request_spec_list: Option<Vec<FlatRequestSpec>>,
        group_filter_properties: Option<Dictionary>,
        filter_properties_list: Option<Vec<Dictionary>>,
    ) {
        received!(
            self,
            ctx,
            create_group(
                group,
                group_spec,
                request_spec_list,
                group_filter_properties,
                filter_properties_list
            )
        );
    }

    async fn create_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        snapshot_id: Option<String>,
        image_id: Option<String>,
        request_spec: Option<ObjectOr<RequestSpec, FlatRequestSpec>>,
        filter_properties: Option<Dictionary>,
        backup_id: Option<String>,
    ) {
        let spec = request_spec.as_ref().and_then(ObjectOr::object);
        let size = spec.map(|spec| spec.volume_properties.value()?.size.value());
        assert_eq!(size, Some(volume.size.value()), "the volume of {}", volume.id);
        received!(
            self,
            ctx,
            create_volume(
                volume,
                snapshot_id,
                image_id,
                request_spec,
                filter_properties,
                backup_id
            )
        );
    }

    async fn validate_host_capacity(
        &self,
        ctx: Context,
        backend: String,
        request_spec: Object<RequestSpec>,
        filter_properties: Option<Dictionary>,
    ) -> bool {
        received!(self, ctx, validate_host_capacity(backend, request_spec, filter_properties), true)
    }

    async fn create_snapshot(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        snapshot: Object<Snapshot>,
        backend: String,
        request_spec: Option<Object<RequestSpec>>,
        filter_properties: Option<Dictionary>,
    ) {
        received!(
            self,
            ctx,
            create_snapshot(volume, snapshot, backend, request_spec, filter_properties)
        );
    }

    async fn migrate_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        backend: String,
        force_copy: bool,
        request_spec: Option<FlatRequestSpec>,
        filter_properties: Option<Dictionary>,
    ) {
        received!(
            self,
            ctx,
            migrate_volume(volume, backend, force_copy, request_spec, filter_properties)
        );
    }

    async fn retype(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        request_spec: Option<FlatRequestSpec>,
        filter_properties: Option<Dictionary>,
    ) {
        let asked =
            request_spec.as_ref().and_then(|spec| spec.volume_properties.value()?.size.value());
        assert_eq!(asked, volume.size.value(), "the volume of {}", volume.id);
        received!(self, ctx, retype(volume, request_spec, filter_properties));
    }

    async fn manage_existing(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        request_spec: Option<FlatRequestSpec>,
        filter_properties: Option<Dictionary>,
    ) {
        received!(self, ctx, manage_existing(volume, request_spec, filter_properties));
    }

    async fn manage_existing_snapshot(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        snapshot: Object<Snapshot>,
        r#ref: Option<Reference>,
        request_spec: Option<FlatRequestSpec>,
        filter_properties: Option<Dictionary>,
    ) {
        received!(
            self,
            ctx,
            manage_existing_snapshot(volume, snapshot, r#ref, request_spec, filter_properties)
        );
    }

    async fn extend_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_size: u64,
        reservations: Option<Vec<String>>,
        request_spec: Option<FlatRequestSpec>,
        filter_properties: Option<Dictionary>,
    ) {
        received!(
            self,
            ctx,
            extend_volume(volume, new_size, reservations, request_spec, filter_properties)
        );
    }

    async fn get_pools(
        &self,
        ctx: Context,
        filters: Option<Dictionary>,
    ) -> Result<Vec<Pool>, SchedulerError> {
        let name = filters.as_ref().and_then(|filters| filters.get("name")).map(|name| name.get());
        if name == Some("\"nowhere\"") {
            received!(self, ctx, get_pools(filters));
            return Err(SchedulerError::NoValidBackend { reason: "nowhere".to_owned() });
        }
        let capabilities = dictionary([
            ("free_capacity_gb", json!("infinite")),
            ("total_capacity_gb", json!(12.5)),
            ("location_info", json!({"é": [null, true]})),
        ]);
        let pool = Pool { name: "node-1@ceph#fast".to_owned(), capabilities };
        Ok(received!(self, ctx, get_pools(filters), vec![pool.clone(), pool]))
    }

    async fn update_service_capabilities(
        &self,
        ctx: Context,
        service_name: String,
        host: String,
        capabilities: Option<Dictionary>,
        cluster_name: Option<String>,
        timestamp: Option<String>,
    ) {
        received!(
            self,
            ctx,
            update_service_capabilities(service_name, host, capabilities, cluster_name, timestamp)
        );
    }

    async fn notify_service_capabilities(
        &self,
        ctx: Context,
        service_name: String,
        capabilities: Option<Dictionary>,
        backend: String,
        timestamp: Option<String>,
    ) {
        received!(
            self,
            ctx,
            notify_service_capabilities(service_name, capabilities, backend, timestamp)
        );
    }

    async fn work_cleanup(
        &self,
        ctx: Context,
        cleanup_request: Object<CleanupRequest>,
    ) -> (Vec<Object<Service>>, Vec<Object<Service>>) {
        let service = |id, host: &str| {
            Object::new(Service {
                id,
                host: Some(host.to_owned()).into(),
                binary: Some("cinder-volume".to_owned()).into(),
                cluster_name: None.into(),
                ..Service::default()
            })
        };
        let (asked, down) = (vec![service(1, "node-1@ceph")], vec![service(2, "node-2@nfs")]);
        received!(self, ctx, work_cleanup(cleanup_request), (asked, down))
    }

    async fn do_cleanup(&self, ctx: Context, cleanup_request: Object<CleanupRequest>) {
        received!(self, ctx, do_cleanup(cleanup_request));
    }

    async fn set_log_levels(&self, ctx: Context, log_request: Object<LogLevel>) {
        received!(self, ctx, set_log_levels(log_request));
    }

    async fn get_log_levels(
        &self,
        ctx: Context,
        log_request: Object<LogLevel>,
    ) -> Object<LogLevelList> {
        received!(self, ctx, get_log_levels(log_request), log_levels())
    }

    async fn create_backup(&self, ctx: Context, backup: Object<Backup>) {
        received!(self, ctx, create_backup(backup));
    }
}

/// Builds a list of log levels.
pub(crate) fn log_levels() -> Object<LogLevelList> {
    let level = |prefix: &str, level: &str| {
        let (prefix, level) = (Some(prefix.to_owned()).into(), Some(level.to_owned()).into());
        Object::new(LogLevel { prefix, level })
    };
    let objects = vec![level("cinder", "INFO"), level("cinder.volume", "DEBUG")];
    Object::new(LogLevelList { objects })
}
