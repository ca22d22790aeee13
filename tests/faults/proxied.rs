//! The proxy itself: rules and conditions take effect, and a rule that never applies fails its
//! test.

use std::{io::ErrorKind, time::Duration};

use tests::{
    eventually,
    proxy::{Action, Frames, Proxy, Way, method},
    soon,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";

/// A client and a broker, connected through a proxy.
struct Pair {
    proxy: Proxy,
    listener: TcpListener,
    client: TcpStream,
    broker: TcpStream,
}

impl Pair {
    /// Connects both, and exchanges the protocol header.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let proxy = Proxy::before(&address).await;
        let (client, broker) = connect(&proxy, &listener).await;
        Self { proxy, listener, client, broker }
    }

    async fn say(&mut self, way: Way, bytes: &[u8]) {
        let from = if way == Way::Up { &mut self.client } else { &mut self.broker };
        from.write_all(bytes).await.expect("said");
    }

    async fn hears(&mut self, way: Way, bytes: &[u8]) {
        let to = if way == Way::Up { &mut self.broker } else { &mut self.client };
        let mut heard = vec![0; bytes.len()];
        soon("what was said", to.read_exact(&mut heard)).await.expect("heard");
        assert_eq!(heard, bytes);
    }
}

async fn connect(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(proxy.address()).await.expect("connected");
    let (mut broker, _) = soon("a connection", listener.accept()).await.expect("accepted");
    client.write_all(PROTOCOL).await.expect("said");
    let mut heard = [0; 8];
    soon("the first words", broker.read_exact(&mut heard)).await.expect("heard");
    assert_eq!(heard, PROTOCOL);
    (client, broker)
}

/// Returns a frame that differs for each name.
fn declare(name: u8) -> Vec<u8> {
    method(1, "queue.declare", &[0, 0, 1, name, 0, 0, 0, 0, 0])
}

async fn is_reset(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let error = soon("a reset", stream.read_to_end(&mut rest)).await.expect_err("no orderly end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

async fn is_ended(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    soon("the end", stream.read_to_end(&mut rest)).await.expect("an orderly end");
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_chosen_frame_is_dropped_doubled_changed_or_answered() {
    let mut pair = Pair::start().await;
    let _drop = pair.proxy.rule(Frames::up("queue.declare").containing(b"\x01A"), Action::Drop);
    let _double = pair.proxy.rule(Frames::up("queue.declare").nth(2), Action::Duplicate);
    let change = Action::mutate(|bytes| bytes[14] = b'Z');
    let _change = pair.proxy.rule(Frames::up("queue.declare").containing(b"\x01D"), change);
    let answer = Action::Answer(b"\x08answer?".to_vec());
    let _answer = pair.proxy.rule(Frames::up("queue.declare").containing(b"\x01E"), answer);
    for name in *b"ABCDEF" {
        pair.say(Way::Up, &declare(name)).await;
    }
    // The first rule drops A, so the second rule never counts it.
    let arrives = [b'B', b'C', b'C', b'Z', b'F'].map(declare).concat();
    pair.hears(Way::Up, &arrives).await;
    pair.hears(Way::Down, b"\x08answer?").await;
    assert_eq!(pair.proxy.seen(Way::Up, "queue.declare"), 6);
    assert_eq!(pair.proxy.seen(Way::Both, "protocol"), 1);
}

#[tokio::test]
async fn a_held_frame_is_overtaken_until_it_is_released() {
    let mut pair = Pair::start().await;
    let rule = pair.proxy.rule(Frames::up("queue.declare").times(2), Action::Hold);
    for name in *b"ABC" {
        pair.say(Way::Up, &declare(name)).await;
    }
    pair.hears(Way::Up, &declare(b'C')).await;
    assert_eq!(rule.fired(), 2);
    rule.release();
    pair.hears(Way::Up, &[b'A', b'B'].map(declare).concat()).await;
}

#[tokio::test]
async fn an_ack_becomes_a_nack() {
    let mut pair = Pair::start().await;
    let _rule = pair.proxy.rule(Frames::down("basic.ack"), Action::nack());
    let tag = [0, 0, 0, 0, 0, 0, 0, 7, 1];
    pair.say(Way::Down, &method(1, "basic.ack", &tag)).await;
    pair.hears(Way::Down, &method(1, "basic.nack", &tag)).await;
}

#[tokio::test]
async fn a_reset_comes_before_a_frame_after_it_or_in_its_middle() {
    for (action, arrives) in
        [(Action::ResetBefore, 0), (Action::ResetAfter, declare(b'B').len()), (Action::Cut(9), 9)]
    {
        let mut pair = Pair::start().await;
        let _rule = pair.proxy.rule(Frames::up("queue.declare").nth(2), action);
        pair.say(Way::Up, &[b'A', b'B', b'C'].map(declare).concat()).await;
        let expected = [declare(b'A'), declare(b'B')[..arrives].to_vec()].concat();
        pair.hears(Way::Up, &expected).await;
        is_reset(&mut pair.broker).await;
        is_reset(&mut pair.client).await;
    }
}

#[tokio::test]
async fn connections_end_by_reset_in_order_or_on_one_side_only() {
    let mut pair = Pair::start().await;
    pair.proxy.present().reset();
    is_reset(&mut pair.client).await;
    is_reset(&mut pair.broker).await;

    let mut pair = Pair::start().await;
    pair.proxy.present().close();
    is_ended(&mut pair.client).await;
    is_ended(&mut pair.broker).await;

    let mut pair = Pair::start().await;
    pair.proxy.present().half_close(Way::Up);
    is_ended(&mut pair.broker).await;
    pair.say(Way::Down, &declare(b'A')).await;
    pair.hears(Way::Down, &declare(b'A')).await;

    let mut pair = Pair::start().await;
    pair.proxy.present().zombie();
    is_reset(&mut pair.client).await;
    pair.say(Way::Down, &declare(b'A')).await;
    let nothing = pair.broker.read_u8();
    let silent = tokio::time::timeout(Duration::from_millis(200), nothing).await;
    assert!(silent.is_err(), "the broker's side is open: {silent:?}");
}

#[tokio::test]
async fn the_door_refuses_resets_hangs_and_opens_again_at_the_same_port() {
    let pair = Pair::start().await;
    pair.proxy.refuse().await;
    let refused = TcpStream::connect(pair.proxy.address()).await.expect_err("nothing listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    pair.proxy.hang().await;
    let mut hung = TcpStream::connect(pair.proxy.address()).await.expect("taken");
    hung.write_all(PROTOCOL).await.expect("said");
    eventually("the connection to be accepted", || pair.proxy.attempts() == 2).await;
    pair.proxy.reset_new();
    is_reset(&mut TcpStream::connect(pair.proxy.address()).await.expect("taken")).await;
    pair.proxy.open().await;
    let (_client, _broker) = connect(&pair.proxy, &pair.listener).await;
    let silent = tokio::time::timeout(Duration::from_millis(50), hung.read_u8()).await;
    assert!(silent.is_err(), "a hanging connection stays silent: {silent:?}");
    pair.proxy.present().reset();
    is_reset(&mut hung).await;
    assert_eq!(pair.proxy.attempts(), 4);
}

#[tokio::test]
async fn what_is_kept_arrives_in_order_and_what_is_swallowed_never() {
    let mut pair = Pair::start().await;
    pair.proxy.present().keep(Way::Up);
    pair.say(Way::Up, &declare(b'A')).await;
    pair.say(Way::Down, &declare(b'B')).await;
    pair.hears(Way::Down, &declare(b'B')).await;
    pair.say(Way::Up, &declare(b'C')).await;
    pair.proxy.until_seen(Way::Up, "queue.declare", 2).await;
    let nothing = tokio::time::timeout(Duration::from_millis(50), pair.broker.read_u8()).await;
    assert!(nothing.is_err(), "it is kept back");
    pair.proxy.present().heal();
    pair.hears(Way::Up, &[b'A', b'C'].map(declare).concat()).await;

    pair.proxy.present().swallow(Way::Both);
    pair.say(Way::Up, &declare(b'D')).await;
    pair.proxy.until_seen(Way::Up, "queue.declare", 3).await;
    pair.proxy.all().heal();
    pair.say(Way::Down, &declare(b'E')).await;
    let nothing = tokio::time::timeout(Duration::from_millis(50), pair.client.read_u8()).await;
    assert!(nothing.is_err(), "it is lost");
    let (mut client, mut broker) = connect(&pair.proxy, &pair.listener).await;
    client.write_all(&declare(b'F')).await.expect("said");
    let mut heard = vec![0; declare(b'F').len()];
    soon("a new connection to work", broker.read_exact(&mut heard)).await.expect("heard");
}

#[tokio::test]
async fn what_is_not_read_fills_the_senders_buffers() {
    let mut pair = Pair::start().await;
    pair.proxy.present().unread(Way::Up);
    let flood = vec![8; 64 << 20];
    let stuck = tokio::time::timeout(Duration::from_millis(300), pair.client.write_all(&flood));
    assert!(stuck.await.is_err(), "the other side does not read");
}

#[tokio::test]
async fn bytes_arrive_late_slowly_and_in_portions() {
    let mut pair = Pair::start().await;
    let late = Duration::from_millis(100);
    pair.proxy.present().delay(Way::Down, late, Duration::ZERO);
    pair.proxy.present().slice(Way::Down, 3);
    let begun = std::time::Instant::now();
    pair.say(Way::Down, &declare(b'A')).await;
    pair.hears(Way::Down, &declare(b'A')).await;
    assert!(begun.elapsed() >= late);

    pair.proxy.present().heal();
    pair.proxy.present().bandwidth(Way::Down, 100);
    let begun = std::time::Instant::now();
    let two = [b'B', b'C'].map(declare).concat();
    pair.say(Way::Down, &two).await;
    pair.hears(Way::Down, &two).await;
    // At that bandwidth, the second frame waits until the first has passed.
    let first = Duration::from_millis(10 * u64::try_from(declare(b'B').len()).expect("short"));
    assert!(begun.elapsed() >= first, "{:?}", begun.elapsed());

    pair.proxy.present().heal();
    pair.proxy.present().cut_after(Way::Down, 5);
    pair.say(Way::Down, &two).await;
    pair.hears(Way::Down, &two[..5]).await;
    is_reset(&mut pair.client).await;
}

#[tokio::test]
async fn bytes_that_are_not_amqp_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = Proxy::before(&listener.local_addr().expect("an address").to_string()).await;
    let mut client = TcpStream::connect(proxy.address()).await.expect("connected");
    let (mut broker, _) = listener.accept().await.expect("accepted");
    client.write_all(b"\x16\x03\x01hello").await.expect("said");
    let mut heard = [0; 8];
    soon("what was said", broker.read_exact(&mut heard)).await.expect("heard");
    broker.write_all(b"\x16\x03\x03hello").await.expect("said");
    soon("the answer", client.read_exact(&mut heard)).await.expect("heard");
    assert_eq!(&heard, b"\x16\x03\x03hello");
    drop(client);
    is_ended(&mut broker).await;
    drop(broker);
    eventually("no connection to be left", || proxy.present().is_empty()).await;
}

#[tokio::test]
async fn a_rule_that_never_applies_fails_its_test() {
    let pair = Pair::start().await;
    let rule = pair.proxy.rule(Frames::down("basic.deliver"), Action::Drop);
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(rule)));
    assert!(dropped.is_err(), "nothing was delivered");
    pair.proxy.rule(Frames::down("basic.deliver"), Action::Drop).end();
}

#[tokio::test]
async fn a_rule_draws_the_same_by_the_same_seed_and_ends_with_its_guard() {
    let mut pair = Pair::start().await;
    let rule =
        pair.proxy.rule(Frames::up("queue.declare").always().with_probability(0.5), Action::Drop);
    for _ in 0..64 {
        pair.say(Way::Up, &declare(b'A')).await;
    }
    pair.proxy.until_seen(Way::Up, "queue.declare", 64).await;
    let fired = rule.fired();
    assert!((1..64).contains(&fired), "{fired} of 64");
    drop(rule);
    pair.say(Way::Up, &declare(b'B')).await;
    let rest = 64 - usize::try_from(fired).expect("few");
    pair.hears(Way::Up, &[vec![declare(b'A'); rest].concat(), declare(b'B')].concat()).await;
}
