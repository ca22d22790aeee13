//! A stranger, which publishes and consumes on the broker of others.

use futures_util::StreamExt as _;
use lapin::{
    Channel, Connection, Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use rpc_runtime::{Transport, memory};
use serde_json::Value;
use tests::{
    World,
    raw::{CONTENT_TYPE, Raw, short},
    soon, unique,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::messages::Message;

/// Publishes arbitrary messages.
pub(crate) enum Stranger {
    Raw(Box<Raw>),
    Memory(memory::Broker),
}

impl Stranger {
    pub(crate) async fn new(world: &World, transport: &Transport) -> Self {
        match transport.memory() {
            Some(broker) => Self::Memory(broker),
            None => Self::Raw(Box::new(Raw::connect(world).await)),
        }
    }

    pub(crate) async fn publish(&mut self, exchange: &str, key: &str, message: Message) {
        let Message { kind: _, flags, properties, body } = message;
        match self {
            Self::Raw(raw) => {
                raw.publish(exchange, key.as_bytes(), (flags, &properties), &body).await
            }
            // The embedded broker's default exchange reaches reply queues only.
            Self::Memory(broker) => {
                let is_reply = exchange.is_empty() && key.starts_with("reply_");
                let is_topic = exchange.is_empty() && !is_reply;
                broker.publish(if is_topic { "openstack" } else { exchange }, key, body);
            }
        }
    }

    /// Publishes a body that claims to be JSON.
    pub(crate) async fn publish_json(&mut self, key: &str, body: &str) {
        let (flags, properties) = (CONTENT_TYPE, short(b"application/json"));
        let body = body.as_bytes().to_vec();
        self.publish("", key, Message { kind: "json", flags, properties, body }).await;
    }

    /// Waits until the broker has processed everything.
    pub(crate) async fn settle(&mut self) {
        if let Self::Raw(raw) = self {
            raw.settle().await;
        }
    }
}

/// Records the requests to a topic.
pub(crate) enum Eavesdropper {
    Rabbit(Box<Consumer>),
    Memory(UnboundedReceiver<memory::Published>),
}

impl Eavesdropper {
    pub(crate) async fn new(world: &World, transport: &Transport) -> Self {
        match transport.memory() {
            Some(broker) => Self::Memory(broker.observe()),
            None => {
                let queue = unique("copy");
                let channel = channel(world).await;
                declare(&channel, &queue).await;
                let bound = channel.queue_bind(
                    queue.as_str().into(),
                    "openstack".into(),
                    world.topic().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                );
                bound.await.expect("bound");
                Self::Rabbit(Box::new(consume(&channel, &queue).await))
            }
        }
    }

    /// Returns the id of the next call, and its reply queue.
    pub(crate) async fn call(&mut self) -> (String, String) {
        loop {
            let body = match self {
                Self::Rabbit(consumer) => {
                    let request = soon("a request", consumer.next()).await;
                    request.expect("consuming").expect("a request").data
                }
                Self::Memory(published) => {
                    soon("a request", published.recv()).await.expect("a request").body
                }
            };
            let Some(message) = inner(&body) else { continue };
            if let (Some(id), Some(queue)) =
                (message["_msg_id"].as_str(), message["_reply_q"].as_str())
            {
                return (id.to_owned(), queue.to_owned());
            }
        }
    }
}

/// Returns the message inside an envelope, if it is readable.
pub(crate) fn inner(body: &[u8]) -> Option<Value> {
    let envelope: Value = serde_json::from_slice(body).ok()?;
    serde_json::from_str(envelope["oslo.message"].as_str()?).ok()
}

/// Opens a bare AMQP channel to the world's broker.
pub(crate) async fn channel(world: &World) -> Channel {
    let authority = world.url().split("://").nth(1).and_then(|rest| rest.split('/').next());
    let virtual_host = if world.virtual_host() == "/" { "%2f" } else { world.virtual_host() };
    let url = format!("amqp://{}/{virtual_host}", authority.expect("an authority"));
    let connection = Connection::connect(&url, lapin::ConnectionProperties::default());
    connection.await.expect("a connection").create_channel().await.expect("a channel")
}

/// Declares a queue that is deleted with its consumer.
pub(crate) async fn declare(channel: &Channel, queue: &str) {
    let options =
        QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default());
    declared.await.expect("declared");
}

pub(crate) async fn consume(channel: &Channel, queue: &str) -> Consumer {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let tag = ShortString::from("1");
    let consumer = channel.basic_consume(queue.into(), tag, options, FieldTable::default());
    consumer.await.expect("consuming")
}
