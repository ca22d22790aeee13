//! Section B: connections that are lost while in use, where both sides notice.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use rpc_runtime::{CallError, Context, RabbitOptions, Retry};
use tests::{
    SOON, eventually,
    node::{Alone, Shared},
    proxy::{Action, Frames, Proxy, Way},
    soon,
};

use crate::scene::{
    AdderServer, Behind, DRAIN, Scene, Slow, adder, figure, good, through, timed, watchful,
};

/// Takes the broker down and up under twenty calls. All calls end correctly, and calls succeed
/// again afterwards.
async fn survives(alone: &Alone, fault: &str, go: impl AsyncFnOnce()) {
    let slow = Slow::taking(Duration::from_millis(300));
    let options = RabbitOptions::default();
    let scene = Scene::with(alone.node.world(), Behind::Both, options, slow).await;
    let calls = scene.calls(0..20, Duration::from_secs(25));
    eventually("a call to run", || scene.slow.ran.len() > 1).await;
    go().await;
    let begun = Instant::now();
    let hasty = timed(&scene.client, 100, Duration::from_millis(300)).await;
    assert!(!hasty.outcome.as_ref().expect_err("there is no broker").may_have_run());
    alone.node.start().await;
    alone.node.wait().await;
    let outage = begun.elapsed();
    let first = scene.good(1000).await;
    figure(fault, &format!("outage {outage:.1?}, first good call after"), first);
    let answered = scene.settle(calls).await;
    figure(fault, "answered of 20 calls", answered);
    hasty.check(&scene.slow);
    assert_eq!(scene.transport.pending_calls(), 0);
    scene.server.shutdown(DRAIN).await.expect("nothing runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b01_calls_end_right_and_all_comes_back_when_the_broker_restarts() {
    let Some(alone) = Alone::take().await else { return };
    survives(&alone, "B1", async || alone.node.stop().await).await;
}

/// Publishes casts to a durable queue whose server is absent.
async fn durable_casts(alone: &Alone, numbers: Range<u64>) -> (tests::World, RabbitOptions) {
    let world = alone.node.world();
    let options = RabbitOptions::default().durable_queues(true);
    let transport = world
        .connect(|builder| builder.rabbit(options.clone()).control_exchange("durable-exchange"))
        .await;
    let server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    server.shutdown(DRAIN).await.expect("nothing runs");
    let client = world.client::<adder::Api>(&transport);
    for a in numbers {
        client.note_late(&Context::new(), a).await.expect("confirmed");
    }
    (world, options)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b02_confirmed_casts_to_durable_queues_survive_a_killed_broker() {
    let Some(alone) = Alone::take().await else { return };
    survives(&alone, "B2", async || alone.node.kill().await).await;
    let (world, options) = durable_casts(&alone, 0..200).await;
    alone.node.kill().await;
    alone.node.start().await;
    alone.node.wait().await;
    let transport =
        world.connect(|builder| builder.rabbit(options).control_exchange("durable-exchange")).await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    eventually("every confirmed cast to run", || slow.runs().len() == 200).await;
}

/// Ends connections.
type Lose = fn(&Proxy);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b03_a_reset_an_end_and_a_half_closed_connection_are_got_over_at_once() {
    let Some(shared) = Shared::take().await else { return };
    let slow = Slow::taking(Duration::from_millis(200));
    let options = watchful();
    let scene = Scene::with(shared.node.world(), Behind::Both, options, slow).await;
    let ways: [(&str, Lose); 4] = [
        ("reset", |proxy| proxy.present().reset()),
        ("closed", |proxy| proxy.present().close()),
        ("half closed by the client", |proxy| proxy.present().half_close(Way::Up)),
        ("half closed by the broker", |proxy| proxy.present().half_close(Way::Down)),
    ];
    for (round, (name, lose)) in (1..).zip(ways) {
        let calls = scene.calls(round * 100..round * 100 + 20, Duration::from_secs(20));
        eventually("all to run", || {
            scene.slow.runs().len() >= usize::try_from(round).expect("few") * 20
        })
        .await;
        lose(&scene.proxy);
        let first = scene.good(round * 100 + 50).await;
        figure("B3", &format!("{name}, first good call after"), first);
        assert!(first < Duration::from_secs(5), "{name}: {first:?}");
        scene.settle(calls).await;
    }
    assert_eq!(scene.transport.pending_calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b10_a_frame_that_is_cut_in_its_middle_ends_one_connection_and_no_more() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Both).await;
    for (round, (way, name)) in (1..).zip([
        (Way::Down, "basic.deliver"),
        (Way::Up, "basic.publish"),
        (Way::Up, "basic.ack"),
        (Way::Down, "basic.ack"),
    ]) {
        let frames = if way == Way::Up { Frames::up(name) } else { Frames::down(name) };
        let rule = scene.proxy.rule(frames, Action::Cut(9));
        let calls = scene.calls(round * 100..round * 100 + 20, Duration::from_secs(20));
        rule.applied().await;
        scene.good(round * 100 + 50).await;
        scene.settle(calls).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b11_bytes_that_are_no_frames_end_one_connection_and_no_more() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Both).await;
    let without_end = Action::mutate(|bytes| *bytes.last_mut().expect("a frame") = 0);
    let of_no_type = Action::mutate(|bytes| bytes[0] = 77);
    let too_long = Action::mutate(|bytes| bytes[3] = 0xff);
    for (round, action) in (1..).zip([without_end, of_no_type, too_long]) {
        let rule = scene.proxy.rule(Frames::down("basic.deliver"), action);
        let calls = scene.calls(round * 100..round * 100 + 20, Duration::from_secs(20));
        rule.applied().await;
        scene.good(round * 100 + 50).await;
        scene.settle(calls).await;
    }
    scene.proxy.present().inject(Way::Down, b"what is this?");
    scene.good(1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b12_a_slow_and_narrow_link_in_tiny_pieces_carries_everything() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let slow = Slow::default();
    let serving = world.transport().await;
    let _server = world.serve(&serving, "h", AdderServer::new(slow.clone())).await;
    let proxy = Proxy::start(&world).await;
    proxy.all().delay(Way::Both, Duration::from_millis(50), Duration::from_millis(50));
    proxy.all().slice(Way::Both, 7);
    proxy.all().bandwidth(Way::Both, 20_000);
    let transport = soon("a connection", through(&proxy, &world, watchful())).await;
    let client = world.client::<adder::Api>(&transport);
    for a in 0..10 {
        let ended = timed(&client, a, SOON).await;
        ended.check(&slow);
        assert_eq!(ended.outcome.expect("an answer"), a + 1);
        assert!(ended.took >= Duration::from_millis(100), "there and back: {:?}", ended.took);
    }
    let hasty = timed(&client, 100, Duration::from_millis(20)).await;
    assert!(hasty.outcome.is_err(), "the deadline includes the latency");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b13_connections_that_an_admin_closes_come_back() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world_alone().await, Behind::Both).await;
    for round in 1..3 {
        let calls = scene.calls(round * 100..round * 100 + 20, Duration::from_secs(20));
        let host = scene.world.virtual_host();
        shared.node.ctl(&["close_all_connections", "--vhost", host, "for maintenance"]).await;
        let first = scene.good(round * 100 + 50).await;
        assert!(first < Duration::from_secs(5), "{first:?}");
        scene.settle(calls).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b14_no_outage_is_too_long_to_come_back_from() {
    let Some(shared) = Shared::take().await else { return };
    // As many attempts as an hour has with the default pauses.
    let pauses = (Duration::from_millis(1), Duration::from_millis(5));
    let options = RabbitOptions::default().retry_interval(pauses.0, pauses.1);
    let scene = Scene::with(shared.node.world(), Behind::Both, options, Slow::default()).await;
    let before = scene.proxy.attempts();
    scene.proxy.reset_new();
    scene.proxy.present().reset();
    let attempts = || scene.proxy.attempts() - before;
    eventually("two thousand attempts", || attempts() >= 2000).await;
    let waiting = scene.calls(1..5, SOON);
    scene.proxy.open().await;
    scene.good(100).await;
    scene.settle(waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b03_a_request_whose_confirm_is_lost_says_that_it_may_have_run() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    // The broker has the requests, but the client receives neither confirm nor reply.
    let _unconfirmed =
        scene.proxy.rule(Frames::down("basic.ack").on(":publish").always(), Action::Drop);
    let _unanswered = scene.proxy.rule(Frames::down("basic.deliver").always(), Action::Drop);
    let calls = scene.calls(0..20, Duration::from_secs(20));
    eventually("all to run", || (0..20).all(|a| scene.slow.runs().contains_key(&a))).await;
    let begun = Instant::now();
    scene.proxy.named(":publish").reset();
    assert_eq!(scene.settle(calls).await, 0, "no answer arrived");
    let took = begun.elapsed();
    figure("B3", "interrupted calls learn of it within", took);
    assert!(took < Duration::from_secs(10), "long before the deadline: {took:?}");
    let surely = scene.client.prepare().retry(Retry::Never).timeout(Duration::from_secs(5));
    let _ = surely.add(&Context::new(), 500, 1).await;
    assert!(scene.slow.runs().values().all(|runs| *runs == 1), "{:?}", scene.slow.runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b03_late_acknowledged_casts_run_though_their_server_is_cut_off() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    for round in 0..5 {
        for a in 0..20 {
            scene.client.note_late(&Context::new(), round * 20 + a).await.expect("confirmed");
        }
        soon("nothing", async { scene.proxy.present().reset() }).await;
    }
    let runs = || (0..100).filter(|a| scene.slow.runs().contains_key(a)).count();
    eventually("every cast to have run", || runs() == 100).await;
    good(&scene.client, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b03_a_call_that_may_be_with_no_server_is_interrupted_and_has_not_run() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    // The broker receives the acknowledgement, but its proof never arrives.
    let answer = Frames::down("confirm.select-ok").on(":consume");
    let unknown = scene.proxy.rule(answer, Action::ResetBefore);
    // The server asks for that proof only before a call that must not run twice: not before a cast
    // or an idempotent call.
    scene.client.note(&Context::new(), 10).await.expect("confirmed");
    eventually("the cast to run", || scene.slow.runs().contains_key(&10)).await;
    good(&scene.client, 11).await;
    assert_eq!(unknown.fired(), 0);
    let ended = timed(&scene.client, 1, SOON).await;
    assert_eq!(unknown.fired(), 1);
    assert!(matches!(ended.outcome, Err(CallError::Interrupted)), "{:?}", ended.outcome);
    assert!(ended.took < SOON / 2, "{:?}", ended.took);
    good(&scene.client, 2).await;
    assert!(!scene.slow.runs().contains_key(&1));
    // The acknowledgement itself is lost: the request is redelivered and answered.
    let lost = scene.proxy.rule(Frames::up("basic.ack").on(":consume"), Action::ResetBefore);
    let ended = timed(&scene.client, 3, SOON).await;
    assert_eq!(lost.fired(), 1);
    assert_eq!(ended.outcome.expect("an answer"), 4);
    assert_eq!(scene.slow.runs().get(&3), Some(&1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b03_a_refusal_says_that_nothing_ran_only_if_no_other_server_can_get_the_call() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    scene.server.shutdown(DRAIN).await.expect("nothing runs");
    let slow = Slow::taking(Duration::from_secs(3600));
    let full = scene.world.server(&scene.serving, "h").concurrency(1).waiting(0);
    let full = full.refuse_when_full(true).serve(AdderServer::new(slow.clone())).bind().await;
    let full = full.expect("bound").run();
    let client = scene.client.clone();
    let holding = tokio::spawn(async move { timed(&client, 1, 2 * SOON).await });
    eventually("its slot to be taken", || full.in_flight() == 1).await;
    let answer = Frames::down("confirm.select-ok").on(":consume");
    let unknown = scene.proxy.rule(answer, Action::ResetBefore);
    let ended = timed(&scene.client, 2, SOON).await;
    assert_eq!(unknown.fired(), 1);
    assert!(matches!(ended.outcome, Err(CallError::Interrupted)), "{:?}", ended.outcome);
    let ended = timed(&scene.client, 3, SOON).await;
    assert!(matches!(ended.outcome, Err(CallError::Overloaded { .. })), "{:?}", ended.outcome);
    assert_eq!(slow.runs().len(), 1);
    holding.abort();
}
