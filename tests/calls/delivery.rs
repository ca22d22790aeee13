//! Requests on lost connections, duplicate requests, and busy servers.

use std::time::Duration;

use rpc_runtime::{CallError, Context, Retry};
use tests::{World, eventually, on_every_transport, soon};

use crate::probe::{ProbeServer, Recorder, probe};

on_every_transport! {
    async fn a_pending_call_survives_a_lost_connection(world: World) {
        let Some(world) = world.alone().await else { return };
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let call = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to begin", || recorder.log.len() == 1).await;
        world.cut_connections(&transport).await;
        recorder.gate.notify_one();
        let answer = soon("the answer", call).await.expect("no panic");
        assert_eq!(answer.expect("an answer"), "held");
        assert_eq!(recorder.log.events(), ["held"]);
        assert_eq!(soon("a new call", client.echo(&Context::new(), "new")).await.expect("an answer"), "new");
    }

    async fn only_as_many_run_at_once_as_there_are_slots(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").concurrency(2).serve(ProbeServer::new(recorder.clone()));
        let server = server.bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let calls: Vec<_> = (0..6).map(|n| tokio::spawn(client.hold(&Context::new(), format!("{n}")))).collect();
        for done in 0..6 {
            eventually("the next to begin", || recorder.log.len() == 6.min(done + 2)).await;
            assert!(server.in_flight() <= 3, "{} in flight", server.in_flight());
            recorder.gate.notify_one();
        }
        for call in calls {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
        assert_eq!(recorder.log.len(), 6);
    }

    async fn a_busy_server_leaves_requests_to_idle_ones(world: World) {
        let transport = world.transport().await;
        let (busy, idle) = (Recorder::on("busy"), Recorder::on("idle"));
        let _busy = world.server(&transport, "busy").concurrency(1).serve(ProbeServer::new(busy.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let held = tokio::spawn(client.prepare().server("busy").hold(&Context::new(), "held"));
        eventually("the server to be busy", || busy.log.len() == 1).await;
        let _idle = world.serve(&transport, "idle", ProbeServer::new(idle.clone())).await;
        // The prefetch lets one request wait at the busy server; the others go to the idle one.
        let calls: Vec<_> = (0..10).map(|_| tokio::spawn(client.host(&Context::new()))).collect();
        eventually("the idle server to work", || idle.log.len() >= 9).await;
        busy.gate.notify_one();
        for call in calls.into_iter().chain([held]) {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
    }

    async fn a_late_acknowledged_request_runs_elsewhere_when_its_server_goes(world: World) {
        let (dying, surviving) = (world.transport().await, world.transport().await);
        let (first, second) = (Recorder::on("first"), Recorder::on("second"));
        let server = world.serve(&dying, "first", ProbeServer::new(first.clone())).await;
        let client = world.client::<probe::Api>(&surviving);
        let call = tokio::spawn(client.hold_late(&Context::new(), "late"));
        eventually("the first to begin", || first.log.len() == 1).await;
        let _other = world.serve(&surviving, "second", ProbeServer::new(second.clone())).await;
        if dying.memory().is_some() {
            // The embedded broker cuts every connection. Either server may receive the request
            // again. The first one still runs it, so there the copy waits.
            world.cut_connections(&dying).await;
        } else {
            dying.close().await;
        }
        drop(server);
        if dying.memory().is_none() {
            eventually("the other to begin", || second.log.len() == 1).await;
        }
        first.gate.notify_waiters();
        second.gate.notify_waiters();
        first.gate.notify_one();
        second.gate.notify_one();
        assert_eq!(soon("the answer", call).await.expect("no panic").expect("an answer"), "late");
        assert_eq!(first.log.len(), 1, "a copy does not run beside the first");
    }

    async fn a_thousand_calls_to_one_slot_are_all_answered(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").concurrency(1).serve(ProbeServer::new(recorder.clone()));
        let _server = server.bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let calls: Vec<_> = (0..1000).map(|n| tokio::spawn(client.count(&Context::new(), format!("{n}")))).collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(soon("an answer", call).await.expect("no panic").expect("an answer"), format!("{n}"));
        }
        assert_eq!(recorder.log.len(), 1000, "each ran once");
    }

    async fn servers_of_one_host_name_share_its_requests(world: World) {
        let transport = world.transport().await;
        let (first, second) = (Recorder::on("first"), Recorder::on("second"));
        let mut servers = Vec::new();
        for recorder in [&first, &second] {
            let server = world.server(&transport, "h").concurrency(1).serve(ProbeServer::new(recorder.clone()));
            servers.push(server.bind().await.expect("bound").run());
        }
        let client = world.client::<probe::Api>(&transport).prepare().server("h").client();
        let held: Vec<_> = (0..2).map(|n| tokio::spawn(client.hold(&Context::new(), format!("{n}")))).collect();
        eventually("each to hold one", || first.log.len() == 1 && second.log.len() == 1).await;
        for recorder in [&first, &second] {
            recorder.gate.notify_one();
        }
        for call in held {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
        for _ in 0..20 {
            client.host(&Context::new()).await.expect("an answer");
        }
        assert_eq!(first.log.len() + second.log.len(), 22, "each ran once");
    }

    async fn calls_beside_a_close_all_end(world: World) {
        for round in 0..10_u64 {
            let (serving, calling) = (world.transport().await, world.transport().await);
            let server = world.serve(&serving, "h", ProbeServer::new(Recorder::default())).await;
            let client = world.client::<probe::Api>(&calling);
            let calls: Vec<_> = (0..50).map(|n| tokio::spawn(client.echo(&Context::new(), format!("{n}")))).collect();
            let brief = client.prepare().timeout(Duration::from_secs(3)).client();
            let unanswered = tokio::spawn(brief.hang_call(&Context::new()));
            tokio::time::sleep(Duration::from_micros(300 * round)).await;
            soon("the close", calling.close()).await;
            let mut answered = 0;
            for (n, call) in calls.into_iter().enumerate() {
                match soon("an end", call).await.expect("no panic") {
                    Ok(text) => {
                        assert_eq!(text, format!("{n}"));
                        answered += 1;
                    }
                    Err(CallError::Unavailable(_) | CallError::DeadlineExceeded { .. } | CallError::Interrupted) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            let ended = soon("its end", unanswered).await.expect("no panic");
            assert!(ended.is_err(), "no server answers it");
            assert!(answered <= 50 && calling.pending_calls() == 0);
            let _ = server.shutdown(Duration::from_millis(10)).await;
            soon("the close", serving.close()).await;
        }
    }

    async fn a_transport_that_never_waits_says_so_at_once(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world.client::<probe::Api>(&transport).prepare().retry(Retry::Never).client();
        assert_eq!(client.echo(&Context::new(), "x").await.expect("an answer"), "x");
        let Some(broker) = transport.memory() else { return };
        broker.disconnect();
        let ended = client.echo(&Context::new(), "x").await;
        assert!(matches!(ended, Err(CallError::Unavailable(_))), "{ended:?}");
        broker.reconnect();
    }
}

/// Faults that only the embedded broker can cause on demand.
mod switches {
    use super::*;

    #[tokio::test]
    async fn a_second_copy_is_not_run() {
        let world = World::memory();
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        transport.memory().expect("embedded").repeat_next(2);
        assert_eq!(client.count(&Context::new(), "once").await.expect("an answer"), "once");
        client.echo(&Context::new(), "behind it").await.expect("an answer");
        assert_eq!(recorder.log.events(), ["once"]);
    }

    #[tokio::test]
    async fn a_call_dropped_before_it_left_is_never_sent() {
        let world = World::memory();
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let broker = transport.memory().expect("embedded");
        broker.disconnect();
        let dropped = tokio::spawn(client.count(&Context::new(), "dropped"));
        eventually("the call to wait", || transport.pending_calls() == 1).await;
        dropped.abort();
        eventually("it to be forgotten", || transport.pending_calls() == 0).await;
        broker.reconnect();
        client.count(&Context::new(), "behind it").await.expect("an answer");
        assert_eq!(recorder.log.events(), ["behind it"]);
    }

    #[tokio::test]
    async fn a_lost_request_ends_at_its_deadline_and_may_have_run() {
        let world = World::memory();
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world
            .client::<probe::Api>(&transport)
            .prepare()
            .timeout(Duration::from_millis(300))
            .client();
        transport.memory().expect("embedded").lose_next(1);
        let ended = client.echo(&Context::new(), "x").await;
        assert!(matches!(ended, Err(CallError::DeadlineExceeded { sent: true, .. })), "{ended:?}");
    }

    #[tokio::test]
    async fn what_is_sent_during_an_outage_waits_for_its_end() {
        let world = World::memory();
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world.client::<probe::Api>(&transport);
        let broker = transport.memory().expect("embedded");
        broker.disconnect();
        let ctx = Context::new();
        let too_late =
            client.prepare().timeout(Duration::from_millis(50)).echo(&ctx, "too late").await;
        assert!(
            matches!(too_late, Err(CallError::DeadlineExceeded { sent: false, .. })),
            "{too_late:?}"
        );
        let waiting = tokio::spawn(client.echo(&ctx, "in time"));
        eventually("the call to wait", || transport.pending_calls() == 1).await;
        broker.reconnect();
        assert_eq!(
            soon("the answer", waiting).await.expect("no panic").expect("an answer"),
            "in time"
        );
    }

    #[tokio::test]
    async fn a_delayed_reply_is_never_given_to_another_call() {
        let world = World::memory();
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world.client::<probe::Api>(&transport);
        let broker = transport.memory().expect("embedded");
        broker.delay(Duration::from_millis(100));
        let late = client
            .prepare()
            .timeout(Duration::from_millis(150))
            .echo(&Context::new(), "late")
            .await;
        assert!(matches!(late, Err(CallError::DeadlineExceeded { .. })), "{late:?}");
        broker.delay(None);
        for n in 0..50 {
            assert_eq!(
                client.echo(&Context::new(), format!("{n}")).await.expect("an answer"),
                format!("{n}")
            );
        }
    }
}
