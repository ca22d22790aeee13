//! Section B: processes that get no CPU time.

use std::time::{Duration, Instant};

use crate::{
    program::Program,
    scene::{Behind, Scene, Slow, adder, figure, good, timed},
};
use tests::{World, eventually, node::Shared, proxy::Way};

impl Program {
    /// Stops the process for four heartbeats.
    async fn sleep(&self) {
        self.signal("STOP").await;
        tokio::time::sleep(Duration::from_secs(8)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b19_a_client_that_was_stopped_ends_what_has_expired_and_goes_on() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let (serving, slow) = (world.transport().await, Slow::taking(Duration::from_secs(5)));
    let _server = world.serve(&serving, "h", crate::scene::AdderServer::new(slow.clone())).await;
    let mut peer = Program::peer(world.url(), &unused(&world)).await;
    peer.say(&format!("call {} 7 2000", world.topic())).await;
    eventually("the call to run", || slow.ran.len() == 1).await;
    peer.sleep().await;
    let begun = Instant::now();
    peer.signal("CONT").await;
    assert_eq!(peer.hear().await, "7 late, may have run");
    assert!(begun.elapsed() < Duration::from_secs(5), "at once: {:?}", begun.elapsed());
    peer.say(&format!("call {} 8 25000", world.topic())).await;
    assert_eq!(peer.hear().await, "8 is 9");
    figure("B19", "a client answers again after", begun.elapsed());
}

/// A topic without calls.
fn unused(world: &World) -> String {
    format!("{}-unused", world.topic())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b19_a_server_that_was_stopped_runs_nothing_that_has_expired() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let mut peer = Program::peer(world.url(), world.topic()).await;
    let transport = world.transport().await;
    let client = world.client::<adder::Api>(&transport);
    good(&client, 0).await;
    assert_eq!(peer.hear().await, "ran 0");
    peer.signal("STOP").await;
    let mut calls = Vec::new();
    for a in 1..=5 {
        calls.push(timed(&client, a, Duration::from_secs(2)).await);
    }
    assert!(calls.iter().all(|call| call.outcome.is_err()), "the server is stopped");
    peer.signal("CONT").await;
    let begun = Instant::now();
    good(&client, 6).await;
    figure("B19", "a server answers again after", begun.elapsed());
    assert_eq!(peer.hear().await, "ran 6", "an expired call does not run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b19_a_connection_that_the_broker_gave_up_meanwhile_is_noticed() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    let mut peer = Program::peer(&scene.proxy.url(&scene.world), &unused(&scene.world)).await;
    let attempts = scene.proxy.attempts();
    peer.signal("STOP").await;
    // The broker closes both connections of the program.
    eventually("the broker to close the connections", || scene.proxy.present().len() == 2).await;
    peer.signal("CONT").await;
    eventually("the program to reconnect", || scene.proxy.attempts() >= attempts + 2).await;
    peer.say(&format!("call {} 8 25000", scene.world.topic())).await;
    assert_eq!(peer.hear().await, "8 is 9");
    assert!(scene.proxy.seen(Way::Up, "heartbeat") > 0);
}
