//! Typed dispatch: from a request to the body of its reply.

use std::{
    pin::pin,
    task::{self, Poll, Waker},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Run,
    written::{Item, call},
};
use crate::{
    Context,
    dispatch::{AnyService, Reply},
    envelope::{self, Request},
    limits::Limits,
    rpc_api,
    transport::in_process,
};

/// A context that an interface names in place of ours.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Caller {
    user_id: String,
    project_id: String,
}

#[cfg(test)]
pub(super) fn caller() -> Caller {
    Caller { user_id: "u".to_owned(), project_id: "p".to_owned() }
}

/// What is dispatched.
#[rpc_api(topic = "measured", version = "1.1")]
pub trait Measured {
    /// Does something first, so that methods are looked for.
    async fn first(&self, ctx: Context);

    /// Returns what it gets.
    async fn echo(&self, ctx: Context, item: Item) -> Item;

    /// The same.
    async fn echo_own(&self, ctx: Caller, item: Item) -> Item;
}

struct Echo;

impl Measured for Echo {
    async fn first(&self, _: Context) {}

    async fn echo(&self, _: Context, item: Item) -> Item {
        item
    }

    async fn echo_own(&self, _: Caller, item: Item) -> Item {
        item
    }
}

/// Runs a method that is ready at once, and returns the size of its reply's body.
fn answer(service: &dyn AnyService, request: &Request<'_>) -> usize {
    let run = pin!(in_process::run(service, request, None));
    let Poll::Ready(answer) = run.poll(&mut task::Context::from_waker(Waker::noop())) else {
        panic!("the method does not wait");
    };
    let Reply(writer) = answer.unwrap_or_else(|failure| panic!("{failure}"));
    let (id, _) = request.caller().expect("a call");
    writer.finish(id, Uuid::nil()).len()
}

fn dispatch(method: &str) -> Run {
    let body = call(method, Uuid::nil());
    let text = envelope::open(&body).expect("an envelope").into_owned();
    // The parts of a request are places in its text, which is here as long as the program is.
    let request = Request::parse_within(text.leak(), Limits::VALUES).expect("a request");
    let service = MeasuredServer::new(Echo);
    Box::new(move || answer(&service, &request))
}

pub(super) fn with_context() -> Run {
    dispatch("echo")
}

pub(super) fn with_own_context() -> Run {
    dispatch("echo_own")
}

pub(super) fn from_body_to_body() -> Run {
    let body = call("echo", Uuid::nil());
    let service = MeasuredServer::new(Echo);
    Box::new(move || {
        let text = envelope::open(&body).expect("an envelope");
        answer(&service, &Request::parse_within(&text, Limits::VALUES).expect("a request"))
    })
}
