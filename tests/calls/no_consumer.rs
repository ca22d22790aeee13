//! A call whose request waits in a queue that nothing consumes ends before its deadline.

use std::time::{Duration, Instant};

use rpc_runtime::{CallError, Context, RabbitOptions, Transport};
use tests::{SOON, World, eventually, on_every_transport, soon};

use crate::probe::{ProbeServer, Recorder, probe};

/// Connects with another limit for calls to unconsumed queues.
async fn after(world: &World, time: Duration) -> Transport {
    let options = RabbitOptions::default().no_consumer_after(time);
    world.connect(|builder| builder.rabbit(options)).await
}

/// Starts and stops a server, so that its queues exist.
async fn come_and_go(world: &World, host: &str) {
    let transport = world.transport().await;
    let server = world.serve(&transport, host, ProbeServer::new(Recorder::default())).await;
    server.shutdown(SOON).await.expect("nothing runs");
    transport.close().await;
}

on_every_transport! {
    async fn a_call_ends_if_all_servers_of_its_topic_or_host_have_stopped(world: World) {
        let transport = world.transport().await;
        come_and_go(&world, "h").await;
        let client = world.client::<probe::Api>(&transport);
        let (ctx, begun) = (Context::new(), Instant::now());
        let (of_topic, of_host) = tokio::join!(
            client.prepare().timeout(2 * SOON).count(&ctx, "topic"),
            client.prepare().server("h").timeout(2 * SOON).count(&ctx, "host"),
        );
        let took = begun.elapsed();
        for (ended, name) in [
            (of_topic, world.topic().to_owned()),
            (of_host, format!("{}.h", world.topic())),
        ] {
            let error = ended.expect_err("no server runs");
            assert!(error.may_have_run(), "the request is still in the queue");
            assert!(error.to_string().contains(&name), "{error}");
            let CallError::NoConsumer { queue, observed } = error else { panic!("{error:?}") };
            assert_eq!(queue, name);
            assert!(observed >= RabbitOptions::NO_CONSUMER_AFTER, "{observed:?}");
        }
        assert!(took >= RabbitOptions::NO_CONSUMER_AFTER && took < SOON, "{took:?}");
        assert_eq!(transport.pending_calls(), 0);
        // A server that starts before their deadline runs them.
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        eventually("both to run", || recorder.log.len() == 2).await;
    }

    async fn a_restart_in_between_ends_no_call(world: World) {
        let transport = after(&world, Duration::from_secs(3)).await;
        come_and_go(&world, "h").await;
        let client = world.client::<probe::Api>(&transport).prepare().timeout(SOON).client();
        let (one, begun) = (tokio::spawn(client.echo(&Context::new(), "one")), Instant::now());
        // The broker is asked, and reports no consumer.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let serving = world.transport().await;
        let server = world.serve(&serving, "h", ProbeServer::new(Recorder::default())).await;
        assert_eq!(soon("the answer", one).await.expect("no panic").expect("an answer"), "one");
        server.shutdown(SOON).await.expect("nothing runs");
        // More than the limit after the first such report, but not after the latest.
        let two = tokio::spawn(client.echo(&Context::new(), "two"));
        let late = Duration::from_millis(3800).saturating_sub(begun.elapsed());
        tokio::time::sleep(late).await;
        let _server = world.serve(&serving, "h", ProbeServer::new(Recorder::default())).await;
        assert_eq!(soon("the answer", two).await.expect("no panic").expect("an answer"), "two");
    }

    async fn a_queue_that_had_no_consumer_is_named_at_the_deadline(world: World) {
        let transport = world.transport().await;
        come_and_go(&world, "h").await;
        let client = world.client::<probe::Api>(&transport);
        let ended = client.prepare().timeout(Duration::from_secs(2)).echo(&Context::new(), "x").await;
        let error = ended.expect_err("no server runs");
        assert!(error.to_string().contains(world.topic()), "{error}");
        let CallError::DeadlineExceeded { sent: true, unconsumed, .. } = error else { panic!("{error:?}") };
        assert_eq!(unconsumed.as_deref(), Some(world.topic()));
    }

    async fn a_queue_that_is_consumed_is_not_named_at_the_deadline(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").concurrency(1);
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport).prepare().timeout(Duration::from_secs(2)).client();
        let ctx = Context::new();
        // One call runs, and the other waits in the queue.
        for ended in futures_util::future::join_all([client.hang_call(&ctx), client.hang_call(&ctx)]).await {
            assert!(matches!(ended, Err(CallError::DeadlineExceeded { unconsumed: None, .. })), "{ended:?}");
        }
        let _ = server.shutdown(Duration::ZERO).await;
    }

    async fn a_call_that_a_stopping_server_still_runs_is_not_ended(world: World) {
        let transport = after(&world, Duration::from_secs(1)).await;
        let (serving, recorder) = (world.transport().await, Recorder::default());
        let server = world.serve(&serving, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport).prepare().timeout(2 * SOON).client();
        let runs = tokio::spawn(client.hold(&Context::new(), "runs"));
        eventually("the method to run", || recorder.log.len() == 1).await;
        // The broker is asked while the queue has a consumer.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let stopping = tokio::spawn(server.shutdown(SOON));
        let waits = soon("an end", client.echo(&Context::new(), "waits")).await;
        // The broker may have delivered it before the server stopped consuming.
        if let Err(error) = waits {
            assert!(matches!(error, CallError::NoConsumer { .. }), "{error:?}");
        }
        let ended = client.prepare().timeout(SOON).echo(&Context::new(), "behind it").await;
        assert!(matches!(ended, Err(CallError::NoConsumer { .. })), "{ended:?}");
        assert!(!runs.is_finished(), "its server still runs it");
        recorder.gate.notify_one();
        assert_eq!(soon("the answer", runs).await.expect("no panic").expect("an answer"), "runs");
        soon("the shutdown", stopping).await.expect("no panic").expect("every method finished");
    }

    async fn a_call_waits_for_its_deadline_if_it_is_told_so(world: World) {
        let transport = after(&world, Duration::ZERO).await;
        come_and_go(&world, "h").await;
        let client = world.client::<probe::Api>(&transport);
        let ended = client.prepare().timeout(Duration::from_secs(2)).echo(&Context::new(), "x").await;
        assert!(matches!(ended, Err(CallError::DeadlineExceeded { sent: true, unconsumed: None, .. })), "{ended:?}");
    }

    async fn a_url_says_when_calls_end_that_nothing_consumes(world: World) {
        let transport = world.transport().await;
        come_and_go(&world, "h").await;
        let query = if world.url().contains('?') { '&' } else { '?' };
        let hasty = Transport::connect(&format!("{}{query}no_consumer_after=0.5", world.url())).await;
        let client = world.client::<probe::Api>(&hasty.expect("connected"));
        let begun = Instant::now();
        let ended = client.prepare().timeout(SOON).echo(&Context::new(), "x").await;
        assert!(matches!(ended, Err(CallError::NoConsumer { .. })), "{ended:?}");
        assert!(begun.elapsed() < RabbitOptions::NO_CONSUMER_AFTER, "{:?}", begun.elapsed());
        drop(transport);
    }
}
