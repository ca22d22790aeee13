//! Section H: calls that have expired when their server reads them, and wrong clocks.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use rpc_runtime::{Context, RabbitOptions};
use tests::{Log, World, node::Shared, proxy::Way, required};

use crate::{
    program::Program,
    scene::{Adder, AdderClient, AdderServer, Behind, Scene, adder, figure, good},
    stranger::Stranger,
};

/// The deadline of calls in these tests.
const DEADLINE: Duration = Duration::from_secs(2);
/// How much later than its deadline a call may start here: delivery takes time, and the machine may
/// be loaded.
const SLACK: Duration = Duration::from_millis(250);

/// A heartbeat that no pause of these tests exceeds.
fn patient() -> [(&'static str, String); 1] {
    [("RPC_PEER_HEARTBEAT", "30".to_owned())]
}

/// Makes `count` calls at once to a server that does not answer. Returns how many ended at their
/// deadline.
async fn call_all(client: &AdderClient, count: u64) -> u64 {
    let call = |a| {
        let client = client.clone();
        tokio::spawn(async move {
            client.prepare().timeout(DEADLINE).add(&Context::new(), a, 1).await.is_err()
        })
    };
    let calls: Vec<_> = (0..count).map(call).collect();
    let mut late = 0;
    for call in calls {
        late += u64::from(call.await.expect("no panic"));
    }
    late
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h15_of_a_thousand_calls_to_a_server_that_stands_still_none_starts_too_late() {
    let Some(shared) = Shared::take().await else { return };
    for is_known in [true, false] {
        stand_still(&shared.node.world(), is_known).await;
    }
}

async fn stand_still(world: &World, is_known: bool) {
    let mut peer = Program::peer_with(world.url(), world.topic(), patient()).await;
    let transport = world.transport().await;
    let client = world.client::<adder::Api>(&transport);
    if is_known {
        good(&client, 5000).await;
        assert_eq!(peer.hear().await, "ran 5000");
    }
    peer.signal("STOP").await;
    let stopped = Instant::now();
    assert_eq!(call_all(&client, 1000).await, 1000, "the server is stopped");
    while stopped.elapsed() < 3 * DEADLINE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    peer.signal("CONT").await;
    good(&client, 5001).await;
    assert_eq!(peer.hear().await, "ran 5001", "expired calls do not run: {is_known}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h15_a_server_that_stood_still_asks_the_broker_about_callers_that_say_nothing() {
    let Some(shared) = Shared::take().await else { return };
    // In both kinds of queue, the time to live of a message keeps counting after a requeue.
    for (options, first) in [("", 0), ("?rabbit_quorum_queue=true", 10_000)] {
        let world = shared.node.world();
        let url = format!("{}{options}", world.url());
        let mut peer = Program::peer_with(&url, world.topic(), patient()).await;
        let transport = world.transport().await;
        let client = world.client::<adder::Api>(&transport);
        good(&client, 5000).await;
        assert_eq!(peer.hear().await, "ran 5000");
        peer.signal("STOP").await;
        // As Python publishes it: the message has an expiration, and nothing else about time.
        let stranger = Stranger::at(&world).await;
        for a in first..first + 200 {
            stranger.expiring(world.topic(), &call(a), DEADLINE).await;
        }
        tokio::time::sleep(2 * DEADLINE).await;
        stranger.expiring(world.topic(), &call(first + 1000), 30 * DEADLINE).await;
        stranger.expiring(world.topic(), &call(first + 1001), 5 * DEADLINE).await;
        peer.signal("CONT").await;
        let mut ran = [peer.hear().await, peer.hear().await];
        // They run concurrently, so either may print first.
        ran.sort_unstable();
        let wanted = [1000, 1001].map(|a| format!("ran {}", first + a));
        assert_eq!(ran, wanted, "only unexpired calls run, and once each: {options}");
        good(&client, 5001).await;
        assert_eq!(peer.hear().await, "ran 5001", "{options}");
    }
}

/// A call as Python publishes it.
fn call(a: u64) -> String {
    let message = format!(
        r#"{{"method":"add","args":{{"a":{a},"b":1}},"version":"1.0","_unique_id":"{a}","_msg_id":"{a}","_reply_q":"nobody"}}"#
    );
    serde_json::json!({ "oslo.version": "2.0", "oslo.message": message }).to_string()
}

/// A server that records when each call starts.
#[derive(Clone, Default)]
struct Timed(Log<(u64, Instant)>);

impl Adder for Timed {
    async fn add(&self, _: Context, a: u64, b: u64) -> u64 {
        self.0.push((a, Instant::now()));
        a + b
    }

    async fn add_again(&self, ctx: Context, a: u64, b: u64) -> u64 {
        self.add(ctx, a, b).await
    }

    async fn block(&self, _: Context, millis: u64) -> u64 {
        millis
    }

    async fn note(&self, _: Context, _: u64) {}

    async fn note_late(&self, _: Context, _: u64) {}
}

/// The deadlines of calls.
type Deadlines = HashMap<u64, Instant>;

/// Makes `count` calls with pauses between them, and returns their deadlines.
async fn call_on(client: &AdderClient, count: u64, pause: Duration) -> Deadlines {
    let mut deadlines = HashMap::new();
    let mut calls = Vec::new();
    for a in 0..count {
        let client = client.clone();
        deadlines.insert(a, Instant::now() + DEADLINE);
        calls.push(tokio::spawn(async move {
            let _ = client.prepare().timeout(DEADLINE).add(&Context::new(), a, 1).await;
        }));
        tokio::time::sleep(pause).await;
    }
    for call in calls {
        call.await.expect("no panic");
    }
    deadlines
}

/// Returns how much later than its deadline the latest call started, and how many started.
fn latest(timed: &Timed, deadlines: &Deadlines) -> (Duration, usize) {
    let started = timed.0.events();
    let known = started.iter().filter_map(|(a, at)| Some((deadlines.get(a)?, at)));
    let late: Vec<_> =
        known.map(|(deadline, at)| at.saturating_duration_since(*deadline)).collect();
    (late.iter().copied().max().unwrap_or_default(), late.len())
}

/// A server behind a proxy, with a heartbeat that no fault here exceeds.
async fn behind_a_proxy(shared: &Shared) -> (Scene, Timed, AdderClient) {
    let options = RabbitOptions::default().heartbeat(Duration::from_secs(30));
    let scene = Scene::with(shared.node.world(), Behind::Server, options, Default::default()).await;
    let (timed, world) = (Timed::default(), shared.node.world());
    let _server = world.serve(&scene.serving, "h", AdderServer::new(timed.clone())).await;
    let client = world.client::<adder::Api>(&scene.transport);
    good(&client, 5000).await;
    (scene, timed, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h15_no_call_starts_too_late_after_a_partition() {
    let Some(shared) = Shared::take().await else { return };
    let (scene, timed, client) = behind_a_proxy(&shared).await;
    scene.proxy.present().keep(Way::Down);
    let deadlines = call_on(&client, 300, Duration::from_millis(10)).await;
    tokio::time::sleep(DEADLINE).await;
    scene.proxy.present().heal();
    good(&client, 5001).await;
    let (late, started) = latest(&timed, &deadlines);
    figure("H15", "after a partition the latest call started", late);
    assert!(late < SLACK, "{started} started, the latest {late:?} after its deadline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h15_no_call_starts_too_late_behind_a_slow_link() {
    let Some(shared) = Shared::take().await else { return };
    let (scene, timed, client) = behind_a_proxy(&shared).await;
    // A tenth of the incoming bytes per second.
    scene.proxy.present().bandwidth(Way::Down, 10_000);
    let deadlines = call_on(&client, 1000, Duration::from_millis(5)).await;
    scene.proxy.present().heal();
    good(&client, 5001).await;
    let (late, started) = latest(&timed, &deadlines);
    figure("H15", "behind a slow link the latest call started", late);
    assert!(
        started > 0 && late < SLACK,
        "{started} started, the latest {late:?} after its deadline"
    );
}

/// A wall clock that a test sets. The monotonic clock stays true.
struct Clock(PathBuf);

impl Clock {
    /// Returns `None` without libfaketime, which `cargo xtask test` installs on Linux.
    fn new() -> Option<(Self, Vec<(&'static str, String)>)> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let library = required("RPC_TEST_FAKETIME")?;
        let file = std::env::temp_dir().join(tests::unique("clock"));
        let clock = Self(file.clone());
        clock.set("+0");
        let settings = [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Some((clock, settings.into_iter().chain(patient()).collect()))
    }

    /// Sets the clock to an offset from the true time, in seconds.
    fn set(&self, to: &str) {
        // Atomically, because a program may read the file at any time.
        let next = self.0.with_extension("next");
        std::fs::write(&next, to).expect("a file");
        std::fs::rename(next, &self.0).expect("the file");
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h04_clocks_that_are_a_minute_apart_drop_no_call() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let mut server = Program::peer(world.url(), world.topic()).await;
    for offset in ["-60", "+60"] {
        let Some((clock, settings)) = Clock::new() else { return };
        clock.set(offset);
        let unused = tests::unique("unused");
        let mut caller = Program::peer_with(world.url(), &unused, settings).await;
        for a in 0..20 {
            caller.say(&format!("call {} {a} 2000", world.topic())).await;
            assert_eq!(caller.hear().await, format!("{a} is {}", a + 1), "{offset}");
            assert_eq!(server.hear().await, format!("ran {a}"), "{offset}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h04_a_clock_that_is_set_drops_no_call_on_either_side() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let Some((serving, settings)) = Clock::new() else { return };
    let mut server = Program::peer_with(world.url(), world.topic(), settings).await;
    let Some((calling, settings)) = Clock::new() else { return };
    let mut caller = Program::peer_with(world.url(), &tests::unique("unused"), settings).await;
    let steps =
        [("+0", "+0"), ("+0", "+3600"), ("+0", "-3600"), ("-86400", "+0"), ("+86400", "+60")];
    for (a, (here, there)) in steps.into_iter().flat_map(|step| [step; 5]).enumerate() {
        serving.set(here);
        calling.set(there);
        caller.say(&format!("call {} {a} 2000", world.topic())).await;
        assert_eq!(caller.hear().await, format!("{a} is {}", a + 1), "{here} {there}");
        assert_eq!(server.hear().await, format!("ran {a}"), "{here} {there}");
    }
}
