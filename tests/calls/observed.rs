//! Observability: spans with the usual names, events, states and counts, and no secrets.

use rpc_runtime::{ConnectionState, Context, Event, Role, Transport, rpc_api};
use tests::{World, eventually, heard::Heard, soon};

use crate::probe::{ProbeServer, Recorder, probe};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Makes a call and a cast on one thread, and returns the log lines.
async fn observe(world: &World, url: &str) -> Vec<String> {
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = Transport::connect(url).await.expect("connected");
    let recorder = Recorder::default();
    let server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
    let client = world.client::<probe::Api>(&transport);
    let ctx = Context::new().with_traceparent(TRACE).with("auth_token", "canary-token");
    let ctx = ctx.with("request_id", "req-5");
    assert_eq!(client.echo(&ctx, "canary-text").await.expect("an answer"), "canary-text");
    client.fail(&ctx, "missing").await.expect_err("it fails as asked");
    client.panic(&ctx).await.expect_err("it panics as asked");
    client.note(&ctx, "canary-line").await.expect("confirmed");
    eventually("the note", || !recorder.log.is_empty()).await;
    server.shutdown(std::time::Duration::from_secs(10)).await.expect("nothing runs");
    transport.close().await;
    heard.lines()
}

fn assert_observed(lines: &[String]) {
    let one = |parts: &[&str]| {
        let found = lines.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
        assert_eq!(found.count(), 1, "{parts:?} in {lines:#?}");
    };
    one(&["rpc.client", "otel.kind=\"client\"", "rpc.method=\"echo\""]);
    one(&["rpc.server", "otel.kind=\"server\"", "rpc.method=\"echo\"", TRACE]);
    one(&[
        "rpc.server",
        "rpc.method=\"echo\"",
        "rpc.service=\"Probe\"",
        "rpc.version=",
        "rpc.kind=\"call\"",
        "host=\"h\"",
        "request_id=req-5",
        "messaging.message.id=",
    ]);
    one(&["recorded", "outcome=\"panicked\""]);
    one(&["recorded", "outcome=\"failed\""]);
    let ended_well = lines.iter().filter(|line| line.contains("outcome=\"ok\""));
    assert_eq!(ended_well.count(), 2, "{lines:#?}");
    one(&["rpc.client", "otel.kind=\"producer\"", "rpc.method=\"note\""]);
    one(&["rpc.server", "otel.kind=\"consumer\"", "rpc.method=\"note\"", TRACE]);
    one(&["ERROR", "MethodPanicked"]);
    assert!(!lines.iter().any(|line| line.contains("canary")), "{lines:#?}");
}

#[tokio::test]
async fn spans_tell_of_calls_and_nothing_tells_secrets_in_memory() {
    let world = World::memory();
    assert_observed(&observe(&world, world.url()).await);
}

#[tokio::test]
async fn spans_tell_of_calls_and_nothing_tells_secrets_on_rabbit() {
    let Some(world) = World::rabbit() else { return };
    assert_observed(&observe(&world, world.url()).await);
    // An unreachable host, with a password that must not be logged.
    let url = world.url().replacen("://", "://user:canary-password@127.0.0.1:1,", 1);
    assert_observed(&observe(&world, &url).await);
}

/// The interface of another service on the same topic.
#[rpc_api(topic = "neighbour", version = "1.0")]
trait Neighbour {
    /// Publishes a list to every server.
    #[rpc(fanout)]
    async fn tell(&self, ctx: Context, list: Vec<u8>);
    /// Casts to one server.
    async fn tell_one(&self, ctx: Context);
}

async fn assert_warned_of_neighbours(world: &World) {
    let heard = Heard::default();
    let _guard = heard.listen();
    let serving = world.connect(|builder| builder.value_limit(1000)).await;
    let server = world.serve(&serving, "h", ProbeServer::new(Recorder::default())).await;
    let transport = world.transport().await;
    let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
    let neighbour = world.client::<neighbour::Api>(&transport);
    let arrived = async |count| {
        eventually("the casts to arrive", || serving.metrics().requests_received == count).await;
    };
    let warnings = || {
        let lines = heard.lines().into_iter();
        lines.filter(|line| line.contains("a fanout cast came that")).collect::<Vec<_>>()
    };
    client.note(&ctx, "known").await.expect("confirmed");
    client.note_everywhere(&ctx, "known").await.expect("confirmed");
    neighbour.tell_one(&ctx).await.expect("confirmed");
    neighbour.tell(&ctx, vec![7; 1001]).await.expect("confirmed");
    arrived(4).await;
    assert_eq!(warnings(), [""; 0]);
    for more in 1..=3 {
        neighbour.tell(&ctx, vec![7]).await.expect("confirmed");
        arrived(4 + more).await;
        eventually("the warning", || warnings().len() == 1).await;
    }
    server.shutdown(std::time::Duration::from_secs(10)).await.expect("nothing runs");
    let [warning] = &warnings()[..] else { panic!("{:?}", warnings()) };
    assert!(warning.starts_with("WARN") && warning.contains("method=tell"));
}

#[tokio::test]
async fn a_neighbour_with_the_same_topic_is_warned_of_once_in_memory() {
    assert_warned_of_neighbours(&World::memory()).await;
}

#[tokio::test]
async fn a_neighbour_with_the_same_topic_is_warned_of_once_on_rabbit() {
    let Some(world) = World::rabbit() else { return };
    assert_warned_of_neighbours(&world).await;
}

tests::on_every_transport! {
    async fn a_lost_connection_is_an_event_and_a_state_until_it_is_back(world: World) {
        let Some(world) = world.alone().await else { return };
        let transport = world.transport().await;
        assert!(transport.state().is_up());
        let mut events = transport.events();
        world.cut_connections(&transport).await;
        let mut seen = Vec::new();
        let back = async {
            while !transport.state().is_up() || seen.len() < 4 {
                match events.next().await.expect("the transport is open") {
                    Event::Lost { role, reason } => {
                        assert!(!reason.is_empty());
                        seen.push((role, false));
                    }
                    Event::Connected { role, host } => {
                        assert!(!host.contains("guest"), "{host}");
                        seen.push((role, true));
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        soon("both connections to be back", back).await;
        for role in [Role::Publishing, Role::Consuming] {
            let of_role: Vec<_> = seen.iter().filter(|(of, _)| *of == role).collect();
            assert_eq!(of_role, [&(role, false), &(role, true)]);
        }
        let metrics = transport.metrics();
        assert_eq!((metrics.connections, metrics.connections_lost), (4, 2));
        transport.close().await;
        assert!(matches!(transport.state().publishing, ConnectionState::Closed));
        assert!(matches!(soon("the end", events.next()).await, Some(Event::Closed)));
        assert!(soon("the end", events.next()).await.is_none());
    }

    async fn what_a_transport_does_is_counted(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        client.echo(&ctx, "a").await.expect("an answer");
        client.note(&ctx, "b").await.expect("confirmed");
        eventually("the note", || !recorder.log.is_empty()).await;
        client.prepare().server("nobody").echo(&ctx, "c").await.expect_err("no server is bound");
        let metrics = transport.metrics();
        assert_eq!((metrics.requests_sent, metrics.requests_returned), (3, 1));
        assert_eq!((metrics.replies_received, metrics.replies_late), (1, 0));
        assert_eq!((metrics.requests_received, metrics.replies_sent), (2, 1));
        assert_eq!((metrics.pending_calls, metrics.queued), (0, 0));
        server.shutdown(std::time::Duration::from_secs(10)).await.expect("nothing runs");
    }

    async fn closing_the_transport_ends_the_calls_that_wait(world: World) {
        let (transport, serving) = (world.transport().await, world.transport().await);
        let recorder = Recorder::default();
        let server = world.serve(&serving, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let waiting = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to run", || !recorder.log.is_empty()).await;
        transport.close().await;
        let error = soon("its end", waiting).await.expect("no panic").expect_err("no reply comes");
        assert!(error.may_have_run(), "{error:?}");
        recorder.gate.notify_one();
        // A server that stops does not wait for an absent caller until the call's deadline.
        server.shutdown(std::time::Duration::from_secs(20)).await.expect("nothing runs");
    }
}
