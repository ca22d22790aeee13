//! Calls, casts, hosts and fanout: each request reaches the right servers, and each answer its
//! caller.

use std::time::Duration;

use rpc_runtime::{CallError, Context, TransportErrorKind};
use tests::{eventually, on_every_transport, soon};

use crate::probe::{ProbeServer, Recorder, probe};

on_every_transport! {
    async fn a_call_returns_what_the_method_returns(world: World) {
        let transport = world.transport().await;
        let server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let text = "é \u{1f600} \"quoted\" \\ \n \u{7f}";
        assert_eq!(client.echo(&ctx, text).await.expect("an answer"), text);
        assert_eq!(client.add(&ctx, i64::MIN, 1).await.expect("an answer"), i64::MIN + 1);
        assert_eq!(transport.pending_calls(), 0);
        server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
        transport.close().await;
    }

    async fn many_calls_at_once_get_their_own_answers(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let calls = (0..500).map(|n| client.echo(&ctx, format!("call {n}")));
        let answers = soon("500 answers", futures_util::future::join_all(calls)).await;
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.expect("an answer"), format!("call {n}"));
        }
        assert_eq!(transport.pending_calls(), 0);
    }

    async fn a_cast_runs_once_on_one_server(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let mut servers = Vec::new();
        for host in ["a", "b"] {
            servers.push(world.serve(&transport, host, ProbeServer::new(recorder.clone())).await);
        }
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        for n in 0..20 {
            client.note(&ctx, format!("{n}")).await.expect("confirmed");
        }
        eventually("20 notes", || recorder.log.len() >= 20).await;
        for server in servers {
            server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
        }
        let mut notes = recorder.log.events();
        notes.sort_by_key(|note| note.parse::<u32>().ok());
        assert_eq!(notes, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    async fn a_fanout_cast_reaches_every_server(world: World) {
        let transport = world.transport().await;
        let recorders = [Recorder::on("a"), Recorder::on("b"), Recorder::on("c")];
        let mut servers = Vec::new();
        for recorder in &recorders {
            servers.push(world.serve(&transport, &recorder.host, ProbeServer::new(recorder.clone())).await);
        }
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        client.note_everywhere(&ctx, "by attribute").await.expect("confirmed");
        client.prepare().fanout().note(&ctx, "by client").await.expect("confirmed");
        for recorder in &recorders {
            eventually("both notes", || recorder.log.len() == 2).await;
        }
    }

    async fn a_request_to_a_host_runs_there(world: World) {
        let transport = world.transport().await;
        let mut servers = Vec::new();
        for host in ["a", "b.example.com@ceph#pool"] {
            servers.push(world.serve(&transport, host, ProbeServer::new(Recorder::on(host))).await);
        }
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        for host in ["a", "b.example.com@ceph#pool", "a"] {
            assert_eq!(client.prepare().server(host).host(&ctx).await.expect("an answer"), host);
        }
    }

    async fn competing_servers_share_the_work(world: World) {
        let transport = world.transport().await;
        let recorders = [Recorder::on("a"), Recorder::on("b")];
        let mut servers = Vec::new();
        for recorder in &recorders {
            servers.push(world.serve(&transport, &recorder.host, ProbeServer::new(recorder.clone())).await);
        }
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let calls = (0..200).map(|_| client.host(&ctx));
        for answer in soon("200 answers", futures_util::future::join_all(calls)).await {
            answer.expect("an answer");
        }
        assert!(recorders.iter().all(|recorder| !recorder.log.is_empty()), "one server did everything");
        assert_eq!(recorders.iter().map(|recorder| recorder.log.len()).sum::<usize>(), 200);
    }

    async fn a_fanout_cast_without_servers_succeeds(world: World) {
        let transport = world.transport().await;
        let client = world.client::<probe::Api>(&transport);
        client.note_everywhere(&Context::new(), "hello?").await.expect("confirmed");
    }

    async fn a_request_without_a_server_is_unroutable_at_once(world: World) {
        let transport = world.transport().await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let error = soon("a returned call", client.echo(&ctx, "hello?")).await.expect_err("no server is bound");
        assert!(matches!(&error, CallError::Unroutable { routing_key, .. } if routing_key == world.topic()), "{error:?}");
        assert!(!error.may_have_run());
        let error = soon("a returned cast", client.prepare().server("nobody").note(&ctx, "hello?")).await;
        assert!(matches!(error, Err(CallError::Unroutable { .. })), "{error:?}");
        assert_eq!(transport.pending_calls(), 0);
    }

    async fn returned_and_delivered_requests_are_never_mixed_up(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let nobody = client.prepare().server("nobody").client();
        let casts = (0..600).map(|n| {
            let (lost, found) = (nobody.note(&ctx, "lost"), client.note(&ctx, "found"));
            async move { if n % 3 == 0 { lost.await } else { found.await } }
        });
        let ended = soon("600 confirms", futures_util::future::join_all(casts)).await;
        for (n, ended) in ended.into_iter().enumerate() {
            let returned = matches!(ended, Err(CallError::Unroutable { .. }));
            assert_eq!((n % 3 == 0, n % 3 != 0), (returned, ended.is_ok()), "cast {n}: {ended:?}");
        }
        eventually("400 notes", || recorder.log.len() == 400).await;
    }

    async fn a_closed_transport_says_so(world: World) {
        let transport = world.transport().await;
        let client = world.client::<probe::Api>(&transport);
        transport.close().await;
        match client.echo(&Context::new(), "x").await {
            Err(CallError::Unavailable(error)) => assert_eq!(error.kind(), TransportErrorKind::Closed),
            other => panic!("expected a closed transport, not {other:?}"),
        }
        let bound = world.server(&transport, "h").serve(ProbeServer::new(Recorder::default())).bind().await;
        assert_eq!(bound.map(drop).map_err(|error| error.kind()), Err(TransportErrorKind::Closed));
    }

    async fn a_server_without_host_or_interface_is_refused(world: World) {
        let transport = world.transport().await;
        let nowhere = rpc_runtime::Server::builder(&transport).serve(ProbeServer::new(Recorder::default())).bind().await;
        assert_eq!(nowhere.map(drop).map_err(|error| error.kind()), Err(TransportErrorKind::Configuration));
        let nothing = world.server(&transport, "h").bind().await;
        assert_eq!(nothing.map(drop).map_err(|error| error.kind()), Err(TransportErrorKind::Configuration));
        let endless = world.server(&transport, &"h".repeat(300)).serve(ProbeServer::new(Recorder::default())).bind().await;
        assert_eq!(endless.map(drop).map_err(|error| error.kind()), Err(TransportErrorKind::Configuration));
    }
}
