//! Typed RPC between services over RabbitMQ, on the wire format of OpenStack's `oslo.messaging`.
//!
//! A trait is the whole interface definition. [`rpc_api`](macro@rpc_api) makes of it a typed client and a server, and
//! version markers by which the compiler knows what an older peer would not understand.

mod args;
mod call;
mod caps;
mod client;
mod context;
mod dispatch;
mod duplicates;
mod envelope;
mod error;
mod failure;
mod json;
mod pending;
mod replies;
mod returns;
mod server;
mod transport;
mod url;

pub use args::{Arg, Args, Wire};
pub use call::{Call, Cast};
pub use caps::{
    Answers, AnyHost, Api, Cap, EveryHost, NamesHost, Negotiated, NotOneHost, OneHost, Pinned,
    Retry, Target, Unchecked,
};
pub use client::{Client, LaterRequest, Prepared, Request};
pub use context::Context;
pub use dispatch::{Answer, Dispatch, Reply, Service};
pub use error::{CallError, CallResult, TransportError, TransportErrorKind};
pub use failure::{Failure, RemoteError};
pub use returns::{NotAResult, Returned, Returns};
pub use rpc_idl::{Ack, Interface, Kind, Method, Parameter, ParseVersionError, Version};
pub use rpc_macros::{RemoteError, rpc_api};
pub use server::{Running, Server, ServerBuilder, ShutdownError};
pub use transport::{Transport, TransportBuilder, memory};
