//! Connections that are refused, lost, or cut while requests are in flight.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use lapin::{
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};
use rpc_runtime::{
    CallError, Context, Event, RabbitOptions, Server, Transport, TransportErrorKind,
};
use tests::{World, eventually, rabbitmqctl, soon, unique};

use crate::{
    adder::{AdderClient, AdderServer, Slow, adder},
    stranger,
};

const CALLS: u64 = 6000;
const AT_ONCE: u64 = 64;
const CUTS: u64 = 5;

/// Makes calls from 64 tasks while every connection is cut five times. A failed call is made again.
/// Returns how many failed calls may have run.
async fn call_through_cuts(
    world: &World,
    client: AdderClient,
    transport: &Transport,
    idempotent: bool,
) -> u64 {
    let (next, cuts) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let ambiguous = Arc::new(AtomicU64::new(0));
    let worker = |_| {
        let (client, next, cuts) = (client.clone(), Arc::clone(&next), Arc::clone(&cuts));
        let ambiguous = Arc::clone(&ambiguous);
        tokio::spawn(async move {
            let ctx = Context::new();
            loop {
                let a = next.fetch_add(1, Ordering::Relaxed);
                if a >= CALLS && cuts.load(Ordering::Relaxed) >= CUTS {
                    return;
                }
                loop {
                    let ended = if idempotent {
                        client.add_again(&ctx, a, 1).await
                    } else {
                        client.add(&ctx, a, 1).await
                    };
                    match ended {
                        Ok(sum) => break assert_eq!(sum, a + 1, "an answer to another call"),
                        Err(error) if !error.may_have_run() => {}
                        Err(CallError::Interrupted) => {
                            _ = ambiguous.fetch_add(1, Ordering::Relaxed)
                        }
                        Err(error) => panic!("call {a}: {error:?}"),
                    }
                }
            }
        })
    };
    let workers: Vec<_> = (0..AT_ONCE).map(worker).collect();
    for _ in 0..CUTS {
        world.cut_connections(transport).await;
        cuts.fetch_add(1, Ordering::Relaxed);
    }
    for worker in workers {
        let done = tokio::time::timeout(Duration::from_secs(120), worker).await;
        done.expect("no call hangs").expect("every answer is right");
    }
    let made = next.load(Ordering::Relaxed);
    assert!(made >= CALLS, "{made} calls");
    ambiguous.load(Ordering::Relaxed)
}

/// Returns how often each call ran.
fn runs(slow: &Slow) -> HashMap<u64, u64> {
    let mut runs = HashMap::new();
    slow.ran.events().into_iter().for_each(|a| *runs.entry(a).or_default() += 1);
    runs
}

async fn cut_test(idempotent: bool) {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let slow = Slow { takes: Duration::from_millis(20), ..Slow::default() };
    let serving = world.transport().await;
    let server = world.server(&serving, "h").concurrency(100).serve(AdderServer::new(slow.clone()));
    let server = server.bind().await.expect("bound").run();
    let client = world.client::<adder::Api>(&transport);
    let ambiguous = call_through_cuts(&world, client, &transport, idempotent).await;
    let runs = runs(&slow);
    let doubled: u64 = runs.values().map(|count| count - 1).sum();
    println!("{} calls, {ambiguous} ambiguous, {doubled} ran twice", runs.len());
    assert!((0..CALLS).all(|a| runs.contains_key(&a)), "a call was answered without running");
    assert!(doubled <= ambiguous, "{doubled} ran twice, though only {ambiguous} could");
    assert_eq!(transport.pending_calls(), 0);
    server.shutdown(Duration::from_secs(20)).await.expect("nothing runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_thousand_calls_end_right_while_connections_are_cut() {
    cut_test(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotent_calls_are_repeated_and_still_run_once_on_one_server() {
    cut_test(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_server_serves_again() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let client = world.client::<adder::Api>(&transport);
    for round in 0..3 {
        world.cut_connections(&transport).await;
        let idempotent = client.prepare().timeout(Duration::from_secs(20)).client();
        assert_eq!(
            idempotent.add_again(&Context::new(), round, 1).await.expect("an answer"),
            round + 1
        );
        client.prepare().fanout().note(&Context::new(), 100 + round).await.expect("confirmed");
        eventually("the fanout cast", || slow.ran.events().contains(&(100 + round))).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_shown() {
    let Some(world) = World::rabbit() else { return };
    let address = world.url().rsplit('@').next().expect("an address").to_owned();
    let error = Transport::connect(&format!("rabbit://guest:canary@{address}"))
        .await
        .expect_err("a wrong password");
    assert_eq!(error.kind(), TransportErrorKind::Refused);
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_missing_virtual_host_is_refused() {
    let Some(world) = World::rabbit() else { return };
    let url = format!("{}/nonesuch", world.url().trim_end_matches('/'));
    let error = Transport::connect(&url).await.expect_err("there is no such virtual host");
    assert_eq!(error.kind(), TransportErrorKind::Refused);
}

#[tokio::test]
async fn the_second_host_is_taken_when_the_first_is_dead() {
    let Some(world) = World::rabbit() else { return };
    let (scheme, rest) = world.url().split_once("://").expect("a URL");
    let transport = Transport::connect(&format!("{scheme}://guest:guest@127.0.0.1:1,{rest}"))
        .await
        .expect("the second host");
    assert!(matches!(
        world.client::<adder::Api>(&transport).add(&Context::new(), 1, 1).await,
        Err(CallError::Unroutable { .. })
    ));
}

#[tokio::test]
async fn no_broker_is_unreachable_at_once_or_after_the_wait() {
    let error = soon("a refusal", Transport::connect("rabbit://127.0.0.1:1/"))
        .await
        .expect_err("nothing listens");
    assert_eq!(error.kind(), TransportErrorKind::Unreachable);
    let begun = std::time::Instant::now();
    let patient =
        Transport::builder("rabbit://127.0.0.1:1/").wait_for_broker(Duration::from_millis(500));
    let error = soon("the end of the wait", patient.connect()).await.expect_err("nothing listens");
    assert_eq!(error.kind(), TransportErrorKind::Unreachable);
    assert!(begun.elapsed() >= Duration::from_millis(500));
}

// A channel number that the broker has closed with an error is not used again, and a connection has
// 2047 numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_by_the_thousand_use_up_no_connection() {
    let Some(world) = World::rabbit() else { return };
    let durable = RabbitOptions::default().durable_queues(true);
    let transport = world.connect(|builder| builder.rabbit(durable)).await;
    let server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    let client = world.client::<adder::Api>(&transport);
    let mut events = transport.events();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(5));
    let (channel, limited) = (stranger(&world).await, unique("limited"));
    let declare = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(limited.as_str().into(), declare, arguments).await.expect("declared");
    let refused = |_| {
        let bound = Server::builder(&transport).topic(limited.as_str()).host("h");
        let bound = bound.serve(AdderServer::new(Slow::default())).bind();
        async move { bound.await.map(drop).expect_err("the queue has other properties").kind() }
    };
    let kinds = futures_util::stream::iter(0..2500).map(refused).buffer_unordered(16);
    let kinds: Vec<_> = kinds.collect().await;
    assert!(kinds.iter().all(|kind| *kind == TransportErrorKind::Mismatch), "{kinds:?}");
    assert_eq!(client.add(&Context::new(), 1, 1).await.expect("an answer"), 2);
    // For a channel number that had an error, lapin keeps returning that error. Only new channels
    // show whether numbers are left.
    let another = world.server(&transport, "another").serve(AdderServer::new(Slow::default()));
    drop(another.bind().await.expect("there are channels"));
    transport.close().await;
    while let Some(event) = events.next().await {
        assert!(!matches!(event, Event::Lost { .. }), "{event:?}");
    }
    drop(server);
}

/// Returns the number of channels on each connection of a virtual host.
async fn channels(world: &World) -> Option<Vec<usize>> {
    let list = ["--quiet", "list_connections", "vhost", "channels", "--no-table-headers"];
    let text = rabbitmqctl(&list).await?;
    let own = text.lines().filter_map(|line| line.split_once('\t'));
    let own = own.filter(|(virtual_host, _)| *virtual_host == world.virtual_host());
    Some(own.map(|(_, count)| count.trim().parse().expect("a number")).collect())
}

// If each server watched its exchanges itself, it would need one more of its connection's 2047
// channels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_one_transport_share_its_connections_and_exchange_watch() {
    const SERVERS: usize = 60;
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let (mut servers, mut notes) = (Vec::new(), Vec::new());
    for host in 0..SERVERS {
        let slow = Slow::default();
        notes.push(slow.ran.clone());
        servers.push(world.serve(&transport, &format!("h{host}"), AdderServer::new(slow)).await);
    }
    let stranger = stranger(&world).await;
    let exchange = format!("{}_fanout", world.topic());
    stranger.exchange_delete(exchange.into(), Default::default()).await.expect("it is gone");
    // Each server notices, and binds its queue again.
    let everybody = world.client::<adder::Api>(&transport).prepare().fanout().client();
    let mut heard = 0;
    for number in 0..300 {
        everybody.note(&Context::new(), number).await.expect("confirmed");
        let hear = async {
            while !notes.iter().all(|notes| notes.events().contains(&number)) {
                tokio::task::yield_now().await;
            }
        };
        heard += u32::from(tokio::time::timeout(Duration::from_secs(2), hear).await.is_ok());
        if heard == 2 {
            break;
        }
    }
    assert_eq!(heard, 2, "not all of them are bound again");
    let Some(mut counts) = channels(&world).await else { return };
    counts.sort_unstable();
    // The connections of the stranger, of publishing, and of consuming.
    let [_, publishing, consuming] = counts[..] else { panic!("{counts:?}") };
    assert!(publishing <= 4, "{counts:?}");
    assert!((SERVERS..SERVERS + 5).contains(&consuming), "{counts:?}");
    drop(servers);
}
