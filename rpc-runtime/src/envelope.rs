//! The bytes of a message, and what they say: envelope 2.0 around a request or a reply.
//!
//! Plain functions over byte strings. A message is one JSON object whose `oslo.message` is a string that holds JSON
//! again (wire: sections 2 and 3); both layers are written in one pass, straight into the body. Reading keeps the
//! arguments and the result as text, so that they are decoded once, into the types that the interface names.

mod context;
mod notification;
mod read;

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use serde::Serialize;
use uuid::Uuid;

pub(crate) use context::{write_context, write_plain_context};
pub(crate) use notification::{Head, Notice, NoticeWriter, context_of};
pub(crate) use read::{Arguments, EnvelopeError, Reply, Request, is_reply_queue, open};
#[cfg(all(any(fuzzing, test), feature = "config", feature = "rabbit"))]
pub(crate) use read::{open_any, usual};

use crate::json::{self, Nested};

/// The one content type that receivers accept (wire: section 5.1).
pub(crate) const CONTENT_TYPE: &str = "application/json";

const OPENING: &[u8] = br#"{"oslo.version": "2.0", "oslo.message": ""#;
const CLOSING: &[u8] = br#""}"#;

/// The length of an id.
const ID: usize = 32;
/// What a reply of few values takes.
const ROOM_OF_REPLIES: usize = 512;

/// A message that is being written.
pub(crate) struct Writer {
    body: Vec<u8>,
}

impl fmt::Debug for Writer {
    /// Leaves out what is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins a message of which so much is likely to be written.
    fn open(room: usize) -> Self {
        let mut body = Vec::with_capacity(room);
        body.extend_from_slice(OPENING);
        Self { body }
    }

    /// Writes inner JSON text that needs nothing but its quotes escaped.
    fn raw(&mut self, text: &str) {
        json::nested_text(&mut self.body, text);
    }

    /// Writes what stands between values, and needs nothing escaped.
    fn between(&mut self, text: &str) {
        self.body.extend_from_slice(text.as_bytes());
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
        json::nested(&mut self.body, value)
    }

    fn member<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.between(", ");
        self.value(name)?;
        self.between(": ");
        self.value(value)
    }

    fn close(mut self) -> Vec<u8> {
        self.between("}");
        self.body.extend_from_slice(CLOSING);
        self.body
    }
}

/// A request while its arguments are being written.
#[derive(Debug)]
pub(crate) struct RequestWriter {
    writer: Writer,
    first: bool,
}

/// What stands behind a request's arguments.
#[derive(Debug)]
pub(crate) struct Tail<'a> {
    pub(crate) namespace: Option<&'a str>,
    /// Absent is read as `1.0`.
    pub(crate) version: Option<rpc_idl::Version>,
    /// A call's id and the queue for its reply.
    pub(crate) call: Option<(Uuid, &'a str)>,
    /// How long a call's server may be silent.
    pub(crate) monitor: Option<Duration>,
    pub(crate) unique_id: Uuid,
    /// What [`write_context`] made.
    pub(crate) context: &'a [u8],
}

impl Tail<'_> {
    /// Returns how many bytes it takes, unless there are long numbers in it, or names that need much escaped.
    fn room(&self) -> usize {
        let namespace =
            self.namespace.map_or(0, |name| r#", \"namespace\": \"\""#.len() + name.len());
        let version = self.version.map_or(0, |_| r#", \"version\": \"12.34\""#.len());
        let call = self.call.map_or(0, |(_, queue)| {
            let names = r#", \"_msg_id\": \"\", \"_reply_q\": \"\", \"_timeout\": null"#.len();
            names + ID + queue.len()
        });
        let id = r#", \"_unique_id\": \"\""#.len() + ID;
        namespace + version + call + id + self.context.len() + "}}".len() + CLOSING.len()
    }
}

impl RequestWriter {
    /// What a request of few arguments takes without its tail.
    const ROOM: usize = 256;

    pub(crate) fn new(method: &str) -> Self {
        let mut writer = Writer::open(Self::ROOM);
        writer.raw(r#"{"method": "#);
        // A method's name is a Rust string: it is always JSON.
        let _ = writer.value(method);
        writer.raw(r#", "args": {"#);
        Self { writer, first: true }
    }

    /// Adds an argument. After an error the message is spoilt.
    pub(crate) fn arg<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.name(name)?;
        self.writer.value(value)
    }

    /// Adds an argument whose value is JSON already.
    pub(crate) fn raw_arg(&mut self, name: &str, json: &str) -> Result<(), serde_json::Error> {
        self.name(name)?;
        self.writer.raw(json);
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<(), serde_json::Error> {
        if !std::mem::take(&mut self.first) {
            self.writer.between(", ");
        }
        self.writer.value(name)?;
        self.writer.between(": ");
        Ok(())
    }

    /// Ends the message, and returns its body.
    pub(crate) fn finish(self, tail: &Tail<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let mut writer = self.writer;
        // A body is kept for as long as its message waits, so it is given the room that it needs, and no more.
        writer.body.reserve_exact(tail.room());
        writer.between("}");
        if let Some(namespace) = tail.namespace {
            writer.member("namespace", namespace)?;
        }
        if let Some(version) = tail.version {
            writer.raw(r#", "version": ""#);
            // A `Vec` takes everything.
            let _ = write!(Nested(&mut writer.body), "{version}");
            writer.raw("\"");
        }
        if let Some((msg_id, reply_queue)) = tail.call {
            writer.member("_msg_id", hex(msg_id, &mut [0; 32]))?;
            writer.member("_reply_q", reply_queue)?;
            match tail.monitor {
                Some(silence) if silence.subsec_nanos() == 0 => {
                    writer.member("_timeout", &silence.as_secs())?
                }
                Some(silence) => writer.member("_timeout", &silence.as_secs_f64())?,
                None => writer.raw(r#", "_timeout": null"#),
            }
        }
        writer.member("_unique_id", hex(tail.unique_id, &mut [0; 32]))?;
        writer.body.extend_from_slice(tail.context);
        Ok(writer.close())
    }
}

/// Formats an id as the wire does: 32 lower-case hex digits, no dashes.
fn hex(id: Uuid, buffer: &mut [u8; 32]) -> &str {
    id.simple().encode_lower(buffer)
}

/// A reply whose result is written, and that misses only whom it is for.
#[derive(Debug)]
pub(crate) struct ReplyWriter(Writer);

impl ReplyWriter {
    /// Writes a method's result.
    pub(crate) fn result<T: Serialize + ?Sized>(result: &T) -> Result<Self, serde_json::Error> {
        let mut writer = Writer::open(ROOM_OF_REPLIES);
        writer.raw(r#"{"result": "#);
        writer.value(result)?;
        writer.raw(r#", "failure": null"#);
        Ok(Self(writer))
    }

    /// Writes why there is no result.
    pub(crate) fn failure(failure: &crate::Failure) -> Self {
        let mut writer = Writer::open(ROOM_OF_REPLIES);
        writer.raw(r#"{"result": null, "failure": "#);
        // A string is always JSON.
        let _ = writer.value(&failure.encode());
        Self(writer)
    }

    /// Ends the reply to the call `msg_id`, JSON text that is echoed as it came. Returns the reply's body.
    pub(crate) fn finish(mut self, msg_id: &str, unique_id: Uuid) -> Vec<u8> {
        self.0.raw(r#", "ending": true, "_msg_id": "#);
        self.0.raw(msg_id);
        let _ = self.0.member("_unique_id", hex(unique_id, &mut [0; 32]));
        self.0.close()
    }
}

/// Writes the message that tells the caller of `msg_id`, JSON text, that the server still works.
pub(crate) fn heartbeat(msg_id: &str, unique_id: Uuid) -> Vec<u8> {
    let mut writer = Writer::open(ROOM_OF_REPLIES);
    writer.raw(r#"{"result": null, "failure": null, "ending": false, "_msg_id": "#);
    writer.raw(msg_id);
    let _ = writer.member("_unique_id", hex(unique_id, &mut [0; 32]));
    writer.close()
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x1234);

    fn inner(body: &[u8]) -> String {
        open(body).expect("an envelope").into_owned()
    }

    #[test]
    fn a_call_has_its_members_in_the_recorded_order() {
        let mut request = RequestWriter::new("echo");
        request.arg("u", "é").expect("text is JSON");
        request.arg("n", &None::<u8>).expect("null is JSON");
        let version = rpc_idl::Version::new(2, 1);
        let mut context = Vec::new();
        write_context(&serde_json::json!({"user": "u"}), &mut context).expect("an object");
        let body = request
            .finish(&Tail {
                namespace: Some("control"),
                version: Some(version),
                call: Some((ID, "reply_1")),
                monitor: None,
                unique_id: ID,
                context: &context,
            })
            .expect("all of it is JSON");
        assert_eq!(
            inner(&body),
            concat!(
                r#"{"method": "echo", "args": {"u": "\u00e9", "n": null}, "namespace": "control", "version": "2.1", "#,
                r#""_msg_id": "00000000000000000000000000001234", "_reply_q": "reply_1", "_timeout": null, "#,
                r#""_unique_id": "00000000000000000000000000001234", "_context_user": "u"}"#
            )
        );
    }

    #[test]
    fn a_monitored_call_says_its_silence_in_whole_seconds_or_as_a_float() {
        let millis = |millis| Some(Duration::from_millis(millis));
        for (monitor, said) in [(millis(5000), "5"), (millis(1500), "1.5"), (None, "null")] {
            let call = Some((ID, "reply_1"));
            let (namespace, version, context) = (None, None, &[][..]);
            let tail = Tail { namespace, version, call, monitor, unique_id: ID, context };
            let body = RequestWriter::new("echo").finish(&tail).expect("all of it is JSON");
            let said = format!(r#""_timeout": {said}, "_unique_id""#);
            assert!(inner(&body).contains(&said), "{}", inner(&body));
        }
    }

    #[test]
    fn a_failure_is_text_within_text_within_text() {
        let failure = crate::Failure::of("it \"broke\"", "builtins", "ValueError");
        let body = ReplyWriter::failure(&failure).finish("\"id\"", ID);
        let text = inner(&body);
        let reply = Reply::parse(text).expect("a reply");
        let read = reply.failure().expect("readable").expect("a failure");
        assert_eq!(read.message(), "it \"broke\"");
    }
}
