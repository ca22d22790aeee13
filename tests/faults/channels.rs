//! Section C: exchanges and queues that are deleted, refused or foreign, and the channels that the
//! broker closes over them.

use std::time::{Duration, Instant};

use rpc_runtime::{CallError, Context, Event, Events, Server, Transport, TransportErrorKind};
use tests::{
    SOON, World, eventually,
    node::Shared,
    proxy::{Action, Frames, Proxy, Way, method},
    soon,
};

use crate::{
    scene::{
        AdderServer, Behind, DRAIN, SLACK, Scene, Slow, adder, figure, good, through, timed,
        watchful,
    },
    stranger::{Stranger, queues},
};

/// Waits for an event.
pub(crate) async fn until(events: &mut Events, what: &str, is: impl Fn(&Event) -> bool) {
    let comes = async {
        loop {
            let event = events.next().await.expect("the transport is open");
            if is(&event) {
                break;
            }
        }
    };
    soon(what, comes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c01_a_deleted_exchange_is_made_again_and_nothing_is_lost() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world_alone().await, Behind::Client).await;
    let stranger = Stranger::at(&scene.world).await;
    let fanout = format!("{}_fanout", scene.world.topic());
    let (mut longest, mut unnoticed) = (Duration::ZERO, 0);
    for round in 1..6 {
        stranger.delete_exchange(if round % 2 == 0 { &fanout } else { "openstack" }).await;
        let ended = timed(&scene.client, round, Duration::from_secs(20)).await;
        ended.check(&scene.slow);
        // Until the servers have declared the exchange again, a call may be unroutable, which
        // proves that it did not run.
        let told = matches!(ended.outcome, Ok(_) | Err(CallError::Unroutable { .. }));
        assert!(told, "nothing is lost: {:?}", ended.outcome);
        unnoticed += u32::from(ended.outcome.is_ok());
        longest = longest.max(ended.took + scene.good(200 + round).await);
        scene
            .client
            .prepare()
            .fanout()
            .note(&Context::new(), 100 + round)
            .await
            .expect("confirmed");
        eventually("the fanout cast to run", || scene.slow.runs().contains_key(&(100 + round)))
            .await;
    }
    figure("C1", "of 5 calls meanwhile did not notice", unnoticed);
    figure("C1", "served again within", longest);
    assert!(scene.slow.runs().iter().all(|(_, runs)| *runs == 1), "{:?}", scene.slow.runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c02_and_c16_a_queue_that_goes_before_its_first_use_is_declared_again() {
    let Some(shared) = Shared::take().await else { return };
    for name in ["queue.bind", "basic.consume"] {
        let world = shared.node.world();
        let (proxy, direct) = (Proxy::start(&world).await, world.transport().await);
        let transport = through(&proxy, &world, watchful()).await;
        let held = proxy.rule(Frames::up(name).containing(world.topic()), Action::Hold);
        let bound = world.server(&transport, "h").serve(AdderServer::new(Slow::default()));
        let binding = tokio::spawn(bound.bind());
        held.applied().await;
        let stranger = Stranger::at(&world).await;
        for queue in [world.topic().to_owned(), format!("{}.h", world.topic())] {
            stranger.delete_queue(&queue).await;
        }
        held.release();
        let server = soon("a server", binding).await.expect("no panic").expect("bound").run();
        let client = world.client::<adder::Api>(&direct);
        good(&client, 1).await;
        client.prepare().fanout().note(&Context::new(), 2).await.expect("confirmed");
        server.shutdown(DRAIN).await.expect("nothing runs");
    }
}

/// Returns why no server of this topic can be bound.
async fn refusal(transport: &Transport, topic: &str) -> rpc_runtime::TransportError {
    let server = Server::builder(transport).topic(topic).host("h");
    let bound = soon("an answer", server.serve(AdderServer::new(Slow::default())).bind()).await;
    bound.map(drop).expect_err("the queue belongs to another connection")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c04_a_name_that_is_not_ours_is_a_typed_error_at_once_and_harms_nobody_else() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    let stranger = Stranger::at(&scene.world).await;
    let locked = tests::unique("locked");
    stranger.declare_exclusive(&locked).await;
    let declared = scene.proxy.seen(Way::Up, "queue.declare");
    let ours = ("amq.ours", TransportErrorKind::Configuration);
    for (topic, kind) in [ours, (&locked, TransportErrorKind::Refused)] {
        let begun = Instant::now();
        let error = refusal(&scene.serving, topic).await;
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(format!("{error:?}").contains(topic), "the queue is named: {error:?}");
        assert!(begun.elapsed() < SLACK, "at once: {:?}", begun.elapsed());
    }
    let attempts = scene.proxy.seen(Way::Up, "queue.declare") - declared;
    assert!(attempts < 10, "too many attempts: {attempts}");
    scene.good(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c05_a_server_whose_queue_is_deleted_says_so_and_serves_again_within_a_second() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world_alone().await, Behind::Client).await;
    let stranger = Stranger::at(&scene.world).await;
    let topic = scene.world.topic();
    let fanout = queues(&shared.node, &scene.world, &format!("{topic}_fanout_")).await;
    let mut events = scene.serving.events();
    let mut longest = Duration::ZERO;
    for (round, queue) in (1..).zip([topic, &format!("{topic}.h"), &fanout[0], topic]) {
        let begun = Instant::now();
        stranger.delete_queue(queue).await;
        until(
            &mut events,
            "the loss",
            |event| matches!(event, Event::ConsumersLost { topic: lost } if lost == topic),
        )
        .await;
        until(
            &mut events,
            "the return",
            |event| matches!(event, Event::Serving { topic: back } if back == topic),
        )
        .await;
        longest = longest.max(begun.elapsed());
        scene.good(round).await;
    }
    figure("C5", "served again within", longest);
    assert!(longest < SLACK, "{longest:?}");
    assert_eq!(scene.serving.metrics().connections_lost, 0, "no connection was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c06_calls_are_answered_though_their_reply_queue_is_deleted() {
    let Some(shared) = Shared::take().await else { return };
    let slow = Slow::taking(Duration::from_secs(2));
    let world = shared.node.world_alone().await;
    let scene = Scene::with(world, Behind::Client, watchful(), slow).await;
    let replies = queues(&shared.node, &scene.world, "reply_").await;
    let stranger = Stranger::at(&scene.world).await;
    let waiting = scene.calls(1..21, SOON);
    eventually("all to run", || scene.slow.ran.len() == 21).await;
    for queue in &replies {
        stranger.delete_queue(queue).await;
    }
    let begun = Instant::now();
    assert_eq!(scene.settle(waiting).await, 20, "the queue is declared under its old name");
    figure("C6", "calls of 2 s that waited were answered after", begun.elapsed());
    for queue in &replies {
        stranger.delete_queue(queue).await;
    }
    let first = scene.good(100).await;
    figure("C6", "a new call of 2 s took", first);
    assert!(first < Duration::from_secs(2) + SLACK, "{first:?}");
    assert_eq!(scene.transport.pending_calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c10_what_a_full_queue_refuses_is_an_error_and_never_a_success() {
    let Some(shared) = Shared::take().await else { return };
    // A server declares the exchange.
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    let stranger = Stranger::at(&scene.world).await;
    let full = tests::unique("full");
    stranger.declare_full_at(&full, 5).await;
    let client = scene.client.prepare().topic(full.as_str()).client();
    let mut taken = 0;
    for a in 0..20 {
        match client.note(&Context::new(), a).await {
            Ok(()) => taken += 1,
            Err(error) => assert!(matches!(error, CallError::Refused), "{error:?}"),
        }
    }
    assert_eq!(stranger.waiting(&full).await, 5);
    assert_eq!(taken, 5, "each message is either confirmed and queued, or refused");
    let call = timed(&client, 100, SOON).await;
    assert!(matches!(call.outcome, Err(CallError::Refused)), "{:?}", call.outcome);
    assert!(call.took < SLACK, "at once: {:?}", call.took);
    assert_eq!(scene.transport.metrics().requests_refused, 16);
    stranger.purge(&full).await;
    client.note(&Context::new(), 200).await.expect("the queue has room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c11_without_confirms_requests_end_by_their_deadline_and_leave_nothing_behind() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    let mut events = scene.transport.events();
    let acks = Frames::down("basic.ack").on(":publish").always();
    let unconfirmed = scene.proxy.rule(acks, Action::Drop);
    let unanswered = scene.proxy.rule(Frames::down("basic.deliver").always(), Action::Drop);
    let begun = Instant::now();
    let calls = scene.calls(1..51, Duration::from_secs(2));
    let casts = (51..101).map(|a| {
        let client = scene.client.prepare().timeout(Duration::from_secs(2)).client();
        tokio::spawn(async move { client.note(&Context::new(), a).await })
    });
    for cast in casts.collect::<Vec<_>>() {
        let error = soon("the deadline", cast).await.expect("no panic").expect_err("no confirm");
        assert!(error.may_have_run(), "it was sent: {error:?}");
    }
    assert_eq!(scene.settle(calls).await, 0);
    figure("C11", "requests of 2 s have ended after", begun.elapsed());
    until(&mut events, "another connection", |event| matches!(event, Event::Lost { .. })).await;
    figure("C11", "the connection is given up after", begun.elapsed());
    unconfirmed.end();
    unanswered.end();
    scene.good(1000).await;
    let metrics = scene.transport.metrics();
    assert_eq!((metrics.pending_calls, metrics.queued), (0, 0));
    assert!(scene.slow.runs().values().all(|runs| *runs == 1), "nothing was repeated");
}

/// Bytes that make a broker close the connection: an exchange of an unknown kind (503), an invalid
/// frame (501), a content header without a message (505).
fn hard_errors() -> [(&'static str, Vec<u8>); 3] {
    let mut exchange = vec![0, 0];
    exchange.extend(tests::raw::short(b"odd"));
    exchange.extend(tests::raw::short(b"of-no-kind"));
    exchange.extend([0, 0, 0, 0, 0]);
    let header = [2, 0, 1, 0, 0, 0, 14, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xCE];
    [
        ("503", method(1, "exchange.declare", &exchange)),
        ("501", b"\x01\0\x01\0\0\0\x01 no frame".to_vec()),
        ("505", header.to_vec()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c13_an_error_that_closes_the_connection_ends_calls_right_and_is_got_over() {
    let Some(shared) = Shared::take().await else { return };
    let slow = Slow::taking(Duration::from_millis(300));
    let scene = Scene::with(shared.node.world(), Behind::Client, watchful(), slow).await;
    let mut events = scene.transport.events();
    for (round, (code, bytes)) in (1..).zip(hard_errors()) {
        let calls = scene.calls(round * 100..round * 100 + 20, Duration::from_secs(20));
        eventually("a call to run", || scene.slow.runs().contains_key(&(round * 100))).await;
        let begun = Instant::now();
        scene.proxy.present().inject(Way::Up, &bytes);
        until(&mut events, "the loss", |event| matches!(event, Event::Lost { .. })).await;
        scene.good(round * 100 + 50).await;
        figure("C13", &format!("after {code}, first good call after"), begun.elapsed());
        scene.settle(calls).await;
    }
    assert_eq!(scene.transport.pending_calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c18_a_policy_that_expires_and_diverts_requests_diverts_no_reply() {
    let Some(shared) = Shared::take().await else { return };
    let world: World = shared.node.world_alone().await;
    let scene = Scene::start(world, Behind::Client).await;
    let stranger = Stranger::at(&scene.world).await;
    let letters = stranger.letters("operators-letters").await;
    let policy = r#"{"message-ttl": 300, "dead-letter-exchange": "operators-letters"}"#;
    let host = scene.world.virtual_host().to_owned();
    let args = ["set_policy", "--vhost", &host, "short", "^(?!letters)", policy];
    shared.node.ctl(&[&args[..], &["--apply-to", "queues"]].concat()).await;
    let served = scene.calls(1..51, SOON);
    assert_eq!(scene.settle(served).await, 50, "requests that are delivered in time are answered");
    let Scene { server, client, slow, transport, .. } = scene;
    server.shutdown(DRAIN).await.expect("nothing runs");
    let ended = timed(&client, 100, Duration::from_secs(2)).await;
    ended.check(&slow);
    let error = ended.outcome.expect_err("no server is running");
    assert!(matches!(error, CallError::DeadlineExceeded { sent: true, .. }), "{error:?}");
    assert!(ended.took < Duration::from_secs(2) + SLACK, "{:?}", ended.took);
    assert_eq!(stranger.waiting(&letters).await, 1, "one request, and no reply");
    assert_eq!(transport.pending_calls(), 0);
}
