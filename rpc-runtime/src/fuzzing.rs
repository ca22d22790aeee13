//! What fuzzers call: each function takes any bytes, and panics where a promise is broken.
//!
//! This module is there for `cargo xtask fuzz`, which sets `cfg(fuzzing)`, and for tests, which take the corpus and
//! random changes of it.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use serde::de::IgnoredAny;
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use crate::{
    Config, Failure, Transport, compression,
    envelope::{self, Head, Notice, NoticeWriter, ReplyWriter, Request},
    json,
    limits::Limits,
    observe::Observer,
    pending::Pending,
    replies::Replies,
    transport::guard_promises,
    url::TransportUrl,
};

/// How large a body may become when it is unpacked.
const LARGEST: usize = Limits::UNPACKED;

/// Takes any bytes.
type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 7] = [
    ("envelope", envelope),
    ("reply", reply),
    ("notification", notification),
    ("failure", failure),
    ("url", url),
    ("config", config),
    ("guard", guard),
];

/// Names the compression that a body looks like.
fn compression(body: &[u8]) -> Option<&'static str> {
    match body {
        [0x78, ..] | [0x1f, 0x8b, ..] => Some("gzip"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        _ => None,
    }
}

/// Checks that a part of a message reads as what it is: text that every way of reading takes for JSON.
fn part(text: &str) {
    let raw: Box<RawValue> = json::from_str(text).expect("a part is JSON");
    assert_eq!(raw.get(), text.trim_matches([' ', '\n', '\r', '\t']));
    assert!(json::from_str::<IgnoredAny>(text).is_ok());
    if let Ok(value) = json::from_str::<Value>(text) {
        let written = json::text(&value).expect("a value is JSON");
        let again: Value = json::from_str(&written).expect("what is written is JSON");
        assert_eq!(json::text(&again).expect("a value is JSON"), written);
    }
}

/// Opens an envelope. What is opened in one pass is what every other way finds in it.
fn opened(body: &[u8]) -> Option<Cow<'_, str>> {
    let any = envelope::open_any(body).ok();
    if let Some(message) = envelope::usual(body) {
        assert_eq!(any.as_deref(), Some(&*message));
    }
    let opened = envelope::open(body).ok();
    assert_eq!(opened, any);
    opened
}

/// A server gets a request: what is taken apart is JSON in each of its parts, and can be answered.
pub fn envelope(body: &[u8]) {
    let Ok(unpacked) = compression::unpack(body, compression(body), LARGEST) else { return };
    let Some(text) = opened(&unpacked) else { return };
    let Ok(request) = Request::parse_within(&text, Limits::VALUES) else { return };
    let _ = (request.method(), request.namespace(), request.version(), request.unique_id());
    let _ = (request.monitor(), request.traceparent());
    request.context.iter().for_each(|(_, value)| part(value));
    if let Ok(args) = request.args() {
        args.iter().for_each(|(_, value)| part(value));
    }
    let Some((id, queue)) = request.caller() else { return };
    let _ = envelope::is_reply_queue(&queue);
    part(id);
    let answer = ReplyWriter::failure(&Failure::no_such_method("m")).finish(id, Uuid::nil());
    let text = envelope::open(&answer).expect("our reply is an envelope");
    let reply = envelope::Reply::parse_within(text.into_owned(), Limits::VALUES);
    // An id that is no string goes back as it came, and only its sender knows what to make of it.
    match json::from_str::<String>(id) {
        Ok(id) => assert_eq!(reply.expect("our reply is one").msg_id(), id),
        Err(_) => assert!(reply.is_err()),
    }
}

/// A listener gets a notification: what is taken apart is JSON in each of its parts, and reads the same when it is written
/// again, in either form.
pub fn notification(body: &[u8]) {
    let Ok(unpacked) = compression::unpack(body, compression(body), LARGEST) else { return };
    let Some(text) = opened(&unpacked) else { return };
    let Ok(notice) = Notice::parse_within(&text, Limits::VALUES) else { return };
    notice.context.iter().for_each(|(_, value)| part(value));
    part(notice.payload());
    let (publisher_id, event_type) = (notice.publisher_id(), notice.event_type());
    let (priority, timestamp) = (notice.priority(), notice.timestamp());
    let _ = (notice.message_id(), notice.unique_id());
    let head = Head {
        message_id: Uuid::nil(),
        publisher_id: publisher_id.as_deref(),
        event_type: event_type.as_deref().unwrap_or_default(),
        priority: priority.as_deref().unwrap_or_default(),
        payload: notice.payload(),
        timestamp: timestamp.as_deref().unwrap_or_default(),
    };
    let writer = NoticeWriter::new(&head, &[]).expect("texts are JSON");
    let (bare, wrapped) = (writer.bare(Uuid::nil()), writer.wrapped(Uuid::nil()));
    // What stands in the envelope means itself; on its own it may be kombu's for something else.
    let own = std::str::from_utf8(&bare).expect("ours is text");
    let is_plain = matches!(json::untyped(own), Ok(Cow::Borrowed(_)));
    for body in [Some(&wrapped), Some(&bare).filter(|_| is_plain)].into_iter().flatten() {
        let text = envelope::open(body).expect("ours is one");
        let again = Notice::parse_within(&text, usize::MAX).expect("ours is one");
        assert_eq!(again.publisher_id(), publisher_id);
        assert_eq!(again.event_type().as_deref(), Some(head.event_type));
        assert_eq!(again.priority().as_deref(), Some(head.priority));
        assert_eq!(again.timestamp().as_deref(), Some(head.timestamp));
        part(again.payload());
    }
}

/// A client gets a reply: it ends the call that it names, and no other.
pub fn reply(body: &[u8]) {
    let header = compression(body);
    let named = compression::unpack(body, header, LARGEST)
        .ok()
        .and_then(|body| Some(opened(&body)?.into_owned()))
        .and_then(|text| envelope::Reply::parse_within(text, Limits::VALUES).ok());
    let id = named.as_ref().and_then(|reply| Uuid::try_parse(&reply.msg_id()).ok());
    let observer = Arc::new(Observer::new());
    let replies = Replies::new(Arc::clone(&observer), Limits::default());
    let other = Arc::new(call());
    let bystander = id.map_or(1, |id| id.as_u128().wrapping_add(1));
    replies.insert(Uuid::from_u128(bystander), Arc::clone(&other));
    let asked = Arc::new(call());
    if let Some(id) = id {
        replies.insert(id, Arc::clone(&asked));
    }
    replies.receive(body, header, None);
    assert_eq!(observer.metrics().replies_malformed == 0, named.is_some());
    assert!(!other.has_ended(), "a reply to somebody else");
    let Some(reply) = named else { return };
    assert_eq!(asked.has_ended(), id.is_some() && reply.is_ending());
    part(reply.result());
    if let Ok(Some(failure)) = reply.failure() {
        travels(&failure);
    }
}

/// Makes a call that waits.
fn call() -> Pending {
    Pending::of_nothing(true)
}

/// Checks that a failure is the same after another journey, but for the mark that it has made one.
fn travels(failure: &Failure) {
    let sent = failure.encode();
    let again = Failure::decode(&sent).expect("our failure is one");
    assert_eq!(again.message(), failure.message());
    assert_eq!(again.traceback(), failure.traceback());
    assert!(failure.class().starts_with(again.class()));
    let _ = (failure.to_string(), failure.arg_value::<Value>(0), failure.kwarg_value::<Value>("a"));
    if again.class() == failure.class() && again.module() == failure.module() {
        assert_eq!(again.encode(), sent);
    }
}

/// A failure's own text.
pub fn failure(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(failure) = Failure::decode(text) {
        travels(&failure);
    }
}

/// A transport URL: what is printed of it is a URL of the same brokers, and what is refused is refused by a transport.
pub fn url(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let builder = Transport::builder(text);
    let _ = format!("{builder:?}");
    let Ok(url) = text.parse::<TransportUrl>() else {
        assert!(builder.check().is_err());
        return;
    };
    let shown = url.to_string();
    let again: TransportUrl = shown.parse().expect("what is printed is a URL");
    assert_eq!(again.to_string(), shown);
    assert_eq!((again.scheme(), again.virtual_host()), (url.scheme(), url.virtual_host()));
    let address = |url: &TransportUrl| -> Vec<_> {
        url.hosts().iter().map(|host| (host.name.clone(), host.port)).collect()
    };
    assert_eq!(address(&again), address(&url));
    let _ = builder.check();
}

/// A configuration file: one that is accepted makes a transport.
pub fn config(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(config) = Config::parse(text) {
        config.transport().check().expect("it was checked");
        // A mistake that only notifications meet stops nothing else.
        let _ = config.notification_transport().check();
        let _ = format!("{config:?}");
    }
}

/// What a broker sends.
pub fn guard(bytes: &[u8]) {
    guard_promises::check(bytes);
}
