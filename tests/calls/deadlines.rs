//! A call ends by its deadline, and the request carries that deadline.

use std::time::{Duration, Instant};

use rpc_runtime::{CallError, Context, rpc_api};
use tests::{World, eventually, on_every_transport, soon};

use crate::probe::{ProbeClient, ProbeServer, Recorder, probe};

/// A server that calls another server.
#[rpc_api(topic = "relay", version = "1.0")]
trait Relay {
    /// Asks the probe for the time left in its context.
    async fn time_left(&self, ctx: Context) -> Option<u64>;
    /// Calls a method that never returns, without a timeout of its own.
    async fn hang(&self, ctx: Context) -> Result<(), rpc_runtime::Failure>;
}

/// Blocks the thread that runs it.
#[rpc_api(topic = "blocker", version = "1.0")]
trait Blocker {
    /// Blocks once the gate is open.
    async fn block(&self, ctx: Context, millis: u64) -> ();
    /// The same, acknowledged after it has run.
    #[rpc(ack = "late")]
    async fn block_late(&self, ctx: Context, millis: u64) -> ();
}

impl Blocker for Recorder {
    async fn block(&self, _: Context, millis: u64) {
        self.log.push(millis.to_string());
        self.gate.notified().await;
        std::thread::sleep(Duration::from_millis(millis));
    }

    async fn block_late(&self, ctx: Context, millis: u64) {
        self.block(ctx, millis).await;
    }
}

struct Relaying(ProbeClient);

impl Relay for Relaying {
    async fn time_left(&self, ctx: Context) -> Option<u64> {
        self.0.time_left(&ctx).await.ok().flatten()
    }

    async fn hang(&self, ctx: Context) -> Result<(), rpc_runtime::Failure> {
        self.0
            .hang_call(&ctx)
            .await
            .map_err(|error| rpc_runtime::Failure::of(&error, "relay", "Inner"))
    }
}

on_every_transport! {
    async fn a_call_without_an_answer_ends_at_its_deadline(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let begun = Instant::now();
        let timeout = Duration::from_millis(700);
        let ended = soon("the deadline", client.prepare().timeout(timeout).hang_call(&Context::new())).await;
        match ended {
            Err(error @ CallError::DeadlineExceeded { .. }) => assert!(error.may_have_run()),
            other => panic!("expected the deadline, not {other:?}"),
        }
        assert!(begun.elapsed() >= timeout, "too early: {:?}", begun.elapsed());
        assert_eq!(recorder.log.events(), ["hang"]);
        assert_eq!(transport.pending_calls(), 0);
    }

    async fn a_call_without_time_is_not_sent(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let gone = Context::new().with_deadline(Instant::now());
        for ended in [
            client.prepare().timeout(Duration::ZERO).host(&Context::new()).await,
            client.host(&gone).await,
        ] {
            match ended {
                Err(error @ CallError::DeadlineExceeded { sent: false, .. }) => assert!(!error.may_have_run()),
                other => panic!("expected the deadline, not {other:?}"),
            }
        }
        client.echo(&Context::new(), "behind them").await.expect("an answer");
        assert!(recorder.log.is_empty());
    }

    async fn an_endless_timeout_is_taken(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world.client::<probe::Api>(&transport).prepare().timeout(Duration::MAX).client();
        assert_eq!(client.echo(&Context::new(), "x").await.expect("an answer"), "x");
    }

    async fn a_nested_call_inherits_the_deadline(world: World) {
        let transport = world.transport().await;
        let inner = World::server(&world, &transport, "inner").topic(format!("{}-inner", world.topic()));
        let _inner = inner.serve(ProbeServer::new(Recorder::default())).bind().await.expect("bound").run();
        let probe = world.client::<probe::Api>(&transport).prepare().topic(format!("{}-inner", world.topic())).client();
        let _outer = world.serve(&transport, "outer", RelayServer::new(Relaying(probe))).await;
        let relay = world.client::<relay::Api>(&transport);
        let left = relay.prepare().timeout(Duration::from_secs(20)).time_left(&Context::new()).await;
        let left = left.expect("an answer").expect("a deadline");
        assert!((1..=20_000).contains(&left), "{left} ms");
        // The inner call's own timeout is 60 s, but it ends with the outer call.
        let begun = Instant::now();
        let ended = relay.prepare().timeout(Duration::from_millis(500)).hang(&Context::new()).await;
        assert!(ended.is_err() && begun.elapsed() < Duration::from_secs(30));
        eventually("the inner call to end", || transport.pending_calls() == 0).await;
    }

    async fn a_method_may_call_another_on_the_one_thread_that_there_is(world: World) {
        let on_one_thread = async move {
            let transport = world.transport().await;
            let inner = format!("{}-inner", world.topic());
            let probe = world.client::<probe::Api>(&transport).prepare().topic(inner.as_str()).client();
            let server = world.server(&transport, "inner").topic(inner).concurrency(1);
            let server = server.serve(ProbeServer::new(Recorder::default())).bind().await.expect("bound");
            let running = [server.run(), world.serve(&transport, "outer", RelayServer::new(Relaying(probe))).await];
            let relay = world.client::<relay::Api>(&transport);
            for _ in 0..10 {
                assert!(relay.time_left(&Context::new()).await.expect("an answer").is_some());
            }
            for server in running {
                server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
            }
        };
        let thread = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(on_one_thread);
        });
        soon("the nested call", thread).await.expect("no panic");
    }

    async fn a_request_that_expires_while_it_waits_does_not_run(world: World) {
        let on_one_thread = async move {
            let transport = world.transport().await;
            let recorder = Recorder::default();
            let server = world.server(&transport, "h").concurrency(8).limit("block", 1).limit("block_late", 1);
            let server = server.serve(BlockerServer::new(recorder.clone())).bind().await.expect("bound").run();
            let client = world.client::<blocker::Api>(&transport);
            let ctx = Context::new();
            // The running methods block the server's only thread, and with it its clock, beyond the
            // others' deadline.
            let running = [
                tokio::spawn(client.block(&ctx, 1100_u64)),
                tokio::spawn(client.block_late(&ctx, 1100_u64)),
            ];
            eventually("two to run", || recorder.log.len() == 2).await;
            let hasty = client.prepare().timeout(Duration::from_secs(1)).client();
            let waiting = [tokio::spawn(hasty.block(&ctx, 0_u64)), tokio::spawn(hasty.block_late(&ctx, 0_u64))];
            eventually("two to wait", || server.waiting() == 2).await;
            recorder.gate.notify_waiters();
            for call in running {
                soon("the answer", call).await.expect("no panic").expect("an answer");
            }
            for call in waiting {
                let ended = soon("the deadline", call).await.expect("no panic");
                assert!(matches!(ended, Err(CallError::DeadlineExceeded { sent: true, .. })), "{ended:?}");
            }
            eventually("both requests to be dropped", || transport.metrics().requests_expired == 2).await;
            server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
            assert_eq!(recorder.log.len(), 2);
            // None of them is redelivered.
            let next = world.serve(&transport, "h", BlockerServer::new(recorder.clone())).await;
            recorder.gate.notify_one();
            client.block(&ctx, 1_u64).await.expect("an answer");
            next.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
            assert_eq!(recorder.log.events()[2..], ["1"]);
            assert_eq!(transport.metrics().requests_received, 5);
        };
        let thread = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(on_one_thread);
        });
        soon("its end", thread).await.expect("no panic");
    }

    async fn a_dropped_call_is_forgotten(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let call = client.hold(&Context::new(), "dropped");
        {
            let mut call = std::pin::pin!(call);
            let begun = eventually("the method to begin", || recorder.log.len() == 1);
            tokio::select! {
                _ = &mut call => panic!("the gate is closed"),
                () = begun => {}
            }
            assert_eq!(transport.pending_calls(), 1);
        }
        assert_eq!(transport.pending_calls(), 0);
        recorder.gate.notify_one();
        assert_eq!(client.echo(&Context::new(), "next").await.expect("an answer"), "next");
    }

    async fn a_request_that_expired_in_the_queue_is_not_run(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound");
        let client = world.client::<probe::Api>(&transport);
        let ended = client.prepare().timeout(Duration::from_millis(300)).host(&Context::new()).await;
        assert!(matches!(ended, Err(CallError::DeadlineExceeded { sent: true, .. })), "{ended:?}");
        // A server counts from the arrival, slightly later than the caller's start.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let _server = server.run();
        client.echo(&Context::new(), "behind it").await.expect("an answer");
        assert!(recorder.log.is_empty(), "{:?}", recorder.log);
    }
}
