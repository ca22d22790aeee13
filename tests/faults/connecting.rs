//! Section A: connections that fail, or succeed only later.

use std::time::{Duration, Instant};

use rpc_runtime::{RabbitOptions, Transport, TransportError, TransportErrorKind};
use tests::{SOON, World, amount, eventually, node::Shared, proxy::Proxy, soon};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::scene::{AdderServer, Behind, DRAIN, Scene, Slow, adder, figure, good, good_within};

/// How soon an immediate error has to arrive. Generous, because machines are shared.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(5);
/// More than the default limit for connecting to one host.
const HOST: Duration = Duration::from_secs(20);

/// Connects, and returns the error and how long that took.
pub(crate) async fn fails(url: &str) -> (TransportError, Duration) {
    let begun = Instant::now();
    let error = soon("an end", Transport::connect(url)).await.expect_err("it cannot connect");
    (error, begun.elapsed())
}

/// Connects in the background, and retries until [`SOON`].
fn patient(url: &str) -> tokio::task::JoinHandle<Result<Transport, TransportError>> {
    tokio::spawn(Transport::builder(url).wait_for_broker(SOON).connect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a01_a_refused_connection_is_an_error_at_once_or_waited_for() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let proxy = Proxy::start(&world).await;
    proxy.refuse().await;
    let (error, took) = fails(&proxy.url(&world)).await;
    assert_eq!(error.kind(), TransportErrorKind::Unreachable);
    assert!(took < AT_ONCE, "{took:?}");

    let patient = patient(&proxy.url(&world));
    // Without patience, it would have failed by now.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!patient.is_finished(), "its time is not over");
    proxy.open().await;
    soon("a connection", patient).await.expect("no panic").expect("connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a02_a_silent_broker_is_given_up_and_the_next_host_is_taken() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let (silent, speaking) = (Proxy::start(&world).await, Proxy::start(&world).await);
    silent.hang().await;
    let url =
        format!("{},guest:guest@{}/", silent.url(&world).trim_end_matches('/'), speaking.address());
    // The list is shuffled, so some attempts begin with the silent host.
    let attempts = (0..4).map(|_| Transport::connect(&url));
    let all = futures_util::future::join_all(attempts);
    let limit = 2 * HOST;
    let connected = tokio::time::timeout(limit, all).await.expect("in time");
    assert!(connected.iter().all(Result::is_ok), "{:?}", connected.iter().find(|c| c.is_err()));
    eventually("no socket to be left", || silent.present().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a02_a_silent_host_of_two_costs_its_limit_once() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let (silent, speaking) = (Proxy::start(&world).await, Proxy::start(&world).await);
    silent.hang().await;
    let limit = Duration::from_secs(4);
    let alone = silent.url(&world);
    let (error, took) = fails(&format!("{alone}?connect_timeout=4")).await;
    assert_eq!(error.kind(), TransportErrorKind::Unreachable, "{error}");
    assert!(took >= limit && took < limit + AT_ONCE, "{took:?}");
    let url = format!("{},guest:guest@{}/", alone.trim_end_matches('/'), speaking.address());
    // Both connections shuffle the list: of 16 transports, some begin with the silent host twice.
    let connect = async || {
        let begun = Instant::now();
        let options = RabbitOptions::default().connect_timeout(limit);
        let connected = Transport::builder(&url).rabbit(options).connect().await;
        connected.unwrap_or_else(|error| panic!("cannot connect: {error:?}"));
        begun.elapsed()
    };
    let took = futures_util::future::join_all((0..16).map(|_| connect())).await;
    let slowest = took.iter().max().copied().unwrap_or_default();
    figure("A2", "connecting with one silent host of two, at a limit of 4 s, slowest", slowest);
    assert!(slowest >= limit, "{took:?}");
    assert!(slowest < limit * 19 / 10, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a03_a_host_that_answers_no_packet_is_given_up_in_time() {
    // With a full backlog the system drops further packets, as an absent host would.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("listening");
    let address = listener.local_addr().expect("an address");
    let mut waiting = Vec::new();
    let full = async {
        while let Ok(taken) =
            tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
        {
            waiting.push(taken);
        }
    };
    soon("the backlog to be full", full).await;
    let (error, took) = fails(&format!("rabbit://guest:guest@{address}/")).await;
    assert_eq!(error.kind(), TransportErrorKind::Unreachable, "{error}");
    figure("A3", "a host that answers no packet was given up after", took);
    assert!(took < HOST, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a04_resets_are_tried_again_after_pauses() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    let patient = patient(&scene.proxy.url(&scene.world));
    soon("a connection", patient).await.expect("no panic").expect("connected");
    let before = scene.proxy.attempts();
    scene.proxy.reset_new();
    scene.proxy.present().reset();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Two connections, with random pauses whose upper limit doubles from a tenth of a second.
    let attempts = scene.proxy.attempts() - before;
    assert!((2..100).contains(&attempts), "{attempts} attempts in three seconds");
    scene.proxy.open().await;
    scene.good(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a05_a_name_is_an_error_if_unknown_and_else_each_of_its_addresses_is_tried() {
    let Some(shared) = Shared::take().await else { return };
    let (error, _) = fails("rabbit://guest:guest@nonesuch.invalid:5672/").await;
    assert_eq!(error.kind(), TransportErrorKind::Unreachable, "{error}");
    let world = shared.node.world();
    // On many machines `localhost` resolves to `::1` first, where nothing listens.
    let url = world.url().replacen("127.0.0.1", "localhost", 1);
    soon("a connection", Transport::connect(&url)).await.expect("connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a06_the_second_host_is_taken_when_the_first_is_dead() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let slow = Slow::default();
    let serving = world.transport().await;
    let _server = world.serve(&serving, "h", AdderServer::new(slow)).await;
    let (one, two) = (Proxy::start(&world).await, Proxy::start(&world).await);
    let url = format!("{},guest:guest@{}/", one.url(&world).trim_end_matches('/'), two.address());
    one.refuse().await;
    let begun = Instant::now();
    let transport = Transport::connect(&url).await.expect("the second host");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let client = world.client::<adder::Api>(&transport);
    for round in 0..4 {
        let (dead, alive) = if round % 2 == 0 { (&two, &one) } else { (&one, &two) };
        alive.open().await;
        dead.refuse().await;
        dead.present().reset();
        let took = good(&client, round).await;
        assert!(took < HOST, "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a16_a_peer_that_is_no_such_broker_is_an_error_in_time() {
    let start: &[u8] = b"\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x0fGSSAPI EXTERNAL\0\0\0\x05en_US";
    let mut only_others = vec![1, 0, 0];
    only_others.extend(u32::try_from(start.len()).expect("short").to_be_bytes());
    only_others.extend(start);
    only_others.push(0xCE);
    for words in
        [b"AMQP\x01\x01\0\x0a".as_slice(), b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", &only_others]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let words = words.to_vec();
        let shown = String::from_utf8_lossy(&words).into_owned();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut header = [0; 8];
                let _ = client.read_exact(&mut header).await;
                let _ = client.write_all(&words).await;
                let _ = client.shutdown().await;
            }
        });
        let (error, took) = fails(&format!("rabbit://guest:guest@{address}/")).await;
        assert!(took < HOST, "{shown:?}: {took:?}");
        let known = [TransportErrorKind::Unreachable, TransportErrorKind::Refused];
        assert!(known.contains(&error.kind()), "{shown:?}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a18_clients_come_back_spread_and_in_time_when_the_broker_restarts() {
    let Some(alone) = tests::node::Alone::take().await else { return };
    let world = alone.node.world();
    let proxy = Proxy::start(&world).await;
    let count: u64 = amount(30, 200);
    let slow = Slow::default();
    let serving = world.transport().await;
    let _server = world.serve(&serving, "h", AdderServer::new(slow.clone())).await;
    let mut transports = Vec::new();
    for _ in 0..count {
        transports.push(crate::scene::through(&proxy, &world, RabbitOptions::default()).await);
    }
    let before = proxy.attempts();
    let outage = Instant::now();
    alone.node.kill().await;
    alone.node.start().await;
    alone.node.wait().await;
    let outage = outage.elapsed();
    // Two hundred clients, their proxy and the broker share a few cores.
    let limit = 2 * outage + Duration::from_secs(15);
    let calls = transports.iter().zip(0..).map(|(transport, a)| {
        let client = world.client::<adder::Api>(transport);
        async move { good_within(&client, a, limit).await }
    });
    let took = futures_util::future::join_all(calls).await;
    let slowest = took.iter().max().copied().unwrap_or_default();
    let attempts = proxy.attempts() - before;
    crate::scene::figure("A18", &format!("{count} clients, outage {outage:.1?}, slowest"), slowest);
    // Without pauses there would be thousands per second.
    let fair = 2 * count * (10 + 5 * outage.as_secs());
    assert!(attempts < fair, "{attempts} attempts of {count} clients in {outage:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a19_a_flapping_broker_leaves_nothing_behind_and_all_is_well_in_the_end() {
    let Some(shared) = Shared::take().await else { return };
    let world: World = shared.node.world();
    let scene = Scene::start(world, Behind::Both).await;
    let rounds = amount(10, 50);
    for round in 0..rounds {
        let calls = scene.calls(round * 10..round * 10 + 10, Duration::from_secs(20));
        scene.proxy.cut();
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.proxy.mend().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::spawn(async move { drop(calls) });
    }
    scene.good(1_000_000).await;
    eventually("two connections each, and no more", || scene.proxy.present().len() == 4).await;
    eventually("no call to be left", || scene.transport.pending_calls() == 0).await;
    scene.server.shutdown(DRAIN).await.expect("nothing runs");
}
