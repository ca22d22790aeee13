//! `cinder.volume.rpcapi.VolumeAPI` against two back ends of this library, and a cluster of two.

use std::{collections::BTreeMap, ops::RangeInclusive};

use examples::cinder::{
    VolumeError,
    objects::{
        Backup, BackupDevice, BackupDeviceInfo, CleanupRequest, Dictionary, Group, GroupSnapshot,
        LogLevel, LogLevelList, ManageableSnapshot, ManageableVolume, PlainBackupDevice, Reference,
        RequestSpec, Snapshot, Volume, VolumeAttachment, VolumeOrSnapshot,
    },
    volume_rpcapi::{Destination, ReplicationTargets, VolumeManager, volume_manager},
};
use rpc_runtime::{Context, Object, Version, objects::ObjectOr};
use serde_json::json;
use uuid::Uuid;

use crate::{
    received::{Recorder, dictionary, received},
    run::Run,
    scheduler::log_levels,
    servers::Servers,
};

async fn drive(minors: RangeInclusive<u64>) -> Option<Vec<Run>> {
    let mut servers = Servers::new().await?;
    for (backend, host) in [("node-1@ceph", "node-1"), ("node-2@nfs", "node-2")] {
        servers.add::<volume_manager::Api>("cinder-volume", backend).await;
        servers.add::<volume_manager::Api>(&format!("cinder-volume.{backend}"), host).await;
    }
    for _ in 0..2 {
        servers.add::<volume_manager::Api>("cinder-volume.cluster-a@ceph", "cluster-a").await;
    }
    let runs = servers.drive("volume", &volume_manager::INTERFACE, minors).await?;
    for run in &runs {
        assert_eq!(run.failed(), [FAILED]);
        run.assert_all_arrived();
        run.assert_dated(&[]);
    }
    Some(runs)
}

const FAILED: (&str, &str, &str) = (
    "initialize_connection that fails",
    "VolumeNotFound_Remote",
    "Volume 00000000-0000-0000-0000-000000000000 could not be found.",
);

#[tokio::test(flavor = "multi_thread")]
async fn cinders_client_reaches_every_method_of_a_back_end_of_its_version() {
    let Some(runs) = drive(20..=20).await else { return };
    let run = &runs[0];
    run.assert_complete();
    assert_eq!(run.unused(), [""; 0]);
    let answered = [
        ("migrate_volume_completion", "str"),
        ("accept_transfer", "dict"),
        ("secure_file_operations_enabled", "bool"),
        ("attach_volume", "VolumeAttachment"),
        ("initialize_connection", "dict"),
        ("attachment_update", "dict"),
        ("initialize_connection_snapshot", "dict"),
        ("list_replication_targets", "dict"),
        ("get_capabilities", "dict"),
        ("get_manageable_volumes", "list of ManageableVolume"),
        ("get_manageable_snapshots", "list of ManageableSnapshot"),
        ("freeze_host", "bool"),
        ("thaw_host", "bool"),
        ("get_log_levels", "LogLevelList"),
    ];
    assert_eq!(run.answered(), answered);
    assert_eq!(run.end.workers, 2, "delete_volume and create_snapshot record cleanups");
}

#[tokio::test(flavor = "multi_thread")]
async fn cinders_clients_of_all_older_versions_reach_back_ends() {
    let Some(runs) = drive(0..=19).await else { return };
    let later = [
        "reimage",
        "extend_volume_completion",
        "attachment_update",
        "attachment_delete",
        "revert_to_snapshot",
        "initialize_connection_snapshot",
        "terminate_connection_snapshot",
        "remove_export_snapshot and wait",
        "remove_export_snapshot",
        "enable_replication",
        "disable_replication",
        "failover_replication",
        "list_replication_targets",
        "do_cleanup",
        "set_log_levels",
        "get_log_levels",
    ];
    assert_eq!(runs[0].refused("ServiceTooOld"), later);
    assert_eq!(runs[19].refused("ServiceTooOld"), [""; 0]);
    for run in &runs {
        // This method does not check the cap, so the library refuses it.
        let unasked: &[_] = if run.cap.minor() < 8 { &["failover_completed"] } else { &[] };
        assert_eq!(run.refused("RPCVersionCapError"), unasked);
        let device = run.answered().contains(&("get_backup_device", "BackupDeviceInfo"));
        assert_eq!(device, run.cap.minor() < 17, "whether {} waits for a device", run.cap);
        let plain = run.answered().contains(&("get_manageable_volumes", "list of dict"));
        assert_eq!(plain, run.cap.minor() < 10, "whether {} gets dictionaries", run.cap);
    }
}

impl VolumeManager for Recorder {
    async fn create_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        request_spec: Option<Object<RequestSpec>>,
        filter_properties: Option<Dictionary>,
        allow_reschedule: bool,
    ) {
        received!(
            self,
            ctx,
            create_volume(volume, request_spec, filter_properties, allow_reschedule)
        );
    }

    async fn revert_to_snapshot(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        snapshot: Object<Snapshot>,
    ) {
        received!(self, ctx, revert_to_snapshot(volume, snapshot));
    }

    async fn delete_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        unmanage_only: bool,
        cascade: bool,
    ) {
        received!(self, ctx, delete_volume(volume, unmanage_only, cascade));
    }

    async fn create_snapshot(&self, ctx: Context, snapshot: Object<Snapshot>) {
        received!(self, ctx, create_snapshot(snapshot));
    }

    async fn delete_snapshot(&self, ctx: Context, snapshot: Object<Snapshot>, unmanage_only: bool) {
        received!(self, ctx, delete_snapshot(snapshot, unmanage_only));
    }

    async fn attach_volume(
        &self,
        ctx: Context,
        volume_id: String,
        instance_uuid: Option<String>,
        host_name: Option<String>,
        mountpoint: Option<String>,
        mode: Option<String>,
        volume: Option<Object<Volume>>,
    ) -> Object<VolumeAttachment> {
        received!(
            self,
            ctx,
            attach_volume(volume_id, instance_uuid, host_name, mountpoint, mode, volume),
            attachment(&volume_id)
        )
    }

    async fn detach_volume(
        &self,
        ctx: Context,
        volume_id: String,
        attachment_id: Option<String>,
        volume: Option<Object<Volume>>,
    ) {
        received!(self, ctx, detach_volume(volume_id, attachment_id, volume));
    }

    async fn copy_volume_to_image(&self, ctx: Context, volume_id: String, image_meta: Dictionary) {
        received!(self, ctx, copy_volume_to_image(volume_id, image_meta));
    }

    async fn initialize_connection(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        connector: Dictionary,
    ) -> Result<Dictionary, VolumeError> {
        if connector.is_empty() {
            received!(self, ctx, initialize_connection(volume, connector));
            return Err(VolumeError::VolumeNotFound { volume_id: Uuid::nil() });
        }
        Ok(received!(self, ctx, initialize_connection(volume, connector), connection("rbd")))
    }

    async fn terminate_connection(
        &self,
        ctx: Context,
        volume_id: String,
        connector: Option<Dictionary>,
        force: bool,
    ) {
        received!(self, ctx, terminate_connection(volume_id, connector, force));
    }

    async fn remove_export(&self, ctx: Context, volume_id: String) {
        received!(self, ctx, remove_export(volume_id));
    }

    async fn publish_service_capabilities(&self, ctx: Context) {
        received!(self, ctx, publish_service_capabilities());
    }

    async fn accept_transfer(
        &self,
        ctx: Context,
        volume_id: String,
        new_user: String,
        new_project: String,
        no_snapshots: bool,
    ) -> Option<Dictionary> {
        received!(
            self,
            ctx,
            accept_transfer(volume_id, new_user, new_project, no_snapshots),
            Some(dictionary([("provider_auth", json!("CHAP alice secret"))]))
        )
    }

    async fn extend_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_size: u64,
        reservations: Option<Vec<String>>,
    ) {
        received!(self, ctx, extend_volume(volume, new_size, reservations));
    }

    async fn extend_volume_completion(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_size: u64,
        reservations: Option<Vec<String>>,
        error: bool,
    ) {
        received!(self, ctx, extend_volume_completion(volume, new_size, reservations, error));
    }

    async fn migrate_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        host: Destination,
        force_host_copy: bool,
    ) {
        received!(self, ctx, migrate_volume(volume, host, force_host_copy));
    }

    async fn migrate_volume_completion(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_volume: Object<Volume>,
        error: bool,
    ) -> String {
        received!(
            self,
            ctx,
            migrate_volume_completion(volume, new_volume, error),
            "00000000-0000-4000-8000-000000000011".to_owned()
        )
    }

    async fn retype(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_type_id: String,
        host: Destination,
        migration_policy: String,
        reservations: Option<Vec<String>>,
        old_reservations: Option<Vec<String>>,
    ) {
        received!(
            self,
            ctx,
            retype(volume, new_type_id, host, migration_policy, reservations, old_reservations)
        );
    }

    async fn manage_existing(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        r#ref: Option<Reference>,
    ) {
        received!(self, ctx, manage_existing(volume, r#ref));
    }

    async fn update_migrated_volume(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        new_volume: Object<Volume>,
        volume_status: String,
    ) {
        received!(self, ctx, update_migrated_volume(volume, new_volume, volume_status));
    }

    async fn freeze_host(&self, ctx: Context) -> bool {
        received!(self, ctx, freeze_host(), true)
    }

    async fn thaw_host(&self, ctx: Context) -> bool {
        received!(self, ctx, thaw_host(), false)
    }

    async fn failover(&self, ctx: Context, secondary_backend_id: Option<String>) {
        received!(self, ctx, failover(secondary_backend_id));
    }

    async fn failover_completed(&self, ctx: Context, updates: Dictionary) {
        received!(self, ctx, failover_completed(updates));
    }

    async fn manage_existing_snapshot(
        &self,
        ctx: Context,
        snapshot: Object<Snapshot>,
        r#ref: Option<Reference>,
    ) {
        received!(self, ctx, manage_existing_snapshot(snapshot, r#ref));
    }

    async fn get_capabilities(&self, ctx: Context, discover: bool) -> Dictionary {
        received!(
            self,
            ctx,
            get_capabilities(discover),
            dictionary([
                ("vendor_name", json!("Ceph")),
                ("properties", json!({"compression": {"type": "boolean"}}))
            ])
        )
    }

    async fn get_backup_device(
        &self,
        ctx: Context,
        backup: Object<Backup>,
        want_objects: bool,
        async_call: bool,
    ) -> Option<BackupDevice> {
        received!(
            self,
            ctx,
            get_backup_device(backup, want_objects, async_call),
            Some(backup_device(want_objects))
        )
    }

    async fn secure_file_operations_enabled(&self, ctx: Context, volume: Object<Volume>) -> bool {
        received!(self, ctx, secure_file_operations_enabled(volume), true)
    }

    async fn get_manageable_volumes(
        &self,
        ctx: Context,
        marker: Option<Reference>,
        limit: Option<u64>,
        offset: Option<u64>,
        sort_keys: Option<Vec<String>>,
        sort_dirs: Option<Vec<String>>,
        want_objects: bool,
    ) -> Vec<ObjectOr<ManageableVolume, Dictionary>> {
        received!(
            self,
            ctx,
            get_manageable_volumes(marker, limit, offset, sort_keys, sort_dirs, want_objects),
            vec![manageable_volume(want_objects)]
        )
    }

    async fn get_manageable_snapshots(
        &self,
        ctx: Context,
        marker: Option<Reference>,
        limit: Option<u64>,
        offset: Option<u64>,
        sort_keys: Option<Vec<String>>,
        sort_dirs: Option<Vec<String>>,
        want_objects: bool,
    ) -> Vec<ObjectOr<ManageableSnapshot, Dictionary>> {
        received!(
            self,
            ctx,
            get_manageable_snapshots(marker, limit, offset, sort_keys, sort_dirs, want_objects),
            vec![manageable_snapshot(want_objects)]
        )
    }

    async fn create_group(&self, ctx: Context, group: Object<Group>) {
        received!(self, ctx, create_group(group));
    }

    async fn delete_group(&self, ctx: Context, group: Object<Group>) {
        received!(self, ctx, delete_group(group));
    }

    async fn update_group(
        &self,
        ctx: Context,
        group: Object<Group>,
        add_volumes: Option<String>,
        remove_volumes: Option<String>,
    ) {
        received!(self, ctx, update_group(group, add_volumes, remove_volumes));
    }

    async fn create_group_from_src(
        &self,
        ctx: Context,
        group: Object<Group>,
        group_snapshot: Option<Object<GroupSnapshot>>,
        source_group: Option<Object<Group>>,
    ) {
        received!(self, ctx, create_group_from_src(group, group_snapshot, source_group));
    }

    async fn create_group_snapshot(&self, ctx: Context, group_snapshot: Object<GroupSnapshot>) {
        received!(self, ctx, create_group_snapshot(group_snapshot));
    }

    async fn delete_group_snapshot(&self, ctx: Context, group_snapshot: Object<GroupSnapshot>) {
        received!(self, ctx, delete_group_snapshot(group_snapshot));
    }

    async fn initialize_connection_snapshot(
        &self,
        ctx: Context,
        snapshot_id: String,
        connector: Dictionary,
    ) -> Dictionary {
        received!(
            self,
            ctx,
            initialize_connection_snapshot(snapshot_id, connector),
            connection("nvmeof")
        )
    }

    async fn terminate_connection_snapshot(
        &self,
        ctx: Context,
        snapshot_id: String,
        connector: Option<Dictionary>,
        force: bool,
    ) {
        received!(self, ctx, terminate_connection_snapshot(snapshot_id, connector, force));
    }

    async fn remove_export_snapshot(&self, ctx: Context, snapshot_id: String) {
        received!(self, ctx, remove_export_snapshot(snapshot_id));
    }

    async fn attachment_update(
        &self,
        ctx: Context,
        vref: Object<Volume>,
        connector: Dictionary,
        attachment_id: String,
    ) -> Dictionary {
        received!(self, ctx, attachment_update(vref, connector, attachment_id), connection("iscsi"))
    }

    async fn attachment_delete(&self, ctx: Context, attachment_id: String, vref: Object<Volume>) {
        received!(self, ctx, attachment_delete(attachment_id, vref));
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

    async fn enable_replication(&self, ctx: Context, group: Object<Group>) {
        received!(self, ctx, enable_replication(group));
    }

    async fn disable_replication(&self, ctx: Context, group: Object<Group>) {
        received!(self, ctx, disable_replication(group));
    }

    async fn failover_replication(
        &self,
        ctx: Context,
        group: Object<Group>,
        allow_attached_volume: bool,
        secondary_backend_id: Option<String>,
    ) {
        received!(
            self,
            ctx,
            failover_replication(group, allow_attached_volume, secondary_backend_id)
        );
    }

    async fn list_replication_targets(
        &self,
        ctx: Context,
        group: Object<Group>,
    ) -> ReplicationTargets {
        received!(self, ctx, list_replication_targets(group), targets())
    }

    async fn reimage(
        &self,
        ctx: Context,
        volume: Object<Volume>,
        image_meta: Dictionary,
        image_snap: Option<String>,
    ) {
        received!(self, ctx, reimage(volume, image_meta, image_snap));
    }
}

/// Builds the connection data of a volume.
fn connection(kind: &str) -> Dictionary {
    let data = json!({"name": "volumes/volume-1", "hosts": ["192.0.2.1"], "secret": null, "access_mode": "rw"});
    dictionary([("driver_volume_type", json!(kind)), ("data", data)])
}

fn attachment(volume_id: &str) -> Object<VolumeAttachment> {
    Object::new(VolumeAttachment {
        id: "00000000-0000-4000-8000-000000000040".to_owned(),
        volume_id: volume_id.to_owned().into(),
        attach_status: Some("attached".to_owned()).into(),
        attach_time: Some("2026-01-02T12:00:00Z".to_owned()).into(),
        mountpoint: Some("/dev/vdb".to_owned()).into(),
        ..VolumeAttachment::default()
    })
}

/// Builds the source of a backup: an object if `want_objects`, otherwise a dictionary.
fn backup_device(want_objects: bool) -> BackupDevice {
    let volume = Object::new(Volume {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        size: Some(4).into(),
        display_name: Some("données".to_owned()).into(),
        ..Volume::default()
    });
    // Only callers before 3.17 wait for this reply, and none of them knows 1.9.
    let volume = Box::new(volume.with_version(Version::new(1, 8)));
    if !want_objects {
        let plain = PlainBackupDevice {
            backup_device: VolumeOrSnapshot::Volume(volume),
            secure_enabled: true,
        };
        return ObjectOr::Plain(plain);
    }
    let volume = Some(volume).into();
    let info =
        BackupDeviceInfo { volume, secure_enabled: true.into(), ..BackupDeviceInfo::default() };
    Object::new(info).into()
}

/// Builds a volume that Cinder does not manage yet: an object if `want_objects`, otherwise a
/// dictionary.
fn manageable_volume(want_objects: bool) -> ObjectOr<ManageableVolume, Dictionary> {
    if !want_objects {
        return ObjectOr::Plain(dictionary([
            ("reference", json!({"source-name": "lun 1"})),
            ("size", json!(4)),
            ("safe_to_manage", json!(true)),
        ]));
    }
    let volume = ManageableVolume {
        reference: lun(1).into(),
        size: Some(4).into(),
        safe_to_manage: Some(true).into(),
        ..ManageableVolume::default()
    };
    Object::new(volume).into()
}

/// Builds a snapshot of that volume, likewise.
fn manageable_snapshot(want_objects: bool) -> ObjectOr<ManageableSnapshot, Dictionary> {
    if !want_objects {
        return ObjectOr::Plain(dictionary([
            ("reference", json!({"source-name": "lun 2"})),
            ("source_reference", json!({"source-name": "lun 1"})),
            ("size", json!(4)),
            ("safe_to_manage", json!(true)),
        ]));
    }
    let snapshot = ManageableSnapshot {
        reference: lun(2).into(),
        source_reference: lun(1).into(),
        size: Some(4).into(),
        safe_to_manage: Some(true).into(),
        ..ManageableSnapshot::default()
    };
    Object::new(snapshot).into()
}

fn lun(number: u32) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([("source-name".to_owned(), Some(format!("lun {number}")))])
}

fn targets() -> ReplicationTargets {
    let target = dictionary([("backend_id", json!("replica")), ("unique_key", json!("val1"))]);
    ReplicationTargets { replication_targets: vec![target] }
}
