//! Section D: a broker short of memory or queue space, and more messages than servers can handle.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use rpc_runtime::{CallError, Context, Event, RabbitOptions, Role, rpc_api};
use tests::{
    Log, SOON, World, amount, eventually,
    node::{Alone, Node, Shared},
    proxy::{Action, Frames, Way, method},
    release, soon,
};
use tokio::{runtime::Handle, task::block_in_place};

use crate::{
    channels::until,
    program::Program,
    scene::{AdderServer, Behind, DRAIN, SLACK, Scene, Slow, adder, figure, good, timed, watchful},
    stranger::Stranger,
};

/// Methods that take a while.
#[rpc_api(topic = "patient", version = "1.0")]
trait Patient {
    /// Runs for `millis` milliseconds.
    #[rpc(ack = "late")]
    async fn hold(&self, ctx: Context, a: u64, millis: u64);
    /// The same as a call, acknowledged before it runs.
    async fn wait(&self, ctx: Context, a: u64, millis: u64) -> u64;
}

#[derive(Clone, Default)]
struct Calm {
    begun: Log<u64>,
    done: Log<u64>,
}

impl Patient for Calm {
    async fn hold(&self, _: Context, a: u64, millis: u64) {
        self.begun.push(a);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.done.push(a);
    }

    async fn wait(&self, ctx: Context, a: u64, millis: u64) -> u64 {
        self.hold(ctx, a, millis).await;
        a
    }
}

/// A node with a memory alarm, until this is dropped.
struct Alarm(Node);

impl Alarm {
    async fn raise(node: &Node) -> Self {
        let alarm = Self(node.clone());
        node.ctl(&["set_vm_memory_high_watermark", "0"]).await;
        alarm
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let lift = self.0.ctl(&["set_vm_memory_high_watermark", "0.6"]);
        block_in_place(|| Handle::current().block_on(lift));
    }
}

/// Counts the messages of a queue that are not acknowledged yet, delivered or not.
async fn messages(node: &Node, queue: &str) -> u64 {
    let list = node.ctl(&["list_queues", "--no-table-headers", "name", "messages"]).await;
    let mut lines = list.lines().filter_map(|line| line.split_once('\t'));
    let (_, count) = lines.find(|(name, _)| *name == queue).expect("it is there");
    count.trim().parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_d01_acknowledgements_and_heartbeats_go_on_while_the_broker_takes_nothing() {
    let Some(alone) = Alone::take().await else { return };
    let world = alone.node.world();
    let transport = world.connect(|builder| builder.rabbit(watchful())).await;
    let calm = Calm::default();
    let server = world.serve(&transport, "h", PatientServer::new(calm.clone())).await;
    let client = world.client::<patient::Api>(&transport);
    for a in 0..20 {
        client.hold(&Context::new(), a, 6000).await.expect("confirmed");
    }
    eventually("all to begin", || calm.begun.len() == 20).await;
    let mut events = transport.events();
    let alarm = Alarm::raise(&alone.node).await;
    let begun = Instant::now();
    let hasty = client.prepare().timeout(Duration::from_secs(1)).client();
    let _ = hasty.wait(&Context::new(), 100, 1).await.expect_err("the broker is blocked");
    eventually("all to end", || calm.done.len() == 20).await;
    let acknowledged = async { while messages(&alone.node, world.topic()).await > 0 {} };
    soon("all to be acknowledged", acknowledged).await;
    // Longer than the broker keeps a peer that sends no heartbeats.
    tokio::time::sleep(Duration::from_secs(8).saturating_sub(begun.elapsed())).await;
    while let Some(Some(event)) = events.next().now_or_never() {
        // The publishing connection may be given up, because it holds a request whose caller has
        // timed out.
        assert!(!matches!(event, Event::Lost { role: Role::Consuming, .. }), "{event:?}");
    }
    drop(alarm);
    let answer = client.prepare().timeout(SOON).wait(&Context::new(), 200, 1).await;
    assert_eq!(answer.expect("an answer"), 200);
    assert!(!calm.begun.events().contains(&100), "its caller had timed out");
    server.shutdown(DRAIN).await.expect("nothing runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c25_a_broker_that_takes_nothing_still_says_that_nothing_consumes_a_queue() {
    let Some(alone) = Alone::take().await else { return };
    let world = alone.node.world();
    let (serving, transport) = (world.transport().await, world.transport().await);
    let server = world.serve(&serving, "h", AdderServer::new(Slow::default())).await;
    server.shutdown(DRAIN).await.expect("nothing runs");
    let client = world.client::<adder::Api>(&transport).prepare().timeout(SOON).client();
    let waiting = tokio::spawn(client.add(&Context::new(), 1, 1));
    let queued = async { while messages(&alone.node, world.topic()).await == 0 {} };
    soon("the request to be in its queue", queued).await;
    let alarm = Alarm::raise(&alone.node).await;
    let hasty = client.prepare().timeout(Duration::from_secs(1)).add(&Context::new(), 2, 1).await;
    assert!(hasty.is_err(), "the broker is blocked");
    let ended = soon("an end", waiting).await.expect("no panic");
    assert!(matches!(ended, Err(CallError::NoConsumer { .. })), "{ended:?}");
    drop(alarm);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_d04_a_shutdown_while_the_broker_takes_nothing_ends_in_time() {
    let Some(alone) = Alone::take().await else { return };
    let slow = Slow::taking(Duration::from_secs(4));
    let options = RabbitOptions::default();
    let scene = Scene::with(alone.node.world(), Behind::Client, options, slow).await;
    let under_way = scene.calls(1..21, Duration::from_secs(20));
    eventually("all to run", || scene.slow.ran.len() == 21).await;
    let alarm = Alarm::raise(&alone.node).await;
    let waiting = scene.calls(100..120, Duration::from_secs(20));
    let begun = Instant::now();
    // Its replies can no longer leave.
    let _ = soon("the server's end", scene.server.shutdown(Duration::from_secs(3))).await;
    figure("D4", "a shutdown of 3 s took", begun.elapsed());
    let begun = Instant::now();
    soon("the end", async { tokio::join!(scene.transport.close(), scene.serving.close()) }).await;
    figure("D4", "closing two transports took", begun.elapsed());
    for call in [under_way, waiting] {
        for ended in call.ended().await {
            ended.check(&scene.slow);
        }
    }
    drop(alarm);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_d03_a_channel_that_is_told_to_pause_pauses_and_goes_on() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    let publishes = || scene.proxy.seen(Way::Up, "basic.publish");
    let before = publishes();
    // RabbitMQ does not send `channel.flow`, and would not expect the answer.
    let _unheard = scene.proxy.rule(Frames::up("channel.flow-ok").always(), Action::Drop);
    scene.proxy.named(":publish").inject(Way::Down, &method(1, "channel.flow", &[0]));
    scene.proxy.until_seen(Way::Up, "channel.flow-ok", 1).await;
    let ended = timed(&scene.client, 1, Duration::from_secs(1)).await;
    ended.check(&scene.slow);
    assert!(ended.outcome.is_err(), "{:?} after {:?}", ended.outcome, ended.took);
    assert!(ended.took < Duration::from_secs(1) + SLACK, "{:?}", ended.took);
    assert_eq!(publishes(), before, "nothing is published meanwhile");
    scene.proxy.named(":publish").inject(Way::Down, &method(1, "channel.flow", &[1]));
    scene.good(2).await;
    assert!(!scene.slow.runs().contains_key(&1), "its caller has timed out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_d06_calls_that_a_queue_drops_end_by_their_deadline_and_the_newest_stay() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world_alone().await;
    let scene = Scene::start(world, Behind::Server).await;
    let Scene { world, server, client, slow, .. } = scene;
    server.shutdown(DRAIN).await.expect("nothing runs");
    let host = world.virtual_host();
    let policy = ["set_policy", "--vhost", host, "short", &format!("^{}$", world.topic())];
    shared.node.ctl(&[&policy[..], &[r#"{"max-length": 10}"#]].concat()).await;
    for a in 0..30 {
        client.note(&Context::new(), a).await.expect("confirmed");
    }
    let transport = world.transport().await;
    let again = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    eventually("the remaining calls to run", || slow.ran.len() == 11).await;
    let mut ran = slow.ran.events();
    ran.sort_unstable();
    assert_eq!(ran[..10], (20..30).collect::<Vec<_>>(), "the newest ten");
    again.shutdown(DRAIN).await.expect("nothing runs");
    let calls = (100..130).map(|a| {
        let client = client.clone();
        tokio::spawn(async move { timed(&client, a, Duration::from_secs(2)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let ended = call.await.expect("no panic");
        ended.check(&slow);
        let error = ended.outcome.expect_err("no server is running");
        assert!(matches!(error, CallError::DeadlineExceeded { sent: true, .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_d07_a_long_queue_and_a_slow_server_take_no_memory() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let peer = Program::peer(world.url(), world.topic()).await;
    let before = peer.held().kib;
    let (times, padding) = (amount(20_000, 100_000), "x".repeat(2000));
    let stranger = Stranger::at(&world).await;
    let flood = stranger.flood(world.topic(), times, |number| {
        format!(
            r#"{{"method": "dawdle", "args": {{"a": {number}}}, "_unique_id": "{number}", "_context_padding": "{padding}"}}"#
        )
    });
    flood.await;
    let waiting = stranger.waiting(world.topic()).await;
    assert!(waiting > times / 2, "it is slow: {waiting}");
    let grown = peer.held().kib.saturating_sub(before);
    figure("D7", &format!("KiB more with {waiting} messages of 2 kB waiting"), grown);
    assert!(grown < 16 * 1024, "{grown} KiB");
    stranger.delete_queue(world.topic()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_d08_a_flooded_topic_does_not_hold_up_another_on_the_same_connection() {
    let Some(shared) = Shared::take().await else { return };
    let slow = Slow::taking(Duration::from_millis(100));
    let options = RabbitOptions::default();
    let scene = Scene::with(shared.node.world(), Behind::Client, options, slow).await;
    let other = shared.node.world();
    let quick = Slow::default();
    let _server = other.serve(&scene.serving, "h", AdderServer::new(quick.clone())).await;
    let client = other.client::<adder::Api>(&scene.transport);
    let flood = scene.calls(0..3000, Duration::from_secs(60));
    let mut longest = Duration::ZERO;
    for a in 0..50 {
        longest = longest.max(good(&client, a).await);
    }
    figure("D8", "beside 3000 calls to a slow server the longest of 50 others took", longest);
    assert!(longest < SLACK, "{longest:?}");
    for ended in flood.ended().await {
        assert_eq!(ended.outcome.expect("an answer"), ended.a + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_d09_and_h14_ten_thousand_replies_find_their_calls() {
    let Some(shared) = Shared::take().await else { return };
    let world: World = shared.node.world();
    let (serving, transport) = (world.transport().await, world.transport().await);
    let slow = Slow::default();
    let server = world.server(&serving, "h").concurrency(1000);
    let server = server.serve(AdderServer::new(slow.clone())).bind().await.expect("bound").run();
    let client = world.client::<adder::Api>(&transport);
    let begun = Instant::now();
    let calls = (0..10_000).map(|a| {
        let client = client.clone();
        tokio::spawn(async move { timed(&client, a, Duration::from_secs(60)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let ended = call.await.expect("no panic");
        assert_eq!(ended.outcome.expect("an answer"), ended.a + 1, "the answer to another call");
    }
    figure("D9", "10 000 calls at once took", begun.elapsed());
    let runs: HashMap<_, _> = slow.runs();
    assert!(runs.len() == 10_000 && runs.values().all(|runs| *runs == 1));
    assert_eq!(transport.pending_calls(), 0);
    server.shutdown(DRAIN).await.expect("nothing runs");
}

/// Changes the broker's acknowledgement timeout, until this is dropped.
struct Impatient(Node);

impl Impatient {
    async fn make(node: &Node, millis: u32) -> Self {
        let impatient = Self(node.clone());
        impatient.set(millis, 1000).await;
        impatient
    }

    async fn set(&self, millis: u32, looks: u32) {
        let set = |name, value| format!("application:set_env(rabbit, {name}, {value})");
        let set = [set("consumer_timeout", millis), set("channel_tick_interval", looks)];
        self.0.ctl(&["eval", &format!("{}.", set.join(", "))]).await;
    }
}

impl Drop for Impatient {
    fn drop(&mut self) {
        block_in_place(|| Handle::current().block_on(self.set(1_800_000, 60_000)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c14_a_method_longer_than_the_broker_waits_for_acknowledgements_runs_once() {
    let Some(alone) = Alone::take().await else { return };
    let impatient = Impatient::make(&alone.node, 2000).await;
    let world = alone.node.world();
    // From 4.3 on, only quorum queues have that timeout.
    let options = RabbitOptions::default().quorum_queues(release() >= Some((4, 3)));
    let transport = world.connect(|builder| builder.rabbit(options)).await;
    let calm = Calm::default();
    let server = world.serve(&transport, "h", PatientServer::new(calm.clone())).await;
    let client = world.client::<patient::Api>(&transport);
    let answer = client.prepare().timeout(SOON).wait(&Context::new(), 1, 6000).await;
    assert_eq!(answer.expect("an answer"), 1);
    let mut events = transport.events();
    client.hold(&Context::new(), 2, 8000).await.expect("confirmed");
    until(&mut events, "the acknowledgement timeout", |event| {
        matches!(event, Event::ConsumersLost { .. })
    })
    .await;
    eventually("it to end", || calm.done.len() == 2).await;
    let acknowledged = async { while messages(&alone.node, world.topic()).await > 0 {} };
    soon("the second copy to be acknowledged", acknowledged).await;
    assert_eq!(calm.begun.events(), [1, 2], "each ran once");
    drop(impatient);
    server.shutdown(DRAIN).await.expect("nothing runs");
}
