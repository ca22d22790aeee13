//! What can go wrong, by audience: a caller, and whoever sets up a transport or a server.

use std::{convert::Infallible, error::Error, fmt, sync::Arc, time::Duration};

use rpc_idl::Version;

use crate::{Failure, excerpt::Excerpt};

/// What a call returns: the method's value, or why there is none.
pub type CallResult<T, E = Infallible> = Result<T, CallError<E>>;

/// Why a call did not return a value, or a cast was not accepted.
///
/// `E` is the error that the interface declares for the method; every other variant is this library's.
/// [`may_have_run`](Self::may_have_run) answers the question that follows: may I call again?
///
/// ```
/// # use rpc_runtime::{CallError, Context, Transport, rpc_api};
/// # #[rpc_api(topic = "nobody", version = "1.0")]
/// # trait Nobody { async fn count(&self, ctx: Context) -> u32; }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::TransportError> {
/// # let transport = Transport::connect("memory://error-doc").await?;
/// # let client = NobodyClient::new(&transport);
/// let error = client.count(&Context::new()).await.expect_err("nobody serves this topic");
/// assert!(matches!(error, CallError::Unroutable { .. }));
/// assert!(!error.may_have_run());
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// The method ran, and returned its own error.
    #[error("the method failed")]
    Method(#[source] E),
    /// The server answered with a failure that the interface does not declare: an exception of its own, a refused
    /// argument, an unknown method or version.
    #[error("the server failed the request")]
    Failure(#[source] Failure),
    /// No queue is bound to the topic or host, so the broker returned the request. Nobody saw it.
    #[error("no server is bound to `{}` on exchange `{}`", Excerpt(routing_key), Excerpt(exchange))]
    Unroutable {
        /// The exchange that the request was published to.
        exchange: String,
        /// Its routing key: the topic, or the topic, a dot and the host.
        routing_key: String,
    },
    /// The server has no room for the call, and refuses what it has no room for: see
    /// [`ServerBuilder::refuse_when_full`](crate::ServerBuilder::refuse_when_full). The method has not begun. Another
    /// server may have room, or this one later.
    #[error("the server on `{host}` has no room for the call")]
    Overloaded {
        /// The server's host.
        host: String,
    },
    /// Nothing consumes the queue of the topic or host: all of its servers have stopped or died,
    /// and none has started again for some seconds
    /// ([`no_consumer_after`](crate::RabbitOptions::no_consumer_after)). The request waits in the
    /// queue until its deadline, so a server that starts by then may still run it.
    #[error(
        "nothing consumes the queue `{}`: the broker has reported no consumer for {observed:.1?}",
        Excerpt(queue)
    )]
    NoConsumer {
        /// The queue, which has the name of the topic, or of the topic, a dot and the host.
        queue: String,
        /// The time between the broker's first and last answer that the queue has no consumer.
        observed: Duration,
    },
    /// The deadline passed. `sent` says whether the request had left this process by then.
    #[error(
        "no {} within {waited:?}{}",
        if *sent { "answer" } else { "connection to the broker" },
        Unconsumed(unconsumed)
    )]
    DeadlineExceeded {
        /// How long the call was allowed to take.
        waited: Duration,
        /// Whether the request had been handed to the broker: a server may have run it, or may still.
        sent: bool,
        /// The request's queue, if the broker's last word on it was that it has no consumer.
        unconsumed: Option<String>,
    },
    /// The call was monitored, and its server gave no sign of life for that long. It may have died, or never taken the
    /// request.
    #[error("no sign of life from the server within {waited:?}")]
    HeartbeatLost {
        /// How long the server may be silent.
        waited: Duration,
    },
    /// The connection was lost before the broker confirmed the request, and the request is not one to repeat; or the
    /// transport was closed while the call waited; or a server lost its connection while it took the request, and could
    /// not know whether another has it. A server may have run it.
    #[error("a connection was lost or closed while the request was under way")]
    Interrupted,
    /// The broker refused the request: its queue is full, or an internal error kept it from being stored.
    #[error("the broker refused the request")]
    Refused,
    /// No server can have the request: the transport is closed, the broker is out of reach for good, it refused the request
    /// for its size or topic, or a topic or host makes a name that AMQP has no room for.
    #[error("the transport cannot send the request")]
    Unavailable(#[source] TransportError),
    /// The request needs a newer version than the client's cap allows. It was not sent.
    #[error("{what} needs version {needed} of the RPC API, but this client is capped at {cap}")]
    VersionCap {
        /// The method or the argument that needs it.
        what: String,
        /// The version needed.
        needed: Version,
        /// The client's version cap.
        cap: Version,
    },
    /// The method goes to the host that its arguments say, and they say none. The request was not sent.
    #[error("the arguments of `{method}` say no host to send it to")]
    MissingHost {
        /// The method.
        method: &'static str,
    },
    /// The request is larger than it may be ([`message_limit`](crate::TransportBuilder::message_limit),
    /// [`unpacked_limit`](crate::TransportBuilder::unpacked_limit)). It was not sent.
    #[error("the request has {size} bytes, where {limit} are allowed")]
    TooLarge {
        /// How many bytes it has.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
    /// An argument or the context has no form in JSON. The request was not sent.
    #[error("the request cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// A reply came, but not one that reads as the method's value or failure. The method has run.
    #[error("the reply does not fit the method's type")]
    Decode(#[source] serde_json::Error),
}

impl<E> CallError<E> {
    /// Whether the method may have run, or may still run: calling again might run it twice.
    ///
    /// `false` is certain. It never depends on which transport carried the request.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Method(_) | Self::Failure(_) | Self::Interrupted | Self::Decode(_) => true,
            // A queue that dies between handing a request out and confirming it makes the broker refuse it.
            Self::Refused | Self::HeartbeatLost { .. } => true,
            // The request stays in the queue, and a later server may run it.
            Self::NoConsumer { .. } => true,
            Self::DeadlineExceeded { sent, .. } => *sent,
            Self::Unroutable { .. }
            | Self::Overloaded { .. }
            | Self::Unavailable(_)
            | Self::VersionCap { .. }
            | Self::MissingHost { .. }
            | Self::TooLarge { .. }
            | Self::Encode(_) => false,
        }
    }
}

impl CallError {
    /// Makes the framework's errors fit a method that declares `E`.
    pub(crate) fn widen<E>(self) -> CallError<E> {
        match self {
            Self::Method(never) => match never {},
            Self::Failure(failure) => CallError::Failure(failure),
            Self::Unroutable { exchange, routing_key } => {
                CallError::Unroutable { exchange, routing_key }
            }
            Self::Overloaded { host } => CallError::Overloaded { host },
            Self::NoConsumer { queue, observed } => CallError::NoConsumer { queue, observed },
            Self::DeadlineExceeded { waited, sent, unconsumed } => {
                CallError::DeadlineExceeded { waited, sent, unconsumed }
            }
            Self::HeartbeatLost { waited } => CallError::HeartbeatLost { waited },
            Self::Interrupted => CallError::Interrupted,
            Self::Refused => CallError::Refused,
            Self::Unavailable(error) => CallError::Unavailable(error),
            Self::VersionCap { what, needed, cap } => CallError::VersionCap { what, needed, cap },
            Self::MissingHost { method } => CallError::MissingHost { method },
            Self::TooLarge { size, limit } => CallError::TooLarge { size, limit },
            Self::Encode(error) => CallError::Encode(error),
            Self::Decode(error) => CallError::Decode(error),
        }
    }
}

/// The part of a text that names a queue without consumers, if there is one.
struct Unconsumed<'a>(&'a Option<String>);

impl fmt::Display for Unconsumed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(queue) => write!(f, ": nothing consumes the queue `{}`", Excerpt(queue)),
            None => Ok(()),
        }
    }
}

/// Why a transport could not be set up, or a server not be bound.
///
/// Opaque, so that no broker library shows through; [`kind`](Self::kind) is what to decide by, the text is for people.
#[derive(Clone)]
pub struct TransportError(Arc<Inner>);

struct Inner {
    kind: TransportErrorKind,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What sort of thing went wrong with a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The transport's URL, or a name given to it, is malformed. Trying again does not help.
    Configuration,
    /// No broker answered at any of the hosts. Trying again may help.
    Unreachable,
    /// The broker refused the credentials, the virtual host, access to an exchange, queue or topic, or a message, for what
    /// it is.
    Refused,
    /// An exchange or queue exists with other properties than the ones wanted.
    Mismatch,
    /// A limit was reached: the broker's of connections or channels, or this machine's of threads or open files.
    LimitReached,
    /// The two ends do not agree on TLS: a certificate is not valid here, or the other end speaks no TLS.
    Tls,
    /// The broker takes no messages at the moment: it is short of memory or disk.
    Blocked,
    /// It took longer than it may.
    TimedOut,
    /// The connection was lost meanwhile.
    Disconnected,
    /// The transport has been closed.
    Closed,
}

impl TransportError {
    pub(crate) fn new(kind: TransportErrorKind, what: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, what: what.into(), source: None }))
    }

    pub(crate) fn caused(
        kind: TransportErrorKind,
        what: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner { kind, what: what.into(), source: Some(Box::new(source)) }))
    }

    pub(crate) fn closed() -> Self {
        Self::new(TransportErrorKind::Closed, "the transport is closed")
    }

    /// Returns what sort of error this is.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.0.kind
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportError")
            .field("kind", &self.0.kind)
            .field("what", &self.0.what)
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
