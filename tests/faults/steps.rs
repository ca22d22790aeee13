//! Section B: connections that are lost at each step of setup and teardown.

use std::time::{Duration, Instant};

use rpc_runtime::{Transport, TransportErrorKind};
use tests::{
    SOON, World,
    node::Shared,
    proxy::{Action, Frames, Proxy, Rule, Way},
    soon,
};

use crate::scene::{AdderServer, Behind, DRAIN, Scene, Slow, adder, good, through, watchful};

/// The frames until a server serves and a client calls, with the connection that carries each.
const SET_UP: &[(Way, &str, &str)] = &[
    (Way::Up, "protocol", ""),
    (Way::Down, "connection.start", ""),
    (Way::Up, "connection.start-ok", ""),
    (Way::Down, "connection.tune", ""),
    (Way::Up, "connection.tune-ok", ""),
    (Way::Up, "connection.open", ""),
    (Way::Down, "connection.open-ok", ""),
    (Way::Up, "channel.open", ":publish"),
    (Way::Down, "channel.open-ok", ":publish"),
    (Way::Up, "confirm.select", ":publish"),
    (Way::Down, "confirm.select-ok", ":publish"),
    (Way::Up, "exchange.declare", ":publish"),
    (Way::Down, "exchange.declare-ok", ":publish"),
    (Way::Up, "channel.open", ":consume"),
    (Way::Down, "channel.open-ok", ":consume"),
    (Way::Up, "exchange.declare", ":consume"),
    (Way::Down, "exchange.declare-ok", ":consume"),
    (Way::Up, "queue.declare", ":consume"),
    (Way::Down, "queue.declare-ok", ":consume"),
    (Way::Up, "queue.bind", ":consume"),
    (Way::Down, "queue.bind-ok", ":consume"),
    (Way::Up, "basic.qos", ":consume"),
    (Way::Down, "basic.qos-ok", ":consume"),
    (Way::Up, "basic.consume", ":consume"),
    (Way::Down, "basic.consume-ok", ":consume"),
];

/// The frames of a shutdown.
const TAKE_DOWN: &[(Way, &str)] = &[
    (Way::Up, "basic.cancel"),
    (Way::Down, "basic.cancel-ok"),
    (Way::Up, "queue.delete"),
    (Way::Down, "queue.delete-ok"),
    (Way::Up, "connection.close"),
    (Way::Down, "connection.close-ok"),
];

fn frames(way: Way, name: &str, connection: &str) -> Frames {
    let frames = if way == Way::Up { Frames::up(name) } else { Frames::down(name) };
    if connection.is_empty() { frames } else { frames.on(connection) }
}

/// Resets a connection at a step.
fn at(proxy: &Proxy, (way, name, connection): (Way, &str, &str), nth: u64) -> Rule {
    proxy.rule(frames(way, name, connection).nth(nth), Action::ResetBefore)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b15_a_loss_at_any_step_of_coming_back_begins_it_again() {
    let Some(shared) = Shared::take().await else { return };
    let one = async |step: &(Way, &str, &str)| {
        let scene = Scene::start(shared.node.world(), Behind::Both).await;
        for nth in 1..=2 {
            let rule = at(&scene.proxy, *step, nth);
            let calls = scene.calls(nth * 10..nth * 10 + 5, SOON);
            scene.proxy.present().reset();
            // Some frames are sent only once.
            if nth == 1 {
                tokio::join!(rule.applied(), scene.good(18));
            } else {
                scene.good(28).await;
            }
            rule.end();
            scene.settle(calls).await;
        }
        assert_eq!(scene.transport.pending_calls(), 0, "{step:?}");
        scene.server.shutdown(DRAIN).await.expect("nothing runs");
    };
    for steps in SET_UP.chunks(9) {
        futures_util::future::join_all(steps.iter().map(one)).await;
    }
}

/// Connects, serves and calls, and starts over if the connection is lost meanwhile.
async fn set_up(world: &World, proxy: &Proxy) {
    let url = proxy.url(world);
    let transport = loop {
        let patient = Transport::builder(&url).rabbit(watchful()).wait_for_broker(SOON);
        match patient.connect().await {
            Ok(transport) => break transport,
            Err(error) => assert_eq!(error.kind(), TransportErrorKind::Disconnected, "{error:?}"),
        }
    };
    let slow = Slow::default();
    let _server = loop {
        let server = world.server(&transport, "h").serve(AdderServer::new(slow.clone()));
        match server.bind().await {
            Ok(server) => break server.run(),
            Err(error) => assert_eq!(error.kind(), TransportErrorKind::Disconnected, "{error:?}"),
        }
    };
    good(&world.client::<adder::Api>(&transport), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b15_a_loss_at_any_first_step_is_an_error_that_says_so_or_is_got_over() {
    let Some(shared) = Shared::take().await else { return };
    for step in SET_UP {
        let world = shared.node.world();
        let proxy = Proxy::start(&world).await;
        let _rule = at(&proxy, *step, 1);
        soon(step.1, set_up(&world, &proxy)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b15_a_silence_at_any_step_of_coming_back_is_given_up() {
    let Some(shared) = Shared::take().await else { return };
    let all: Vec<_> = SET_UP.iter().filter(|(way, ..)| *way == Way::Down).collect();
    let one = async |step: &(Way, &str, &str)| {
        let scene = Scene::start(shared.node.world(), Behind::Both).await;
        let rule = scene.proxy.rule(frames(step.0, step.1, step.2), Action::Stop);
        scene.proxy.present().reset();
        tokio::join!(rule.applied(), scene.good(1));
    };
    // Each scene waits for a limit to pass, so all run concurrently.
    futures_util::future::join_all(all.into_iter().map(one)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b15_a_loss_or_a_silence_at_any_last_step_holds_up_no_end() {
    let Some(shared) = Shared::take().await else { return };
    for action in [Action::ResetBefore, Action::Stop] {
        let one = async |(way, name): &(Way, &str)| {
            let world = shared.node.world();
            let proxy = Proxy::start(&world).await;
            let transport = through(&proxy, &world, watchful()).await;
            let server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
            good(&world.client::<adder::Api>(&transport), 1).await;
            let rule = proxy.rule(frames(*way, name, ""), action.clone());
            let begun = Instant::now();
            let ended = server.shutdown(Duration::from_secs(10)).await;
            assert!(ended.is_ok(), "{name}: nothing runs");
            transport.close().await;
            assert!(begun.elapsed() < SOON, "{name}: {:?}", begun.elapsed());
            rule.applied().await;
        };
        futures_util::future::join_all(TAKE_DOWN.iter().map(one)).await;
    }
}
