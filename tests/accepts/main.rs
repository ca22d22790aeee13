//! Every message that a receiver has to accept: each one that was tried on the original is tried
//! here.
//!
//! The recorded cases contain what was published, and what the original did. A table lists each
//! case in which this library does otherwise, and why that is better. All other cases have the
//! original's outcome.

mod replies;
mod requests;

use lapin::{
    BasicProperties,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::Value;
use tests::World;

/// Returns the recorded cases.
fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/accepts/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // The recorder wrote values as Python does: those two are not valid JSON.
    let text =
        text.replace(r#""a": NaN"#, r#""a": null"#).replace(r#""a": "\ud800""#, r#""a": null"#);
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    match file["cases"].take() {
        Value::Array(cases) => cases,
        other => panic!("no cases: {other}"),
    }
}

/// Opens a bare AMQP channel to the world's broker, as a foreign client would.
async fn stranger(world: &World) -> lapin::Channel {
    let url = world.url().replacen("rabbit://", "amqp://", 1);
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let url = format!("amqp://{}/%2f", authority.expect("an authority"));
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await;
    connection.expect("a connection").create_channel().await.expect("a channel")
}

/// Publishes a recorded message.
async fn publish(
    channel: &lapin::Channel,
    exchange: &str,
    routing_key: &str,
    properties: BasicProperties,
    body: &[u8],
) {
    let (exchange, key) = (ShortString::from(exchange), ShortString::from(routing_key));
    let published =
        channel.basic_publish(exchange, key, BasicPublishOptions::default(), body, properties);
    published.await.expect("published").await.expect("no confirm was requested");
}

/// Returns the properties of a recorded case.
fn properties(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    compression: Option<&str>,
) -> BasicProperties {
    let mut properties = BasicProperties::default();
    if let Some(content_type) = content_type {
        properties = properties.with_content_type(content_type.into());
    }
    if let Some(content_encoding) = content_encoding {
        properties = properties.with_content_encoding(content_encoding.into());
    }
    if let Some(compression) = compression {
        let mut headers = FieldTable::default();
        headers.insert("compression".into(), AMQPValue::LongString(compression.into()));
        properties = properties.with_headers(headers);
    }
    properties
}
