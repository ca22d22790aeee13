//! Replies to a caller, from servers of all kinds.

use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::{
    Consumer,
    options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use rpc_runtime::{CallError, Context, Failure, RemoteError, rpc_api};
use serde_json::Value;
use tests::{World, soon};

use crate::{cases, properties, publish, stranger};

/// The recorded caller's interface: any result, and the error classes that it allows.
#[rpc_api(topic = "accepts", version = "1.0")]
trait Asked {
    /// Asks.
    async fn hi(&self, ctx: Context) -> Result<Option<String>, Known>;
}

/// The error classes that the recording allows.
#[derive(Debug, RemoteError, thiserror::Error)]
#[remote(module = "wire_exc")]
enum Known {
    #[error("{a}")]
    CustomKw { a: u8 },
    #[error("{0}")]
    #[remote(module = "builtins")]
    ValueError(String),
}

/// Describes the outcome of a call in a few words.
fn outcome(result: Result<Option<String>, CallError<Known>>) -> String {
    match result {
        Ok(value) => format!("result {}", value.as_deref().unwrap_or("None")),
        Err(CallError::Method(Known::ValueError(_))) => "error builtins.ValueError".to_owned(),
        Err(CallError::Method(Known::CustomKw { .. })) => "error wire_exc.CustomKw".to_owned(),
        Err(CallError::Failure(failure)) => untyped(&failure),
        Err(CallError::DeadlineExceeded { .. }) => "timeout".to_owned(),
        Err(CallError::HeartbeatLost { .. }) => "silence".to_owned(),
        Err(CallError::Decode(_)) => "not decodable".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

fn untyped(failure: &Failure) -> String {
    format!("failure {}", failure.class())
}

/// Describes the recorded outcome of the original's caller in the same words.
fn recorded(case: &Value) -> String {
    if case["outcome"].get("result").is_some() {
        return format!("result {}", case["outcome"]["result"].as_str().unwrap_or("None"));
    }
    let exception = case["outcome"]["exc"].as_str().expect("text");
    let class = exception.split(' ').next().expect("a class");
    match class.rsplit('.').next().expect("a class") {
        "MessagingTimeout" => "timeout".to_owned(),
        "RemoteError" => {
            let said = exception.split("Remote error: ").nth(1).expect("a text");
            let class = said.split(' ').next().unwrap_or_default();
            format!("failure {}", if class == "None" { "" } else { class })
        }
        _ => format!("error {}", class.replace("_Remote", "")),
    }
}

/// The cases whose outcome differs from the original's: the outcome here, and why it is better.
fn better(label: &str) -> Option<(&'static str, &'static str)> {
    const HAS_ARRIVED: &str = "the result has arrived, and the caller gets it";
    const ODD_MEMBER: &str = "an odd member costs that member, not the failure";
    const NOT_DECLARED: &str =
        "the interface does not declare this class, so it stays what it is: a failure";
    Some(match label {
        "no failure key" | "no ending key" | "ending null" => ("result R", HAS_ARRIVED),
        "no content_type reply" => ("result R", HAS_ARRIVED),
        "heartbeat without call_monitor requested" => ("result R", "a heartbeat is harmless"),
        "legacy two messages with None result (no call monitor)" => {
            ("result None", "None is a result")
        }
        "no heartbeat: cm 1 timeout 5 -> fails at 1s" => {
            ("silence", "the caller learns that it was the server's silence, not its own timeout")
        }
        "failure as object (not string)" => ("error builtins.ValueError", "it can be read"),
        "failure not json" => ("not decodable", "it is a typed error"),
        "failure tb null" | "failure message null" => ("error builtins.ValueError", ODD_MEMBER),
        "failure kwargs null" => ("error builtins.ValueError", ODD_MEMBER),
        "failure args missing" | "failure only class+module" => {
            ("failure ValueError", "a value that the type needs is missing, and is not invented")
        }
        "failure NoSuchMethod allowed (args=[msg])" => ("failure NoSuchMethod", NOT_DECLARED),
        "failure KeyError" => ("failure KeyError", NOT_DECLARED),
        "failure OSError [2,\"x\"] -> FileNotFoundError" => ("failure OSError", NOT_DECLARED),
        _ => return None,
    })
}

/// Reads a recorded time, multiplied by three because this machine may be slower than the
/// recorder's.
fn slowly(seconds: &Value) -> Option<Duration> {
    seconds.as_f64().map(|seconds| Duration::from_secs_f64(3.0 * seconds))
}

/// A server that sends given messages.
struct Puppet {
    channel: lapin::Channel,
    requests: Consumer,
}

impl Puppet {
    async fn new(world: &World) -> Self {
        let channel = stranger(world).await;
        let topic = world.topic();
        let exchange = ExchangeDeclareOptions::default();
        let declared = channel.exchange_declare(
            "openstack".into(),
            lapin::ExchangeKind::Topic,
            exchange,
            FieldTable::default(),
        );
        declared.await.expect("declared");
        let declare = QueueDeclareOptions {
            durable: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(topic.into(), declare, FieldTable::default())
            .await
            .expect("declared");
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(topic.into(), "openstack".into(), topic.into(), bind, FieldTable::default())
            .await
            .expect("bound");
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let requests = channel
            .basic_consume(topic.into(), "".into(), options, FieldTable::default())
            .await
            .expect("consuming");
        Self { channel, requests }
    }

    /// Receives a request, and sends the recorded messages.
    async fn answer(&mut self, case: &Value) {
        let request = soon("a request", self.requests.next()).await.expect("consuming");
        let envelope: Value =
            serde_json::from_slice(&request.expect("a request").data).expect("an envelope");
        let inner = envelope["oslo.message"].as_str().expect("text");
        let request: Value = serde_json::from_str(inner).expect("a request");
        let queue = request["_reply_q"].as_str().expect("a queue");
        let msg_id = request["_msg_id"].as_str().expect("an id");
        let theirs = case["msg_id"].as_str().expect("an id");
        for body in case["reply_bodies_sent"].as_array().expect("a list") {
            // Pauses are recorded among the messages.
            if let Some(pause) = slowly(&body["sleep"]) {
                tokio::time::sleep(pause).await;
                continue;
            }
            let body = body.as_str().expect("text");
            let kind = (!case["properties"]["ct"].is_null()
                || case["properties"].get("content_type").is_some())
            .then_some("application/json");
            let body = body.replace(theirs, msg_id);
            let properties = properties(kind, Some("utf-8"), None);
            publish(&self.channel, "", queue, properties, body.as_bytes()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_reply_has_the_originals_outcome_or_a_better_one() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let mut puppet = Puppet::new(&world).await;
    let client = world.client::<asked::Api>(&transport);
    let mut wrong = Vec::new();
    let cases = cases("accept_client_replies");
    for case in &cases {
        let label = case["label"].as_str().expect("text");
        let client = client
            .prepare()
            .timeout(slowly(&case["call_timeout"]).expect("a number"))
            .monitor(slowly(&case["call_monitor_timeout"]).unwrap_or_default());
        let ctx = Context::new();
        let (result, ()) = tokio::join!(client.hi(&ctx), puppet.answer(case));
        let ours = outcome(result);
        let expected = better(label).map_or_else(|| recorded(case), |(ours, _)| ours.to_owned());
        if ours != expected {
            wrong.push(format!("{label}: {ours} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases.len(), 60);
    assert_eq!(transport.pending_calls(), 0);
}
