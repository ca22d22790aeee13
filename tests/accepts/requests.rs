//! Requests to a server, from peers of all kinds.

use futures_util::StreamExt as _;
use lapin::{
    Consumer,
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::FieldTable,
};
use rpc_runtime::{Context, rpc_api};
use serde_json::{Value, json, value::RawValue};
use tests::{Log, World, soon, unique};

use crate::{cases, properties, publish, stranger};

/// The recorded endpoint, which returns what it received.
#[rpc_api(topic = "accepts", version = "1.0")]
trait Hi {
    /// Returns its arguments and context.
    async fn hi(
        &self,
        ctx: Context,
        #[arg(default)] a: Option<Box<RawValue>>,
        #[arg(default)] z: Option<Box<RawValue>>,
    ) -> Got;
}

/// The answer of [`Hi::hi`], as text, because `serde_json::Value` cannot hold every value.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Got {
    kw: String,
    ctxt: String,
}

struct Service(Log<()>);

impl Hi for Service {
    async fn hi(&self, ctx: Context, a: Option<Box<RawValue>>, z: Option<Box<RawValue>>) -> Got {
        self.0.push(());
        let given = |name: &str, value: Option<Box<RawValue>>| {
            value.map(|value| format!("{name}={}", value.get()))
        };
        let kw: Vec<_> = given("a", a).into_iter().chain(given("z", z)).collect();
        let ctxt: Vec<_> = ctx
            .keys()
            .map(|key| format!("{key}={}", ctx.value::<Box<RawValue>>(key).expect("raw").get()))
            .collect();
        Got { kw: kw.join(" "), ctxt: ctxt.join(" ") }
    }
}

/// The effect of a request on a server.
#[derive(Debug, PartialEq)]
struct Outcome {
    ran: usize,
    reply: Reply,
}

#[derive(Debug, PartialEq)]
enum Reply {
    None,
    Result { kw: String, ctxt: String },
    Failure { class: String },
}

/// The cases whose outcome differs from the original's: the outcome here, and why it is better.
fn better(label: &str) -> Option<(Outcome, &'static str)> {
    let failure = |class: &str| Outcome { ran: 0, reply: Reply::Failure { class: class.into() } };
    let result = |kw: &str, ctxt: &str| {
        let reply = Reply::Result { kw: kw.into(), ctxt: ctxt.into() };
        Outcome { ran: 1, reply }
    };
    let again =
        |kw: &str| Outcome { ran: 0, reply: Reply::Result { kw: kw.into(), ctxt: String::new() } };
    const SAYS_WHAT: &str =
        "the failure says what is wrong with the request, not where Python noticed it";
    Some(match label {
        "args null" | "args list" => (failure("TypeError"), SAYS_WHAT),
        "version \"1\"" | "version \"1.x\"" | "version 1.0 (number)" | "version \"\"" => {
            (failure("UnsupportedVersion"), SAYS_WHAT)
        }
        "_context_self" => {
            (result("a=1", "self=5"), "the request runs; the original loses it and its connection")
        }
        "compression real gzip bytes" => {
            (result("a=1", ""), "the header says gzip, and the body is gzip")
        }
        "same _unique_id again" | "same again after 15 others" | "same again after 16 others" => {
            (again("a=1"), "a duplicate never runs, and its caller gets the first reply")
        }
        _ => return None,
    })
}

/// Returns the recorded outcome of the original.
fn recorded(case: &Value) -> Outcome {
    let ran = case["dispatched"].as_u64().and_then(|ran| ran.try_into().ok()).expect("a number");
    let reply = &case["reply"];
    let reply = if let Some(failure) = reply["failure"].as_str() {
        let class = failure.split(':').next().expect("a class").to_owned();
        Reply::Failure { class }
    } else if reply["result"].is_object() {
        let shown = |of: &str| {
            let members = reply["result"][of].as_object().expect("an object").iter();
            let members = members.filter(|(key, _)| *key != "client_timeout");
            members.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        Reply::Result { kw: shown("kw"), ctxt: shown("ctxt") }
    } else {
        Reply::None
    };
    Outcome { ran, reply }
}

/// Unescapes texts and sorts context members, so that equal outcomes compare equal.
fn plain(outcome: Outcome) -> Outcome {
    let Outcome { ran, reply } = outcome;
    let reply = match reply {
        Reply::Result { kw, ctxt } => {
            let unescape = |text: String| match text.split_once("=\"") {
                Some((name, value)) => {
                    let value = serde_json::from_str::<String>(&format!("\"{value}"));
                    value.map_or(text.clone(), |value| format!("{name}={}", json!(value)))
                }
                None => text,
            };
            let mut members: Vec<_> = ctxt.split(' ').collect();
            members.sort_unstable();
            Reply::Result { kw: unescape(kw), ctxt: members.join(" ") }
        }
        reply => reply,
    };
    Outcome { ran, reply }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).expect("hex")).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("a byte")).collect()
}

/// A queue for replies. The reply to a final request shows that a case is over.
struct Peer {
    channel: lapin::Channel,
    replies: Consumer,
    queue: String,
    topic: String,
}

impl Peer {
    async fn new(world: &World) -> Self {
        let channel = stranger(world).await;
        let queue = unique("reply");
        let declare = QueueDeclareOptions {
            durable: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let declared =
            channel.queue_declare(queue.as_str().into(), declare, FieldTable::default()).await;
        declared.expect("declared");
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies = channel
            .basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default())
            .await
            .expect("consuming");
        Self { channel, replies, queue, topic: world.topic().to_owned() }
    }

    /// Publishes a case. Returns the reply to it, if one arrives before the reply to a later
    /// request.
    async fn run(&mut self, case: &Value, log: &Log<()>) -> Outcome {
        let body = match case["body"].as_str() {
            Some(body) => body.as_bytes().to_vec(),
            None => unhex(case["body_hex"].as_str().expect("hex")),
        };
        let before = log.len();
        let compression = case["headers"]["compression"].as_str();
        let properties = properties(
            case["content_type"].as_str(),
            case["content_encoding"].as_str(),
            compression,
        );
        publish(&self.channel, "openstack", &self.topic, properties, &body).await;
        let mut reply = Reply::None;
        let marker = unique("marker");
        self.mark(&marker).await;
        loop {
            let (msg_id, next) = self.next().await;
            if msg_id == json!(marker) {
                return Outcome { ran: log.len() - before - 1, reply };
            }
            reply = next;
        }
    }

    /// Sends a valid request. The server runs one request at a time, so its reply follows the
    /// case's.
    async fn mark(&self, marker: &str) {
        let request =
            json!({"method": "hi", "args": {}, "_msg_id": marker, "_reply_q": &self.queue});
        let properties = properties(Some("application/json"), Some("utf-8"), None);
        let body = request.to_string();
        publish(&self.channel, "openstack", &self.topic, properties, body.as_bytes()).await;
    }

    async fn next(&mut self) -> (Value, Reply) {
        let delivery = soon("a reply", self.replies.next()).await.expect("consuming");
        let envelope: Value =
            serde_json::from_slice(&delivery.expect("a reply").data).expect("an envelope");
        let inner = envelope["oslo.message"].as_str().expect("text");
        let reply: Value = serde_json::from_str(inner).expect("a reply");
        assert_eq!(reply["ending"], json!(true));
        let what = match reply["failure"].as_str() {
            Some(failure) => {
                let failure: Value = serde_json::from_str(failure).expect("a failure");
                Reply::Failure { class: failure["class"].as_str().expect("text").to_owned() }
            }
            None => {
                let got: Got = serde_json::from_value(reply["result"].clone()).expect("a result");
                Reply::Result { kw: got.kw, ctxt: got.ctxt }
            }
        };
        (reply["_msg_id"].clone(), what)
    }
}

/// Returns the arguments of a case whose value, NaN or a lone surrogate, the recording cannot hold
/// as JSON.
fn readable(case: &mut Value) -> Option<&'static str> {
    match case["label"].as_str()? {
        "JSON NaN" => Some("a=NaN"),
        "lone surrogate" => Some("a=\"\\ud800\""),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_request_has_the_originals_outcome_or_a_better_one() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let log = Log::default();
    let server = world.server(&transport, "h").concurrency(1);
    let server = server.serve(HiServer::new(Service(log.clone()))).bind().await.expect("bound");
    let _running = server.run();
    let mut peer = Peer::new(&world).await;
    let mut wrong = Vec::new();
    let cases = cases("accept_server_requests");
    let count = cases.len();
    for mut case in cases {
        let label = case["label"].as_str().expect("text").to_owned();
        let verbatim = readable(&mut case);
        for part in ["body"] {
            if let Some(text) = case[part].as_str() {
                case[part] = json!(text.replace("reply_x", &peer.queue));
            }
        }
        let ours = peer.run(&with_queue(case.clone(), &peer.queue), &log).await;
        let mut expected = better(&label).map_or_else(|| recorded(&case), |(outcome, _)| outcome);
        if let (Some(kw), Reply::Result { kw: recorded, .. }) = (verbatim, &mut expected.reply) {
            *recorded = kw.to_owned();
        }
        let (ours, expected) = (plain(ours), plain(expected));
        if ours != expected {
            wrong.push(format!("{label}: {ours:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(count, 81);
}

/// Binary bodies are recorded compressed, with the queue `reply_x`, so they are repacked with the
/// real queue.
fn with_queue(mut case: Value, queue: &str) -> Value {
    let Some(hex) = case["body_hex"].as_str() else { return case };
    let body = unhex(hex);
    let replaced = repack(&body, queue);
    let hex: String = replaced.iter().map(|byte| format!("{byte:02x}")).collect();
    case["body_hex"] = json!(hex);
    case
}

fn repack(body: &[u8], queue: &str) -> Vec<u8> {
    use flate2::{Compression, read, write};
    use std::io::{Read as _, Write as _};
    let put = |text: String| text.replace("reply_x", queue).into_bytes();
    let mut text = String::new();
    match body {
        [0x78, 0x9c, ..] => {
            read::ZlibDecoder::new(body).read_to_string(&mut text).expect("zlib");
            let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&put(text)).expect("a Vec takes everything");
            encoder.finish().expect("a Vec takes everything")
        }
        [0x1f, 0x8b, ..] => {
            read::GzDecoder::new(body).read_to_string(&mut text).expect("gzip");
            let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&put(text)).expect("a Vec takes everything");
            encoder.finish().expect("a Vec takes everything")
        }
        plain => match String::from_utf8(plain.to_vec()) {
            Ok(text) => put(text),
            Err(_) => plain.to_vec(),
        },
    }
}
