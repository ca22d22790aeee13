//! A context arrives as it was sent, with its deadline.

use std::time::Duration;

use rpc_runtime::{Context, rpc_api};
use serde::{Deserialize, Serialize};
use tests::on_every_transport;

/// A user-defined context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tenant {
    tenant: String,
    #[serde(default)]
    quota: Option<u32>,
}

/// Returns what it receives as its context.
#[rpc_api(topic = "mirror", version = "1.0")]
trait Mirror {
    /// Returns the keys of an open map, and one value.
    async fn open(&self, ctx: Context) -> (Vec<String>, Option<String>);
}

/// The same topic, for callers with a user-defined context.
#[rpc_api(topic = "mirror", namespace = "own", version = "1.0")]
trait OwnMirror {
    /// Returns the context.
    async fn own(&self, ctx: Tenant) -> Tenant;
}

struct Server;

impl Mirror for Server {
    async fn open(&self, ctx: Context) -> (Vec<String>, Option<String>) {
        (ctx.keys().map(str::to_owned).collect(), ctx.value("unknown"))
    }
}

impl OwnMirror for Server {
    async fn own(&self, ctx: Tenant) -> Tenant {
        ctx
    }
}

on_every_transport! {
    async fn unknown_keys_arrive_in_order(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", MirrorServer::new(Server)).await;
        let ctx = Context::new().with("zeta", [1, 2]).with("unknown", "é").with("auth_token", "t").with("empty", ());
        let (keys, value) = world.client::<mirror::Api>(&transport).open(&ctx).await.expect("an answer");
        assert_eq!(keys, ["zeta", "unknown", "auth_token", "empty"]);
        assert_eq!(value.as_deref(), Some("é"));
    }

    async fn a_context_may_be_any_serde_struct(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", OwnMirrorServer::new(Server)).await;
        let client = world.client::<own_mirror::Api>(&transport);
        let tenant = Tenant { tenant: "t1".to_owned(), quota: Some(5) };
        assert_eq!(client.own(&tenant).await.expect("an answer"), tenant);
    }

    async fn two_interfaces_share_a_topic_by_namespace(world: World) {
        let transport = world.transport().await;
        let server = world.server(&transport, "h").serve(MirrorServer::new(Server)).serve(OwnMirrorServer::new(Server));
        let _server = server.bind().await.expect("bound").run();
        let tenant = Tenant { tenant: "t2".to_owned(), quota: None };
        let own = world.client::<own_mirror::Api>(&transport);
        assert_eq!(own.own(&tenant).await.expect("an answer"), tenant);
        world.client::<mirror::Api>(&transport).open(&Context::new()).await.expect("an answer");
        let error = own.prepare().namespace("nonesuch").timeout(Duration::from_secs(10)).own(&tenant).await;
        assert!(matches!(error, Err(rpc_runtime::CallError::UnsupportedVersion { serves: None, .. })));
    }
}
