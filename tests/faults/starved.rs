//! Section B: processes that get no time.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use tests::{World, eventually, node::Shared, proxy::Way, soon};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::scene::{Behind, Scene, Slow, adder, figure, good, timed};

/// A program of ours that can be stopped, and what it says.
pub(crate) struct Peer {
    child: Child,
    say: ChildStdin,
    heard: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(crate) async fn start(url: &str, topic: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
        command.args([url, topic]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program");
        let say = child.stdin.take().expect("its input");
        let heard = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut peer = Self { child, say, heard };
        assert_eq!(peer.hear().await, "ready");
        peer
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.say.write_all(format!("{line}\n").as_bytes()).await.expect("it listens");
    }

    pub(crate) async fn hear(&mut self) -> String {
        soon("a word", self.heard.next_line()).await.expect("its output").expect("a line")
    }

    /// Its number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Stops or continues it.
    async fn signal(&self, name: &str) {
        let process = self.process().to_string();
        let done = Command::new("kill").args(["-s", name, &process]).status().await;
        assert!(done.expect("a signal").success());
    }

    /// Stops it for four heartbeats.
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
    let mut peer = Peer::start(world.url(), &unused(&world)).await;
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

/// A topic that nobody calls.
fn unused(world: &World) -> String {
    format!("{}-unused", world.topic())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b19_a_server_that_was_stopped_runs_nothing_that_has_expired() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let mut peer = Peer::start(world.url(), world.topic()).await;
    let transport = world.transport().await;
    let client = world.client::<adder::Api>(&transport);
    good(&client, 0).await;
    assert_eq!(peer.hear().await, "ran 0");
    peer.signal("STOP").await;
    let mut calls = Vec::new();
    for a in 1..=5 {
        calls.push(timed(&client, a, Duration::from_secs(2)).await);
    }
    assert!(calls.iter().all(|call| call.outcome.is_err()), "nobody answers");
    peer.signal("CONT").await;
    let begun = Instant::now();
    good(&client, 6).await;
    figure("B19", "a server answers again after", begun.elapsed());
    assert_eq!(peer.hear().await, "ran 6", "what nobody waits for is not run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b19_a_connection_that_the_broker_gave_up_meanwhile_is_noticed() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    let mut peer = Peer::start(&scene.proxy.url(&scene.world), &unused(&scene.world)).await;
    let attempts = scene.proxy.attempts();
    peer.signal("STOP").await;
    // The broker closes both of its connections.
    eventually("the broker to give it up", || scene.proxy.present().len() == 2).await;
    peer.signal("CONT").await;
    eventually("it to come back", || scene.proxy.attempts() >= attempts + 2).await;
    peer.say(&format!("call {} 8 25000", scene.world.topic())).await;
    assert_eq!(peer.hear().await, "8 is 9");
    assert!(scene.proxy.seen(Way::Up, "heartbeat") > 0);
}
