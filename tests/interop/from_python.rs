//! The original's client, this library's server.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use rpc_runtime::{Context, RemoteError, Running, Transport, rpc_api, wire};
use serde_json::{Value, json, value::RawValue};
use tests::{Log, eventually};

use crate::{Peer, Release, with_every_release};

/// The server's errors, in classes that Python has.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "peer_errors")]
enum OurError {
    #[error("{name} was not found here")]
    NotFound { name: String },
    #[error("bad value {0}")]
    #[remote(module = "builtins", class = "ValueError")]
    Value(u32),
}

/// A datetime in Python's format.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct At(#[serde(with = "wire::datetime")] SystemTime);

/// The interface that Python calls.
#[rpc_api(topic = "ours", version = "1.5")]
trait Ours {
    async fn echo(&self, ctx: Context, value: Value) -> Value;
    async fn add(&self, ctx: Context, a: u32, b: u32) -> u32;
    async fn nothing(&self, ctx: Context) -> ();
    async fn user(&self, ctx: Context) -> Option<String>;
    async fn host(&self, ctx: Context) -> String;
    async fn fail(&self, ctx: Context, kind: String) -> Result<(), OurError>;
    async fn panic(&self, ctx: Context) -> ();
    async fn hang(&self, ctx: Context) -> ();
    async fn slow(&self, ctx: Context, seconds: f64) -> String;
    async fn typed(
        &self,
        ctx: Context,
        at: At,
        id: String,
        raw: String,
        set: BTreeSet<u8>,
    ) -> String;
    async fn same(&self, ctx: Context, value: Box<RawValue>) -> Box<RawValue>;
    async fn record(&self, ctx: Context, value: u32);
}

struct Server {
    host: String,
    log: Log<u32>,
}

impl Ours for Server {
    async fn echo(&self, _: Context, value: Value) -> Value {
        value
    }

    async fn add(&self, _: Context, a: u32, b: u32) -> u32 {
        a + b
    }

    async fn nothing(&self, _: Context) {}

    async fn user(&self, ctx: Context) -> Option<String> {
        ctx.user_id()
    }

    async fn host(&self, _: Context) -> String {
        self.host.clone()
    }

    async fn fail(&self, _: Context, kind: String) -> Result<(), OurError> {
        if kind == "value" {
            Err(OurError::Value(3))
        } else {
            Err(OurError::NotFound { name: "vm-1".to_owned() })
        }
    }

    async fn panic(&self, _: Context) {
        panic!("a test asked for it")
    }

    async fn hang(&self, _: Context) {
        std::future::pending().await
    }

    async fn slow(&self, _: Context, seconds: f64) -> String {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        "slept".to_owned()
    }

    async fn typed(
        &self,
        _: Context,
        at: At,
        id: String,
        raw: String,
        set: BTreeSet<u8>,
    ) -> String {
        let seconds = at.0.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        format!("{seconds} {id} {raw} {set:?}")
    }

    async fn same(&self, _: Context, value: Box<RawValue>) -> Box<RawValue> {
        value
    }

    async fn record(&self, _: Context, value: u32) {
        self.log.push(value);
    }
}

/// Two servers of this library, and a Python client of their topic.
struct Setting {
    peer: Peer,
    logs: [Log<u32>; 2],
    _servers: Vec<Running>,
    _transport: Transport,
}

async fn start(release: Release) -> Option<Setting> {
    start_with(release, None).await
}

/// Starts them. `options` are added to the client's URL.
async fn start_with(release: Release, options: Option<&str>) -> Option<Setting> {
    let world = release.world().await?;
    let transport = world.transport().await;
    let logs = [Log::default(), Log::default()];
    let mut servers = Vec::new();
    for (host, log) in ["rs1", "rs2"].into_iter().zip(&logs) {
        let server = OursServer::new(Server { host: host.to_owned(), log: log.clone() });
        let server = world.server(&transport, host).ping(true).serve(server);
        servers.push(server.bind().await.expect("bound").run());
    }
    let calling =
        options.map_or_else(|| world.clone(), |options| world.clone().with_options(options));
    let peer = Peer::start(release, "client.py", &calling, &[]).await?;
    Some(Setting { peer, logs, _servers: servers, _transport: transport })
}

with_every_release! {
    async fn python_calls_and_gets_what_we_return(release: Release) {
        let Some(Setting { mut peer, _servers, _transport, .. }) = start(release).await else { return };
        let sum = peer
            .ask(json!({"op": "call", "method": "add", "args": {"a": 2, "b": 3}, "version": "1.0"}))
            .await;
        assert_eq!(sum, json!({"result": 5}));
        let value =
            json!({"é": [1, -2.5, 1e300, null, true, "\u{1f600}\"\\\n"], "deep": {"a": {"b": {}}}});
        let echo = peer
            .ask(json!({"op": "call", "method": "echo", "args": {"value": value}, "version": "1.5"}))
            .await;
        assert_eq!(echo["result"], value);
        assert_eq!(peer.ask(json!({"op": "call", "method": "nothing"})).await, json!({"result": null}));
        let user = peer.ask(json!({"op": "call", "method": "user", "context": {"user_id": "u1", "auth_token": "t"}})).await;
        assert_eq!(user, json!({"result": "u1"}));
    }

    async fn python_reaches_single_hosts_and_all_servers(release: Release) {
        let Some(Setting { mut peer, logs, _servers, _transport }) = start(release).await else { return };
        for host in ["rs1", "rs2"] {
            assert_eq!(
                peer.ask(json!({"op": "call", "server": host, "method": "host"})).await,
                json!({"result": host})
            );
        }
        let cast = json!({"op": "cast", "server": "rs1", "method": "record", "args": {"value": 1}});
        assert_eq!(peer.ask(cast).await, json!({"result": null}));
        let fanout = json!({"op": "fanout", "method": "record", "args": {"value": 2}});
        assert_eq!(peer.ask(fanout).await, json!({"result": null}));
        eventually("the first server's records", || logs[0].len() == 2).await;
        eventually("the second server's record", || logs[1].events() == [2]).await;
    }

    async fn python_rebuilds_our_errors(release: Release) {
        let Some(Setting { mut peer, _servers, _transport, .. }) = start(release).await else { return };
        let own =
            json!({"op": "call", "method": "fail", "args": {"kind": "own"}, "exmods": ["peer_errors"]});
        let error = peer.ask(own).await["error"].clone();
        assert_eq!(
            (&error["class"], &error["kwargs"]),
            (&json!("NotFound_Remote"), &json!({"name": "vm-1"}))
        );
        let plain = json!({"op": "call", "method": "fail", "args": {"kind": "own"}});
        let error = peer.ask(plain).await["error"].clone();
        assert_eq!((&error["class"], &error["exc_type"]), (&json!("RemoteError"), &json!("NotFound")));
        assert_eq!(error["value"], json!("vm-1 was not found here"));
        let builtin = json!({"op": "call", "method": "fail", "args": {"kind": "value"}});
        assert_eq!(peer.ask(builtin).await["error"]["class"], json!("ValueError"));
    }

    async fn python_sees_our_refusals_as_its_own(release: Release) {
        let Some(Setting { mut peer, _servers, _transport, .. }) = start(release).await else { return };
        let dispatcher = ["oslo_messaging.rpc.dispatcher"];
        for (command, class) in [
            (json!({"op": "call", "method": "nonesuch", "exmods": dispatcher}), "NoSuchMethod_Remote"),
            (
                json!({"op": "call", "method": "nothing", "version": "1.6", "exmods": dispatcher}),
                "UnsupportedVersion_Remote",
            ),
            (
                json!({"op": "call", "method": "nothing", "namespace": "x", "exmods": dispatcher}),
                "UnsupportedVersion_Remote",
            ),
            (json!({"op": "call", "method": "add", "args": {"a": 1}}), "TypeError"),
            (json!({"op": "call", "method": "add", "args": {"a": 1, "b": "two"}}), "TypeError"),
            (json!({"op": "call", "method": "nothing", "args": {"extra": 1}}), "TypeError"),
            (json!({"op": "call", "method": "panic"}), "RemoteError"),
            (json!({"op": "call", "method": "hang", "timeout": 1}), "MessagingTimeout"),
        ] {
            let answer = peer.ask(command.clone()).await;
            assert_eq!(answer["error"]["class"], json!(class), "{command}: {answer}");
        }
        assert_eq!(
            peer.ask(json!({"op": "call", "method": "add", "args": {"a": 2, "b": 3}})).await,
            json!({"result": 5})
        );
    }

    async fn python_is_told_that_our_server_has_no_room(release: Release) {
        let Some(world) = release.world().await else { return };
        let transport = world.transport().await;
        let log = Log::default();
        let server = world.server(&transport, "full").concurrency(1).waiting(0).refuse_when_full(true);
        let server = server.serve(OursServer::new(Server { host: "full".to_owned(), log: log.clone() }));
        let server = server.bind().await.expect("bound").run();
        let Some(mut peer) = Peer::start(release, "client.py", &world, &[]).await else { return };
        let hanging = tokio::spawn(world.client::<ours::Api>(&transport).hang(&Context::new()));
        eventually("its slot to be taken", || server.in_flight() == 1).await;
        let answer = peer.ask(json!({"op": "call", "method": "nothing"})).await;
        assert_eq!(answer["error"]["class"], json!("RemoteError"), "{answer}");
        assert_eq!(answer["error"]["exc_type"], json!("Overloaded"), "{answer}");
        hanging.abort();
    }

    async fn python_watches_our_server(release: Release) {
        let Some(Setting { mut peer, _servers, _transport, .. }) = start(release).await else { return };
        // With one second, the original's own server sends no heartbeat at all. Release 14 looks
        // for heartbeats only every half second, so it is tested with four seconds only.
        let cases: &[(u32, f64)] = if release.0.ends_with("14") { &[(4, 5.0)] } else { &[(4, 5.0), (1, 2.5)] };
        for (monitor, seconds) in cases {
            let args = json!({"seconds": seconds});
            let call = json!({"op": "call", "method": "slow", "args": args, "monitor": monitor});
            assert_eq!(peer.ask(call).await, json!({"result": "slept"}), "{monitor}");
        }
    }

    async fn pythons_types_and_values_arrive(release: Release) {
        let Some(Setting { mut peer, _servers, _transport, .. }) = start(release).await else { return };
        let typed = peer.ask(json!({"op": "types", "method": "typed"})).await;
        let expected = "1795223045 00000000-0000-0000-0000-000000001234 raw {1, 2}";
        assert_eq!(typed, json!({"result": expected}));
        let same = peer.ask(json!({"op": "values", "method": "same"})).await;
        assert_eq!(same, json!({"result": "same"}));
    }

    async fn pythons_ping_is_answered_and_its_compression_read(release: Release) {
        for compression in [None, Some("kombu_compression=gzip"), Some("kombu_compression=bzip2")] {
            let started = start_with(release, compression).await;
            let Some(Setting { mut peer, _servers, _transport, .. }) = started else { return };
            let ping = peer.ask(json!({"op": "call", "method": "oslo_rpc_server_ping"})).await;
            assert_eq!(ping, json!({"result": "pong"}), "{compression:?}");
        }
    }
}
