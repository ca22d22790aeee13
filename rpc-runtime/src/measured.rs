//! What is measured of the pure parts: each is prepared once, and then done as often as one likes.
//!
//! This module is there for `cargo xtask bench pure`, which sets `cfg(rpc_bench)`, and for tests.

pub mod dispatched;
mod kept;
#[cfg(test)]
mod tests;
pub mod written;

use std::{fmt, sync::Arc};

use uuid::Uuid;

use crate::{
    caps::Retry,
    ids::new_id,
    pending::{Exchange, Outgoing, Pending, Route},
    transport::{Body, measured},
    url::TransportUrl,
};

/// Does a part once. Returns how many bytes, or how many of something else, were handled.
pub type Run = Box<dyn FnMut() -> usize>;

/// A part that can be measured on its own.
#[derive(Clone, Copy)]
pub struct Part {
    /// What it is called in tables.
    pub name: &'static str,
    /// What is done, in a few words.
    pub what: &'static str,
    /// Makes what does it once.
    pub prepare: fn() -> Run,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Part").field(&self.name).finish()
    }
}

const fn part(name: &'static str, what: &'static str, prepare: fn() -> Run) -> Part {
    Part { name, what, prepare }
}

/// Every part.
pub const PARTS: [Part; 16] = [
    part("request-write", "a call with a struct of three fields: its body", written::request),
    part("request-read", "its body: the parts of the request", written::read_request),
    part(
        "dispatch",
        "the parts of a request: route, decode, run, and the reply's body; with `Context`",
        dispatched::with_context,
    ),
    part(
        "dispatch-own",
        "the same, where the interface names a context of its own",
        dispatched::with_own_context,
    ),
    part(
        "serve",
        "`request-read` and `dispatch`: from body to body",
        dispatched::from_body_to_body,
    ),
    part("reply-read", "a reply's body: the struct that it holds", written::read_reply),
    part("json-write", "32 structs of three fields, inside of another text", written::structs),
    part("json-read", "32 structs of three fields", written::read_structs),
    part("json-skip", "the same text, passed over as one argument", written::skip_structs),
    part("replies", "a call enters the table, its reply comes, and it ends", kept::reply),
    part("pending-cast", "a cast is made, waited for, taken, and confirmed", kept::cast),
    part(
        "duplicates-new",
        "a full window: a new request begins and ends, the oldest goes",
        kept::new_request,
    ),
    part("duplicates-copy", "a full window: a copy of a request is known", kept::copy),
    part("url", "a transport URL of two brokers", url),
    part("guard", "the frames of one delivery pass", guard),
    part("id", "an id is drawn", id),
];

fn url() -> Run {
    const URL: &str = "rabbit://cinder:s%3Fcret@node-1:5672,cinder:s%3Fcret@node-2:5672/openstack?heartbeat_rate=2&ssl=0";
    Box::new(|| {
        let url: TransportUrl = URL.parse().expect("a URL");
        url.hosts().len() + url.query().len()
    })
}

fn guard() -> Run {
    Box::new(measured::guard(&written::body(Uuid::nil())))
}

fn id() -> Run {
    Box::new(|| usize::from(new_id().as_bytes()[0]))
}

/// Makes a request that waits to be sent.
fn waiting(body: &Arc<Vec<u8>>, key: &Arc<str>, is_call: bool) -> Pending {
    let exchange = Exchange::Topic(Arc::clone(key));
    let route = Route { exchange, routing_key: Arc::clone(key), mandatory: true };
    let (body, headers, unique_id) = (Body::Shared(Arc::clone(body)), Vec::new(), Uuid::nil());
    let message = Outgoing { route, body, compression: None, expires: None, headers, unique_id };
    Pending::new(message, is_call, Retry::Unsent)
}
