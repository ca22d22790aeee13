//! Redelivery counters: those that a stranger forges, and those of this library's own copies, whose
//! user the broker verifies.

use std::{sync::Arc, time::Duration};

use lapin::{
    BasicProperties,
    options::{BasicGetOptions, BasicPublishOptions},
    types::{AMQPValue, FieldTable},
};
use rpc_runtime::{
    Context, NotificationListener, RabbitOptions, ServerBuilder, Transport,
    notify::{Metadata, Payload, Requeue},
    rpc_api,
};
use serde_json::json;
use tests::{Log, SOON, World, eventually, heard::Heard, rabbitmqctl, soon, unique};
use tokio::sync::Notify;

use crate::stranger;

#[rpc_api(topic = "counted", version = "1.0")]
trait Counted {
    #[rpc(ack = "late")]
    async fn count(&self, ctx: Context);
}

#[derive(Clone, Default)]
struct Counter(Log<u32>);

impl Counted for Counter {
    async fn count(&self, ctx: Context) {
        self.0.push(ctx.redeliveries());
    }
}

/// Holds each request until the test releases it.
#[derive(Clone, Default)]
struct Holder {
    log: Log<u32>,
    gate: Arc<Notify>,
}

impl Counted for Holder {
    async fn count(&self, ctx: Context) {
        self.log.push(ctx.redeliveries());
        self.gate.notified().await;
    }
}

fn request() -> Vec<u8> {
    let message =
        json!({"method": "count", "args": {}, "version": "1.0", "_unique_id": unique("")});
    json!({"oslo.version": "2.0", "oslo.message": message.to_string()}).to_string().into_bytes()
}

fn notification() -> Vec<u8> {
    let message = json!({
        "event_type": "forged", "priority": "INFO", "payload": 1, "publisher_id": "stranger",
        "message_id": unique(""), "_unique_id": unique(""), "timestamp": "2026-11-21 10:15:00.250000",
    });
    json!({"oslo.version": "2.0", "oslo.message": message.to_string()}).to_string().into_bytes()
}

/// Returns the properties of a message with forged counters.
fn forged(user: Option<&str>, count: i64) -> BasicProperties {
    let mut headers = FieldTable::default();
    for name in ["x-rpc-redeliveries", "x-delivery-count"] {
        headers.insert(name.into(), AMQPValue::LongLongInt(count));
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_headers(headers);
    match user {
        Some(user) => properties.with_user_id(user.into()),
        None => properties,
    }
}

/// Publishes 300 messages with forged counters to a queue.
async fn forge(
    world: &World,
    queue: &str,
    user: Option<&str>,
    count: i64,
    body: impl Fn() -> Vec<u8>,
) {
    let channel = stranger(world).await;
    for _ in 0..300 {
        let body = body();
        let published = channel.basic_publish(
            "".into(),
            queue.into(),
            BasicPublishOptions::default(),
            &body,
            forged(user, count),
        );
        published.await.expect("sent");
    }
}

/// Creates a user on this broker. Returns its name, and a URL with its login for the world's
/// virtual host.
async fn another_user(world: &World) -> Option<(String, String)> {
    let user = unique("user");
    rabbitmqctl(&["add_user", &user, "secret"]).await?;
    let vhost = world.virtual_host();
    rabbitmqctl(&["set_permissions", "--vhost", vhost, &user, ".*", ".*", ".*"]).await?;
    let (_, rest) = world.url().split_once('@').expect("a login");
    Some((format!("amqp://{user}:secret@{rest}"), user))
}

async fn holds_a_letter(world: &World, queue: &str) -> bool {
    let channel = stranger(world).await;
    let options = BasicGetOptions { no_ack: true };
    matches!(channel.basic_get(queue.into(), options).await, Ok(Some(_)))
}

async fn forged_counters_make_few_lines_and_no_dead_letter(user: Option<&str>) {
    let Some(world) = World::rabbit() else { return };
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = world.transport().await;
    let counter = Counter::default();
    let server = world.serve(&transport, "h", CountedServer::new(counter.clone())).await;
    let begun = std::time::Instant::now();
    forge(&world, world.topic(), user, 1000, request).await;
    eventually("all to run", || counter.0.len() == 300).await;
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("few") + 2;
    let lines = || -> Vec<_> {
        let is_loud = |line: &String| line.starts_with("WARN") || line.starts_with("ERROR");
        heard.lines().into_iter().filter(is_loud).collect()
    };
    if user.is_none() {
        assert!(counter.0.events().iter().all(|before| *before == 0));
        let is_said = || lines().iter().any(|line| line.contains("ignored a counter"));
        eventually("a line about ignored counters", is_said).await;
    }
    assert!(lines().len() <= seconds, "{:#?}", lines());
    assert_eq!(transport.metrics().requests_dead, 0);
    server.shutdown(SOON).await.expect("nothing runs");
    assert!(
        !holds_a_letter(&world, &format!("{}{}", world.topic(), ServerBuilder::DEAD_LETTERS)).await
    );
}

#[tokio::test]
async fn a_strangers_counters_make_few_lines_and_no_dead_letter() {
    forged_counters_make_few_lines_and_no_dead_letter(None).await;
}

#[tokio::test]
async fn counters_that_the_same_user_forges_make_few_lines_and_no_dead_letter() {
    forged_counters_make_few_lines_and_no_dead_letter(Some("guest")).await;
}

#[tokio::test]
async fn a_strangers_counters_make_no_notification_a_dead_letter() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let log = Log::default();
    let noted = log.clone();
    let listener = NotificationListener::builder(&transport).topic(world.topic()).delivery_limit(3);
    let listener = listener.otherwise(move |metadata: Metadata, _: Payload| {
        noted.push(metadata.redeliveries);
        async {}
    });
    let listener = listener.bind().await.expect("bound").run();
    forge(&world, &format!("{}.info", world.topic()), None, 1000, notification).await;
    eventually("all to be heard", || log.len() == 300).await;
    assert!(log.events().iter().all(|before| *before == 0), "{:?}", log.events());
    assert_eq!(transport.metrics().notifications_dead, 0);
    listener.shutdown(SOON).await.expect("nothing runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redeliveries_are_counted_in_copies_that_name_their_user() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let log = Log::default();
    let noted = log.clone();
    let listener = NotificationListener::builder(&transport)
        .topic(world.topic())
        .delivery_limit(4)
        .requeue_delay(Duration::from_millis(10))
        .otherwise(move |metadata: Metadata, _: Payload| {
            noted.push(metadata.redeliveries);
            async { Err::<(), _>(Requeue::because("not now")) }
        });
    let listener = listener.bind().await.expect("bound").run();
    rpc_runtime::Notifier::builder(&transport).topic(world.topic()).build().info(
        &Context::new(),
        "refused",
        &1,
    );
    eventually("the dead letter", || transport.metrics().notifications_dead == 1).await;
    assert_eq!(log.events(), [0, 1, 2, 3]);
    listener.shutdown(SOON).await.expect("nothing runs");
}

/// Passes a request from server to server: each shuts down before the method ends. Returns the
/// redelivery counts that they saw.
async fn passed_on(urls: &[&str], world: &World, options: impl Fn() -> RabbitOptions) -> Vec<u32> {
    let log = Log::default();
    let client_transport = world.transport().await;
    let connect = async |url: &str| {
        let transport =
            Transport::builder(url).rabbit(options()).connect().await.expect("connected");
        let holder = Holder { log: log.clone(), ..Holder::default() };
        let server =
            world.server(&transport, "h").delivery_limit(3).serve(CountedServer::new(holder));
        (server.bind().await.expect("bound").run(), transport)
    };
    let first = connect(urls[0]).await;
    let client = world.client::<counted::Api>(&client_transport);
    client.count(&Context::new()).await.expect("confirmed");
    let mut current = first;
    for (at, url) in urls.iter().enumerate().skip(1) {
        eventually("the method to begin", || log.len() == at).await;
        current.0.shutdown(Duration::ZERO).await.expect_err("it holds the request");
        current.1.close().await;
        current = connect(url).await;
    }
    soon("a redelivery or a dead letter", async {
        while log.len() < urls.len() && current.1.metrics().requests_dead == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let _ = current.0.shutdown(Duration::ZERO).await;
    current.1.close().await;
    log.events()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_two_users_count_on_if_they_name_each_other() {
    let Some(world) = World::rabbit() else { return };
    let Some((other, user)) = another_user(&world).await else { return };
    let (own, other) = (world.url().to_owned(), other.as_str());
    let urls = [own.as_str(), other, own.as_str(), other];
    let seen = passed_on(&urls, &world, || {
        RabbitOptions::default().trusted_users(["guest".to_owned(), user.clone()])
    })
    .await;
    assert_eq!(seen, [0, 1, 2], "the fourth server makes it a dead letter");
    let world = World::rabbit().expect("as before");
    let seen = passed_on(&urls, &world, RabbitOptions::default).await;
    assert_eq!(seen.len(), 4, "a count begins anew with another user: {seen:?}");
    let seen =
        passed_on(&[own.as_str(); 4], &World::rabbit().expect("as before"), RabbitOptions::default)
            .await;
    assert_eq!(seen, [0, 1, 2], "one user's servers count on");
}

/// Casts of this library do not expire. A peer's cast may, in the queue or while it waits for a
/// slot.
#[tokio::test]
async fn a_cast_that_expires_while_it_waits_is_counted_and_logged() {
    let Some(world) = World::rabbit() else { return };
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = world.transport().await;
    let holder = Holder::default();
    let server = world.server(&transport, "h").concurrency(1).limit("count", 1).waiting(8);
    let server =
        server.serve(CountedServer::new(holder.clone())).bind().await.expect("bound").run();
    let client = world.client::<counted::Api>(&transport);
    client.count(&Context::new()).await.expect("confirmed");
    eventually("the method to begin", || holder.log.len() == 1).await;
    let channel = stranger(&world).await;
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_expiration("500".into());
    let (options, body) = (BasicPublishOptions::default(), request());
    let published =
        channel.basic_publish("".into(), world.topic().into(), options, &body, properties);
    published.await.expect("sent");
    eventually("the cast to expire", || transport.metrics().requests_expired == 1).await;
    let is_said =
        |line: &String| line.starts_with("WARN") && line.contains("a cast that had expired");
    eventually("the line", || heard.lines().iter().any(is_said)).await;
    holder.gate.notify_one();
    server.shutdown(SOON).await.expect("nothing runs");
    assert_eq!(holder.log.len(), 1);
}
