//! The complete interface of Cinder's backup service, as `cinder/backup/rpcapi.py` calls it.
//!
//! Names, arguments, versions and destinations on the wire are Cinder's, under every cap. Arguments
//! that an older peer omits have a default, even if Cinder's own service has none. Requests carry
//! version 2.0 wherever Cinder's do.

use rpc_runtime::{Context, Object, rpc_api};

use super::objects::{Backup, BackupDeviceInfo, Dictionary, LogLevel, LogLevelList};

/// Creates and keeps the backups of one host.
#[rpc_api(topic = "cinder-backup", version = "2.4", send = "2.0")]
pub trait BackupManager {
    /// Creates a backup.
    #[rpc(host = "backup.host")]
    async fn create_backup(&self, ctx: Context, backup: Object<Backup>);

    /// Continues a backup, after a back end has prepared the device that it reads from.
    #[rpc(since = "2.3", host = "backup.host")]
    async fn continue_backup(
        &self,
        ctx: Context,
        backup: Object<Backup>,
        backup_device: Option<Object<BackupDeviceInfo>>,
    );

    /// Writes a backup to a volume. A new volume has no data that must be overwritten. Callers
    /// before 2.4 do not say whether the volume is new.
    #[rpc(host = "backup_host")]
    async fn restore_backup(
        &self,
        ctx: Context,
        #[arg(route)] backup_host: String,
        backup: Object<Backup>,
        volume_id: String,
        #[arg(since = "2.4", or = "drop", default)] volume_is_new: bool,
    );

    /// Deletes a backup.
    #[rpc(host = "backup.host")]
    async fn delete_backup(&self, ctx: Context, backup: Object<Backup>);

    /// Returns the data that another Cinder requires to import a backup: the driver, and the
    /// driver's data.
    #[rpc(host = "backup.host")]
    async fn export_record(&self, ctx: Context, backup: Object<Backup>) -> Dictionary;

    /// Imports a backup. A host whose driver cannot passes the request to the first of
    /// `backup_hosts`.
    #[rpc(host = "host")]
    async fn import_record(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        backup: Object<Backup>,
        backup_service: String,
        backup_url: String,
        backup_hosts: Vec<String>,
    );

    /// Sets the state of a backup.
    #[rpc(host = "backup.host")]
    async fn reset_status(&self, ctx: Context, backup: Object<Backup>, status: String);

    /// Returns whether the host's driver can delete a backup that is in use.
    #[rpc(host = "host")]
    async fn check_support_to_force_delete(&self, ctx: Context, #[arg(route)] host: String)
    -> bool;

    /// Sets the levels of one service's loggers.
    #[rpc(since = "2.1", send = "2.1", host = "host")]
    async fn set_log_levels(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        log_request: Object<LogLevel>,
    );

    /// Returns the levels of one service's loggers.
    #[rpc(since = "2.1", send = "2.1", host = "host")]
    async fn get_log_levels(
        &self,
        ctx: Context,
        #[arg(route)] host: String,
        log_request: Object<LogLevel>,
    ) -> Object<LogLevelList>;

    /// Asks every service to report its capabilities to the schedulers.
    #[rpc(since = "2.2", send = "2.2", fanout)]
    async fn publish_service_capabilities(&self, ctx: Context);
}
