//! Sections A and C: transports that cannot receive replies, and strangers that consume reply
//! queues.

use std::time::{Duration, Instant};

use lapin::{
    Connection, ConnectionProperties, ErrorKind,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use rpc_runtime::{CallError, Context, Event, RepliesState, Transport, TransportErrorKind};
use tests::{World, eventually, heard::Heard, node::Shared, proxy::Proxy, soon};

use crate::{
    refused::{channels, user},
    scene::{
        AdderClient, AdderServer, Behind, Scene, Slow, adder, figure, good, through, timed,
        watchful,
    },
};

/// Checks that a call fails immediately, with the broker's reason for refusing the reply queue.
async fn assert_unanswerable(client: &AdderClient, kind: TransportErrorKind, words: &str) {
    let ended = timed(client, 1, Duration::from_secs(20)).await;
    assert!(ended.took < Duration::from_secs(5), "at once: {:?}", ended.took);
    let error = ended.outcome.expect_err("no reply can arrive");
    assert!(!error.may_have_run());
    let CallError::Unavailable(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(format!("{error:?}").contains(words), "{error:?}");
}

/// Checks that the state says why no reply can arrive.
fn assert_said(transport: &Transport, kind: TransportErrorKind) {
    let state = transport.state();
    assert!(!state.is_up() && state.publishing.is_up() && state.consuming.is_up(), "{state:?}");
    let RepliesState::Refused { error } = state.replies else { panic!("{state:?}") };
    assert_eq!(error.kind(), kind, "{error:?}");
}

/// Waits until the transport consumes replies.
async fn consumed(transport: &Transport) {
    let mut events = transport.events();
    let consumed = async {
        while !matches!(transport.state().replies, RepliesState::Consumed) {
            events.next().await.expect("it is open");
        }
    };
    soon("replies to be consumed", consumed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c22_without_the_right_to_a_reply_queue_calls_fail_at_once_and_all_else_works() {
    let Some(shared) = Shared::take().await else { return };
    let slow = Slow::default();
    let (name, world) = user(&shared.node, ["openstack|t-.*", ".*", ".*"]).await;
    let transport = world.transport().await;
    assert_said(&transport, TransportErrorKind::Refused);
    let mut events = transport.events();
    let client = world.client::<adder::Api>(&transport);
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    assert_unanswerable(&client, TransportErrorKind::Refused, "reply_").await;
    client.note(&Context::new(), 7).await.expect("a cast needs no reply");
    eventually("the cast to run", || slow.ran.events() == [7]).await;
    shared.node.ctl(&["set_permissions", &name, ".*", ".*", ".*"]).await;
    // The transport tries again after a growing pause.
    consumed(&transport).await;
    assert!(transport.state().is_up());
    good(&client, 1).await;
    // Each earlier refusal was an event, too.
    let mut told = Vec::new();
    while !matches!(told.last(), Some(Event::RepliesConsumed)) {
        told.push(soon("an event", events.next()).await.expect("it is open"));
    }
    let refused = told.iter().filter(|event| matches!(event, Event::RepliesRefused { .. }));
    assert!(refused.count() >= 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c22_a_virtual_host_that_is_full_of_queues_is_named_until_there_is_room() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world_alone().await;
    let serving = world.transport().await;
    let _server = world.serve(&serving, "h", AdderServer::new(Slow::default())).await;
    let limit = async |to: &str| {
        shared.node.ctl(&["set_vhost_limits", "--vhost", world.virtual_host(), to]).await
    };
    limit(r#"{"max-queues": 1}"#).await;
    let transport = world.transport().await;
    let client = world.client::<adder::Api>(&transport);
    assert_said(&transport, TransportErrorKind::LimitReached);
    assert_unanswerable(&client, TransportErrorKind::LimitReached, "limit").await;
    limit(r#"{"max-queues": -1}"#).await;
    consumed(&transport).await;
    good(&client, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a15_a_broker_that_grants_one_channel_is_named_by_whatever_needs_another() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let elsewhere = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&elsewhere, "h", AdderServer::new(slow.clone())).await;
    let proxy = Proxy::start(&world).await;
    let (frames, action) = channels(1);
    let _rule = proxy.rule(frames, action);
    let transport = through(&proxy, &world, watchful()).await;
    // One channel per connection is enough for a client: one for replies, one for requests.
    let client = world.client::<adder::Api>(&transport);
    good(&client, 1).await;
    client.note(&Context::new(), 2).await.expect("confirmed");
    // A server beside it has no channel left, and its error says so.
    let server = world.server(&transport, "other").serve(AdderServer::new(slow));
    let begun = Instant::now();
    let error = server.bind().await.expect_err("there is no channel");
    assert_eq!(error.kind(), TransportErrorKind::LimitReached, "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// A stranger that consumes any queue that the broker lets it.
async fn stranger(world: &World) -> lapin::Channel {
    let uri = world.url().to_owned();
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await;
    connection.expect("connected").create_channel().await.expect("a channel")
}

async fn consume(channel: &lapin::Channel, queue: &str) -> lapin::Result<lapin::Consumer> {
    channel.basic_qos(1000, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(queue.into(), "thief".into(), options, FieldTable::default()).await
}

/// Returns the reply queues of a virtual host that have this number of consumers.
async fn reply_queues(shared: &Shared, world: &World, consumers: &str) -> Vec<String> {
    let args = ["list_queues", "--vhost", world.virtual_host(), "--no-table-headers"];
    let queues = shared.node.ctl(&[&args[..], &["name", "consumers"]].concat()).await;
    let queues = queues.lines().filter_map(|line| line.split_once('\t'));
    let named = queues.filter(|(name, count)| name.starts_with("reply_") && *count == consumers);
    named.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c23_a_stranger_may_not_consume_a_reply_queue() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world_alone().await;
    let transport = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow)).await;
    let client = world.client::<adder::Api>(&transport);
    good(&client, 1).await;
    let queues = reply_queues(&shared, &world, "1").await;
    assert_eq!(queues.len(), 1, "{queues:?}");
    let channel = stranger(&world).await;
    let error = consume(&channel, &queues[0]).await.expect_err("another connection consumes it");
    assert!(matches!(error.kind(), ErrorKind::ProtocolError(_)), "{error:?}");
    for a in 2..200 {
        assert_eq!(client.add(&Context::new(), a, 1).await.expect("no reply is stolen"), a + 1);
    }
}

#[tokio::test]
async fn fault_c23_a_stranger_who_was_there_first_is_warned_of_and_gets_no_new_reply() {
    let Some(shared) = Shared::take().await else { return };
    let heard = Heard::default();
    let _guard = heard.listen();
    let scene = Scene::start(shared.node.world_alone().await, Behind::Client).await;
    scene.proxy.refuse().await;
    scene.proxy.present().reset();
    let abandoned = async {
        loop {
            if let [queue] = &reply_queues(&shared, &scene.world, "0").await[..] {
                return queue.clone();
            }
        }
    };
    let queue = soon("the client's queue to have no consumer", abandoned).await;
    let channel = stranger(&scene.world).await;
    let _thief = consume(&channel, &queue).await.expect("it has no consumer");
    scene.proxy.open().await;
    for a in 1..100 {
        scene.good(a).await;
    }
    let warned = || heard.lines().iter().any(|line| line.contains("another consumer is on"));
    eventually("a warning", warned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b09_new_calls_do_not_wait_for_the_broker_to_give_up_a_dead_connection() {
    let Some(shared) = Shared::take().await else { return };
    let slow = Slow::taking(Duration::from_millis(500));
    // The broker keeps the dead connection for two or three heartbeats.
    let options = watchful().heartbeat(Duration::from_secs(8));
    let scene = Scene::with(shared.node.world(), Behind::Client, options, slow).await;
    let waiting = scene.calls(10..20, Duration::from_secs(120));
    eventually("a call to run", || scene.slow.ran.len() > 1).await;
    scene.proxy.present().zombie();
    let begun = Instant::now();
    scene.good(100).await;
    let took = begun.elapsed();
    figure("B9", "beside a dead connection a new call is answered after", took);
    assert!(took < Duration::from_secs(12), "{took:?}");
    // The pending calls receive their replies once the broker has noticed. The abandoned queue is
    // deleted after the last reply.
    assert_eq!(scene.settle(waiting).await, 10);
    figure("B9", "calls that had been sent before are answered after", begun.elapsed());
}
