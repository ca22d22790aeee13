//! Over random requests and replies: what is written is what is read, on every way that bodies take.

use std::collections::BTreeMap;

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};
use rpc_idl::Version;
use serde_json::Value;

use super::{
    read::{open_any, usual},
    *,
};
use crate::{
    Compression, Failure, compression,
    json::{
        from_str,
        properties::{any_text, any_value},
    },
};

/// A request, as a client means it.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    args: Vec<(String, Value)>,
    /// Which of the arguments are given as JSON.
    raw: Vec<bool>,
    namespace: Option<String>,
    version: Option<Version>,
    call: Option<(Uuid, String)>,
    monitor: Option<Duration>,
    unique_id: Uuid,
    context: BTreeMap<String, Value>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let args = vec((any_text(), any_value()), 0..5);
    let version = (0..9_u64, any::<u64>(), 0..2_u64)
        .prop_map(|(major, minor, revision)| Version::with_revision(major, minor, revision));
    let call = (
        any::<u128>().prop_map(Uuid::from_u128),
        any_text().prop_filter("nobody waits", |q| !q.is_empty()),
    );
    let monitor = (0..100_000_u64, 0..4_u32)
        .prop_map(|(seconds, quarters)| Duration::new(seconds, quarters * 250_000_000));
    let key = any_text().prop_filter("refused", |key| key != "self");
    let context = btree_map(key, any_value(), 0..4);
    (
        (any_text(), args, vec(any::<bool>(), 5), option::of(any_text()), option::of(version)),
        (option::of(call), option::of(monitor), any::<u128>().prop_map(Uuid::from_u128), context),
    )
        .prop_map(
            |((method, args, raw, namespace, version), (call, monitor, unique_id, context))| Sent {
                method,
                args,
                raw,
                namespace,
                version,
                call,
                monitor,
                unique_id,
                context,
            },
        )
}

impl Sent {
    fn write(&self) -> Vec<u8> {
        let mut writer = RequestWriter::new(&self.method);
        for ((name, value), raw) in self.args.iter().zip(&self.raw) {
            match raw {
                true => writer.raw_arg(name, &json::text(value).expect("JSON")),
                false => writer.arg(name, value),
            }
            .expect("JSON");
        }
        let mut context = Vec::new();
        write_context(&self.context, &mut context).expect("a map");
        let tail = Tail {
            namespace: self.namespace.as_deref(),
            version: self.version,
            call: self.call.as_ref().map(|(id, queue)| (*id, &**queue)),
            monitor: self.monitor,
            unique_id: self.unique_id,
            context: &context,
        };
        writer.finish(&tail).expect("JSON")
    }

    /// Checks that a request's text says what was meant.
    fn check(&self, text: &str) -> Result<(), TestCaseError> {
        let request = Request::parse(text).expect("a request");
        prop_assert_eq!(request.method(), Some(self.method.as_str().into()));
        prop_assert_eq!(request.namespace(), self.namespace.as_deref().map(Into::into));
        let version = self.version.map_or("1.0".to_owned(), |version| version.to_string());
        prop_assert_eq!(request.version(), Some(version.into()));
        prop_assert_eq!(request.unique_id(), Some(self.unique_id.simple().to_string().into()));
        let caller =
            request.caller().map(|(id, queue)| (from_str(id).expect("text"), queue.into_owned()));
        let called = self.call.as_ref().map(|(id, queue)| (id.simple().to_string(), queue.clone()));
        prop_assert_eq!(caller, called.clone());
        let monitor = self.monitor.filter(|_| called.is_some());
        prop_assert_eq!(request.monitor(), monitor.map(|silence| silence.as_secs_f64()));
        let decoded = |(name, value): (std::borrow::Cow<'_, str>, &str)| {
            (name.into_owned(), from_str(value).expect("JSON"))
        };
        let args: Vec<(String, Value)> =
            request.args().expect("an object").into_iter().map(decoded).collect();
        prop_assert_eq!(&args, &self.args);
        let context: BTreeMap<String, Value> =
            request.context.clone().into_iter().map(decoded).collect();
        prop_assert_eq!(&context, &self.context);
        Ok(())
    }
}

/// The ways that a body takes: as it is, or compressed.
fn packed(body: &[u8], compression: Option<Compression>) -> (Vec<u8>, Option<&'static str>) {
    match compression {
        Some(compression) => (compression.pack(body), Some(compression.header())),
        None => (body.to_vec(), None),
    }
}

fn any_compression() -> impl Strategy<Value = Option<Compression>> {
    prop::sample::select(vec![None, Some(Compression::Gzip), Some(Compression::Bzip2)])
}

fn any_failure() -> impl Strategy<Value = Failure> {
    (any_text(), any_text(), any_text())
        .prop_map(|(message, module, class)| Failure::of(&message, &module, &class))
}

/// What a failure reads as at the other end.
fn shown(failure: &Failure) -> (String, Vec<String>) {
    (format!("{failure:?}"), failure.traceback().to_vec())
}

/// A value of kombu's types, and what it stands for.
fn typed() -> impl Strategy<Value = (String, String)> {
    let text = |text: &str| json::text(text).expect("JSON");
    prop_oneof![
        any::<u128>().prop_map(move |id| {
            let (typed, plain) =
                (Uuid::from_u128(id).simple(), Uuid::from_u128(id).hyphenated().to_string());
            (
                format!(
                    r#"{{"__type__": "uuid", "__value__": {{"hex": "{typed}", "version": 4}}}}"#
                ),
                text(&plain),
            )
        }),
        (
            prop::sample::select(vec!["datetime", "date", "time", "decimal", "bytes", "base64"]),
            any_text()
        )
            .prop_map(move |(name, value)| {
                let plain = text(&value);
                (format!(r#"{{"__value__": {plain}, "__type__": "{name}"}}"#), plain)
            }),
        any_value().prop_map(|value| {
            let plain = json::text(&value).expect("JSON");
            (plain.clone(), plain)
        }),
    ]
    .prop_recursive(3, 12, 3, |inside| {
        prop_oneof![
            vec(inside.clone(), 0..3).prop_map(|list| {
                let (typed, plain): (Vec<_>, Vec<_>) = list.into_iter().unzip();
                (format!("[{}]", typed.join(", ")), format!("[{}]", plain.join(", ")))
            }),
            (any_text(), inside).prop_map(|(key, (typed, plain))| {
                let key = json::text(&key).expect("JSON");
                (
                    format!("{{{key}: {typed}, \"more\": 0}}"),
                    format!("{{{key}: {plain}, \"more\": 0}}"),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_request_says_at_its_end_what_it_said_at_its_beginning(sent in sent(), compression in any_compression()) {
        let body = sent.write();
        let (travelling, header) = packed(&body, compression);
        let arrived = compression::unpack(&travelling, header, usize::MAX).expect("packed here");
        prop_assert_eq!(&*arrived, &*body);
        let text = open(&arrived).expect("an envelope");
        let usual = usual(&arrived);
        prop_assert_eq!(usual.as_deref(), Some(&*text), "ours is written as most are");
        prop_assert_eq!(open_any(&arrived).expect("an envelope"), &*text);
        sent.check(&text)?;
        // A peer of before envelopes sends the same text alone.
        let alone = open(text.as_bytes()).expect("a message");
        sent.check(&alone)?;
    }

    #[test]
    fn other_readers_find_the_same_message_in_an_envelope(sent in sent()) {
        let body = sent.write();
        prop_assert!(body.is_ascii());
        let outer: BTreeMap<String, String> = serde_json::from_slice(&body).expect("it is JSON");
        prop_assert_eq!(outer.len(), 2);
        prop_assert_eq!(&outer["oslo.version"], "2.0");
        prop_assert_eq!(&*outer["oslo.message"], &*open(&body).expect("an envelope"));
        let inner: Value = serde_json::from_str(&outer["oslo.message"]).expect("it is JSON");
        prop_assert_eq!(&inner["method"], &*sent.method);
    }

    #[test]
    fn a_reply_carries_its_result_to_the_id_that_asked(
        result in any_value(), id in any_text(), escaped in any::<bool>(), compression in any_compression(),
    ) {
        let echoed = if escaped { json::text(&id) } else { serde_json::to_string(&id) }.expect("JSON");
        let body = ReplyWriter::result(&result).expect("JSON").finish(&echoed, Uuid::nil());
        let (travelling, header) = packed(&body, compression);
        let arrived = compression::unpack(&travelling, header, usize::MAX).expect("packed here");
        let reply = Reply::parse(open(&arrived).expect("an envelope").into_owned()).expect("a reply");
        prop_assert_eq!(reply.msg_id(), &*id);
        prop_assert!(reply.is_ending());
        prop_assert_eq!(reply.has_content(), !result.is_null());
        prop_assert!(reply.failure().expect("none").is_none());
        prop_assert_eq!(from_str::<Value>(reply.result()).expect("JSON"), result);
    }

    #[test]
    fn a_reply_carries_its_failure(failure in any_failure(), id in any_text()) {
        let echoed = json::text(&id).expect("JSON");
        let body = ReplyWriter::failure(&failure).finish(&echoed, Uuid::nil());
        let reply = Reply::parse(open(&body).expect("an envelope").into_owned()).expect("a reply");
        let read = reply.failure().expect("readable").expect("a failure");
        prop_assert_eq!(Failure::decode(&failure.encode()).as_ref().map(shown).ok(), Some(shown(&read)));
        prop_assert!(reply.is_ending() && reply.has_content());
        prop_assert_eq!(reply.msg_id(), &*id);
    }

    #[test]
    fn a_heartbeat_is_no_answer(id in any_text()) {
        let body = heartbeat(&json::text(&id).expect("JSON"), Uuid::nil());
        let reply = Reply::parse(open(&body).expect("an envelope").into_owned()).expect("a reply");
        prop_assert_eq!(reply.msg_id(), &*id);
        prop_assert!(!reply.is_ending() && !reply.has_content());
    }

    #[test]
    fn typed_values_of_old_peers_become_plain_ones((typed, plain) in typed()) {
        let body = format!(r#"{{"method": "m", "args": {{"a": {typed}}}}}"#);
        let text = open(body.as_bytes()).expect("a message");
        let request = Request::parse(&text).expect("a request");
        let args = request.args().expect("an object");
        prop_assert_eq!(from_str::<Value>(args[0].1).expect("JSON"), from_str::<Value>(&plain).expect("JSON"));
    }

    #[test]
    fn a_context_key_named_self_never_leaves(before in btree_map("[a-z]{1,4}", any_value(), 0..3)) {
        let mut context = before;
        context.remove("self");
        prop_assert!(write_context(&context, &mut Vec::new()).is_ok());
        context.insert("self".into(), Value::Null);
        prop_assert!(write_context(&context, &mut Vec::new()).is_err());
    }
}
