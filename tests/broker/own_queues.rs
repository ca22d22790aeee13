//! Queues of a single server or client: streams instead of queues, stable names, brokers that deny
//! them.

use std::time::Duration;

use rpc_runtime::{Context, RabbitOptions, Transport};
use tests::{
    World, eventually,
    proxy::{Action, Frames, Proxy, method},
    rabbitmqctl, release, soon, unique,
};

use crate::{
    adder::{AdderServer, Slow, adder},
    queues,
};

const DRAIN: Duration = Duration::from_secs(10);

fn stream() -> RabbitOptions {
    RabbitOptions::default().transient_quorum_queues(true).stream_fanout(true)
}

/// Names of this test, as the processes of one host have them.
fn stable(world: &World) -> RabbitOptions {
    RabbitOptions::default()
        .stable_queue_names(true)
        .host_name("node1.example.com")
        .process_name(world.topic())
}

async fn with(world: &World, options: RabbitOptions) -> Transport {
    world.connect(|builder| builder.rabbit(options)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bug_08_a_server_that_starts_does_not_run_what_a_stream_kept() {
    let Some(world) = World::rabbit() else { return };
    let caller = with(&world, stream()).await;
    let (client, ctx) = (world.client::<adder::Api>(&caller), Context::new());
    let first = Slow::default();
    let transport = with(&world, stream()).await;
    let server = world.serve(&transport, "h", AdderServer::new(first.clone())).await;
    client.prepare().fanout().note(&ctx, 1).await.expect("confirmed");
    eventually("the cast has run", || first.ran.events() == [1]).await;
    server.shutdown(DRAIN).await.expect("nothing runs");
    transport.close().await;

    let (again, other) = (Slow::default(), Slow::default());
    let transport = with(&world, stream()).await;
    let _server = world.serve(&transport, "h", AdderServer::new(again.clone())).await;
    let _other = world.serve(&transport, "i", AdderServer::new(other.clone())).await;
    client.prepare().fanout().note(&ctx, 2).await.expect("confirmed");
    for slow in [&again, &other] {
        eventually("the next cast has run", || slow.ran.events().contains(&2)).await;
        assert_eq!(slow.ran.events(), [2], "only casts after it was bound");
    }
    assert_eq!(first.ran.events(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loses_its_connection_at_once_does_not_run_what_a_stream_kept() {
    let Some(world) = World::rabbit() else { return };
    let caller = with(&world, stream()).await;
    let (client, ctx) = (world.client::<adder::Api>(&caller), Context::new());
    let transport = with(&world, stream()).await;
    let first = Slow::default();
    let server = world.serve(&transport, "h", AdderServer::new(first.clone())).await;
    let proxy = Proxy::start(&world).await;
    let ours = Transport::builder(&proxy.url(&world)).rabbit(stream()).connect().await;
    let (ours, slow) = (ours.expect("connected"), Slow::default());
    // Casts in the same second as the server's start.
    for n in 0..20 {
        client.prepare().fanout().note(&ctx, n).await.expect("confirmed");
    }
    let _ours = world.serve(&ours, "i", AdderServer::new(slow.clone())).await;
    proxy.cut();
    client.prepare().fanout().note(&ctx, 100).await.expect("confirmed");
    proxy.mend().await;
    eventually("the next cast has run", || slow.ran.events().contains(&100)).await;
    assert_eq!(slow.ran.events(), [100], "only casts after it was bound");
    server.shutdown(DRAIN).await.expect("nothing runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_loses_and_repeats_nothing_while_its_reader_is_cut_off() {
    let Some(world) = World::rabbit() else { return };
    let caller = with(&world, stream()).await;
    let (client, ctx) = (world.client::<adder::Api>(&caller), Context::new());
    let proxy = Proxy::start(&world).await;
    let transport = Transport::builder(&proxy.url(&world)).rabbit(stream()).connect().await;
    let (transport, slow) = (transport.expect("connected"), Slow::default());
    let server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    for round in 0..3 {
        // In the first round, the server has read nothing yet.
        proxy.cut();
        for n in 0..10 {
            client.prepare().fanout().note(&ctx, round * 10 + n).await.expect("confirmed");
        }
        proxy.mend().await;
        let sent = usize::try_from((round + 1) * 10).expect("few");
        eventually("all casts have run", || slow.ran.len() >= sent).await;
        assert_eq!(slow.ran.len(), sent);
    }
    let mut ran = slow.ran.events();
    ran.sort_unstable();
    assert_eq!(ran, (0..30).collect::<Vec<_>>());
    server.shutdown(DRAIN).await.expect("nothing runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_stream_is_deleted_reads_the_next_one() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let (caller, transport) = (with(&world, stream()).await, with(&world, stream()).await);
    let (client, ctx) = (world.client::<adder::Api>(&caller), Context::new());
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    client.prepare().fanout().note(&ctx, 1).await.expect("confirmed");
    eventually("the cast has run", || slow.ran.events() == [1]).await;
    let name = format!("{}_fanout", world.topic());
    let channel = crate::stranger(&world).await;
    channel.queue_delete(name.clone().into(), Default::default()).await.expect("deleted");
    let back = async {
        while queues(&world, &name).await.is_none_or(|names| names.is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    soon("the stream exists again", back).await;
    client.prepare().fanout().note(&ctx, 2).await.expect("confirmed");
    eventually("the next cast has run", || slow.ran.events() == [1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bug_23_processes_of_one_name_never_share_a_queue() {
    let Some(world) = World::rabbit() else { return };
    let options = stable(&world);
    assert_shares_no_queue(world, options).await;
}

/// RabbitMQ ignores `exclusive` on a consumer of a quorum queue.
#[tokio::test(flavor = "multi_thread")]
async fn processes_of_one_name_share_no_quorum_queue_either() {
    let Some(world) = World::rabbit() else { return };
    let options = stable(&world).transient_quorum_queues(true);
    assert_shares_no_queue(world, options).await;
}

/// A virtual host decides the type of a durable queue that is declared without one. If the broker
/// denies transient queues, every queue with a stable name is durable.
#[tokio::test(flavor = "multi_thread")]
async fn processes_of_one_name_share_no_queue_where_quorum_is_the_default() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    if release() < Some((4, 0)) {
        return;
    }
    let default = ["update_vhost_metadata", world.virtual_host(), "--default-queue-type", "quorum"];
    rabbitmqctl(&default).await.expect("it can be controlled");
    let options = stable(&world);
    assert_shares_no_queue(world, options).await;
}

/// Starts three processes of one name, two of them with a server.
async fn assert_shares_no_queue(world: World, options: RabbitOptions) {
    let connect = || with(&world, options.clone());
    let slow = Slow { takes: Duration::from_millis(20), ..Slow::default() };
    let serving = connect().await;
    let _server = world.serve(&serving, "h", AdderServer::new(slow.clone())).await;
    let others = [connect().await, connect().await];
    let _second = world.serve(&others[0], "i", AdderServer::new(slow)).await;
    let calls = others.iter().flat_map(|transport| {
        (0..50).map(|a| {
            let client = world.client::<adder::Api>(transport);
            async move { client.add(&Context::new(), a, 1).await.map(|sum| sum - a) }
        })
    });
    let ends = soon("all answers", futures_util::future::join_all(calls)).await;
    assert!(ends.into_iter().all(|end| matches!(end, Ok(1))), "an answer reached another call");

    let owner = format!("node1.example.com:{}", world.topic());
    let named = async |prefix: &str| {
        let found = queues(&world, prefix).await?;
        Some(found.into_iter().filter(|name| !name.ends_with(".claim")).collect::<Vec<_>>())
    };
    let Some(replies) = named(&format!("reply_{owner}")).await else { return };
    assert_eq!(replies, [1001, 1002, 1003].map(|n| format!("reply_{owner}:{n}")));
    let fanout = format!("{}_fanout_{owner}", world.topic());
    let found = named(&fanout).await.expect("it can be asked");
    assert_eq!(found, [1001, 1002].map(|n| format!("{fanout}:{n}")));
    // A third server, on a connection that already has a claim.
    let _third = world.serve(&others[0], "j", AdderServer::new(Slow::default())).await;
    let found = named(&fanout).await.expect("it can be asked");
    assert_eq!(found, [1001, 1002, 1003].map(|n| format!("{fanout}:{n}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_comes_back_finds_its_queues_and_what_is_in_them() {
    let Some(world) = World::rabbit() else { return };
    assert_comes_back(&world, stable(&world)).await;
    let Some(world) = World::rabbit() else { return };
    let found = assert_comes_back(&world, stable(&world).transient_quorum_queues(true)).await;
    assert!(
        found.iter().all(|name| !name.ends_with(".claim")),
        "they are deleted with their connections: {found:?}"
    );
}

/// Restarts a server repeatedly, and returns the queues of its process.
async fn assert_comes_back(world: &World, options: RabbitOptions) -> Vec<String> {
    // The fanout exchange has to be as durable as the queues.
    let caller = with(world, options.clone().process_name(unique("caller"))).await;
    let (client, ctx) = (world.client::<adder::Api>(&caller), Context::new());
    let owner = format!("node1.example.com:{}", world.topic());
    for round in 0..3 {
        let slow = Slow::default();
        let transport = with(world, options.clone()).await;
        let server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
        if round > 0 {
            eventually("the earlier cast has run", || slow.ran.events() == [round]).await;
        }
        let own = world.client::<adder::Api>(&transport);
        assert_eq!(own.add(&ctx, 1000, 1).await.expect("an answer"), 1001);
        server.shutdown(DRAIN).await.expect("nothing runs");
        transport.close().await;
        client.prepare().fanout().note(&ctx, round + 1).await.expect("confirmed");
    }
    let Some(found) = queues(world, &owner).await else { return Vec::new() };
    assert_eq!(
        found,
        [format!("reply_{owner}:1001"), format!("{}_fanout_{owner}:1001", world.topic())]
    );
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn stable_names_survive_cut_connections() {
    for quorum in [false, true] {
        let Some(world) = World::rabbit() else { return };
        let Some(world) = world.alone().await else { return };
        let options = stable(&world).transient_quorum_queues(quorum);
        assert_survives_cut_connections(&world, options).await;
    }
}

async fn assert_survives_cut_connections(world: &World, options: RabbitOptions) {
    let transport = with(world, options).await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let client = world.client::<adder::Api>(&transport);
    for round in 0..3 {
        world.cut_connections(&transport).await;
        let added = client.add_again(&Context::new(), round, 1).await;
        assert_eq!(added.expect("an answer"), round + 1);
        client.prepare().fanout().note(&Context::new(), 100 + round).await.expect("confirmed");
        eventually("the cast has run", || slow.ran.events().contains(&(100 + round))).await;
    }
    let Some(mut found) = queues(world, "node1.example.com").await else { return };
    found.retain(|name| !name.ends_with(".claim"));
    assert_eq!(found.len(), 2, "one for replies, one for fanout casts: {found:?}");
}

/// RabbitMQ 4.3's default answer to a queue that is neither durable nor exclusive: it closes the
/// connection, with this text.
fn refuse_transient() -> (Frames, Action) {
    const REFUSAL: &str = "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.";
    const DURABLE: u8 = 2;
    const EXCLUSIVE: u8 = 4;
    let is_transient = |frame: &[u8]| {
        // Frame head, class, method, a reserved short, the name with its length, flags.
        let flags = frame[14 + usize::from(frame[13])];
        flags & (DURABLE | EXCLUSIVE) == 0
    };
    // Code, text, and the class and method of the refused frame.
    let mut close = 541_u16.to_be_bytes().to_vec();
    close.push(REFUSAL.len().try_into().expect("short"));
    close.extend(REFUSAL.as_bytes());
    close.extend([0, 50, 0, 10]);
    let close = method(0, "connection.close", &close);
    (Frames::up("queue.declare").that(is_transient).always(), Action::Answer(close))
}

/// Serves through a broker that denies transient queues, and checks that the library asks it once.
async fn assert_served_durably(options: RabbitOptions) {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let proxy = Proxy::start(&world).await;
    let (frames, action) = refuse_transient();
    let refusing = proxy.rule(frames, action);
    let connected = Transport::builder(&proxy.url(&world)).rabbit(options).connect().await;
    let transport = connected.expect("connected");
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let (client, ctx) = (world.client::<adder::Api>(&transport), Context::new());
    assert_eq!(client.add(&ctx, 1, 2).await.expect("an answer"), 3);
    client.prepare().fanout().note(&ctx, 7).await.expect("confirmed");
    eventually("the cast has run", || slow.ran.events() == [1, 7]).await;
    assert_eq!(refusing.fired(), 1, "the broker was asked once");
    let metrics = transport.metrics();
    assert_eq!(metrics.connections_lost, 0, "the closed connection was used for nothing else");

    let list = [
        "--quiet",
        "list_queues",
        "--vhost",
        world.virtual_host(),
        "durable",
        "--no-table-headers",
    ];
    let durable = rabbitmqctl(&list).await.expect("it can be asked");
    assert_eq!(durable.lines().collect::<Vec<_>>(), ["true"; 4], "topic, host, fanout, replies");
}

#[tokio::test(flavor = "multi_thread")]
async fn bug_24_a_broker_that_refuses_transient_queues_is_served_with_durable_ones() {
    assert_served_durably(RabbitOptions::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_asked_about_transient_queues_even_if_only_the_topics_are() {
    assert_served_durably(RabbitOptions::default().transient_quorum_queues(true)).await;
}
