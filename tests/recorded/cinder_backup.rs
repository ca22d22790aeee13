//! `cinder.backup.rpcapi.BackupAPI`.

use examples::cinder::{
    backup_rpcapi::{BackupManagerClient, backup_manager},
    objects::{Backup, BackupDeviceInfo, LogLevel},
};
use rpc_runtime::{AnyHost, Context, Object, Unchecked};

use crate::{
    compare::{Calls, Difference, Ended, What, assert_equal, ended},
    managers::assert_understood,
    recording::Inputs,
};

struct BackupManager;

impl Calls for BackupManager {
    type Api = backup_manager::Api;

    async fn call(
        client: &BackupManagerClient<Unchecked, AnyHost>,
        ctx: &Context,
        call: &str,
        given: &Inputs,
    ) -> Ended {
        let backup = || given.get::<Object<Backup>>("backup");
        let text = |name: &str| given.get::<String>(name);
        let service = || given.inside::<String>("service/versioned_object.data/host");
        let loggers = || given.get::<Object<LogLevel>>("log_request");
        match call {
            "create_backup" => ended(client.create_backup(ctx, backup()).await),
            "continue_backup" => {
                let device = given.get::<Option<Object<BackupDeviceInfo>>>("backup_device");
                ended(client.continue_backup(ctx, backup(), device).await)
            }
            "restore_backup" => {
                let (host, volume) = (text("backup_host"), text("volume_id"));
                let request = client.restore_backup(ctx, host, backup(), volume);
                ended(request.volume_is_new(given.get::<bool>("volume_is_new")).await)
            }
            "delete_backup" => ended(client.delete_backup(ctx, backup()).await),
            "export_record" => ended(client.export_record(ctx, backup()).await),
            "import_record" => {
                let (driver, url) = (text("backup_service"), text("backup_url"));
                let others = given.get::<Vec<String>>("backup_hosts");
                let host = text("host");
                ended(client.import_record(ctx, host, backup(), driver, url, others).await)
            }
            "reset_status" => ended(client.reset_status(ctx, backup(), text("status")).await),
            "check_support_to_force_delete" => {
                ended(client.check_support_to_force_delete(ctx, text("host")).await)
            }
            "set_log_levels" => ended(client.set_log_levels(ctx, service(), loggers()).await),
            "get_log_levels" => ended(client.get_log_levels(ctx, service(), loggers()).await),
            "publish_service_capabilities" => ended(client.publish_service_capabilities(ctx).await),
            other => panic!("no such method: {other}"),
        }
    }
}

/// Cinder sends this request to services that lack the method, which leaves backups unfinished.
const fn not_before_its_version(step: &'static str) -> Difference {
    Difference { step, caps: ("2.0", "2.2"), what: What::OnlyTheirs }
}

const DIFFERENCES: &[Difference] = &[
    not_before_its_version("continue_backup"),
    not_before_its_version("continue_backup, of a snapshot"),
    not_before_its_version("continue_backup, without a device"),
    // Without a host, any service could receive the request, and create a backup that no service
    // finds.
    Difference { step: "create_backup, nowhere yet", caps: ("2.0", "2.4"), what: What::OnlyTheirs },
];

#[tokio::test]
async fn the_backup_client_sends_what_cinders_sends() {
    assert_equal::<BackupManager>("cinder-backup.json", DIFFERENCES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cinders_backup_service_understands_the_backup_client() {
    let places = [("cinder-backup", "backup-1"), ("cinder-backup", "backup-2")];
    // Cinder's manager requires an argument that its own clients omit below 2.4.
    assert_understood::<BackupManager>("backup", &places, &[("restore_backup", (2, 4))]).await;
}
