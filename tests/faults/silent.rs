//! Section B: peers that fall silent, while the connection stays open.

use std::time::{Duration, Instant};

use rpc_runtime::RabbitOptions;
use tests::{
    eventually,
    node::{Alone, Shared},
    proxy::Way,
};

use crate::scene::{Behind, Scene, Slow, figure, timed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b04_a_silent_broker_is_given_up_and_what_it_said_late_reaches_nobody() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    // New connections are not affected.
    let old = scene.proxy.present();
    old.keep(Way::Both);
    let begun = Instant::now();
    let short = timed(&scene.client, 1, Duration::from_secs(1)).await;
    assert!(short.outcome.is_err() && short.took >= Duration::from_secs(1), "{:?}", short.outcome);
    let attempts = scene.proxy.attempts();
    eventually("both to be given up", || scene.proxy.attempts() >= attempts + 2).await;
    figure("B4", "silence noticed at a heartbeat of 2 s within", begun.elapsed());
    let answered = timed(&scene.client, 2, Duration::from_secs(20)).await;
    answered.check(&scene.slow);
    assert_eq!(answered.outcome.expect("an answer on the new connection"), 3);
    old.heal();
    let calls = scene.calls(3..50, Duration::from_secs(20));
    assert_eq!(scene.settle(calls).await, 47);
    short.check(&scene.slow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b05_a_short_partition_loses_nothing() {
    let Some(shared) = Shared::take().await else { return };
    let options = RabbitOptions::default();
    let scene = Scene::with(shared.node.world(), Behind::Both, options, Slow::default()).await;
    let attempts = scene.proxy.attempts();
    scene.proxy.all().keep(Way::Both);
    let calls = scene.calls(0..50, Duration::from_secs(25));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.slow.ran.len(), 1, "nothing passes");
    scene.proxy.all().heal();
    assert_eq!(scene.settle(calls).await, 50);
    assert_eq!(scene.proxy.attempts(), attempts, "no connection was given up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b06_what_a_deaf_server_did_not_get_is_delivered_again() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    scene.proxy.present().swallow(Way::Down);
    let calls = scene.calls(0..20, Duration::from_secs(25));
    assert_eq!(scene.settle(calls).await, 20, "all are answered on the new connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b06_a_client_that_hears_nothing_ends_its_calls_in_time() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    scene.proxy.present().swallow(Way::Down);
    let calls = scene.calls(0..20, Duration::from_secs(1));
    scene.settle(calls).await;
    scene.good(100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b07_a_reconnect_to_a_silent_peer_is_given_up_too() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Both).await;
    scene.proxy.hang().await;
    scene.proxy.present().reset();
    let attempts = scene.proxy.attempts();
    eventually("all four to be accepted", || scene.proxy.attempts() >= attempts + 4).await;
    let calls = scene.calls(0..10, Duration::from_secs(1));
    assert_eq!(scene.settle(calls).await, 0, "the broker is silent");
    scene.proxy.open().await;
    let first = scene.good(100).await;
    figure("B7", "first good call after a silent peer", first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b08_a_paused_broker_is_waited_out() {
    let Some(alone) = Alone::take().await else { return };
    let scene = Scene::start(alone.node.world(), Behind::Both).await;
    alone.node.pause().await;
    let hasty = scene.calls(0..20, Duration::from_secs(1));
    let patient = scene.calls(20..40, Duration::from_secs(25));
    scene.settle(hasty).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    alone.node.resume().await;
    let first = scene.good(100).await;
    figure("B8", "first good call after a pause of 8 s", first);
    scene.settle(patient).await;
    assert_eq!(scene.transport.pending_calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b09_what_the_broker_gives_to_a_dead_connection_comes_back() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    let begun = Instant::now();
    scene.proxy.present().zombie();
    // The broker delivers half of the requests to the connection that it still believes in.
    let calls = scene.calls(0..20, Duration::from_secs(25));
    assert_eq!(scene.settle(calls).await, 20);
    figure("B9", "all answered at a heartbeat of 2 s within", begun.elapsed());
}
