//! `cinder.backup.rpcapi.BackupAPI` against two backup services of this library.

use std::ops::RangeInclusive;

use examples::cinder::{
    backup_rpcapi::{BackupManager, backup_manager},
    objects::{Backup, BackupDeviceInfo, Dictionary, LogLevel, LogLevelList},
};
use rpc_runtime::{Context, Object};
use serde_json::json;

use crate::{
    received::{Recorder, dictionary, received},
    run::Run,
    scheduler::log_levels,
    servers::Servers,
};

async fn drive(minors: RangeInclusive<u64>) -> Option<Vec<Run>> {
    let mut servers = Servers::new().await?;
    servers.add::<backup_manager::Api>("cinder-backup", "backup-1").await;
    servers.add::<backup_manager::Api>("cinder-backup", "backup-2").await;
    let runs = servers.drive("backup", &backup_manager::INTERFACE, minors).await?;
    for run in &runs {
        assert_eq!(run.failed(), []);
        run.assert_all_arrived();
        run.assert_dated(&["continue_backup"]);
    }
    Some(runs)
}

#[tokio::test(flavor = "multi_thread")]
async fn cinders_client_reaches_every_method_of_a_backup_service_of_its_version() {
    let Some(runs) = drive(4..=4).await else { return };
    let run = &runs[0];
    run.assert_complete();
    assert_eq!(run.unused(), [""; 0]);
    let answered = [
        ("export_record", "dict"),
        ("check_support_to_force_delete", "bool"),
        ("get_log_levels", "LogLevelList"),
    ];
    assert_eq!(run.answered(), answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn cinders_clients_of_all_older_versions_reach_backup_services() {
    let Some(runs) = drive(0..=3).await else { return };
    let later = ["set_log_levels", "get_log_levels", "publish_service_capabilities"];
    assert_eq!(runs[0].refused("ServiceTooOld"), later);
    assert_eq!(runs[1].refused("ServiceTooOld"), later[2..]);
    assert_eq!(runs[2].refused("ServiceTooOld"), [""; 0]);
    // Cinder's own service would refuse this: it has no default for an argument that was added in
    // 2.4.
    let restored = |run: &Run| run.received.iter().any(|one| one.method == "restore_backup");
    assert!(runs.iter().all(restored));
}

impl BackupManager for Recorder {
    async fn create_backup(&self, ctx: Context, backup: Object<Backup>) {
        received!(self, ctx, create_backup(backup));
    }

    async fn continue_backup(
        &self,
        ctx: Context,
        backup: Object<Backup>,
        backup_device: Option<Object<BackupDeviceInfo>>,
    ) {
        received!(self, ctx, continue_backup(backup, backup_device));
    }

    async fn restore_backup(
        &self,
        ctx: Context,
        backup: Object<Backup>,
        volume_id: String,
        volume_is_new: bool,
    ) {
        received!(self, ctx, restore_backup(backup, volume_id, volume_is_new));
    }

    async fn delete_backup(&self, ctx: Context, backup: Object<Backup>) {
        received!(self, ctx, delete_backup(backup));
    }

    async fn export_record(&self, ctx: Context, backup: Object<Backup>) -> Dictionary {
        received!(
            self,
            ctx,
            export_record(backup),
            dictionary([
                ("backup_service", json!("cinder.backup.drivers.ceph")),
                ("backup_url", json!("eyJpZCI6IDV9"))
            ])
        )
    }

    async fn import_record(
        &self,
        ctx: Context,
        backup: Object<Backup>,
        backup_service: String,
        backup_url: String,
        backup_hosts: Vec<String>,
    ) {
        received!(self, ctx, import_record(backup, backup_service, backup_url, backup_hosts));
    }

    async fn reset_status(&self, ctx: Context, backup: Object<Backup>, status: String) {
        received!(self, ctx, reset_status(backup, status));
    }

    async fn check_support_to_force_delete(&self, ctx: Context) -> bool {
        received!(self, ctx, check_support_to_force_delete(), true)
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

    async fn publish_service_capabilities(&self, ctx: Context) {
        received!(self, ctx, publish_service_capabilities());
    }
}
