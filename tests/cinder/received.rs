//! The servers' side: the requests that arrived, and the replies.

use std::collections::BTreeMap;

use examples::cinder::objects::Json;
use rpc_runtime::Context;
use serde::Serialize;
use serde_json::{Value, value::to_raw_value};
use tests::Log;

/// The endpoint of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) host: String,
    /// Distinguishes servers with the same topic and host.
    pub(crate) number: usize,
}

/// A request that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The client's cap and the name of its call: the request's id.
    pub(crate) cap: String,
    pub(crate) step: String,
    pub(crate) at: Place,
    pub(crate) method: String,
    pub(crate) args: BTreeMap<String, Value>,
    pub(crate) ctx: Context,
    pub(crate) reply: Value,
}

/// A service that records requests, and returns plausible replies.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) at: Place,
    pub(crate) log: Log<Received>,
}

impl Recorder {
    pub(crate) fn note(
        &self,
        ctx: Context,
        method: &str,
        args: impl IntoIterator<Item = (&'static str, serde_json::Result<Value>)>,
        reply: &impl Serialize,
    ) {
        let args = args.into_iter().map(|(name, value)| {
            // An argument's name may be a keyword of Rust.
            (name.trim_start_matches("r#").to_owned(), value.expect("JSON"))
        });
        let id = ctx.request_id().unwrap_or_default();
        let (cap, step) = id.split_once(' ').unwrap_or_default();
        self.log.push(Received {
            cap: cap.to_owned(),
            step: step.to_owned(),
            at: self.at.clone(),
            method: method.to_owned(),
            args: args.collect(),
            ctx,
            reply: serde_json::to_value(reply).expect("JSON"),
        });
    }
}

/// Records a request with its arguments, and returns the reply: `received!(self, ctx,
/// method(argument, …), reply)`.
macro_rules! received {
    ($self:ident, $ctx:ident, $method:ident($($arg:ident),* $(,)?) $(,)?) => {
        received!($self, $ctx, $method($($arg),*), ())
    };
    ($self:ident, $ctx:ident, $method:ident($($arg:ident),* $(,)?), $reply:expr $(,)?) => {{
        let reply = $reply;
        let args = [$((stringify!($arg), serde_json::to_value(&$arg))),*];
        $self.note($ctx, stringify!($method), args, &reply);
        reply
    }};
}
pub(crate) use received;

/// Builds a value without a Rust type.
pub(crate) fn raw(value: &Value) -> Json {
    to_raw_value(value).expect("JSON")
}

/// Builds a dictionary.
pub(crate) fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> BTreeMap<String, Json> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), raw(&value))).collect()
}
