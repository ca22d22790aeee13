//! A server that shuts down loses no request.

use std::time::{Duration, Instant};

use rpc_runtime::{CallError, Context};
use tests::{eventually, on_every_transport, soon};

use crate::probe::{ProbeServer, Recorder, probe};

on_every_transport! {
    async fn what_has_begun_is_answered_and_what_has_not_goes_back(world: World) {
        let transport = world.transport().await;
        let (first, second) = (Recorder::on("first"), Recorder::on("second"));
        let server = world.server(&transport, "first").concurrency(1).serve(ProbeServer::new(first.clone()));
        let server = server.bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let held = tokio::spawn(client.hold(&Context::new(), "begun"));
        eventually("the method to begin", || first.log.len() == 1).await;
        let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(client.host(&Context::new()))).collect();
        eventually("the calls to be under way", || transport.pending_calls() == 6).await;
        let stopping = tokio::spawn(server.shutdown(Duration::from_secs(20)));
        let other = world.serve(&transport, "second", ProbeServer::new(second.clone())).await;
        for call in waiting {
            assert_eq!(soon("an answer", call).await.expect("no panic").expect("an answer"), "second");
        }
        assert_eq!(first.log.events(), ["begun"]);
        first.gate.notify_one();
        assert_eq!(soon("the answer", held).await.expect("no panic").expect("an answer"), "begun");
        soon("the shutdown", stopping).await.expect("no panic").expect("every method finished");
        other.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    }

    async fn a_shutdown_that_takes_too_long_tells_the_callers(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let call = tokio::spawn(client.hang_call(&Context::new()));
        eventually("the method to begin", || recorder.log.len() == 1).await;
        let error = server.shutdown(Duration::from_millis(100)).await.expect_err("it hangs");
        assert_eq!(error.unfinished, 1);
        match soon("the answer", call).await.expect("no panic") {
            Err(CallError::Failure(failure)) => assert_eq!(failure.class(), "ServerStopped"),
            other => panic!("expected a failure, not {other:?}"),
        }
    }

    async fn a_stopped_server_takes_no_more_requests(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        client.echo(&Context::new(), "x").await.expect("an answer");
        server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
        client.note_everywhere(&Context::new(), "too late").await.expect("confirmed");
        client.note(&Context::new(), "queued").await.expect("the topic's queue is still there");
        let next = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        eventually("the queued note", || !recorder.log.is_empty()).await;
        next.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
        assert_eq!(recorder.log.events(), ["queued"]);
    }

    async fn a_bound_server_that_never_runs_gives_requests_back(world: World) {
        let transport = world.transport().await;
        let idle = world.server(&transport, "idle").serve(ProbeServer::new(Recorder::on("idle"))).bind().await.expect("bound");
        let client = world.client::<probe::Api>(&transport);
        let call = tokio::spawn(client.host(&Context::new()));
        eventually("the call to be under way", || transport.pending_calls() == 1).await;
        drop(idle);
        let _server = world.serve(&transport, "other", ProbeServer::new(Recorder::on("other"))).await;
        assert_eq!(soon("the answer", call).await.expect("no panic").expect("an answer"), "other");
    }

    async fn aborting_ends_what_a_shutdown_waits_for(world: World) {
        let transport = world.transport().await;
        let (recorder, second) = (Recorder::on("first"), Recorder::on("second"));
        let server = world.server(&transport, "first").limit("hold", 1);
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let hanging = tokio::spawn(client.hang_call(&Context::new()));
        let late = tokio::spawn(client.hold_late(&Context::new(), "late"));
        let mut held: Vec<_> = (0..2).map(|_| tokio::spawn(client.hold(&Context::new(), "held"))).collect();
        eventually("three to begin, and one to wait", || recorder.log.len() == 3 && server.waiting() == 1).await;
        let hurry = server.abort_handle();
        let stopping = tokio::spawn(server.shutdown(Duration::from_secs(3600)));
        hurry.abort();
        // If the shutdown starts only after the abort, nothing is unfinished.
        if let Err(error) = soon("the shutdown", stopping).await.expect("no panic") {
            assert!(error.unfinished > 0 && error.limit < Duration::from_secs(3600), "{error}");
        }
        match soon("the answer", hanging).await.expect("no panic") {
            Err(CallError::Failure(failure)) => assert_eq!(failure.class(), "ServerStopped"),
            other => panic!("expected a failure, not {other:?}"),
        }
        let other = world.serve(&transport, "second", ProbeServer::new(second.clone())).await;
        eventually("the other server to run waiting and late-acknowledged calls", || second.log.len() == 2).await;
        let mut events = second.log.events();
        events.sort();
        assert_eq!(events, ["held", "late"]);
        second.gate.notify_waiters();
        assert_eq!(soon("an answer", late).await.expect("no panic").expect("an answer"), "late");
        let mut ends = Vec::new();
        for call in held.drain(..) {
            ends.push(soon("an end", call).await.expect("no panic").is_ok());
        }
        ends.sort_unstable();
        assert_eq!(ends, [false, true], "one had begun, the other had not");
        other.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    }

    async fn aborting_an_idle_server_is_a_shutdown(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let mut server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let early = tokio::time::timeout(Duration::from_millis(50), server.wait()).await;
        assert!(early.is_err(), "nothing has stopped it");
        server.abort_handle().abort();
        soon("its end", server.wait()).await;
        let client = world.client::<probe::Api>(&transport);
        client.note(&Context::new(), "queued").await.expect("the topic's queue is still there");
        server.shutdown(Duration::ZERO).await.expect("nothing runs");
        assert!(recorder.log.is_empty());
        let next = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        eventually("the queued note", || recorder.log.len() == 1).await;
        next.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    }

    async fn an_idle_server_needs_no_time_to_stop(world: World) {
        let transport = world.transport().await;
        let server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let client = world.client::<probe::Api>(&transport);
        client.echo(&Context::new(), "x").await.expect("an answer");
        // A reply counts until it is confirmed, possibly after the caller has received it.
        eventually("nothing to run", || server.in_flight() == 0).await;
        server.shutdown(Duration::ZERO).await.expect("nothing runs");
    }

    async fn aborting_lets_nothing_begin_where_something_was_given_up(world: World) {
        const EACH: usize = 40;
        let transport = world.transport().await;
        let recorder = Recorder::on("first");
        let server = world.server(&transport, "first").concurrency(EACH).limit("hold", EACH);
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let calls: Vec<_> = (0..2 * EACH).map(|n| tokio::spawn(client.hold(&Context::new(), n.to_string()))).collect();
        eventually("half of them to wait", || recorder.log.len() == EACH && server.waiting() == EACH).await;
        server.abort_handle().abort();
        // If the shutdown starts only after the abort, nothing is unfinished.
        if let Err(error) = server.shutdown(Duration::from_secs(20)).await {
            assert!((1..=2 * EACH).contains(&error.unfinished), "{error}");
        }
        assert_eq!(recorder.log.len(), EACH);
        let second = Recorder::on("second");
        let other = world.serve(&transport, "second", ProbeServer::new(second.clone())).await;
        eventually("the others to begin there", || second.log.len() == EACH).await;
        second.gate.notify_waiters();
        let mut answered = 0;
        for call in calls {
            match soon("its end", call).await.expect("no panic") {
                Ok(_) => answered += 1,
                Err(CallError::Failure(failure)) => assert_eq!(failure.class(), "ServerStopped"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(answered, EACH);
        other.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    }

    async fn a_runtime_may_end_in_the_middle_of_anything(world: World) {
        let program = tokio::process::Command::new(env!("CARGO_BIN_EXE_interrupted"))
            .args([world.url(), world.topic()])
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(120), program).await;
        let output = output.expect("it hangs").expect("a process");
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("ended"), "{said}{errors}");
    }

    async fn dropping_the_handle_does_not_stop_the_server(world: World) {
        let transport = world.transport().await;
        drop(world.serve(&transport, "h", ProbeServer::new(Recorder::on("h"))).await);
        let client = world.client::<probe::Api>(&transport);
        for _ in 0..3 {
            assert_eq!(client.host(&Context::new()).await.expect("an answer"), "h");
        }
    }

    async fn closing_the_transport_ends_within_its_limit(world: World) {
        let transport = world.transport().await;
        let mut server = world.serve(&transport, "h", ProbeServer::new(Recorder::on("h"))).await;
        let begun = Instant::now();
        soon("the close", transport.close()).await;
        soon("the server's end", server.wait()).await;
        assert!(begun.elapsed() < Duration::from_secs(25));
    }
}
