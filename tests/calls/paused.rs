//! Tokio's paused time: every deadline, pause and limit of the runtime follows it, both on an
//! embedded broker and in process.
//!
//! These tests take no real time: Tokio advances its clock when all tasks are idle. A wait on
//! another clock would take hours.

use std::time::Duration;

use rpc_runtime::{
    CallError, Context, DuplicateWindow, Failure, Running, Transport, memory, rpc_api,
};
use tests::{World, eventually, heard::Heard};
use tokio::time::{Instant, advance, sleep};

use crate::probe::{ProbeClient, ProbeServer, Recorder, probe};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// How much too late something may end: timers have millisecond precision.
const TICK: Duration = Duration::from_millis(20);

/// Calls another server, and sleeps.
#[rpc_api(topic = "relay", version = "1.0")]
trait Relay {
    /// Calls a method that never returns. Returns how long that took, in seconds.
    async fn hang(&self, ctx: Context) -> u64;
    /// Returns after `secs` seconds.
    async fn rest(&self, ctx: Context, secs: u64) -> u64;
    /// Returns the seconds to the deadline.
    async fn left(&self, ctx: Context) -> Result<u64, Failure>;
}

struct Relaying(ProbeClient);

impl Relay for Relaying {
    async fn hang(&self, ctx: Context) -> u64 {
        let begun = Instant::now();
        assert!(self.0.prepare().timeout(5 * HOUR).hang_call(&ctx).await.is_err());
        begun.elapsed().as_secs()
    }

    async fn rest(&self, _: Context, secs: u64) -> u64 {
        sleep(Duration::from_secs(secs)).await;
        secs
    }

    async fn left(&self, ctx: Context) -> Result<u64, Failure> {
        sleep(MINUTE).await;
        let left =
            ctx.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.map(|left| left.as_secs()).ok_or_else(|| Failure::of("no deadline", "relay", "None"))
    }
}

/// Checks how long something took on the paused clock, and that it took little time on the real
/// one.
fn took(begun: (Instant, std::time::Instant), wanted: Duration) {
    let elapsed = begun.0.elapsed();
    assert!(elapsed >= wanted && elapsed < wanted + TICK, "{elapsed:?}, not {wanted:?}");
    assert!(begun.1.elapsed() < MINUTE / 2, "it waited by another clock");
}

fn now() -> (Instant, std::time::Instant) {
    (Instant::now(), std::time::Instant::now())
}

/// Starts a probe and a relay that calls it, on an embedded broker.
async fn embedded() -> (World, Transport, Recorder, [Running; 2]) {
    let (world, recorder) = (World::memory(), Recorder::default());
    let transport = world.transport().await;
    let probe = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
    let relay = relay_server(&world, &transport).await;
    (world, transport, recorder, [probe, relay])
}

async fn relay_server(world: &World, transport: &Transport) -> Running {
    let relaying = RelayServer::new(Relaying(world.client::<probe::Api>(transport)));
    let server = rpc_runtime::Server::builder(transport).topic(relay_topic(world)).host("h");
    server.serve(relaying).bind().await.expect("bound").run()
}

fn relay_topic(world: &World) -> String {
    format!("{}-relay", world.topic())
}

fn relay(world: &World, transport: &Transport) -> RelayClient {
    RelayClient::new(transport).prepare().topic(relay_topic(world)).client()
}

fn in_process() -> RelayClient {
    let probe = Transport::in_process(ProbeServer::new(Recorder::default()));
    RelayClient::new(&Transport::in_process(RelayServer::new(Relaying(ProbeClient::new(&probe)))))
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_hours_passes_in_no_time() {
    let (world, transport, _, _servers) = embedded().await;
    let in_process = Transport::in_process(ProbeServer::new(Recorder::default()));
    for client in [world.client::<probe::Api>(&transport), ProbeClient::new(&in_process)] {
        let begun = now();
        let ended = client.prepare().timeout(24 * HOUR).hang_call(&Context::new()).await;
        let late =
            matches!(ended, Err(CallError::DeadlineExceeded { waited, .. }) if waited == 24 * HOUR);
        assert!(late, "{ended:?}");
        took(begun, 24 * HOUR);
    }
}

#[tokio::test(start_paused = true)]
async fn a_nested_call_inherits_a_deadline_of_hours() {
    let (world, transport, _, _servers) = embedded().await;
    for client in [relay(&world, &transport), in_process()] {
        let begun = now();
        // Both calls end at the same instant, so either result is possible.
        let ended = client.prepare().timeout(2 * HOUR).hang(&Context::new()).await;
        assert!(ended.is_err() || ended.is_ok_and(|secs| secs == 7200));
        took(begun, 2 * HOUR);
        let left = client.prepare().timeout(HOUR).left(&Context::new()).await;
        let left = left.expect("an answer");
        assert!((3538..=3540).contains(&left), "{left}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_monitored_call_lives_for_hours_and_a_silent_server_is_noticed_in_time() {
    let (world, transport, _, _servers) = embedded().await;
    for client in [relay(&world, &transport), in_process()] {
        let (begun, patient) = (now(), client.prepare().timeout(24 * HOUR).monitor(MINUTE));
        assert_eq!(patient.rest(&Context::new(), 10 * 3600_u64).await.expect("it lives"), 36_000);
        took(begun, 10 * HOUR);
    }
    // Bound but not running.
    let silent = World::memory();
    let transport = silent.transport().await;
    let server = silent.server(&transport, "h").serve(ProbeServer::new(Recorder::default()));
    let _bound = server.bind().await.expect("bound");
    let (begun, client) = (now(), silent.client::<probe::Api>(&transport));
    let ended = client.prepare().timeout(24 * HOUR).monitor(HOUR).hang_call(&Context::new()).await;
    assert!(matches!(ended, Err(CallError::HeartbeatLost { .. })), "{ended:?}");
    took(begun, HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_request_expires_in_its_queue_and_a_method_at_its_limit() {
    let (world, recorder) = (World::memory(), Recorder::default());
    let transport = world.transport().await;
    let server = world.server(&transport, "h").time_limit(3 * HOUR);
    let bound = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound");
    let client = world.client::<probe::Api>(&transport);
    let ended = client.prepare().timeout(HOUR).hold(&Context::new(), "late").await;
    assert!(ended.is_err());
    let _running = bound.run();
    client.echo(&Context::new(), "").await.expect("an answer");
    assert!(recorder.log.is_empty(), "it has expired");
    let begun = now();
    let ended = client.prepare().timeout(24 * HOUR).hang_call(&Context::new()).await;
    let Err(CallError::Failure(failure)) = ended else { panic!("{ended:?}") };
    assert_eq!(failure.class(), "TimeLimitExceeded");
    took(begun, 3 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lasts_as_long_as_it_may() {
    for (rests, is_done) in [(30 * 60, true), (3 * 3600, false)] {
        let (world, transport, _, [probe, relaying]) = embedded().await;
        let client = relay(&world, &transport).prepare().timeout(24 * HOUR).client();
        let call = tokio::spawn(async move { client.rest(&Context::new(), rests).await });
        eventually("the method to begin", || relaying.in_flight() == 1).await;
        let begun = now();
        let drained = relaying.shutdown(HOUR).await;
        assert_eq!(drained.is_ok(), is_done, "{drained:?}");
        // Answering an aborted call takes a moment.
        took(begun, if is_done { begun.0.elapsed() } else { HOUR });
        assert_eq!(call.await.expect("no panic").is_ok(), is_done);
        probe.shutdown(HOUR).await.expect("nothing runs");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_known_for_as_long_as_the_window_says() {
    let (world, recorder) = (World::memory(), Recorder::default());
    let transport = world.transport().await;
    let window = DuplicateWindow::new().age(2 * HOUR);
    let server = world.server(&transport, "h").duplicate_window(window);
    let _server =
        server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
    let client = world.client::<probe::Api>(&transport);
    let broker = transport.memory().expect("embedded");
    let mut published = broker.observe();
    client.note(&Context::new(), "once").await.expect("sent");
    let request = published.recv().await.expect("the request");
    let again = async |broker: &memory::Broker| {
        assert!(broker.publish(&request.exchange, &request.routing_key, request.body.clone()));
        client.echo(&Context::new(), "behind").await.expect("an answer");
        recorder.log.len()
    };
    advance(HOUR).await;
    assert_eq!(again(&broker).await, 1, "it is known");
    advance(2 * HOUR).await;
    assert_eq!(again(&broker).await, 2, "it is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_was_left_out_is_counted_after_a_second() {
    let heard = Heard::default();
    let _guard = heard.listen();
    let (world, transport, _, _servers) = embedded().await;
    let broker = transport.memory().expect("embedded");
    let client = world.client::<probe::Api>(&transport);
    for (after, lines) in [(Duration::ZERO, 1), (Duration::ZERO, 1), (HOUR, 2), (HOUR, 3)] {
        advance(after).await;
        assert!(broker.publish("openstack", world.topic(), b"[".to_vec()));
        client.echo(&Context::new(), "behind").await.expect("an answer");
        let said = heard.lines();
        let said: Vec<_> = said.iter().filter(|line| line.starts_with("WARN")).collect();
        assert_eq!(said.len(), lines, "{said:?}");
    }
}
