//! Attributes beyond names and versions: aliases, fixed versions, hosts from arguments, constants,
//! methods that are called or cast.

use std::time::Duration;

use rpc_runtime::{CallError, Context, rpc_api};
use tests::{Log, World, eventually, on_every_transport, overheard::Overheard, soon};

use crate::probe::{ProbeServer, Recorder};

/// A backup service at its current version.
#[rpc_api(topic = "backups", version = "2.4", send = "2.0")]
trait Backups {
    /// Is routed to the backup's host.
    #[rpc(host = "backup.host")]
    async fn delete(&self, ctx: Context, backup: Backup) -> String;
    /// Is routed to a host that is not sent with the arguments.
    #[rpc(host = "backup_host")]
    async fn restore(
        &self,
        ctx: Context,
        #[arg(route)] backup_host: String,
        id: String,
        #[arg(since = "2.4")] is_new: Option<bool>,
    ) -> String;
    /// Has two former names.
    #[rpc(alias = ["failover_host", "fail"])]
    async fn failover(&self, ctx: Context) -> String;
    /// Accepts arguments that it does not have.
    #[rpc(extra = "ignore")]
    async fn report(&self, ctx: Context, host: String) -> String;
    /// Is called or cast, as the caller chooses.
    #[rpc(either, since = "2.3")]
    async fn stop(
        &self,
        ctx: Context,
        id: String,
        #[arg(since = "2.4")] force: Option<bool>,
    ) -> u32;
    /// Sends a constant argument, and another one since 2.2.
    async fn device(
        &self,
        ctx: Context,
        #[arg(constant = true)] objects: bool,
        #[arg(since = "2.2", constant = Some("fast".to_owned()))] how: Option<String>,
    ) -> String;
    /// Is sent with a higher version than it requires.
    #[rpc(send = "2.4")]
    async fn strict(&self, ctx: Context) -> u32;
}

/// A backup and its host.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Backup {
    id: String,
    host: Option<String>,
}

struct Server {
    host: &'static str,
    log: Log<String>,
}

impl Backups for Server {
    async fn delete(&self, _: Context, backup: Backup) -> String {
        format!("{} on {}", backup.id, self.host)
    }

    async fn restore(&self, _: Context, id: String, is_new: Option<bool>) -> String {
        format!("{id} {is_new:?} on {}", self.host)
    }

    async fn failover(&self, _: Context) -> String {
        "failed over".to_owned()
    }

    async fn report(&self, _: Context, host: String) -> String {
        host
    }

    async fn stop(&self, _: Context, id: String, force: Option<bool>) -> u32 {
        self.log.push(format!("{id} {force:?}"));
        7
    }

    async fn device(&self, _: Context, objects: bool, how: Option<String>) -> String {
        format!("{objects} {how:?}")
    }

    async fn strict(&self, _: Context) -> u32 {
        1
    }
}

/// The same service in an old client.
#[rpc_api(topic = "backups", version = "2.1")]
trait OldBackups {
    async fn failover_host(&self, ctx: Context) -> String;
    async fn report(&self, ctx: Context, host: String, load: f64) -> String;
}

/// The same service in an old server.
#[rpc_api(topic = "backups", version = "2.0")]
trait OldServer {
    async fn device(&self, ctx: Context, objects: bool) -> String;
    async fn strict(&self, ctx: Context) -> u32;
    async fn stop(&self, ctx: Context, id: String) -> u32;
}

struct Old;

impl OldServer for Old {
    async fn device(&self, _: Context, objects: bool) -> String {
        objects.to_string()
    }

    async fn strict(&self, _: Context) -> u32 {
        0
    }

    async fn stop(&self, _: Context, _: String) -> u32 {
        5
    }
}

/// A client that monitors its calls by default.
#[rpc_api(topic = "probe", version = "1.4")]
trait Watchful {
    #[rpc(monitor = "2s", timeout = "30s")]
    async fn nobody_answers(&self, ctx: Context) -> ();
}

/// A service whose names and arguments have changed.
#[rpc_api(topic = "movers", version = "3.5")]
trait Movers {
    #[rpc(before("3.3", name = "migrate_to_host", send = "3.0"))]
    async fn migrate(
        &self,
        ctx: Context,
        id: String,
        #[arg(before("3.3", name = "host"))] backend: String,
        #[arg(before("3.2", with = Spec::flat))] spec: Spec,
        #[arg(until = "3.4", value = None)] block: Option<bool>,
        #[arg(until = "3.1")] legacy: Option<u8>,
        #[arg(since = "3.1", before("3.5", name = "cluster_name"))] cluster: Option<String>,
    ) -> String;
}

/// The properties of a volume.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Spec {
    #[serde(default)]
    size: u64,
}

impl Spec {
    /// Writes the form before 3.2.
    fn flat(&self) -> u64 {
        self.size
    }
}

struct Moving;

impl Movers for Moving {
    async fn migrate(
        &self,
        _: Context,
        id: String,
        backend: String,
        spec: Spec,
        block: Option<bool>,
        legacy: Option<u8>,
        cluster: Option<String>,
    ) -> String {
        format!("{id} {backend} {} {block:?} {legacy:?} {cluster:?}", spec.size)
    }
}

/// Servers of 3.0, 3.2 and 3.4, which reject arguments of other versions.
mod movers_of_old {
    use rpc_runtime::{Context, rpc_api};

    #[rpc_api(topic = "movers", version = "3.0")]
    pub(super) trait First {
        async fn migrate_to_host(
            &self,
            ctx: Context,
            id: String,
            host: String,
            spec: u64,
            block: Option<bool>,
            legacy: u8,
        ) -> String;
    }

    #[rpc_api(topic = "movers", version = "3.2")]
    pub(super) trait Second {
        async fn migrate_to_host(
            &self,
            ctx: Context,
            id: String,
            host: String,
            spec: super::Spec,
            block: Option<bool>,
            #[arg(default)] cluster_name: Option<String>,
        ) -> String;
    }

    #[rpc_api(topic = "movers", version = "3.4")]
    pub(super) trait Third {
        async fn migrate(
            &self,
            ctx: Context,
            id: String,
            backend: String,
            spec: super::Spec,
            #[arg(default)] cluster_name: Option<String>,
        ) -> String;
    }

    pub(super) struct Old;

    impl First for Old {
        async fn migrate_to_host(
            &self,
            _: Context,
            id: String,
            host: String,
            spec: u64,
            block: Option<bool>,
            legacy: u8,
        ) -> String {
            format!("first {id} {host} {spec} {block:?} {legacy}")
        }
    }

    impl Second for Old {
        async fn migrate_to_host(
            &self,
            _: Context,
            id: String,
            host: String,
            spec: super::Spec,
            block: Option<bool>,
            cluster_name: Option<String>,
        ) -> String {
            format!("second {id} {host} {} {block:?} {cluster_name:?}", spec.size)
        }
    }

    impl Third for Old {
        async fn migrate(
            &self,
            _: Context,
            id: String,
            backend: String,
            spec: super::Spec,
            cluster_name: Option<String>,
        ) -> String {
            format!("third {id} {backend} {} {cluster_name:?}", spec.size)
        }
    }
}

on_every_transport! {
    async fn changed_methods_are_sent_in_the_form_of_the_cap(world: World) {
        use movers_of_old::{FirstServer, Old, SecondServer, ThirdServer};
        let transport = world.transport().await;
        let (client, ctx) = (world.client::<movers::Api>(&transport), Context::new());
        let (spec, limit) = (Spec { size: 4 }, Duration::from_secs(10));

        let server = world.serve(&transport, "h", FirstServer::new(Old)).await;
        let first = client.version_cap::<movers::V3_0>();
        let moved = first.migrate(&ctx, "v", "b", &spec, Some(9)).cluster_or_drop("c").await;
        assert_eq!(moved.expect("a form that the server knows"), "first v b 4 None 9");
        server.shutdown(limit).await.expect("nothing runs");

        let server = world.serve(&transport, "h", SecondServer::new(Old)).await;
        let second = client.version_cap::<movers::V3_2>();
        let moved = second.migrate(&ctx, "v", "b", &spec, Some(9)).cluster("c").await;
        assert_eq!(moved.expect("a form that the server knows"), "second v b 4 None Some(\"c\")");
        server.shutdown(limit).await.expect("nothing runs");

        let server = world.serve(&transport, "h", ThirdServer::new(Old)).await;
        let third = client.negotiated("3.4".parse().expect("a version"));
        let moved = third.migrate(&ctx, "v", "b", spec.clone(), None::<u8>).cluster_or_drop("c").await;
        assert_eq!(moved.expect("a form that the server knows"), "third v b 4 Some(\"c\")");
        server.shutdown(limit).await.expect("nothing runs");

        let _server = world.serve(&transport, "h", MoversServer::new(Moving)).await;
        let moved = client.migrate(&ctx, "v", "b", &spec, Some(9)).cluster("c").await;
        assert_eq!(moved.expect("all arguments"), "v b 4 None None Some(\"c\")");
        let moved = second.migrate(&ctx, "v", "b", &spec, Some(9)).cluster("c").await;
        assert_eq!(moved.expect("a newer server knows old names"), "v b 4 None None Some(\"c\")");
    }

    async fn a_request_goes_to_the_host_that_its_arguments_say(world: World) {
        let transport = world.transport().await;
        let server = |host| BackupsServer::new(Server { host, log: Log::default() });
        let _first = world.serve(&transport, "h", server("h")).await;
        let _second = world.serve(&transport, "i", server("i")).await;
        let (client, ctx) = (world.client::<backups::Api>(&transport), Context::new());
        for host in ["h", "i", "h", "i"] {
            let backup = Backup { id: "b".to_owned(), host: Some(host.to_owned()) };
            assert_eq!(client.delete(&ctx, &backup).await.expect("an answer"), format!("b on {host}"));
            let restored = client.restore(&ctx, host.to_owned(), "b").is_new(true).await;
            assert_eq!(restored.expect("an answer"), format!("b Some(true) on {host}"));
        }
        let nowhere = client.delete(&ctx, Backup::default()).await.expect_err("it names no host");
        assert!(matches!(nowhere, CallError::MissingHost { method: "delete" }), "{nowhere:?}");
        assert!(!nowhere.may_have_run());
        // A host that the caller names overrides the argument.
        let named = client.prepare().server("i").delete(&ctx, Backup::default()).await;
        assert_eq!(named.expect("an answer"), " on i");
    }

    async fn a_server_answers_to_old_names_and_takes_more_than_it_knows(world: World) {
        let transport = world.transport().await;
        let server = BackupsServer::new(Server { host: "h", log: Log::default() });
        let _server = world.serve(&transport, "h", server).await;
        let (old, ctx) = (world.client::<old_backups::Api>(&transport), Context::new());
        assert_eq!(old.failover_host(&ctx).await.expect("an answer"), "failed over");
        assert_eq!(old.report(&ctx, "h", 0.5).await.expect("an answer"), "h");
        let method = backups::INTERFACE.method("fail").expect("an alias");
        assert_eq!((method.name, method.aliases, method.ignores_extra), ("failover", &["failover_host", "fail"][..], false));
    }

    async fn a_caller_waits_or_does_not(world: World) {
        let transport = world.transport().await;
        let log = Log::default();
        let server = BackupsServer::new(Server { host: "h", log: log.clone() });
        let _server = world.serve(&transport, "h", server).await;
        let (client, ctx) = (world.client::<backups::Api>(&transport), Context::new());
        assert_eq!(client.stop(&ctx, "a").force(true).await.expect("an answer"), 7);
        client.stop_cast(&ctx, "b").await.expect("confirmed");
        client.stop_cast(&ctx, "c").force_or_drop(false).await.expect("confirmed");
        eventually("all three", || log.len() == 3).await;
        let mut ran = log.events();
        ran.sort_unstable();
        assert_eq!(ran, ["a Some(true)", "b None", "c Some(false)"]);
    }

    async fn constants_are_sent_and_versions_are_what_the_interface_says(world: World) {
        let transport = world.transport().await;
        let old_server = world.serve(&transport, "h", OldServerServer::new(Old)).await;
        let (client, ctx) = (world.client::<backups::Api>(&transport), Context::new());
        let old = client.version_cap::<backups::V2_0>();
        assert_eq!(old.device(&ctx).await.expect("a form that the server knows"), "true");
        // Allowed from 2.3, but sent as 2.0, so the old server accepts it.
        assert_eq!(client.stop(&ctx, "a").await.expect("an answer"), 5);
        let strict = client.strict(&ctx).await;
        assert!(matches!(strict, Err(CallError::UnsupportedVersion { .. })), "{strict:?}");
        let unchecked = client.unchecked("2.2".parse().expect("a version"));
        let error = unchecked.stop(&ctx, "a").await.expect_err("guarded by 2.3");
        assert!(matches!(error, CallError::VersionCap { .. }), "{error:?}");

        old_server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
        let server = BackupsServer::new(Server { host: "h", log: Log::default() });
        let _server = world.serve(&transport, "h", server).await;
        assert_eq!(client.device(&ctx).await.expect("an answer"), "true Some(\"fast\")");
    }

    async fn a_method_may_watch_its_server_by_itself(world: World) {
        let transport = world.transport().await;
        let probe = world.server(&transport, "h").serve(ProbeServer::new(Recorder::default()));
        // Bound but not running: requests wait in its queue.
        let _bound = probe.bind().await.expect("bound");
        let client = world.client::<watchful::Api>(&transport);
        let ended = soon("silence", client.nobody_answers(&Context::new())).await;
        let waited = Duration::from_secs(2);
        assert!(matches!(ended, Err(CallError::HeartbeatLost { waited: w }) if w == waited), "{ended:?}");
        let hasty = client.prepare().monitor(Duration::ZERO).timeout(Duration::from_millis(500));
        let ended = soon("the deadline", hasty.nobody_answers(&Context::new())).await;
        assert!(matches!(ended, Err(CallError::DeadlineExceeded { .. })), "{ended:?}");
    }
}

/// Omitting an argument that older servers require raises the request's version, so those servers
/// refuse it.
#[tokio::test]
async fn a_request_without_a_removed_argument_has_the_version_that_removed_it() {
    let world = World::memory();
    let transport = world.transport().await;
    let (client, ctx) = (world.client::<movers::Api>(&transport), Context::new());
    let mut heard = Overheard::on(&transport);
    for (cap, wanted) in [("3.1", "3.0"), ("3.3", "3.3"), ("3.4", "3.4"), ("3.5", "3.4")] {
        let capped = client.unchecked(cap.parse().expect("a version"));
        capped
            .migrate(&ctx, "v", "b", Spec::default(), None::<u8>)
            .await
            .expect_err("no server is bound");
        let request = heard.request();
        assert_eq!(request.version(), Some(wanted), "{cap}");
        assert_eq!(request.args().get("block").is_some(), wanted < "3.4", "{cap}");
    }
}
