//! Servers under overload: limits of methods, waiting places, refusals.

use std::time::{Duration, Instant};

use rpc_runtime::{CallError, Context, Failure, Server, TransportErrorKind, rpc_api};
use tests::{SOON, World, eventually, on_every_transport, soon, unique};

use crate::probe::{ProbeServer, Recorder, probe};

/// A method whose own calls are refused.
#[rpc_api(topic = "passing", version = "1.0")]
trait PassingOn {
    /// Fails with the failure that it received.
    async fn pass(&self, ctx: Context) -> Result<(), Failure>;
}

struct Passing;

impl PassingOn for Passing {
    async fn pass(&self, _: Context) -> Result<(), Failure> {
        Err(Failure::of("no room", "rpc_runtime", "Overloaded").kwarg("host", "another"))
    }
}

on_every_transport! {
    async fn a_stuck_method_stops_no_other(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").concurrency(4).limit("hang_call", 1);
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let stuck: Vec<_> = (0..4).map(|_| tokio::spawn(client.hang_call(&Context::new()))).collect();
        eventually("the others to wait", || server.waiting() == 3).await;
        for n in 0..200 {
            let text = format!("{n}");
            assert_eq!(soon("an answer", client.echo(&Context::new(), &text)).await.expect("an answer"), text);
        }
        eventually("only one to run", || (server.in_flight(), server.waiting()) == (1, 3)).await;
        assert_eq!(recorder.log.events(), ["hang"]);
        stuck.iter().for_each(|call| call.abort());
    }

    async fn a_method_runs_no_more_often_at_once_than_its_limit_says(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").concurrency(8).limit("hold", 2).limit("hold_late", 1);
        let _server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let calls: Vec<_> = (0..6).map(|n| tokio::spawn(client.hold(&Context::new(), format!("{n}")))).collect();
        for done in 0..6 {
            eventually("the next to begin", || recorder.log.len() == 6.min(done + 2)).await;
            client.echo(&Context::new(), "behind them").await.expect("an answer");
            assert_eq!(recorder.log.len(), 6.min(done + 2), "one more than its limit");
            recorder.gate.notify_one();
        }
        for call in calls {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
        let late: Vec<_> = (0..2).map(|_| tokio::spawn(client.hold_late(&Context::new(), "late"))).collect();
        for done in 0..2 {
            eventually("the next to begin", || recorder.log.len() == 7 + done).await;
            recorder.gate.notify_one();
        }
        for call in late {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
    }

    async fn what_waits_for_its_method_begins_in_order(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").limit("hold", 1);
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let mut calls = Vec::new();
        for n in 0..10 {
            calls.push(tokio::spawn(client.hold(&Context::new(), format!("{n}"))));
            eventually("the request to arrive", || recorder.log.len() + server.waiting() == n + 1).await;
        }
        for (n, call) in calls.into_iter().enumerate() {
            eventually("the method to begin", || recorder.log.len() == n + 1).await;
            recorder.gate.notify_one();
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
        assert_eq!(recorder.log.events(), (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    async fn a_call_that_finds_no_place_is_refused_at_once_and_has_not_run(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "full").concurrency(2).limit("hold", 1).waiting(2).refuse_when_full(true);
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let calls: Vec<_> = (0..3).map(|n| tokio::spawn(client.hold(&Context::new(), format!("{n}")))).collect();
        eventually("two to wait", || server.waiting() == 2 && recorder.log.len() == 1).await;
        for _ in 0..100 {
            let begun = Instant::now();
            let error = client.hold(&Context::new(), "too much").await.expect_err("there is no room");
            assert!(matches!(&error, CallError::Overloaded { host } if host == "full"), "{error:?}");
            assert!(!error.may_have_run() && begun.elapsed() < SOON);
        }
        let at_once: Vec<_> = (0..100).map(|_| tokio::spawn(client.hold(&Context::new(), "too much"))).collect();
        for call in at_once {
            let ended = soon("a refusal", call).await.expect("no panic");
            assert!(matches!(ended, Err(CallError::Overloaded { .. })), "{ended:?}");
        }
        assert_eq!(client.echo(&Context::new(), "others go on").await.expect("an answer"), "others go on");
        for done in 0..3 {
            eventually("the next to begin", || recorder.log.len() == done + 1).await;
            recorder.gate.notify_one();
        }
        for call in calls {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
        assert_eq!(recorder.log.len(), 3, "refused calls have not run");
    }

    async fn without_places_to_wait_in_a_call_begins_or_is_refused(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "full").concurrency(1).waiting(0).refuse_when_full(true);
        let _server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let held = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to begin", || recorder.log.len() == 1).await;
        let error = client.echo(&Context::new(), "x").await.expect_err("there is no room");
        assert!(matches!(error, CallError::Overloaded { .. }), "{error:?}");
        recorder.gate.notify_one();
        soon("the answer", held).await.expect("no panic").expect("an answer");
        // The slot is free once the reply is confirmed, possibly after the caller has received it.
        let again = async {
            while let Err(error) = client.echo(&Context::new(), "x").await {
                assert!(matches!(error, CallError::Overloaded { .. }), "{error:?}");
            }
        };
        soon("room", again).await;
    }

    async fn casts_are_never_refused(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").concurrency(1).waiting(2).refuse_when_full(true);
        let _server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let held = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to begin", || recorder.log.len() == 1).await;
        for n in 0..50 {
            client.note(&Context::new(), format!("{n}")).await.expect("confirmed");
        }
        recorder.gate.notify_one();
        soon("the answer", held).await.expect("no panic").expect("an answer");
        eventually("all casts", || recorder.log.len() == 51).await;
    }

    async fn what_waits_at_a_server_that_stops_is_run_by_another(world: World) {
        let transport = world.transport().await;
        let (first, second) = (Recorder::on("first"), Recorder::on("second"));
        let server = world.server(&transport, "first").limit("hold", 1).limit("hold_late", 1);
        let server = server.serve(ProbeServer::new(first.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let held = tokio::spawn(client.hold(&Context::new(), "begun"));
        let late = tokio::spawn(client.hold_late(&Context::new(), "begun late"));
        eventually("both to begin", || first.log.len() == 2).await;
        let mut waiting: Vec<_> = (0..3).map(|_| tokio::spawn(client.hold(&Context::new(), "waiting"))).collect();
        waiting.extend((0..3).map(|_| tokio::spawn(client.hold_late(&Context::new(), "waiting"))));
        eventually("the others to wait", || server.waiting() == 6).await;
        let stopping = tokio::spawn(server.shutdown(SOON));
        let other = world.serve(&transport, "second", ProbeServer::new(second.clone())).await;
        eventually("the other server to run them", || second.log.len() == 6).await;
        second.gate.notify_waiters();
        for call in waiting {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
        first.gate.notify_waiters();
        for call in [held, late] {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
        soon("the shutdown", stopping).await.expect("no panic").expect("every method finished");
        assert_eq!((first.log.len(), second.log.len()), (2, 6));
        other.shutdown(SOON).await.expect("nothing runs");
    }

    async fn what_waits_beyond_its_deadline_makes_room_and_never_runs(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").limit("hold", 1).waiting(1);
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let held = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to begin", || recorder.log.len() == 1).await;
        let brief = client.prepare().timeout(Duration::from_millis(500)).client();
        let late = tokio::spawn(brief.hold(&Context::new(), "late"));
        eventually("it to wait", || server.waiting() == 1).await;
        let ended = soon("its deadline", late).await.expect("no panic");
        assert!(matches!(ended, Err(CallError::DeadlineExceeded { sent: true, .. })), "{ended:?}");
        eventually("its waiting place to be free", || server.waiting() == 0).await;
        let next = tokio::spawn(client.hold(&Context::new(), "next"));
        eventually("the next to wait", || server.waiting() == 1).await;
        for call in [held, next] {
            recorder.gate.notify_one();
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
        assert_eq!(recorder.log.events(), ["held", "next"]);
    }

    async fn a_watched_call_that_waits_learns_that_its_server_lives(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").limit("hold", 1);
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let watched = client.prepare().monitor(Duration::from_secs(2)).client();
        let calls: Vec<_> = (0..2).map(|n| tokio::spawn(watched.hold(&Context::new(), format!("{n}")))).collect();
        eventually("one to wait", || server.waiting() == 1).await;
        // Longer than a caller waits for a silent server.
        tokio::time::sleep(Duration::from_secs(5)).await;
        for done in 0..2 {
            eventually("the next to begin", || recorder.log.len() == done + 1).await;
            recorder.gate.notify_one();
        }
        for call in calls {
            soon("an answer", call).await.expect("no panic").expect("an answer");
        }
    }

    async fn a_method_that_passes_a_refusal_on_has_run_all_the_same(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", PassingOnServer::new(Passing)).await;
        let error = world.client::<passing_on::Api>(&transport).pass(&Context::new()).await.expect_err("refused");
        assert!(error.may_have_run(), "{error:?}");
    }

    async fn a_limit_of_a_method_that_is_not_there_is_refused(world: World) {
        let transport = world.transport().await;
        let server = world.server(&transport, "h").limit("hodl", 1).serve(ProbeServer::new(Recorder::default()));
        let error = server.bind().await.expect_err("the name is misspelt");
        assert_eq!(error.kind(), TransportErrorKind::Configuration);
        assert!(error.to_string().contains("`hodl`"), "{error}");
    }

    async fn a_server_of_two_topics_and_one_slot_serves_both(world: World) {
        let transport = world.transport().await;
        let other = unique("other");
        let server = Server::builder(&transport).topic(world.topic()).host("h").listen(other.as_str(), "h").concurrency(1);
        let _server = server.serve(ProbeServer::new(Recorder::on("h"))).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let elsewhere = client.prepare().topic(other.as_str()).client();
        for _ in 0..5 {
            for client in [&client, &client, &elsewhere, &elsewhere] {
                assert_eq!(soon("an answer", client.host(&Context::new())).await.expect("an answer"), "h");
            }
        }
    }
}

/// Faults that only the embedded broker can cause on demand.
mod switches {
    use super::*;

    #[tokio::test]
    async fn a_copy_of_a_held_request_is_not_refused() {
        let world = World::memory();
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").concurrency(1).waiting(1).refuse_when_full(true);
        let server = server.serve(ProbeServer::new(recorder.clone()));
        let server = server.bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let held = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to begin", || recorder.log.len() == 1).await;
        transport.memory().expect("embedded").repeat_next(1);
        let copied = tokio::spawn(client.hold(&Context::new(), "copied"));
        eventually("both copies to wait", || server.waiting() == 2).await;
        for call in [held, copied] {
            recorder.gate.notify_one();
            soon("an answer", call).await.expect("no panic").expect("no refusal");
        }
        assert_eq!(recorder.log.events(), ["held", "copied"]);
    }

    #[tokio::test]
    async fn what_was_delivered_before_is_not_refused() {
        let world = World::memory();
        let transport = world.transport().await;
        let (first, second) = (Recorder::on("first"), Recorder::on("second"));
        let client = world.client::<probe::Api>(&transport);
        let server = world.serve(&transport, "first", ProbeServer::new(first.clone())).await;
        let late = tokio::spawn(client.hold_late(&Context::new(), "late"));
        eventually("the method to begin", || first.log.len() == 1).await;
        server.stop_listening(world.topic()).await;
        let full = world.server(&transport, "second").concurrency(1).waiting(0);
        let full = full.refuse_when_full(true).serve(ProbeServer::new(second.clone()));
        let full = full.bind().await.expect("bound").run();
        let held = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to begin", || second.log.len() == 1).await;
        world.cut_connections(&transport).await;
        eventually("the request to wait at the full server", || full.waiting() == 1).await;
        first.gate.notify_one();
        second.gate.notify_one();
        assert_eq!(soon("an answer", late).await.expect("no panic").expect("no refusal"), "late");
        soon("an answer", held).await.expect("no panic").expect("an answer");
        second.gate.notify_one();
    }
}
