//! The bytes of a notification (wire: section 8.1): one JSON object, on its own (version 1) or in the envelope of requests
//! (version 2).

use std::borrow::Cow;

use uuid::Uuid;

use super::{
    CLOSING, EnvelopeError, OPENING, hex,
    read::{keep, string},
};
use crate::{Context, json};

/// A notification that is written, but for what differs from one copy to the next.
pub(crate) struct NoticeWriter<'a> {
    /// All up to the copy's own id.
    head: Vec<u8>,
    /// All behind it.
    context: &'a [u8],
}

/// What a notification says of itself.
pub(crate) struct Head<'a> {
    pub(crate) message_id: Uuid,
    pub(crate) publisher_id: Option<&'a str>,
    pub(crate) event_type: &'a str,
    /// In capitals.
    pub(crate) priority: &'a str,
    /// JSON text.
    pub(crate) payload: &'a str,
    pub(crate) timestamp: &'a str,
}

impl<'a> NoticeWriter<'a> {
    /// Writes a notification. `context` is what [`write_plain_context`](super::write_plain_context) made.
    pub(crate) fn new(head: &Head<'_>, context: &'a [u8]) -> Result<Self, serde_json::Error> {
        let mut out = Vec::with_capacity(256 + head.payload.len());
        let mut member = |name: &str, value: &Option<&str>| {
            out.extend_from_slice(if out.is_empty() { b"{\"" } else { b", \"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\": ");
            json::plain(&mut out, value)
        };
        member("message_id", &Some(head.message_id.hyphenated().encode_lower(&mut [0; 36])))?;
        member("publisher_id", &head.publisher_id)?;
        member("event_type", &Some(head.event_type))?;
        member("priority", &Some(head.priority))?;
        out.extend_from_slice(b", \"payload\": ");
        out.extend_from_slice(head.payload.as_bytes());
        out.extend_from_slice(b", \"timestamp\": ");
        json::plain(&mut out, head.timestamp)?;
        out.extend_from_slice(b", \"_unique_id\": \"");
        Ok(Self { head: out, context })
    }

    /// Returns the body of one copy, in the form of version 1.
    pub(crate) fn bare(&self, unique_id: Uuid) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.head.len() + 34 + self.context.len());
        body.extend_from_slice(&self.head);
        body.extend_from_slice(hex(unique_id, &mut [0; 32]).as_bytes());
        body.push(b'"');
        body.extend_from_slice(self.context);
        body.push(b'}');
        body
    }

    /// Returns the body of one copy, in the form of version 2.
    pub(crate) fn wrapped(&self, unique_id: Uuid) -> Vec<u8> {
        let bare = self.bare(unique_id);
        let mut body = Vec::with_capacity(OPENING.len() + bare.len() * 5 / 4 + CLOSING.len());
        body.extend_from_slice(OPENING);
        // It was text when it was written.
        json::nested_text(&mut body, &String::from_utf8_lossy(&bare));
        body.extend_from_slice(CLOSING);
        body
    }
}

/// Reads what [`write_plain_context`](super::write_plain_context) made.
pub(crate) fn context_of(members: &[u8]) -> Context {
    let text = String::from_utf8_lossy(members);
    let text = format!("{{{}}}", text.strip_prefix(", ").unwrap_or_default());
    let mut entries = Vec::new();
    // We have written it ourselves.
    let _ = json::object(&text, |key, value| keep(&mut entries, key, value));
    Context::of(&entries)
}

/// A notification's parts, as text. What a peer left out or misspelt shows only where it matters.
#[derive(Debug, Default)]
pub(crate) struct Notice<'a> {
    message_id: Option<&'a str>,
    publisher_id: Option<&'a str>,
    event_type: Option<&'a str>,
    priority: Option<&'a str>,
    payload: Option<&'a str>,
    timestamp: Option<&'a str>,
    unique_id: Option<&'a str>,
    /// How many values it is made of.
    pub(crate) values: usize,
    /// The context's keys without their prefix.
    pub(crate) context: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Notice<'a> {
    /// Reads the text that [`open`](super::open) returned, and of the context no more entries than `most`.
    pub(crate) fn parse_within(text: &'a str, most: usize) -> Result<Self, EnvelopeError> {
        let mut notice = Self::default();
        let values = json::object(text, |key, value| match &*key {
            "message_id" => notice.message_id = Some(value),
            "publisher_id" => notice.publisher_id = Some(value),
            "event_type" => notice.event_type = Some(value),
            "priority" => notice.priority = Some(value),
            "payload" => notice.payload = Some(value),
            "timestamp" => notice.timestamp = Some(value),
            "_unique_id" => notice.unique_id = Some(value),
            _ if notice.context.len() < most => keep(&mut notice.context, key, value),
            _ => {}
        });
        notice.values = values.map_err(EnvelopeError::Json)?;
        Ok(notice)
    }

    pub(crate) fn message_id(&self) -> Option<Cow<'a, str>> {
        string(self.message_id?)
    }

    pub(crate) fn publisher_id(&self) -> Option<Cow<'a, str>> {
        string(self.publisher_id?)
    }

    pub(crate) fn event_type(&self) -> Option<Cow<'a, str>> {
        string(self.event_type?)
    }

    pub(crate) fn priority(&self) -> Option<Cow<'a, str>> {
        string(self.priority?)
    }

    pub(crate) fn timestamp(&self) -> Option<Cow<'a, str>> {
        string(self.timestamp?)
    }

    /// The id by which a repeated delivery is known. Peers may leave it out.
    pub(crate) fn unique_id(&self) -> Option<Cow<'a, str>> {
        string(self.unique_id?)
    }

    /// The payload's JSON text; an absent one is `null`.
    pub(crate) fn payload(&self) -> &'a str {
        self.payload.unwrap_or("null")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::open, *};
    use crate::envelope::write_plain_context;

    const ID: Uuid = Uuid::from_u128(7);
    const TEXT: &str = r#"{"message_id": "00000000-0000-0000-0000-000000000007", "publisher_id": "volume.host-1", "event_type": "e", "priority": "INFO", "payload": [1, null], "timestamp": "2026-11-21 10:15:00", "_unique_id": "00000000000000000000000000000009", "_context_user_id": "u1"}"#;

    fn head(publisher_id: Option<&str>) -> Head<'_> {
        Head {
            message_id: ID,
            publisher_id,
            event_type: "e",
            priority: "INFO",
            payload: "[1, null]",
            timestamp: "2026-11-21 10:15:00",
        }
    }

    fn context() -> Vec<u8> {
        let mut members = Vec::new();
        let context = Context::new().with("user_id", "u1");
        write_plain_context(&context, true, &mut members).expect("JSON");
        members
    }

    #[test]
    fn a_notification_is_written_in_both_forms_as_the_original_writes_it() {
        let context = context();
        let writer = NoticeWriter::new(&head(Some("volume.host-1")), &context).expect("JSON");
        let unique_id = Uuid::from_u128(9);
        let bare = String::from_utf8(writer.bare(unique_id)).expect("text");
        let wrapped = writer.wrapped(unique_id);
        let outer: serde_json::Value = serde_json::from_slice(&wrapped).expect("JSON");
        assert_eq!(bare, TEXT);
        assert_eq!(outer["oslo.message"], TEXT);
        assert_eq!(outer["oslo.version"], "2.0");
        assert_eq!(open(&wrapped).expect("an envelope"), bare);
        let of_nobody = NoticeWriter::new(&head(None), &[]).expect("JSON").bare(unique_id);
        let of_nobody = String::from_utf8(of_nobody).expect("text");
        assert!(of_nobody.contains(r#""publisher_id": null, "#), "{of_nobody}");
    }

    #[test]
    fn all_that_a_notification_says_of_itself_is_read() {
        let notice = Notice::parse_within(TEXT, 10).expect("a notification");
        let said = [
            notice.message_id(),
            notice.publisher_id(),
            notice.event_type(),
            notice.priority(),
            notice.timestamp(),
            notice.unique_id(),
        ];
        let expected = [
            "00000000-0000-0000-0000-000000000007",
            "volume.host-1",
            "e",
            "INFO",
            "2026-11-21 10:15:00",
            "00000000000000000000000000000009",
        ];
        assert_eq!(said.each_ref().map(Option::as_deref), expected.map(Some));
        assert_eq!(notice.payload(), "[1, null]");
        assert_eq!(Context::of(&notice.context).user_id().as_deref(), Some("u1"));
        let nothing = Notice::parse_within(r#"{"event_type": 5, "priority": null}"#, 10);
        let nothing = nothing.expect("an object");
        let said = [nothing.event_type(), nothing.priority(), nothing.message_id()];
        assert_eq!((said, nothing.payload()), ([None, None, None], "null"));
    }

    #[test]
    fn of_a_context_no_more_is_kept_than_may_be_and_all_is_counted() {
        let text = r#"{"_context_a": 1, "other": 2, "_context_b": 3, "_context_c": 4}"#;
        for (most, kept) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)] {
            let notice = Notice::parse_within(text, most).expect("an object");
            assert_eq!(notice.context.len(), kept, "{most}");
            let all = Notice::parse_within(text, usize::MAX).expect("an object");
            assert_eq!(notice.values, all.values);
        }
    }

    #[test]
    fn a_context_is_read_as_it_was_written() {
        assert_eq!(context_of(&context()).user_id().as_deref(), Some("u1"));
        assert_eq!(context_of(&[]).user_id(), None);
    }
}
