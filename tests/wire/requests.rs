//! Requests of typed clients.

use std::time::Duration;

use rpc_runtime::{Context, Transport, memory::Published, rpc_api};
use serde_json::json;
use tests::World;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{assert_equal, recorded};

/// The recorded interface, limited to calls.
#[rpc_api(topic = "wt", version = "1.4")]
trait Calls {
    async fn nothing(&self, ctx: Context) -> ();
    async fn ctx(&self, ctx: Context) -> ();
    #[rpc(name = "echo")]
    async fn echo_all(
        &self,
        ctx: Context,
        i: u8,
        f: f64,
        s: String,
        u: String,
        n: Option<u8>,
        b: bool,
        l: (u8, Vec<u8>),
        d: serde_json::Value,
    ) -> ();
}

/// The same interface, with another signature of `echo`.
#[rpc_api(topic = "wt", version = "1.0")]
trait EchoX {
    async fn echo(&self, ctx: Context, x: u8) -> ();
}

/// The same interface, with values that Python converts to text.
#[rpc_api(topic = "wt", version = "1.0")]
trait EchoTypes {
    async fn echo(
        &self,
        ctx: Context,
        dt: String,
        dtz: String,
        date: String,
        uuid: String,
        by: String,
        st: std::collections::BTreeSet<u8>,
        tup: (u8, u8),
        dec: String,
        ip: std::net::IpAddr,
        exc: String,
    ) -> ();
}

/// A method that was added in 1.4.
#[rpc_api(topic = "wt", version = "1.4")]
trait Newer {
    #[rpc(since = "1.4")]
    async fn nothing(&self, ctx: Context) -> ();
}

/// An interface with a namespace.
#[rpc_api(topic = "wt", namespace = "control", version = "2.1")]
trait Control {
    #[rpc(since = "2.1")]
    async fn nsm(&self, ctx: Context, x: u8) -> u8;
}

/// The same interface with an older namespace.
#[rpc_api(topic = "wt", namespace = "oldcontrol", version = "2.0")]
trait OldControl {
    async fn nsm(&self, ctx: Context, x: u8) -> u8;
}

/// The same methods as casts.
#[rpc_api(topic = "wt", version = "1.0")]
trait Casts {
    async fn nothing(&self, ctx: Context);
}

struct Wire {
    transport: Transport,
    published: UnboundedReceiver<Published>,
}

impl Wire {
    async fn new() -> Self {
        let transport = World::memory().transport().await;
        let published = transport.memory().expect("embedded").observe();
        Self { transport, published }
    }

    /// Compares the message that was just sent with the request of a scenario.
    fn is(&mut self, scenario: &str) {
        let ours = self.published.try_recv().expect("a message was sent");
        assert_equal(scenario, &ours, &recorded(scenario)[0]);
    }
}

#[tokio::test]
async fn calls_equal_the_recorded_ones() {
    let mut wire = Wire::new().await;
    let (ctx, minute) = (Context::new(), Duration::from_secs(60));
    let calls = CallsClient::new(&wire.transport).prepare().unversioned().timeout(minute).client();

    let _ = calls.nothing(&ctx).await;
    wire.is("rpc_call_minimal");
    let _ = calls.ctx(&ctx).await;
    wire.is("rpc_call_context_empty");
    let deep = json!({"k": {"z": 1}});
    let _ = calls.echo_all(&ctx, 1, 1.5, "x", "é", None, true, (1, vec![2]), &deep).await;
    wire.is("rpc_call_args");
    let _ = calls.prepare().timeout(Duration::from_millis(2500)).nothing(&ctx).await;
    wire.is("rpc_call_timeout_float");
    let _ = calls.prepare().exchange("nova").timeout(Duration::from_secs(1)).nothing(&ctx).await;
    wire.is("rpc_call_exchange");
    let _ = calls.nothing(&ctx).await;
    wire.is("rpc_call_at_least_once");

    let echo = EchoXClient::new(&wire.transport).prepare().unversioned().client();
    let _ = echo.prepare().server("host1").echo(&ctx, 1).await;
    wire.is("rpc_call_server");

    let types = EchoTypesClient::new(&wire.transport).prepare().unversioned().client();
    let _ = types
        .echo(
            &ctx,
            "2026-11-20T17:05:06.789012",
            "2026-11-20T17:05:06.000000",
            "2026-01-02",
            "12345678-1234-5678-1234-567812345678",
            "abc",
            std::collections::BTreeSet::from([3]),
            (1, 2),
            "3.14",
            std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
            "KeyError('k')",
        )
        .await;
    wire.is("rpc_call_args_python_types");
}

#[tokio::test]
async fn versions_and_namespaces_equal_the_recorded_ones() {
    let mut wire = Wire::new().await;
    let ctx = Context::new();
    let _ = NewerClient::new(&wire.transport).nothing(&ctx).await;
    wire.is("rpc_call_version_only");
    let _ = ControlClient::new(&wire.transport).nsm(&ctx, 5).await;
    wire.is("rpc_call_namespace_version");
    let _ = OldControlClient::new(&wire.transport).nsm(&ctx, 5).await;
    wire.is("rpc_call_legacy_namespace");
}

#[tokio::test]
async fn contexts_equal_the_recorded_ones() {
    let mut wire = Wire::new().await;
    let calls = CallsClient::new(&wire.transport).prepare().unversioned().client();
    let ctx = Context::new()
        .with("user_id", "u1")
        .with("roles", ["admin", "member"])
        .with("is_admin", true)
        .with("request_id", "req-1")
        .with("nested", json!({"a": null}))
        .with("timestamp", "2026-11-20T17:05:06.789012");
    let _ = calls.ctx(&ctx).await;
    wire.is("rpc_call_context");
    let collision = Context::new()
        .with("msg_id", "M")
        .with("reply_q", "R")
        .with("client_timeout", "T")
        .with("x", 1);
    let _ = calls.ctx(&collision).await;
    wire.is("rpc_call_context_collision");
    let oslo = Context::new()
        .with("user", "uid")
        .with("project_id", "pid")
        .with("system_scope", ())
        .with("project", "pid")
        .with("domain", ())
        .with("user_domain", ())
        .with("project_domain", ())
        .with("is_admin", false)
        .with("read_only", false)
        .with("show_deleted", false)
        .with("auth_token", "tok")
        .with("request_id", "req-11111111-1111-1111-1111-111111111111")
        .with("global_request_id", ())
        .with("resource_uuid", ())
        .with("roles", ["r1"])
        .with("user_identity", "uid pid - - -")
        .with("is_admin_project", true);
    let _ = calls.nothing(&oslo).await;
    wire.is("rpc_call_oslo_context");
}

#[tokio::test]
async fn casts_equal_the_recorded_ones() {
    let mut wire = Wire::new().await;
    let (ctx, user) = (Context::new(), Context::new().with("user", "u"));
    let casts = CastsClient::new(&wire.transport).prepare().unversioned().client();
    let _ = casts.nothing(&user).await;
    wire.is("rpc_cast");
    let _ = casts.prepare().timeout(Duration::from_secs(5)).nothing(&ctx).await;
    wire.is("rpc_cast_with_timeout");
    let _ = casts.prepare().server("host2").nothing(&ctx).await;
    wire.is("rpc_cast_server");
    casts.prepare().fanout().nothing(&user).await.expect("a fanout needs no server");
    wire.is("rpc_cast_fanout");
    let everywhere = casts.prepare().exchange("nova").server("host2").fanout().nothing(&ctx).await;
    everywhere.expect("a fanout needs no server");
    wire.is("rpc_cast_fanout_ignores_exchange_and_server");
}
