//! Replies and failures of typed servers.

use std::collections::BTreeMap;

use rpc_runtime::{CallError, Context, RemoteError, Transport, memory::Published, rpc_api};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tests::World;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{assert_equal, recorded};

/// A Python dictionary with keys of four types.
#[derive(Debug, Serialize, Deserialize)]
struct Keys {
    #[serde(rename = "1")]
    one: String,
    #[serde(rename = "false")]
    no: String,
    #[serde(rename = "null")]
    none: String,
    #[serde(rename = "2.5")]
    float: String,
}

/// The errors that the recorded server raised.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "wire_exc")]
enum WireError {
    #[error("thing {name} not found in {place}")]
    CustomKw {
        name: String,
        #[remote(name = "where")]
        place: String,
    },
    #[error("('{0}', {1})")]
    #[remote(module = "builtins", class = "ValueError")]
    Value(String, u8),
}

/// A method for each type of result.
#[rpc_api(topic = "wt", version = "1.4")]
trait Results {
    async fn none(&self, ctx: Context) -> ();
    async fn bool(&self, ctx: Context) -> bool;
    async fn int(&self, ctx: Context) -> i64;
    async fn zero(&self, ctx: Context) -> i64;
    async fn bigint(&self, ctx: Context) -> u128;
    async fn float(&self, ctx: Context) -> f64;
    async fn text(&self, ctx: Context, which: String) -> String;
    async fn list(&self, ctx: Context) -> (u8, String, Option<u8>, Vec<u8>);
    async fn pair(&self, ctx: Context) -> (u8, u8);
    async fn set(&self, ctx: Context) -> std::collections::BTreeSet<u8>;
    async fn dict(&self, ctx: Context) -> Value;
    async fn keys(&self, ctx: Context) -> Keys;
    async fn empty_list(&self, ctx: Context) -> Vec<u8>;
    async fn empty_dict(&self, ctx: Context) -> BTreeMap<String, u8>;
    async fn ip(&self, ctx: Context) -> std::net::IpAddr;
    async fn nothing(&self, ctx: Context) -> ();
    async fn boom(&self, ctx: Context, which: String) -> Result<(), WireError>;
}

struct Server;

impl Results for Server {
    async fn none(&self, _: Context) {}

    async fn bool(&self, _: Context) -> bool {
        true
    }

    async fn int(&self, _: Context) -> i64 {
        42
    }

    async fn zero(&self, _: Context) -> i64 {
        0
    }

    async fn bigint(&self, _: Context) -> u128 {
        1 << 70
    }

    async fn float(&self, _: Context) -> f64 {
        1.5
    }

    async fn text(&self, _: Context, which: String) -> String {
        which
    }

    async fn list(&self, _: Context) -> (u8, String, Option<u8>, Vec<u8>) {
        (1, "two".to_owned(), None, vec![3])
    }

    async fn pair(&self, _: Context) -> (u8, u8) {
        (1, 2)
    }

    async fn set(&self, _: Context) -> std::collections::BTreeSet<u8> {
        [7].into()
    }

    async fn dict(&self, _: Context) -> Value {
        json!({"a": 1, "b": {"c": [true, false, null]}})
    }

    async fn keys(&self, _: Context) -> Keys {
        let [one, no, none, float] = ["one", "false", "none", "f"].map(str::to_owned);
        Keys { one, no, none, float }
    }

    async fn empty_list(&self, _: Context) -> Vec<u8> {
        Vec::new()
    }

    async fn empty_dict(&self, _: Context) -> BTreeMap<String, u8> {
        BTreeMap::new()
    }

    async fn ip(&self, _: Context) -> std::net::IpAddr {
        [10, 0, 0, 1].into()
    }

    async fn nothing(&self, _: Context) {}

    async fn boom(&self, _: Context, which: String) -> Result<(), WireError> {
        match which.as_str() {
            "value" => Err(WireError::Value("bad value".to_owned(), 3)),
            "vm-9" => Err(WireError::CustomKw { name: which, place: "nowhere".to_owned() }),
            _ => Err(WireError::CustomKw { name: which, place: "cell-2".to_owned() }),
        }
    }
}

/// The same topic in a client whose requests do not fit.
#[rpc_api(topic = "wt", version = "1.9")]
trait Misfits {
    async fn missing_method(&self, ctx: Context) -> ();
    #[rpc(name = "_private")]
    async fn private(&self, ctx: Context) -> ();
    #[rpc(since = "1.9")]
    async fn nothing(&self, ctx: Context) -> ();
}

struct Wire {
    transport: Transport,
    published: UnboundedReceiver<Published>,
}

impl Wire {
    async fn new() -> Self {
        let transport = World::memory().transport().await;
        let server =
            rpc_runtime::Server::builder(&transport).host("h").serve(ResultsServer::new(Server));
        drop(server.bind().await.expect("bound").run());
        let published = transport.memory().expect("embedded").observe();
        Self { transport, published }
    }

    /// Returns the reply that was just sent.
    fn reply(&mut self) -> Published {
        self.published.try_recv().expect("a request was sent");
        self.published.try_recv().expect("a reply was sent")
    }

    fn is(&mut self, scenario: &str) {
        let ours = self.reply();
        assert!(ours.mandatory);
        assert_equal(scenario, &ours, &recorded(scenario)[1]);
    }

    /// Compares a failure without its traceback, which names the server's own code.
    fn fails_as(&mut self, scenario: &str, also: &[&str]) {
        let (ours, theirs) =
            (failure(&self.reply().body), failure(recorded(scenario)[1].body.as_bytes()));
        for part in ["class", "module", "kwargs"].iter().chain(also) {
            assert_eq!(ours[part], theirs[part], "{scenario}: {part}");
        }
        let keys = |failure: &Value| {
            failure.as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&ours), keys(&theirs), "{scenario}");
        assert!(ours["tb"].is_array());
    }
}

fn failure(body: &[u8]) -> Value {
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let outer = parse(std::str::from_utf8(body).expect("UTF-8"));
    let inner = parse(outer["oslo.message"].as_str().expect("text"));
    assert_eq!((&inner["result"], &inner["ending"]), (&Value::Null, &Value::Bool(true)));
    parse(inner["failure"].as_str().expect("text"))
}

#[tokio::test]
async fn results_equal_the_recorded_ones() {
    let mut wire = Wire::new().await;
    let (client, ctx) = (ResultsClient::new(&wire.transport), Context::new());
    macro_rules! same {
        ($($call:ident($($arg:expr)?) is $scenario:literal;)*) => {
            $(client.$call(&ctx $(, $arg)?).await.expect("an answer");
            wire.is($scenario);)*
        };
    }
    same! {
        none() is "rpc_reply_none";
        bool() is "rpc_reply_bool";
        int() is "rpc_reply_int";
        zero() is "rpc_reply_zero";
        bigint() is "rpc_reply_bigint";
        float() is "rpc_reply_float";
        text("hello") is "rpc_reply_str";
        text("") is "rpc_reply_empty_str";
        text("café") is "rpc_reply_bytes";
        text("a\0b\u{1f}\u{7f}\u{2028}\t\n") is "rpc_reply_control_chars";
        text("żółć – 日本 – \u{1f600} \"q\" \\ /") is "rpc_reply_unicode";
        text("2026-11-20") is "rpc_reply_date";
        text("2026-11-20T17:05:06.789012") is "rpc_reply_datetime";
        text("2026-11-20T17:05:06.000000") is "rpc_reply_datetime_tz";
        text("1.10") is "rpc_reply_decimal";
        text("12345678-1234-5678-1234-567812345678") is "rpc_reply_uuid";
        text("ValueError('x', 1)") is "rpc_reply_exception_value";
        list() is "rpc_reply_list";
        pair() is "rpc_reply_tuple";
        set() is "rpc_reply_set";
        dict() is "rpc_reply_dict";
        keys() is "rpc_reply_intkeys";
        empty_list() is "rpc_reply_empty_list";
        empty_dict() is "rpc_reply_empty_dict";
        ip() is "rpc_reply_ip";
    }
}

#[tokio::test]
async fn failures_equal_the_recorded_ones() {
    let mut wire = Wire::new().await;
    let (client, ctx) = (ResultsClient::new(&wire.transport), Context::new());
    for (which, scenario) in [
        ("vm-1", "rpc_failure_custom_kwargs"),
        ("vm-9", "rpc_failure_expected"),
        ("value", "rpc_failure_builtin"),
    ] {
        assert!(matches!(client.boom(&ctx, which).await, Err(CallError::Method(_))));
        wire.fails_as(scenario, &["message", "args"]);
    }
    let misfits = MisfitsClient::new(&wire.transport);
    for (ended, scenario) in [
        (misfits.missing_method(&ctx).await, "rpc_failure_no_such_method"),
        (misfits.private(&ctx).await, "rpc_failure_private_method"),
        (misfits.nothing(&ctx).await, "rpc_failure_unsupported_version"),
    ] {
        let error = ended.expect_err("a refusal");
        assert!(!error.may_have_run(), "{error:?}");
        wire.fails_as(scenario, &["message", "args"]);
    }
    let ended = client.prepare().namespace("nope").unversioned().nothing(&ctx).await;
    assert!(matches!(ended, Err(CallError::UnsupportedVersion { .. })), "{ended:?}");
    wire.fails_as("rpc_failure_unknown_namespace", &["message", "args"]);
}
