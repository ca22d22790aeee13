//! The original's envelope, by serde_json: JSON in a string in JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Result, item::Item};

#[derive(Deserialize, Serialize)]
struct Outer<'a> {
    #[serde(rename = "oslo.version")]
    version: Cow<'a, str>,
    #[serde(rename = "oslo.message")]
    message: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
struct Args<T> {
    item: T,
}

#[derive(Serialize)]
struct Request<'a> {
    method: &'a str,
    args: Args<&'a Item>,
    version: &'a str,
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _reply_q: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _timeout: Option<u32>,
    _unique_id: &'a str,
    _context_user_id: &'a str,
    _context_project_id: &'a str,
    _context_request_id: &'a str,
}

#[derive(Deserialize)]
struct Received<'a> {
    args: Args<Item>,
    #[serde(borrow)]
    _msg_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    _reply_q: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Serialize)]
struct Reply<'a, T> {
    result: T,
    failure: Option<()>,
    ending: bool,
    #[serde(borrow)]
    _msg_id: Cow<'a, str>,
    #[serde(borrow)]
    _unique_id: Cow<'a, str>,
}

fn wrapped(message: &impl Serialize) -> Result<Vec<u8>> {
    let message = serde_json::to_string(message)?;
    Ok(serde_json::to_vec(&Outer { version: "2.0".into(), message: message.into() })?)
}

pub(super) fn request(id: &str, reply_queue: Option<&str>, item: &Item) -> Result<Vec<u8>> {
    wrapped(&Request {
        method: if reply_queue.is_some() { "echo" } else { "put" },
        args: Args { item },
        version: "1.0",
        namespace: None,
        _msg_id: reply_queue.is_some().then_some(id),
        _reply_q: reply_queue,
        _timeout: reply_queue.map(|_| 60),
        _unique_id: id,
        _context_user_id: "user-1",
        _context_project_id: "project-1",
        _context_request_id: "req-1",
    })
}

/// Returns where the answer to a request goes, its id, and the answer, if there is to be one.
pub(super) fn answer(body: &[u8]) -> Result<Option<(String, String, Vec<u8>)>> {
    let outer: Outer<'_> = serde_json::from_slice(body)?;
    let request: Received<'_> = serde_json::from_str(&outer.message)?;
    let (Some(id), Some(queue)) = (request._msg_id, request._reply_q) else { return Ok(None) };
    let reply = Reply {
        result: &request.args.item,
        failure: None,
        ending: true,
        _msg_id: id.as_ref().into(),
        _unique_id: uuid::Uuid::new_v4().simple().to_string().into(),
    };
    let body = wrapped(&reply)?;
    Ok(Some((queue.into_owned(), id.into_owned(), body)))
}

/// Returns which request a reply is for.
pub(super) fn id(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        _msg_id: String,
    }
    let outer: Outer<'_> = serde_json::from_slice(body).ok()?;
    serde_json::from_str::<Id>(&outer.message).ok().map(|id| id._msg_id)
}

pub(super) fn result(body: &[u8]) -> Result<Item> {
    let outer: Outer<'_> = serde_json::from_slice(body)?;
    let reply: Reply<'_, Item> = serde_json::from_str(&outer.message)?;
    Ok(reply.result)
}
