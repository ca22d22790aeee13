//! Properties that lapin cannot parse: each costs its message and nothing else.

use rpc_runtime::Context;
use tests::{
    World, eventually, rabbitmqctl,
    raw::{CONTENT_TYPE, HEADERS, Raw, connections, long, nested, short},
    soon,
};

use crate::{
    adder::{AdderServer, Slow, adder},
    queues,
};

/// Properties by their flags. Each of them would end the connection, or the process, of an
/// unprotected client.
fn hostile() -> Vec<(u16, Vec<u8>)> {
    let json = short(b"application/json");
    let after = |flag: u16, text: &[u8]| (CONTENT_TYPE | flag, [&json[..], text].concat());
    vec![
        after(HEADERS, &nested(4_000, b'F')),
        after(HEADERS, &nested(4_000, b'A')),
        after(HEADERS, &nested(60, b'F')),
        after(HEADERS, &long(&[&short(b"k\xff")[..], b"t\x01"].concat())),
        // Larger than a frame of this library's connection, but within the stranger's limit.
        after(HEADERS, &long(&[&short(b"k")[..], b"S", &long(&[b'x'; 100_000])].concat())),
        (CONTENT_TYPE, short(b"\xff\xfe")),
        // Encoding, correlation id, reply queue, message id, type, application.
        after(1 << 14, &short(b"\xff")),
        after(1 << 10, &short(b"\xc3\x28")),
        after(1 << 9, &short(b"\xff")),
        after(1 << 7, &short(b"\xed\xa0\x80")),
        after(1 << 5, &short(b"\xff")),
        after(1 << 3, &short(b"\xff")),
    ]
}

/// Waits until only the earlier connections are left, which shows that none was lost.
async fn assert_kept(world: &World, before: &[String]) {
    let gone = async { while connections(world).await != before {} };
    soon("only the earlier connections", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_that_cannot_be_read_cost_their_message_and_no_connection() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let (client, ctx) = (world.client::<adder::Api>(&transport), Context::new());
    assert_eq!(client.add(&ctx, 2_u64, 3_u64).await.expect("an answer"), 5);
    let before = connections(&world).await;
    let replies = queues(&world, "reply_").await.expect("a broker to ask");
    assert!(before.len() >= 2 && replies.len() == 1, "{before:?} {replies:?}");

    let mut raw = Raw::connect(&world).await;
    for (flags, properties) in hostile() {
        for queue in [world.topic(), &replies[0]] {
            let body = br#"{"method": "add", "args": {"a": 99, "b": 1}, "version": "1.0"}"#;
            raw.publish("", queue.as_bytes(), (flags, &properties), body).await;
        }
        assert_eq!(soon("an answer", client.add(&ctx, 2_u64, 3_u64)).await.expect("an answer"), 5);
    }
    raw.close().await;
    assert_eq!(client.prepare().server("h").add(&ctx, 1_u64, 1_u64).await.expect("an answer"), 2);
    assert_kept(&world, &before).await;
    assert!(!slow.ran.events().contains(&99), "a rejected request does not run");
    let list = ["--quiet", "list_queues", "--vhost", world.virtual_host(), "name", "messages"];
    let list = rabbitmqctl(&list).await.expect("a broker to ask");
    let left = list.lines().filter(|line| !line.starts_with("name") && !line.ends_with("\t0"));
    assert_eq!(left.count(), 0, "rejected messages are gone: {list}");
}

/// A server does not read the routing key of a message from a fanout exchange.
#[tokio::test(flavor = "multi_thread")]
async fn a_routing_key_that_is_no_text_costs_nothing() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let before = connections(&world).await;
    let mut raw = Raw::connect(&world).await;
    let body = br#"{"method": "note", "args": {"a": 7}, "version": "1.0"}"#;
    let properties = short(b"application/json");
    let exchange = format!("{}_fanout", world.topic());
    raw.publish(&exchange, b"\xff\xfe", (CONTENT_TYPE, &properties), body).await;
    raw.close().await;
    eventually("the cast", || slow.ran.events() == [7]).await;
    assert_kept(&world, &before).await;
}
