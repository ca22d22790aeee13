//! An AMQP client other than this library, to declare, delete and count objects of the broker.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use tests::{World, node::Node, unique};

/// A foreign AMQP client.
pub(crate) struct Stranger(Channel);

impl Stranger {
    /// Connects to the world's broker and virtual host.
    pub(crate) async fn at(world: &World) -> Self {
        let host = if world.virtual_host() == "/" { "%2f" } else { world.virtual_host() };
        let authority = world.url().split("://").nth(1).and_then(|rest| rest.split('/').next());
        let url = format!("amqp://{}/{host}", authority.expect("an authority"));
        let connection = Connection::connect(&url, ConnectionProperties::default()).await;
        Self(connection.expect("a connection").create_channel().await.expect("a channel"))
    }

    pub(crate) async fn delete_exchange(&self, name: &str) {
        let deleted = self.0.exchange_delete(name.into(), ExchangeDeleteOptions::default());
        deleted.await.expect("deleted");
    }

    pub(crate) async fn delete_queue(&self, name: &str) {
        let deleted = self.0.queue_delete(name.into(), QueueDeleteOptions::default());
        deleted.await.expect("deleted");
    }

    pub(crate) async fn purge(&self, name: &str) {
        self.0.queue_purge(name.into(), QueuePurgeOptions::default()).await.expect("purged");
    }

    async fn declare(&self, name: &str, options: QueueDeclareOptions, arguments: FieldTable) {
        let declared = self.0.queue_declare(name.into(), options, arguments);
        declared.await.expect("declared");
    }

    async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let bound = self.0.queue_bind(queue.into(), exchange.into(), key.into(), options, none);
        bound.await.expect("bound");
    }

    /// Declares an exclusive queue.
    pub(crate) async fn declare_exclusive(&self, name: &str) {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        self.declare(name, options, FieldTable::default()).await;
    }

    /// Declares a queue that rejects publishes once it is full, and binds it as a server's.
    pub(crate) async fn declare_full_at(&self, name: &str, length: i32) {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(length));
        let refuses = AMQPValue::LongString("reject-publish".into());
        arguments.insert("x-overflow".into(), refuses);
        self.declare(name, durable(), arguments).await;
        self.bind(name, "openstack", name).await;
    }

    /// Declares a fanout exchange with a queue, and returns the queue's name.
    pub(crate) async fn letters(&self, exchange: &str) -> String {
        let (name, options) = (ShortString::from(exchange), ExchangeDeclareOptions::default());
        let kind = ExchangeKind::Fanout;
        let declared = self.0.exchange_declare(name, kind, options, FieldTable::default());
        declared.await.expect("declared");
        let queue = unique("letters");
        self.declare(&queue, durable(), FieldTable::default()).await;
        self.bind(&queue, exchange, "").await;
        queue
    }

    /// Counts the ready messages of a queue.
    pub(crate) async fn waiting(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.0.queue_declare(queue.into(), options, FieldTable::default()).await;
        declared.expect("it is there").message_count()
    }

    /// Publishes a request to a queue, with an expiration and nothing else about time.
    pub(crate) async fn expiring(&self, queue: &str, body: &str, lives: Duration) {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_expiration(lives.as_millis().to_string().into());
        let (options, queue) = (BasicPublishOptions::default(), queue.into());
        let published =
            self.0.basic_publish("".into(), queue, options, body.as_bytes(), properties);
        published.await.expect("published");
    }

    /// Publishes `times` bodies to a queue, with the properties of a request.
    pub(crate) async fn flood(&self, queue: &str, times: u32, body: impl Fn(u32) -> String) {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into());
        let options = BasicPublishOptions::default();
        for number in 0..times {
            let (body, properties) = (body(number), properties.clone());
            let published =
                self.0.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties);
            published.await.expect("published");
        }
    }
}

/// Returns the queues of the world's virtual host with `part` in their names.
pub(crate) async fn queues(node: &Node, world: &World, part: &str) -> Vec<String> {
    let host = world.virtual_host();
    let list = node.ctl(&["list_queues", "--vhost", host, "--no-table-headers", "name"]).await;
    list.lines().filter(|name| name.contains(part)).map(str::to_owned).collect()
}

/// Queue options that every release permits.
fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
}
