//! Known bugs of the original that only a real broker shows. Others are in `tests/calls`, and those
//! of streams and queue names in `own_queues`.

use std::{collections::HashMap, time::Duration};

use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, ExchangeDeleteOptions, QueueDeleteOptions},
};
use rpc_runtime::{CallError, Context, Transport};
use tests::{
    World, eventually,
    heard::Heard,
    proxy::{Proxy, Way},
    rabbitmqctl, soon,
};

use crate::{
    adder::{AdderServer, Slow, adder},
    queues, stranger,
};

const DRAIN: Duration = Duration::from_secs(20);

/// Publishes a request as a foreign client would.
async fn publish(world: &World, body: &str) {
    let properties = BasicProperties::default().with_content_type("application/json".into());
    let channel = stranger(world).await;
    let (exchange, key) = ("openstack".into(), world.topic().into());
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(exchange, key, options, body.as_bytes(), properties);
    published.await.expect("published").await.expect("no confirm was requested");
    // Closing the channel shows that the broker has processed the publish.
    channel.close(200, "done".into()).await.expect("closed");
}

/// Connects through a proxy.
async fn through(proxy: &Proxy, world: &World) -> Transport {
    Transport::builder(&proxy.url(world)).connect().await.expect("connected")
}

// If a connection is lost before the confirm, the original publishes again. Its duplicate window
// belongs to one listener, so a second server runs the call again.
#[tokio::test(flavor = "multi_thread")]
async fn bug_03_a_call_runs_once_though_its_confirm_is_lost_and_there_are_two_servers() {
    let Some(world) = World::rabbit() else { return };
    let serving = [world.transport().await, world.transport().await];
    let slow = Slow::default();
    let _first = world.serve(&serving[0], "h", AdderServer::new(slow.clone())).await;
    let _second = world.serve(&serving[1], "i", AdderServer::new(slow.clone())).await;
    let proxy = Proxy::start(&world).await;
    let transport = through(&proxy, &world).await;
    let client = world.client::<adder::Api>(&transport);
    client.add(&Context::new(), 1000, 1).await.expect("an answer before the fault");

    proxy.all().keep(Way::Down);
    let calls: Vec<_> = (0..20).map(|a| tokio::spawn(client.add(&Context::new(), a, 1))).collect();
    eventually("all to have run", || slow.ran.len() == 21).await;
    proxy.cut();
    proxy.mend().await;
    for (a, call) in calls.into_iter().enumerate() {
        match soon("the end of a call", call).await.expect("no panic") {
            Ok(sum) => assert_eq!(sum, u64::try_from(a).expect("small") + 1),
            Err(error) => assert!(error.may_have_run(), "{a}: {error:?}"),
        }
    }
    client.add(&Context::new(), 2000, 1).await.expect("an answer after the fault");
    let mut runs: HashMap<u64, u32> = HashMap::new();
    slow.ran.events().into_iter().for_each(|a| *runs.entry(a).or_default() += 1);
    assert_eq!(runs.len(), 22);
    assert!(runs.values().all(|times| *times == 1), "{runs:?}");
}

// The original drops the whole connection for a second or more, and silently loses casts of that
// time.
#[tokio::test(flavor = "multi_thread")]
async fn bug_05_a_deleted_queue_costs_neither_the_connection_nor_a_cast() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let client = world.client::<adder::Api>(&transport);
    let connections = connections(&world).await;
    let channel = stranger(&world).await;
    for round in 0..10 {
        let deleted = channel.queue_delete(world.topic().into(), QueueDeleteOptions::default());
        deleted.await.expect("deleted");
        let cast = async {
            while let Err(error) = client.note(&Context::new(), round).await {
                assert!(matches!(error, CallError::Unroutable { .. }), "{error:?}");
            }
        };
        soon("a confirmed cast", cast).await;
        let done = usize::try_from(round).expect("small") + 1;
        eventually("the cast to run", || slow.ran.len() == done).await;
    }
    assert_eq!(slow.ran.events(), (0..10).collect::<Vec<_>>());
    let mut now = self::connections(&world).await;
    now.retain(|connection| connections.contains(connection));
    assert_eq!(now, connections, "the transport still has its connections");
}

/// Returns the connections to a virtual host.
async fn connections(world: &World) -> Vec<String> {
    let list = rabbitmqctl(&["--quiet", "list_connections", "pid", "vhost"]).await;
    let list = list.expect("it can be asked");
    let here = list.lines().filter(|line| line.ends_with(world.virtual_host()));
    let mut here: Vec<_> = here.map(str::to_owned).collect();
    here.sort_unstable();
    here
}

// In the original, the same option means "forever" on one path, and "fail now" on the one that
// opens a connection.
#[tokio::test(flavor = "multi_thread")]
async fn bug_06_a_first_cast_waits_for_the_broker_as_any_other_does() {
    let Some(world) = World::rabbit() else { return };
    let serving = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&serving, "h", AdderServer::new(slow.clone())).await;
    let proxy = Proxy::start(&world).await;
    let transport = through(&proxy, &world).await;
    let client = world.client::<adder::Api>(&transport);
    proxy.cut();
    let patient = tokio::spawn(client.note(&Context::new(), 1));
    let hasty = client.prepare().timeout(Duration::from_millis(300)).note(&Context::new(), 2);
    let error = soon("the deadline", hasty).await.expect_err("there is no broker");
    assert!(!error.may_have_run(), "{error:?}");
    assert!(!patient.is_finished(), "it has time left");
    proxy.mend().await;
    soon("the confirm", patient).await.expect("no panic").expect("confirmed");
    eventually("the cast to run", || !slow.ran.is_empty()).await;
    assert_eq!(slow.ran.events(), [1]);
}

// The original never acknowledges a duplicate: once there are as many as the prefetch, its listener
// stops permanently.
#[tokio::test(flavor = "multi_thread")]
async fn bug_07_duplicates_are_acknowledged_and_stop_no_consumer() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let slow = Slow::default();
    let server = world.server(&transport, "h").concurrency(2);
    let server = server.serve(AdderServer::new(slow.clone())).bind().await.expect("bound").run();
    for _ in 0..12 {
        let id = world.topic();
        let body = format!(r#"{{"method": "note", "args": {{"a": 7}}, "_unique_id": "{id}"}}"#);
        publish(&world, &body).await;
    }
    let client = world.client::<adder::Api>(&transport);
    assert_eq!(client.add(&Context::new(), 40, 2).await.expect("an answer"), 42);
    assert_eq!(slow.ran.events(), [7, 40]);
    server.shutdown(DRAIN).await.expect("nothing runs");
    let list = ["--quiet", "list_queues", "name", "messages", "--no-table-headers"];
    let Some(list) = rabbitmqctl(&list).await else { return };
    let left = list.lines().find(|line| line.starts_with(&format!("{}\t", world.topic())));
    assert_eq!(left, Some(&*format!("{}\t0", world.topic())));
}

// The fanout exchange is named after the topic alone. Another name would lose the peers.
#[tokio::test]
async fn bug_09_fanouts_of_another_service_do_no_harm_and_are_warned_of() {
    let Some(world) = World::rabbit() else { return };
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let other = world.connect(|builder| builder.control_exchange("another")).await;
    let stranger = crate::neighbour::NeighbourClient::new(&other);
    for _ in 0..3 {
        let cast = stranger.prepare().topic(world.topic()).fanout().move_house(&Context::new());
        cast.await.expect("confirmed");
    }
    let client = world.client::<adder::Api>(&transport);
    client.prepare().fanout().note(&Context::new(), 1).await.expect("confirmed");
    eventually("the cast of this service to run", || slow.ran.events() == [1]).await;
    let said = heard.lines();
    let said = said.iter().filter(|text| text.contains("virtual host of its own"));
    assert_eq!(said.count(), 1, "once, not for each");
}

// In the original, each such reply blocks a thread of the server for a minute.
#[tokio::test(flavor = "multi_thread")]
async fn bug_13_replies_to_absent_callers_delay_no_other_request() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let slow = Slow::default();
    let server = world.server(&transport, "h").concurrency(1);
    let _server = server.serve(AdderServer::new(slow.clone())).bind().await.expect("bound").run();
    for a in 0..20 {
        let body = format!(
            r#"{{"method": "add", "args": {{"a": {a}, "b": 1}}, "_msg_id": "{a}", "_reply_q": "reply_gone_{a}"}}"#
        );
        publish(&world, &body).await;
    }
    let client = world.client::<adder::Api>(&transport);
    let call = client.add(&Context::new(), 1000, 1);
    assert_eq!(soon("an answer", call).await.expect("an answer"), 1001);
    assert_eq!(slow.ran.len(), 21, "all others have run before");
}

// The original's pauses grow to half a minute, and messages that arrive while it consumes again
// wait for its next poll, every five seconds. Eight rounds would exceed the limit of this test.
#[tokio::test(flavor = "multi_thread")]
async fn bug_14_and_15_servers_come_back_at_once_and_take_up_what_waits() {
    let Some(world) = World::rabbit() else { return };
    let (proxy, caller) = (Proxy::start(&world).await, world.transport().await);
    let transport = through(&proxy, &world).await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let client = world.client::<adder::Api>(&caller);
    let rounds = async {
        for round in 0..8 {
            proxy.cut();
            for n in 0..50 {
                client.note(&Context::new(), round * 50 + n).await.expect("confirmed");
            }
            proxy.mend().await;
            let sent = usize::try_from((round + 1) * 50).expect("few");
            eventually("the waiting cast to run", || slow.ran.len() == sent).await;
        }
    };
    soon("all rounds", rounds).await;
}

// The original uses a connection for each call in flight; beyond its pool's size, callers wait
// without a limit.
#[tokio::test(flavor = "multi_thread")]
async fn bug_17_five_hundred_calls_at_once_take_two_connections() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let slow = Slow { takes: Duration::from_millis(1500), ..Slow::default() };
    let server = world.server(&transport, "h").concurrency(500);
    let server = server.serve(AdderServer::new(slow.clone())).bind().await.expect("bound").run();
    let client = world.client::<adder::Api>(&transport);
    let calls = (0..500).map(|a| tokio::spawn(client.add(&Context::new(), a, 1)));
    let calls: Vec<_> = calls.collect();
    let counted = connections(&world).await.len();
    for call in calls {
        soon("an answer", call).await.expect("no panic").expect("an answer");
    }
    assert_eq!(counted, 2);
    assert_eq!(connections(&world).await.len(), 2);
    server.shutdown(DRAIN).await.expect("nothing runs");
}

// The original leaves its reply queue to expire after half an hour.
#[tokio::test(flavor = "multi_thread")]
async fn bug_20_a_clean_end_leaves_no_queue_of_its_own() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let (serving, calling) = (world.transport().await, world.transport().await);
    let server = world.serve(&serving, "h", AdderServer::new(Slow::default())).await;
    let client = world.client::<adder::Api>(&calling);
    assert_eq!(client.add(&Context::new(), 1, 2).await.expect("an answer"), 3);
    assert_eq!(queues(&world, "").await.expect("it can be asked").len(), 5);
    server.shutdown(DRAIN).await.expect("nothing runs");
    calling.close().await;
    serving.close().await;
    let left = queues(&world, "").await.expect("it can be asked");
    assert_eq!(left, [world.topic().to_owned(), format!("{}.h", world.topic())]);
}

// In the original the next publish fails, even with endless retries; only the one after it declares
// the exchange again. Its servers receive nothing more until they are restarted.
#[tokio::test(flavor = "multi_thread")]
async fn bug_34_deleted_exchanges_are_made_again_and_nothing_is_lost() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let (serving, transport) = (world.transport().await, world.transport().await);
    let slow = Slow::default();
    let server = world.serve(&serving, "h", AdderServer::new(slow.clone())).await;
    let (client, ctx) = (world.client::<adder::Api>(&transport), Context::new());
    client.note(&ctx, 1).await.expect("confirmed");
    client.prepare().fanout().note(&ctx, 2).await.expect("confirmed");
    eventually("both to run", || slow.ran.len() == 2).await;
    let channel = stranger(&world).await;
    let fanout = format!("{}_fanout", world.topic());
    for exchange in ["openstack", &fanout] {
        let deleted = channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
        deleted.await.expect("deleted");
    }
    // The servers declare them again with their bindings, and callers do not notice.
    client.note(&ctx, 3).await.expect("confirmed");
    client.prepare().fanout().note(&ctx, 4).await.expect("confirmed");
    eventually("both to run", || slow.ran.len() == 4).await;
    let mut ran = slow.ran.events();
    ran.sort_unstable();
    assert_eq!(ran, [1, 2, 3, 4]);
    server.shutdown(DRAIN).await.expect("nothing runs");
}
