//! Known bugs of the original, each with the test that it would fail. The numbers are those of the
//! project's list. Bugs that involve RabbitMQ itself have their tests in `tests/broker`.

use std::time::{Duration, Instant};

use rpc_runtime::{CallError, Context, Transport, TransportErrorKind, rpc_api};
use tests::{eventually, on_every_transport, soon};

use crate::probe::{ProbeServer, Recorder, probe};

/// A method whose result has no JSON form.
#[rpc_api(topic = "bugs", version = "1.0")]
trait Bugs {
    async fn unsayable(&self, ctx: Context) -> Unsayable;
}

/// A value that fails to serialize.
#[derive(Debug, serde::Deserialize)]
struct Unsayable;

impl serde::Serialize for Unsayable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it has no form"))
    }
}

struct Service;

impl Bugs for Service {
    async fn unsayable(&self, _: Context) -> Unsayable {
        Unsayable
    }
}

on_every_transport! {
    // The original loses requests that arrive between `stop` and the end of `wait`.
    async fn bug_01_no_request_vanishes_at_a_graceful_shutdown(world: World) {
        let transport = world.transport().await;
        let (first, second) = (Recorder::on("first"), Recorder::on("second"));
        let stopping = world.server(&transport, "first").concurrency(1).serve(ProbeServer::new(first.clone()));
        let stopping = stopping.bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let held = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the server to be busy", || first.log.len() == 1).await;
        let stopped = tokio::spawn(stopping.shutdown(Duration::from_secs(20)));
        for line in 0..20 {
            client.note(&Context::new(), line.to_string()).await.expect("confirmed");
        }
        let _next = world.serve(&transport, "second", ProbeServer::new(second.clone())).await;
        first.gate.notify_one();
        soon("the answer", held).await.expect("no panic").expect("an answer");
        soon("the shutdown", stopped).await.expect("no panic").expect("everything ended");
        eventually("every note", || first.log.len() + second.log.len() == 21).await;
    }

    // The original acknowledges and buffers without bound: a crash loses all of it, and idle
    // servers receive nothing.
    async fn bug_02_a_server_takes_no_more_than_it_runs(world: World) {
        let (busy, idle) = (world.transport().await, world.transport().await);
        let (first, second) = (Recorder::on("first"), Recorder::on("second"));
        let server = world.server(&busy, "first").concurrency(1).serve(ProbeServer::new(first.clone()));
        let _busy = server.bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&idle);
        let held = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the server to be busy", || first.log.len() == 1).await;
        for line in 0..8 {
            client.note(&Context::new(), line.to_string()).await.expect("confirmed");
        }
        // The connection closes without a shutdown. The server has acknowledged only what it has
        // begun.
        busy.close().await;
        let _idle = world.serve(&idle, "second", ProbeServer::new(second.clone())).await;
        eventually("the others' notes", || second.log.len() == 8).await;
        assert_eq!(first.log.events(), ["held"]);
        held.abort();
    }

    // The original reports success.
    async fn bug_04_a_cast_without_a_server_is_an_error_at_once(world: World) {
        let transport = world.transport().await;
        let client = world.client::<probe::Api>(&transport);
        let error = client.note(&Context::new(), "x").await.expect_err("no server is bound");
        assert!(matches!(error, CallError::Unroutable { .. }) && !error.may_have_run());
    }

    // The original's releases 14.8 to 18.1 poll for a reply every half second, so these calls would
    // take at least 20 s.
    async fn bug_11_a_reply_wakes_its_caller(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world.client::<probe::Api>(&transport);
        let begun = Instant::now();
        for number in 0..40 {
            let sum = client.add(&Context::new(), number, 1).await;
            assert_eq!(sum.expect("an answer"), number + 1);
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }

    // The original's caller waits for its whole timeout.
    async fn bug_12_a_result_that_cannot_be_written_is_a_failure_at_once(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", BugsServer::new(Service)).await;
        let begun = Instant::now();
        let error = world.client::<bugs::Api>(&transport).unsayable(&Context::new()).await.expect_err("unsayable");
        assert!(matches!(&error, CallError::Failure(f) if f.class() == "ResultNotSerializable"), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(30), "the timeout is 60 s");
    }

    // With a timeout of 0 the original loops forever; with a negative one it reports a failed
    // delivery.
    async fn bug_16_a_call_without_time_ends_before_anything_is_sent(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let error = client.prepare().timeout(Duration::ZERO).host(&Context::new()).await.expect_err("no time");
        assert!(matches!(error, CallError::DeadlineExceeded { sent: false, .. }), "{error:?}");
        client.host(&Context::new()).await.expect("an answer");
        assert_eq!(recorder.log.len(), 1);
    }

    // If a watched call asks for an unknown method, the original's server sends heartbeats forever.
    async fn bug_19_a_watched_call_of_an_unknown_method_leaves_nothing_behind(world: World) {
        let transport = world.transport().await;
        let server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world.client::<bugs::Api>(&transport);
        let watched = client.prepare().monitor(Duration::from_secs(2)).client();
        let error = watched.unsayable(&Context::new()).await.expect_err("there is no such method");
        assert!(matches!(&error, CallError::NoSuchMethod { .. }), "{error:?}");
        eventually("nothing to run", || server.in_flight() == 0).await;
        soon("the shutdown", server.shutdown(Duration::from_secs(20))).await.expect("nothing is left");
    }

    // In the original, some documented values fail with the first message, or on connecting.
    async fn bug_26_documented_options_work_and_impossible_ones_are_refused_at_once(world: World) {
        let with = |options: &str| Transport::builder(&format!("{}?{options}", world.url())).connect();
        let transport = with("kombu_compression=bz2").await.expect("as documented");
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let echoed = world.client::<probe::Api>(&transport).echo(&Context::new(), "text").await;
        assert_eq!(echoed.expect("an answer"), "text");
        for (options, said) in [
            ("rabbit_quorum_queue=true&amqp_auto_delete=true", "auto_delete"),
            ("rabbit_quorum_queue=true&rabbit_ha_queues=true", "ha_queues"),
            ("rabbit_stream_fanout=true", "stream_fanout"),
            ("conn_pool_min_size=31", "conn_pool_min_size"),
            ("kombu_compression=lzma", "kombu_compression"),
            ("rabbit_qos_prefetch_count=-1", "rabbit_qos_prefetch_count"),
            ("heartbeat=5", "heartbeat"),
        ] {
            let error = with(options).await.expect_err(options);
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
            assert!(error.to_string().contains(said), "{error}");
        }
        for url in ["kombu://h", "rabbit://h:", "rabbit://h:http/", "h"] {
            let error = Transport::connect(url).await.expect_err(url);
            assert_eq!(error.kind(), TransportErrorKind::Configuration, "{error}");
        }
    }

    // The original registers some options on one global configuration only.
    async fn bug_29_nothing_is_global(world: World) {
        let one = world.connect(|b| b.timeout(Duration::from_millis(200))).await;
        let other = world.connect(|b| b.timeout(Duration::from_secs(20))).await;
        let recorder = Recorder::default();
        let _server = world.serve(&other, "h", ProbeServer::new(recorder.clone())).await;
        let limited = world.client::<probe::Api>(&one).hang_call(&Context::new()).await;
        assert!(matches!(limited, Err(CallError::DeadlineExceeded { .. })), "{limited:?}");
        let client = world.client::<probe::Api>(&other);
        let unlimited = tokio::spawn(client.hold(&Context::new(), "longer"));
        eventually("both to begin", || recorder.log.len() == 2).await;
        recorder.gate.notify_one();
        assert_eq!(soon("the answer", unlimited).await.expect("no panic").expect("an answer"), "longer");
    }

    // The original loses the request, and its server loses the connection.
    async fn bug_30_a_context_key_named_self_is_refused_where_it_is_made(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let error = client.host(&Context::new().with("self", 1)).await.expect_err("it would harm Python's servers");
        assert!(matches!(error, CallError::Encode(_)) && recorder.log.is_empty());
    }

    // The original reports an unknown namespace as version 1.0, and crashes on some versions.
    async fn bug_31_every_error_is_one_of_a_closed_list(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world.client::<probe::Api>(&transport);
        let error = client.prepare().namespace("other").host(&Context::new()).await.expect_err("unknown");
        assert!(matches!(error, CallError::UnsupportedVersion { .. }), "{error:?}");
    }
}

/// Uses switches that only the embedded broker has.
mod switches {
    use super::*;
    use tests::World;

    // The original's first call blocks forever, and the timeout of later calls starts with the
    // publish.
    #[tokio::test]
    async fn bug_10_a_calls_timeout_counts_while_the_broker_is_away() {
        let world = World::memory();
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let broker = transport.memory().expect("embedded");
        broker.disconnect();
        let client = world.client::<probe::Api>(&transport);
        let hurried = client.prepare().timeout(Duration::from_millis(200)).client();
        let error = soon("the deadline", hurried.host(&Context::new())).await.expect_err("away");
        assert!(matches!(error, CallError::DeadlineExceeded { sent: false, .. }), "{error:?}");
        broker.reconnect();
        assert_eq!(client.host(&Context::new()).await.expect("an answer"), "");
    }
}
