//! Notifications: a notifier sends what the original sent, and a listener accepts what the original
//! sent.

use std::{fs, path::PathBuf, time::Duration};

use rpc_runtime::{
    Context, NotificationListener, Notifier, Transport,
    notify::{Format, Metadata, Payload},
};
use serde_json::{Value, json, value::RawValue};
use tests::{Log, World, eventually, soon};

use crate::{Recorded, assert_equal, recorded};

/// The parts of a recorded notification.
struct Parts {
    publisher_id: Option<String>,
    event_type: String,
    priority: String,
    message_id: String,
    payload: Box<RawValue>,
    /// The context, in order.
    context: Context,
}

/// Returns the names of all recorded scenarios.
fn scenarios() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("wire/vectors");
    let files = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let names = files.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<_> = names.filter(|name| name.starts_with("notification_")).collect();
    names.sort();
    assert_eq!(names.len(), 30);
    names
}

/// Returns the notification's text, without its envelope.
fn opened(body: &str) -> (String, Format) {
    let value: Value = serde_json::from_str(body).expect("JSON");
    match value["oslo.message"].as_str() {
        Some(text) => (text.to_owned(), Format::V2),
        None => (body.to_owned(), Format::V1),
    }
}

/// Replaces the value after `name`. It contains no quotes.
fn without(text: &str, name: &str) -> String {
    let at = text.find(name).unwrap_or_else(|| panic!("no {name} in {text}")) + name.len();
    let value = at + text[at..].find(|c: char| c.is_ascii_hexdigit()).expect("a value");
    let end = value + text[value..].find(['\\', '"']).expect("its end");
    format!("{}<{name}>{}", &text[..value], &text[end..])
}

fn without_marks(text: &str) -> String {
    without(&without(text, "message_id"), "timestamp")
}

#[tokio::test]
async fn a_notifier_sends_what_the_original_sends() {
    for scenario in scenarios() {
        let transport =
            Transport::connect(&format!("memory://{scenario}")).await.expect("connected");
        let mut published = transport.memory().expect("embedded").observe();
        let messages = recorded(&scenario);
        let (text, format) = opened(&messages[0].body);
        let parts = parts(&text);
        let ctx = parts.context.clone();
        // A notifier redacts the token, which is `null` in the recording, too.
        let ctx = match ctx.value::<Option<String>>("auth_token") {
            Some(None) => ctx.with("auth_token", "canary"),
            _ => ctx,
        };
        let topics =
            messages.iter().map(|message| message.routing_key.rsplit_once('.').expect("a topic").0);
        let builder = topics
            .fold(Notifier::builder(&transport).messaging(format), |builder, topic| {
                builder.topic(topic)
            });
        let builder = match &parts.publisher_id {
            Some(id) => builder.publisher_id(id.as_str()),
            None => builder,
        };
        let priority = parts.priority.parse().expect("a priority");
        let emission = builder.build().notify(priority, &ctx, &parts.event_type, &parts.payload);
        soon("the confirm", emission).await.expect("sent");
        for theirs in &messages {
            let mut ours = published.try_recv().expect("one for each topic");
            let body = String::from_utf8(ours.body).expect("UTF-8");
            assert!(!body.contains("canary"));
            ours.body = without_marks(&body).into_bytes();
            let body = without_marks(&theirs.body);
            let Recorded { exchange, routing_key, expiration, .. } = theirs;
            let (exchange, routing_key) = (exchange.clone(), routing_key.clone());
            let theirs = Recorded { exchange, routing_key, expiration: expiration.clone(), body };
            assert_equal(&scenario, &ours, &theirs);
            // The broker returns a mandatory message if its queue was deleted. The notifier then
            // declares the queue, and sends again.
            assert!(ours.mandatory && ours.headers.is_empty());
        }
        assert!(published.try_recv().is_err());
    }
}

/// Reads the parts, with the payload unchanged.
fn parts(text: &str) -> Parts {
    // The map keeps the order.
    let all: Context = serde_json::from_str(text).expect("an object");
    let context = all.keys().filter_map(|key| Some((key.strip_prefix("_context_")?, key)));
    let context = context.fold(Context::new(), |context, (name, key)| {
        context.with(name, all.value::<Box<RawValue>>(key).expect("a value"))
    });
    Parts {
        publisher_id: all.value("publisher_id"),
        event_type: all.value("event_type").expect("text"),
        priority: all.value("priority").expect("text"),
        message_id: all.value("message_id").expect("text"),
        payload: all.value("payload").expect("a value"),
        context,
    }
}

#[tokio::test]
async fn a_listener_takes_what_the_original_sends_in_either_form() {
    let world = World::memory();
    let transport = world.transport().await;
    let heard = Log::<(Metadata, Payload)>::default();
    let noted = heard.clone();
    let listener = NotificationListener::builder(&transport)
        .topic("notifications")
        .topic("billing")
        .concurrency(1)
        .otherwise(move |metadata, payload| {
            noted.push((metadata, payload));
            async {}
        });
    let listener = listener.bind().await.expect("bound").run();
    let broker = transport.memory().expect("embedded");
    for scenario in scenarios() {
        for message in recorded(&scenario) {
            assert!(broker.publish(
                &message.exchange,
                &message.routing_key,
                message.body.clone().into_bytes()
            ));
            eventually("it", || !heard.is_empty()).await;
            let (metadata, told) = heard.take().swap_remove(0);
            let parts = parts(&opened(&message.body).0);
            assert_eq!(metadata.publisher_id, parts.publisher_id, "{scenario}");
            assert_eq!(metadata.event_type, parts.event_type);
            assert_eq!(metadata.priority.to_string(), parts.priority);
            assert_eq!(metadata.message_id, Some(parts.message_id));
            let time = metadata.time().expect("a time").elapsed().expect("past");
            assert!(time < Duration::from_secs(3600 * 24 * 366 * 50), "{scenario}");
            assert!(parts.context.keys().eq(metadata.context.keys()), "{scenario}");
            let told: Value = told.decode().expect("JSON");
            if !scenario.starts_with("notification_v1_datetime") && !scenario.contains("python") {
                assert_eq!(told, serde_json::from_str::<Value>(parts.payload.get()).expect("JSON"));
                continue;
            }
            // Kombu's encoding of types that JSON lacks: it decodes to what the enveloped form
            // contains.
            assert_eq!(told["dt"], json!("2026-11-20T17:05:06.789012"), "{told}");
            assert_eq!(told["uuid"], json!("12345678-1234-5678-1234-567812345678"));
            assert_eq!((&told["dec"], &told["bytes"]), (&json!("1.5"), &json!("abc")));
        }
    }
    listener.shutdown(Duration::from_secs(5)).await.expect("nothing runs");
}
