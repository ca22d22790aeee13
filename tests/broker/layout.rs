//! Declarations and message properties: the original's layout.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use rpc_runtime::{Context, RabbitOptions, TransportErrorKind};
use tests::{SOON, World, denies_transient, rabbitmqctl, soon};

use crate::{
    adder::{AdderServer, Slow, adder},
    eavesdrop, stranger,
};

async fn next(consumer: &mut lapin::Consumer) -> lapin::message::Delivery {
    soon("a message", consumer.next()).await.expect("consuming").expect("a message")
}

/// Returns the recorded properties of every message: flags 0xF800, or 0xF900 with an expiration.
fn recorded_properties(expiration: Option<&str>) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_priority(0);
    match expiration {
        Some(millis) => properties.with_expiration(millis.into()),
        None => properties,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_have_the_recorded_properties() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let _server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    let (client, ctx) = (world.client::<adder::Api>(&transport), Context::new());
    let mut topic = eavesdrop(&world, "openstack", world.topic()).await;
    let mut host = eavesdrop(&world, "openstack", &format!("{}.h", world.topic())).await;
    let mut fanout = eavesdrop(&world, &format!("{}_fanout", world.topic()), "").await;

    client.add(&ctx, 1, 2).await.expect("an answer");
    let call = next(&mut topic).await;
    let headers = call.properties.headers().as_ref().expect("a table").inner();
    let number = |name: &str| match headers.get(name) {
        Some(AMQPValue::LongLongInt(number)) => u64::try_from(*number).expect("not negative"),
        other => panic!("{name} is {other:?}"),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let age = now.saturating_sub(Duration::from_millis(number("x-rpc-began")));
    assert!(age < SOON, "{age:?}");
    assert_ne!(number("x-rpc-caller"), 0);
    assert_eq!(headers.len(), 2, "{headers:?}");
    let without = call.properties.clone().with_headers(FieldTable::default());
    assert_eq!(without, recorded_properties(Some("60000")), "all else is the original's");
    client.note(&ctx, 1).await.expect("confirmed");
    assert_eq!(next(&mut topic).await.properties, recorded_properties(None));
    client.prepare().server("h").note(&ctx, 1).await.expect("confirmed");
    assert_eq!(next(&mut host).await.properties, recorded_properties(None));
    client.prepare().fanout().note(&ctx, 1).await.expect("confirmed");
    let cast = next(&mut fanout).await;
    assert_eq!(
        (cast.properties.clone(), cast.routing_key.as_str()),
        (recorded_properties(None), "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_have_the_recorded_properties() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let _server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    let mut replies = eavesdrop(&world, "", "").await;
    let queue = replies.queue();
    let request = serde_json::json!({"method": "add", "args": {"a": 1, "b": 2}, "_msg_id": "7", "_reply_q": queue.as_str()}).to_string();
    let channel = stranger(&world).await;
    let properties = BasicProperties::default().with_content_type("application/json".into());
    let published = channel.basic_publish(
        "openstack".into(),
        world.topic().into(),
        BasicPublishOptions::default(),
        request.as_bytes(),
        properties,
    );
    published.await.expect("published").await.expect("no confirm was requested");
    let reply = next(&mut replies).await;
    assert_eq!(reply.properties, recorded_properties(None));
    assert_eq!((reply.exchange.as_str(), &reply.routing_key), ("", &queue));
    let body = String::from_utf8(reply.data).expect("UTF-8");
    assert!(
        body.contains(
            r#"{\"result\": 3, \"failure\": null, \"ending\": true, \"_msg_id\": \"7\", "#
        ),
        "{body}"
    );
}

/// Returns what the broker lists of a virtual host, one object per row.
async fn list(world: &World, what: &[&str]) -> Option<Vec<serde_json::Value>> {
    let mut args = vec!["--quiet", "--formatter", "json", what[0], "--vhost", world.virtual_host()];
    args.extend(&what[1..]);
    let text = rabbitmqctl(&args).await?;
    Some(serde_json::from_str(&text).expect("JSON"))
}

async fn queues(world: &World) -> Option<Vec<String>> {
    let queues =
        list(world, &["list_queues", "name", "durable", "auto_delete", "exclusive", "arguments"])
            .await?;
    let describe = |queue: &serde_json::Value| {
        let name = queue["name"].as_str().expect("a name");
        let name = name.split("_fanout_").next().expect("a part").to_owned()
            + if name.contains("_fanout_") { "_fanout_*" } else { "" };
        let name = if name.starts_with("reply_") { "reply_*".to_owned() } else { name };
        let arguments = queue["arguments"].to_string();
        let expires = if arguments.contains("1800000") { "expires" } else { "stays" };
        format!(
            "{name} {} {} {} {expires}",
            queue["durable"], queue["auto_delete"], queue["exclusive"]
        )
    };
    let mut queues: Vec<_> = queues.iter().map(describe).collect();
    queues.sort_unstable();
    Some(queues)
}

#[tokio::test(flavor = "multi_thread")]
async fn declarations_equal_the_recorded_layout_and_a_clean_end_takes_its_own_away() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let server = world.serve(&transport, "host1", AdderServer::new(Slow::default())).await;
    world.client::<adder::Api>(&transport).add(&Context::new(), 1, 2).await.expect("an answer");
    let (topic, durable) = (world.topic(), denies_transient());
    let shared = [
        format!("{topic} {durable} false false stays"),
        format!("{topic}.host1 {durable} false false stays"),
    ];
    let own = [
        format!("reply_* {durable} false false expires"),
        format!("{topic}_fanout_* {durable} false false expires"),
    ];
    let mut expected = [shared.clone(), own].concat();
    expected.sort_unstable();
    assert_eq!(queues(&world).await.expect("controlled"), expected);

    let exchanges = list(&world, &["list_exchanges", "name", "type", "durable", "auto_delete"])
        .await
        .expect("controlled");
    for (name, kind, auto_delete) in
        [("openstack".to_owned(), "topic", false), (format!("{topic}_fanout"), "fanout", true)]
    {
        let found = exchanges.iter().find(|exchange| exchange["name"] == *name).expect("declared");
        let properties = (&found["type"], &found["durable"], &found["auto_delete"]);
        assert_eq!(properties, (&kind.into(), &false.into(), &auto_delete.into()), "{name}");
    }

    server.shutdown(std::time::Duration::from_secs(10)).await.expect("nothing runs");
    transport.close().await;
    let mut left = shared.to_vec();
    left.sort_unstable();
    assert_eq!(queues(&world).await.expect("controlled"), left);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_properties_is_a_mismatch_that_names_it() {
    let Some(world) = World::rabbit() else { return };
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(5));
    let declare = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let channel = stranger(&world).await;
    channel.queue_declare(world.topic().into(), declare, arguments).await.expect("declared");
    let transport =
        world.connect(|b| b.rabbit(RabbitOptions::default().durable_queues(true))).await;
    let bound = world.server(&transport, "h").serve(AdderServer::new(Slow::default())).bind().await;
    let error = bound.map(drop).expect_err("the queue is limited");
    assert_eq!(error.kind(), TransportErrorKind::Mismatch);
    assert!(error.to_string().contains(world.topic()), "{error}");
    // The broker's own words.
    assert!(error.to_string().contains("x-max-length"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_transport_takes_its_own_queues_away_also_under_a_running_server() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    for round in 0..5 {
        let transport = world.transport().await;
        let server = world
            .server(&transport, "h")
            .serve(AdderServer::new(Slow::default()))
            .bind()
            .await
            .expect("bound");
        drop(server.run());
        world.client::<adder::Api>(&transport).add(&Context::new(), 1, 2).await.expect("an answer");
        soon("the close", transport.close()).await;
        let left = queues(&world).await.expect("controlled");
        let expected = [
            format!("{} {} false false stays", world.topic(), denies_transient()),
            format!("{}.h {} false false stays", world.topic(), denies_transient()),
        ];
        assert_eq!(left, expected, "round {round}");
    }
}

/// Returns a queue's type, and whether it is durable and auto-delete.
async fn kind(world: &World, queue: &str) -> Option<String> {
    let queues = list(world, &["list_queues", "name", "type", "durable", "auto_delete"]).await?;
    let queue = queues.iter().find(|listed| listed["name"] == queue).expect("the queue");
    Some(format!("{} {} {}", queue["type"], queue["durable"], queue["auto_delete"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_layout_serves_calls_casts_and_fanouts() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let options = RabbitOptions::default;
    for (exchange, layout, expected) in [
        ("classic", options(), format!(r#""classic" {} false"#, denies_transient())),
        ("durable", options().durable_queues(true), r#""classic" true false"#.to_owned()),
        (
            "passing",
            options().auto_delete(true),
            format!(r#""classic" {} true"#, denies_transient()),
        ),
        (
            "quorum",
            options().quorum_queues(true).quorum_delivery_limit(5),
            r#""quorum" true false"#.to_owned(),
        ),
        (
            "all-quorum",
            options().quorum_queues(true).transient_quorum_queues(true),
            r#""quorum" true false"#.to_owned(),
        ),
    ] {
        let connect = |builder: rpc_runtime::TransportBuilder| {
            builder.rabbit(layout.clone()).control_exchange(exchange)
        };
        let transport = world.connect(connect).await;
        let topic = format!("{}-{exchange}", world.topic());
        let slow = Slow::default();
        let server = world.server(&transport, "h").topic(topic.as_str());
        let server = server.serve(AdderServer::new(slow.clone())).bind().await;
        let server = server.unwrap_or_else(|error| panic!("{exchange}: {error:?}")).run();
        let client =
            world.client::<adder::Api>(&transport).prepare().topic(topic.as_str()).client();
        let ctx = Context::new();
        assert_eq!(client.add(&ctx, 1, 2).await.expect("an answer"), 3, "{exchange}");
        client.prepare().server("h").note(&ctx, 10).await.expect("confirmed");
        client.prepare().fanout().note(&ctx, 11).await.expect("confirmed");
        tests::eventually("both casts", || slow.ran.len() == 3).await;
        assert_eq!(kind(&world, &topic).await.expect("a broker"), expected, "{exchange}");
        server.shutdown(tests::SOON).await.expect("nothing runs");
        transport.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_urls_options_win_and_wrong_ones_are_named() {
    let Some(world) = World::rabbit() else { return };
    let url = format!("{}?rabbit_quorum_queue=true&kombu_compression=bz2", world.url());
    let transport = rpc_runtime::Transport::builder(&url).control_exchange("url-options");
    let transport = transport.connect().await.expect("connected");
    let server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    let client = world.client::<adder::Api>(&transport);
    assert_eq!(client.add(&Context::new(), 1, 2).await.expect("an answer"), 3);
    let listed = kind(&world, world.topic()).await;
    assert!(listed.is_none_or(|kind| kind == r#""quorum" true false"#));
    server.shutdown(tests::SOON).await.expect("nothing runs");
    for (query, names) in [
        ("nope=1", "nope"),
        ("rabbit_quorum_queue=maybe", "rabbit_quorum_queue"),
        ("kombu_compression=zstd", "kombu_compression"),
        ("rabbit_quorum_queue=1&amqp_auto_delete=1", "auto_delete"),
    ] {
        let wrong = rpc_runtime::Transport::connect(&format!("{}?{query}", world.url())).await;
        let error = wrong.expect_err(query);
        assert_eq!(error.kind(), TransportErrorKind::Configuration);
        assert!(error.to_string().contains(names), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_more_durable_queue_is_used_and_one_of_another_kind_is_named() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let durable = world.connect(|b| b.rabbit(RabbitOptions::default().durable_queues(true))).await;
    let first = world.serve(&durable, "h", AdderServer::new(Slow::default())).await;
    // The original's server does not start with a durable exchange and default options, and its
    // clients fail each send.
    let plain = world.transport().await;
    let second = world.serve(&plain, "i", AdderServer::new(Slow::default())).await;
    let client = world.client::<adder::Api>(&plain);
    assert_eq!(client.add(&Context::new(), 1, 2).await.expect("an answer"), 3);
    let quorum = world.connect(|b| b.rabbit(RabbitOptions::default().quorum_queues(true))).await;
    let server = world.server(&quorum, "h").serve(AdderServer::new(Slow::default())).bind().await;
    let error = server.expect_err("a classic queue exists");
    assert_eq!(error.kind(), TransportErrorKind::Mismatch);
    let said = error.to_string();
    for word in [world.topic(), "x-queue-type", "quorum"] {
        assert!(said.contains(word), "{said}");
    }
    for server in [first, second] {
        server.shutdown(tests::SOON).await.expect("nothing runs");
    }
}
