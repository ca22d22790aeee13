//! Envelopes and JSON: written and read.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Run;
use crate::{
    Context,
    envelope::{self, Reply, ReplyWriter, Request, RequestWriter, Tail, write_context},
    json,
    limits::Limits,
};

/// A struct of three fields, as calls have it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Item {
    id: u64,
    name: String,
    data: String,
}

/// The queue of replies.
const QUEUE: &str = "reply_6b6d5c2e0a4f4f0b9d6c1e2f3a4b5c6d";

pub(super) fn item() -> Item {
    Item { id: 4711, name: "volume-0001".to_owned(), data: "x".repeat(45) }
}

fn context() -> Context {
    Context::new()
        .with("user_id", "8f7e6d5c4b3a29180706f5e4d3c2b1a0")
        .with("project_id", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
        .with("request_id", "req-5a4b3c2d-1e0f-4a5b-8c7d-6e5f4a3b2c1d")
}

fn write(method: &str, id: Uuid, item: &Item, context: &Context) -> Vec<u8> {
    let mut members = Vec::with_capacity(256);
    write_context(context, &mut members).expect("an object");
    let mut request = RequestWriter::new(method);
    request.arg("item", item).expect("JSON");
    let tail = Tail {
        namespace: None,
        version: Some(rpc_idl::Version::new(1, 1)),
        call: Some((id, QUEUE)),
        monitor: None,
        unique_id: id,
        context: &members,
    };
    request.finish(&tail).expect("JSON")
}

/// Returns the body of a call.
pub(super) fn body(id: Uuid) -> Vec<u8> {
    call("echo", id)
}

/// Returns the body of a call of this method.
pub(super) fn call(method: &str, id: Uuid) -> Vec<u8> {
    write(method, id, &item(), &context())
}

/// Returns the body of the reply to a call.
pub(super) fn reply(id: Uuid) -> Vec<u8> {
    let id = format!("\"{}\"", id.simple());
    ReplyWriter::result(&item()).expect("JSON").finish(&id, Uuid::nil())
}

pub(super) fn request() -> Run {
    let (item, context) = (item(), context());
    Box::new(move || write("echo", Uuid::nil(), &item, &context).len())
}

pub(super) fn read_request() -> Run {
    let body = body(Uuid::nil());
    Box::new(move || {
        let text = envelope::open(&body).expect("an envelope");
        Request::parse_within(&text, Limits::VALUES).expect("a request").values
    })
}

pub(super) fn read_reply() -> Run {
    let body = reply(Uuid::nil());
    Box::new(move || {
        let text = envelope::open(&body).expect("an envelope").into_owned();
        let reply = Reply::parse_within(text, Limits::VALUES).expect("a reply");
        let item: Item = json::from_str(reply.result()).expect("an item");
        item.data.len()
    })
}

pub(super) fn structs() -> Run {
    let items = vec![item(); 32];
    Box::new(move || {
        let mut out = Vec::with_capacity(8192);
        json::nested(&mut out, &items).expect("JSON");
        out.len()
    })
}

fn text_of_structs() -> String {
    json::text(&vec![item(); 32]).expect("JSON")
}

pub(super) fn read_structs() -> Run {
    let text = text_of_structs();
    Box::new(move || json::from_str::<Vec<Item>>(&text).expect("items").len())
}

pub(super) fn skip_structs() -> Run {
    let text = format!("{{\"items\": {}}}", text_of_structs());
    Box::new(move || json::object(&text, |_, _| ()).expect("an object"))
}
