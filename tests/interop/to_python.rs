//! This library's client, the original's server.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rpc_runtime::{CallError, Compression, Context, Failure, RemoteError, rpc_api, wire};
use serde_json::value::RawValue;
use tests::{World, eventually};

use crate::{Peer, Release, with_every_release};

/// Exceptions that the Python server raises.
#[derive(Debug, PartialEq, thiserror::Error, RemoteError)]
#[remote(module = "peer_errors")]
enum PeerError {
    /// A class of the server.
    #[error("{name} was not found")]
    NotFound { name: String },
    /// A class of Python.
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

/// The same server in a newer client, and methods whose failures resemble a refusal.
#[rpc_api(topic = "peer", version = "1.6")]
trait Newer {
    // The server requires another argument.
    async fn add(&self, ctx: Context, a: u32) -> u32;
    // The server has no `more`.
    async fn echo(&self, ctx: Context, value: u32, more: u32) -> Result<u32, Failure>;
    async fn nonesuch(&self, ctx: Context) -> ();
    async fn open_nonesuch(&self, ctx: Context) -> Result<(), Failure>;
    #[rpc(since = "1.6")]
    async fn recent(&self, ctx: Context) -> ();
    async fn wrong_inside(&self, ctx: Context) -> ();
    async fn wrapped(&self, ctx: Context) -> ();
    async fn expected(&self, ctx: Context) -> ();
    async fn nested(&self, ctx: Context, method: String) -> ();
    async fn quoted(&self, ctx: Context, method: String) -> ();
}

/// Describes a refusal, and checks that it rules out a run.
fn refusal<T: std::fmt::Debug, E: std::fmt::Debug>(ended: Result<T, CallError<E>>) -> String {
    let error = ended.expect_err("a refusal");
    assert!(!error.may_have_run(), "{error:?}");
    match error {
        CallError::NoSuchMethod { .. } => "method".to_owned(),
        CallError::BadArgument { .. } => "argument".to_owned(),
        CallError::UnsupportedVersion { needs, serves: None, .. } => format!("version {needs}"),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

/// Python types that the server returns.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Types {
    #[serde(with = "wire::datetime")]
    datetime: SystemTime,
    #[serde(with = "wire::text")]
    uuid: uuid::Uuid,
    #[serde(with = "wire::bytes")]
    bytes: Vec<u8>,
    #[serde(with = "wire::text")]
    ip: IpAddr,
    set: BTreeSet<u8>,
    big: u128,
    nan: f64,
}

/// Methods of the Python server that need other types.
#[rpc_api(topic = "peer", version = "1.5")]
trait Raw {
    async fn echo(&self, ctx: Context, value: Box<RawValue>) -> Box<RawValue>;
    async fn types(&self, ctx: Context) -> Types;
    async fn oslo_rpc_server_ping(&self, ctx: Context) -> String;
}

/// The server's other endpoint.
#[rpc_api(topic = "peer", namespace = "control", version = "2.1")]
trait Control {
    #[rpc(since = "2.1")]
    async fn ping(&self, ctx: Context) -> String;
}

async fn start(
    release: Release,
    hosts: &[&str],
) -> Option<(World, rpc_runtime::Transport, Vec<Peer>)> {
    let world = release.world().await?;
    let mut peers = Vec::new();
    for host in hosts {
        peers.push(Peer::start(release, "server.py", &world, &[host]).await?);
    }
    let transport = world.transport().await;
    Some((world, transport, peers))
}

with_every_release! {
    async fn calls_come_back_with_what_python_returns(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let (client, ctx) = (world.client::<python::Api>(&transport), Context::new());
        assert_eq!(client.add(&ctx, 2_u32, 3_u32).await.expect("an answer"), 5);
        client.nothing(&ctx).await.expect("an answer");
        let value = serde_json::json!({"é": [1, -2.5, 1e300, null, true, "\u{1f600}\"\\\n"], "deep": {"a": {"b": {}}}});
        assert_eq!(client.echo(&ctx, &value).await.expect("an answer"), value);
        let control = world.client::<control::Api>(&transport);
        assert_eq!(control.ping(&ctx).await.expect("an answer"), "pong");
    }

    async fn python_receives_the_context(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let client = world.client::<python::Api>(&transport);
        let ctx =
            Context::new().with("user_id", "u1").with("roles", ["admin"]).with("nested", [("a", 1)]);
        let seen = client.context(&ctx).await.expect("an answer");
        assert_eq!((&seen["user_id"], &seen["roles"][0]), (&"u1".into(), &"admin".into()));
    }

    async fn casts_and_fanout_reach_python(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py1", "py2"]).await else { return };
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

    async fn python_exceptions_arrive_as_types_or_as_they_are(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
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
    }

    async fn what_python_refuses_has_certainly_not_run(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let (client, ctx) = (world.client::<newer::Api>(&transport), Context::new());
        let refused = [
            refusal(client.nonesuch(&ctx).await),
            refusal(client.open_nonesuch(&ctx).await),
            refusal(client.recent(&ctx).await),
            refusal(client.add(&ctx, 1_u32).await),
            refusal(client.echo(&ctx, 1_u32, 2_u32).await),
            refusal(client.prepare().namespace("nonesuch").nonesuch(&ctx).await),
        ];
        let expected = ["method", "method", "version 1.6", "argument", "argument", "version 1.0"];
        assert_eq!(refused, expected);
    }

    async fn what_only_looks_like_a_refusal_of_python_proves_nothing(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let (client, ctx) = (world.client::<newer::Api>(&transport), Context::new());
        for (ended, class) in [
            (client.wrong_inside(&ctx).await, "TypeError"),
            (client.wrapped(&ctx).await, "TypeError"),
            (client.expected(&ctx).await, "TypeError"),
            (client.nested(&ctx, "nested").await, "TypeError"),
            (client.nested(&ctx, "nonesuch").await, "NoSuchMethod"),
            (client.quoted(&ctx, "add").await, "TypeError"),
        ] {
            let error = ended.expect_err("it fails");
            assert!(error.may_have_run(), "{error:?}");
            assert!(matches!(&error, CallError::Failure(failure) if failure.class() == class), "{error:?}");
        }
    }

    async fn a_slow_python_method_ends_at_the_deadline(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let client = world.client::<python::Api>(&transport);
        let hurried = client.prepare().timeout(Duration::from_millis(400)).client();
        let ended = hurried.slow(&Context::new(), 1.5_f64).await;
        assert!(matches!(ended, Err(CallError::DeadlineExceeded { sent: true, .. })), "{ended:?}");
        eventually("no call to be pending", || transport.pending_calls() == 0).await;
        assert_eq!(client.slow(&Context::new(), 0.01_f64).await.expect("an answer"), "slept");
    }

    async fn every_value_of_python_crosses(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let (client, ctx) = (world.client::<raw::Api>(&transport), Context::new());
        let text = r#"[NaN, -Infinity, 1180591620717411303424, "\ud800", "\u00e9", -0.0, 1e+16, {"1": null}]"#;
        let value = rpc_runtime::wire::raw(text).expect("it is one value");
        assert_eq!(client.echo(&ctx, &value).await.expect("an answer").get(), text);
        let types = client.types(&ctx).await.expect("an answer");
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_223_045_000_005);
        assert_eq!((types.datetime, types.uuid), (at, uuid::Uuid::from_u128(0x1234)));
        assert_eq!((&*types.bytes, types.ip), (&b"raw"[..], IpAddr::from([10, 0, 0, 1])));
        assert_eq!((types.set, types.big), (BTreeSet::from([1, 2]), 1 << 70));
        assert!(types.nan.is_nan());
    }

    async fn python_gives_signs_of_life(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let client = world.client::<python::Api>(&transport);
        let watched = client.prepare().monitor(Duration::from_secs(4)).client();
        assert_eq!(watched.slow(&Context::new(), 5.0_f64).await.expect("it lives"), "slept");
    }

    // Python sends no heartbeat to a caller that asks for an interval below two seconds.
    async fn a_short_monitor_does_not_give_up_a_python_server_that_lives(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let client = world.client::<python::Api>(&transport);
        for monitor in [300, 1000, 1900] {
            let watched = client.prepare().monitor(Duration::from_millis(monitor)).client();
            let slept = watched.slow(&Context::new(), 3.0_f64).await;
            assert_eq!(slept.expect("it lives"), "slept", "{monitor}");
        }
    }

    async fn python_answers_our_ping_and_reads_our_compression(release: Release) {
        let Some((world, transport, _peers)) = start(release, &["py"]).await else { return };
        let client = world.client::<raw::Api>(&transport);
        assert_eq!(client.oslo_rpc_server_ping(&Context::new()).await.expect("an answer"), "pong");
        for compression in [Compression::Gzip, Compression::Bzip2] {
            let packed = world.connect(|builder| builder.compression(compression)).await;
            let client = world.client::<python::Api>(&packed);
            assert_eq!(client.add(&Context::new(), 2_u32, 3_u32).await.expect("an answer"), 5);
        }
    }
}
