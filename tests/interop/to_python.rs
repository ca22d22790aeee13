//! Our client, its server.

use std::time::Duration;

use rpc_runtime::{CallError, Context, RemoteError, rpc_api};
use tests::{World, eventually};

use crate::Peer;

/// What the Python server raises.
#[derive(Debug, PartialEq, thiserror::Error, RemoteError)]
#[remote(module = "peer_errors")]
enum PeerError {
    /// Of its own.
    #[error("{name} was not found")]
    NotFound { name: String },
    /// Python's.
    #[error("{0}")]
    #[remote(module = "builtins", class = "ValueError")]
    Value(String, u32),
}

/// The Python server's interface.
#[rpc_api(topic = "peer", version = "1.5")]
trait Python {
    async fn echo(&self, ctx: Context, value: serde_json::Value) -> serde_json::Value;
    async fn add(&self, ctx: Context, a: u32, b: u32) -> u32;
    async fn nothing(&self, ctx: Context) -> ();
    async fn context(&self, ctx: Context) -> serde_json::Value;
    async fn host(&self, ctx: Context) -> String;
    async fn fail(&self, ctx: Context, kind: String) -> Result<(), PeerError>;
    async fn slow(&self, ctx: Context, seconds: f64) -> String;
    async fn record(&self, ctx: Context, value: u32);
    async fn recorded(&self, ctx: Context) -> Vec<u32>;
    async fn nonesuch(&self, ctx: Context) -> ();
}

/// Its other endpoint.
#[rpc_api(topic = "peer", namespace = "control", version = "2.1")]
trait Control {
    #[rpc(since = "2.1")]
    async fn ping(&self, ctx: Context) -> String;
}

async fn start(hosts: &[&str]) -> Option<(World, rpc_runtime::Transport, Vec<Peer>)> {
    let world = World::rabbit()?;
    let mut peers = Vec::new();
    for host in hosts {
        peers.push(Peer::start("server.py", &world, &[host]).await?);
    }
    let transport = world.transport().await;
    Some((world, transport, peers))
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_come_back_with_what_python_returns() {
    let Some((world, transport, _peers)) = start(&["py"]).await else { return };
    let (client, ctx) = (world.client::<python::Api>(&transport), Context::new());
    assert_eq!(client.add(&ctx, 2_u32, 3_u32).await.expect("an answer"), 5);
    client.nothing(&ctx).await.expect("an answer");
    let value = serde_json::json!({"é": [1, -2.5, 1e300, null, true, "\u{1f600}\"\\\n"], "deep": {"a": {"b": {}}}});
    assert_eq!(client.echo(&ctx, &value).await.expect("an answer"), value);
    let control = world.client::<control::Api>(&transport);
    assert_eq!(control.ping(&ctx).await.expect("an answer"), "pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn python_receives_the_context() {
    let Some((world, transport, _peers)) = start(&["py"]).await else { return };
    let client = world.client::<python::Api>(&transport);
    let ctx =
        Context::new().with("user_id", "u1").with("roles", ["admin"]).with("nested", [("a", 1)]);
    let seen = client.context(&ctx).await.expect("an answer");
    assert_eq!((&seen["user_id"], &seen["roles"][0]), (&"u1".into(), &"admin".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_and_fanout_reach_python() {
    let Some((world, transport, _peers)) = start(&["py1", "py2"]).await else { return };
    let (client, ctx) = (world.client::<python::Api>(&transport), Context::new());
    let (first, second) =
        (client.prepare().server("py1").client(), client.prepare().server("py2").client());
    assert_eq!(first.host(&ctx).await.expect("an answer"), "py1");
    assert_eq!(second.host(&ctx).await.expect("an answer"), "py2");
    first.record(&ctx, 1_u32).await.expect("confirmed");
    client.prepare().fanout().record(&ctx, 2_u32).await.expect("confirmed");
    for (host, expected) in [(&first, vec![1, 2]), (&second, vec![2])] {
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            seen = host.recorded(&ctx).await.expect("an answer");
        }
        seen.sort_unstable();
        assert_eq!(seen, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_exceptions_arrive_as_types_or_as_they_are() {
    let Some((world, transport, _peers)) = start(&["py"]).await else { return };
    let (client, ctx) = (world.client::<python::Api>(&transport), Context::new());
    match client.fail(&ctx, "own").await {
        Err(CallError::Method(error)) => {
            assert_eq!(error, PeerError::NotFound { name: "vm-1".to_owned() })
        }
        other => panic!("expected NotFound, not {other:?}"),
    }
    match client.fail(&ctx, "value").await {
        Err(CallError::Method(error)) => {
            assert_eq!(error, PeerError::Value("bad value".to_owned(), 3))
        }
        other => panic!("expected ValueError, not {other:?}"),
    }
    match client.fail(&ctx, "key").await {
        Err(CallError::Failure(failure)) => {
            assert_eq!(
                (failure.module(), failure.class(), failure.message()),
                ("builtins", "KeyError", "'k'")
            );
            assert!(!failure.traceback().is_empty());
        }
        other => panic!("expected a failure, not {other:?}"),
    }
    let class = |ended: Result<(), CallError>| match ended {
        Err(CallError::Failure(failure)) => failure.class().to_owned(),
        other => panic!("expected a failure, not {other:?}"),
    };
    assert_eq!(class(client.nonesuch(&ctx).await), "NoSuchMethod");
    let namespaced = client.prepare().namespace("nonesuch").client();
    assert_eq!(class(namespaced.nothing(&ctx).await), "UnsupportedVersion");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_python_method_ends_at_the_deadline() {
    let Some((world, transport, _peers)) = start(&["py"]).await else { return };
    let client = world.client::<python::Api>(&transport);
    let hurried = client.prepare().timeout(Duration::from_millis(400)).client();
    let ended = hurried.slow(&Context::new(), 1.5_f64).await;
    assert!(matches!(ended, Err(CallError::DeadlineExceeded { sent: true, .. })), "{ended:?}");
    eventually("nothing to wait", || transport.pending_calls() == 0).await;
    assert_eq!(client.slow(&Context::new(), 0.01_f64).await.expect("an answer"), "slept");
}
