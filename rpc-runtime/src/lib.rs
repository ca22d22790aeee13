//! Typed RPC between services over RabbitMQ, on the wire format of OpenStack's `oslo.messaging`.
//!
//! A trait is the whole interface. [`rpc_api`](macro@rpc_api) makes of it a typed client, a server, and version markers by
//! which the compiler knows what an older peer would not understand.
//!
//! ```
//! use std::time::Duration;
//! use rpc_runtime::{CallError, Context, RemoteError, Server, Transport, rpc_api};
//!
//! #[derive(Debug, thiserror::Error, RemoteError)]
//! #[remote(module = "tally.exception")]
//! enum TallyError {
//!     #[error("there is no tally {name}")]
//!     NotFound { name: String },
//! }
//!
//! #[rpc_api(topic = "tally", version = "1.1")]
//! trait Tally {
//!     /// A call: it returns something.
//!     async fn count(&self, ctx: Context, name: String) -> Result<u32, TallyError>;
//!     /// A cast: it returns nothing. `by` came with 1.1, so it is a setter of the request.
//!     async fn add(&self, ctx: Context, name: String, #[arg(since = "1.1")] by: Option<u32>);
//! }
//!
//! struct Zero;
//!
//! impl Tally for Zero {
//!     async fn count(&self, _: Context, name: String) -> Result<u32, TallyError> {
//!         if name == "zero" { Ok(0) } else { Err(TallyError::NotFound { name }) }
//!     }
//!     async fn add(&self, _: Context, _: String, _: Option<u32>) {}
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::connect("memory://doc").await?; // or "rabbit://user:password@host:5672/"
//! let server = Server::builder(&transport).host("node-1").serve(TallyServer::new(Zero)).bind().await?.run();
//!
//! let (tally, ctx) = (TallyClient::new(&transport), Context::new());
//! assert_eq!(tally.count(&ctx, "zero").await?, 0);
//! tally.add(&ctx, "zero").by(2).await?;
//! tally.prepare().server("node-1").timeout(Duration::from_secs(5)).count(&ctx, "zero").await?;
//! match tally.count(&ctx, "nonesuch").await {
//!     Err(CallError::Method(TallyError::NotFound { name })) => assert_eq!(name, "nonesuch"),
//!     other => panic!("{other:?}"),
//! }
//!
//! server.shutdown(Duration::from_secs(5)).await?;
//! # Ok(()) }
//! ```
//!
//! # Versions
//!
//! A request carries the lowest version that has its method and the arguments that are set, so that old servers take
//! what new clients send. A client is capped at a version by the compiler, [`Client::version_cap`], at run time with a
//! proof, [`Client::negotiated`] and [`Client::narrow`], or as the original library does, [`Client::unchecked`]. A cap that
//! changes while services are upgraded is a [`SharedCap`].
//!
//! The guide shows [how an interface evolves](guide::evolving), and how [an `rpcapi.py` becomes a trait](guide::from_rpcapi).
//! [Contract files](contract) watch over changes; [mocks](mock) and [`Transport::in_process`] are for tests of callers.
//!
//! # What operators see
//!
//! Requests are spans of the crate `tracing`, `rpc.client` from the first poll to the end and
//! `rpc.server` while the method runs, with names that OpenTelemetry's collectors know. The latter
//! has interface, method, version, kind, host, request id, message id, `traceparent`, and
//! `outcome` once the method has ended. A server and a listener write one line at `info` when they
//! are bound, serve, drain and have stopped, and a transport when it is connected. A refused cast
//! is a warning. Warnings tell of lost connections, refused messages and what had to be adopted;
//! errors of methods that panicked or were stopped; `debug` of failures that callers are told of.
//! No line has a password, a token or an argument. What a peer wrote is escaped and cut; of what
//! it can cause there is one line a second, from `info` up, which says how many it stands for. The
//! AMQP library's own lines go nowhere: it logs logins, and whole messages.
//!
//! A subscriber that panics costs its line, and nothing else. One that blocks delays the lines of
//! connections, which have a thread of their own. [`Transport::state`] and [`Transport::events`]
//! tell the same without a log: connections, a broker that blocks them, and why no reply can come.
//!
//! # Limits
//!
//! Whoever may publish may publish anything, so one message has bounds:
//!
//! | What | At most | Who sends more | Who gets more |
//! |---|---|---|---|
//! | bytes on the wire | [16 MiB](TransportBuilder::message_limit) | [`CallError::TooLarge`], or a failure `ReplyTooLarge` | refuses it, without its body in memory; a reply's call ends by its deadline |
//! | bytes once unpacked | [64 MiB](TransportBuilder::unpacked_limit) | the same | refuses it |
//! | JSON values | [a million](TransportBuilder::value_limit) | gets a failure `RequestTooLarge` | [`CallError::Decode`] |
//! | levels of what is decoded | 128 | gets a `TypeError` | [`CallError::Decode`] |
//! | levels of AMQP headers | 32 | | refuses it |
//! | bytes of a topic, host or exchange as AMQP knows them | 255 | [`CallError::Unavailable`], or an error of `bind` | |
//! | bytes of a call's id | 1024 | is not answered | |
//!
//! What is refused is rejected, so that a queue with a dead-letter exchange keeps it, and everybody else never sees it
//! again. Of what a caller wrote, a refusal repeats 1000 bytes at most. Replies whose queue is not there wait in bounds of
//! their own: 10 000 of 64 MiB altogether, for 1000 queues.
//!
//! # What is not possible on this wire
//!
//! A surrogate without its other half, which Python's text can hold, becomes U+FFFD in a `String`. Integers of more
//! than 128 bits are read into floats, or kept as they are in a `serde_json::value::RawValue`. What is decoded may be
//! nested to 128 levels. `NaN` and infinities are numbers here as they are for Python, though not in the JSON standard.
//! A context key cannot be `self`.

// What the macros write names this crate, also here.
#[cfg(all(any(rpc_bench, test), feature = "rabbit"))]
extern crate self as rpc_runtime;

mod address;
mod age;
mod args;
mod call;
mod caps;
mod client;
mod clock;
mod compression;
#[cfg(feature = "config")]
mod config;
mod contain;
mod context;
pub mod contract;
mod dispatch;
mod duplicates;
mod envelope;
mod error;
mod excerpt;
mod failure;
#[cfg(all(any(fuzzing, test), feature = "config", feature = "rabbit"))]
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod host;
mod ids;
mod json;
mod limits;
mod logging;
#[cfg(all(any(rpc_bench, test), feature = "rabbit"))]
#[doc(hidden)]
pub mod measured;
pub mod mock;
pub mod notify;
pub mod objects;
mod observe;
mod options;
mod pending;
mod quiet;
mod refusal;
mod replies;
mod returns;
mod secrets;
mod server;
mod shared_cap;
mod sync;
mod transport;
mod unconsumed;

mod url;
pub mod wire;

/// What generated code says of types that a module writes and reads.
#[doc(hidden)]
pub mod serde {
    pub use ::serde::{Deserialize, Deserializer, Serialize, Serializer};
}

#[doc = include_str!("../docs/brokers.md")]
pub mod brokers {}

#[doc = include_str!("../docs/oslo.md")]
pub mod oslo {}

#[doc = include_str!("../docs/reliability.md")]
pub mod reliability {}

#[doc = include_str!("../docs/speed.md")]
pub mod speed {}

#[doc = include_str!("../docs/wire.md")]
pub mod wire_format {}

/// How interfaces are written, and how they change.
pub mod guide {
    #[doc = include_str!("../docs/guide/evolving.md")]
    pub mod evolving {}
    #[doc = include_str!("../docs/guide/from_rpcapi.md")]
    pub mod from_rpcapi {}
}

pub use address::{Address, AddressFn};
pub use args::{Arg, Args, Wire};
pub use call::{Call, Cast};
pub use caps::{
    Answers, AnyHost, Api, Cap, EveryHost, NamesHost, Negotiated, NotOneHost, OneHost, Pinned,
    Retry, Target, Unchecked,
};
pub use client::{Client, LaterRequest, NameBefore, Prepared, Request};
pub use compression::Compression;
#[cfg(feature = "config")]
pub use config::{Config, NotificationOptions};
pub use context::Context;
pub use dispatch::{Answer, Dispatch, Reply, Service};
pub use duplicates::DuplicateWindow;
pub use error::{CallError, CallResult, TransportError, TransportErrorKind};
pub use failure::{Failure, RemoteError};
pub use host::Host;
pub use notify::{Emission, Notification, NotificationListener, Notifier, NotifyError};
pub use objects::{Object, VersionedObject};
pub use observe::{
    ConnectionState, Event, Events, Metrics, RefusalKind, RefusingHost, RepliesState, Role,
    TransportState,
};
pub use options::{Failover, Login, RabbitOptions};
pub use returns::{NotAResult, Returned, Returns};
pub use rpc_idl::{
    Ack, HistoryEntry, HistoryKind, Interface, Kind, Method, OldForm, OldName, Parameter,
    ParseVersionError, UnknownPin, Version,
};
pub use rpc_macros::{RemoteError, VersionedObject, notification, rpc_api};
pub use server::{AbortHandle, Running, Server, ServerBuilder, ShutdownError};
pub use shared_cap::{CapError, SharedCap};
pub use transport::{Transport, TransportBuilder, memory};
