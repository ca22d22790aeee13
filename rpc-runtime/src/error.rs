//! What can go wrong, by audience: a caller, and whoever sets up a transport or a server.

use std::{convert::Infallible, error::Error, fmt, sync::Arc, time::Duration};

use rpc_idl::Version;

use crate::{
    Failure,
    excerpt::{Causes, Excerpt},
};

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
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// The method ran, and returned its own error.
    Method(E),
    /// The server answered with a failure that the interface does not declare: an exception of its
    /// own, or a refusal without proof that the method has not begun.
    Failure(Failure),
    /// The server serves no version of the interface that has all of the request; most likely it is
    /// too old. The method has not begun. Another server may be newer.
    ///
    /// This and the next two variants are certain, also where a method declares an error that takes
    /// any failure. A server of this library says so itself; a Python server's traceback is proof.
    /// A refusal without proof, or of a request that another server may have, is a
    /// [`Failure`](Self::Failure).
    UnsupportedVersion {
        /// The method, as the request names it.
        method: &'static str,
        /// The version that the request needs.
        needs: Version,
        /// The nearest version that the server serves of the interface's namespace. `None` if it
        /// serves none, or is written in Python, and does not say.
        serves: Option<Version>,
    },
    /// The server serves the version, but has no such method, or does not expose it. Nothing has
    /// run.
    NoSuchMethod {
        /// The method, as the request names it.
        method: &'static str,
    },
    /// The server refused the request for its arguments or its context: one is missing, unknown, of
    /// another type, or an object of another class; or there are more values than the server takes.
    /// The method has not begun.
    BadArgument {
        /// The method, as the request names it.
        method: &'static str,
        /// The server's answer.
        failure: Failure,
    },
    /// No queue is bound to the topic or host, so the broker returned the request. Nobody saw it.
    Unroutable {
        /// The exchange that the request was published to.
        exchange: String,
        /// Its routing key: the topic, or the topic, a dot and the host.
        routing_key: String,
    },
    /// The server has no room for the call, and refuses what it has no room for: see
    /// [`ServerBuilder::refuse_when_full`](crate::ServerBuilder::refuse_when_full). The method has not begun. Another
    /// server may have room, or this one later.
    Overloaded {
        /// The server's host.
        host: String,
    },
    /// Nothing consumes the queue of the topic or host: all of its servers have stopped or died,
    /// and none has started again for some seconds
    /// ([`no_consumer_after`](crate::RabbitOptions::no_consumer_after)). The request waits in the
    /// queue until its deadline, so a server that starts by then may still run it.
    NoConsumer {
        /// The queue, which has the name of the topic, or of the topic, a dot and the host.
        queue: String,
        /// The time between the broker's first and last answer that the queue has no consumer.
        observed: Duration,
    },
    /// The deadline passed. `sent` says whether the request had left this process by then.
    DeadlineExceeded {
        /// How long the call was allowed to take.
        waited: Duration,
        /// Whether the request had been handed to the broker: a server may have run it, or may still.
        sent: bool,
        /// The request's queue, if the broker's last word on it was that it has no consumer.
        unconsumed: Option<String>,
        /// If the request was not sent for lack of a connection: why each host failed at the last
        /// attempt. `None` before the first attempt has failed.
        no_connection: Option<TransportError>,
    },
    /// The call was monitored, and its server gave no sign of life for that long. It may have died, or never taken the
    /// request.
    HeartbeatLost {
        /// How long the server may be silent.
        waited: Duration,
    },
    /// The connection was lost before the broker confirmed the request, and the request is not one to repeat; or the
    /// transport was closed while the call waited; or a server lost its connection while it took the request, and could
    /// not know whether another has it. A server may have run it.
    Interrupted,
    /// The broker refused the request: its queue is full, or an internal error kept it from being stored.
    Refused,
    /// No server can have the request: the transport is closed, the broker is out of reach for good, it refused the request
    /// for its size or topic, or a topic or host makes a name that AMQP has no room for.
    Unavailable(TransportError),
    /// The request needs a newer version than the client's cap allows. It was not sent.
    VersionCap {
        /// The method or the argument that needs it.
        what: String,
        /// The version needed.
        needed: Version,
        /// The client's version cap.
        cap: Version,
    },
    /// The method goes to the host that its arguments say, and they say none. The request was not sent.
    MissingHost {
        /// The method.
        method: &'static str,
    },
    /// The request is larger than it may be ([`message_limit`](crate::TransportBuilder::message_limit),
    /// [`unpacked_limit`](crate::TransportBuilder::unpacked_limit)). It was not sent.
    TooLarge {
        /// How many bytes it has.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
    /// An argument or the context has no form in JSON. The request was not sent.
    Encode(serde_json::Error),
    /// A reply came, but not one that reads as the method's value or failure. The method has run.
    Decode(serde_json::Error),
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
            | Self::UnsupportedVersion { .. }
            | Self::NoSuchMethod { .. }
            | Self::BadArgument { .. }
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
            Self::UnsupportedVersion { method, needs, serves } => {
                CallError::UnsupportedVersion { method, needs, serves }
            }
            Self::NoSuchMethod { method } => CallError::NoSuchMethod { method },
            Self::BadArgument { method, failure } => CallError::BadArgument { method, failure },
            Self::NoConsumer { queue, observed } => CallError::NoConsumer { queue, observed },
            Self::DeadlineExceeded { waited, sent, unconsumed, no_connection } => {
                CallError::DeadlineExceeded { waited, sent, unconsumed, no_connection }
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

/// Says what happened to the request, and why, in the words of the cause.
impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(error) => {
                write!(f, "the method failed: {}", Excerpt(&error.to_string()))
            }
            Self::Failure(failure) => write!(f, "the server failed the request: {failure}"),
            Self::UnsupportedVersion { method, needs, serves } => {
                let method = Excerpt(method);
                write!(f, "the server does not serve version {needs}, which `{method}` needs")?;
                serves.map_or(Ok(()), |serves| write!(f, ": it serves {serves}"))
            }
            Self::NoSuchMethod { method } => {
                write!(f, "the server has no method `{}`", Excerpt(method))
            }
            Self::BadArgument { method, failure } => {
                write!(f, "the server refused the arguments of `{}`: {failure}", Excerpt(method))
            }
            Self::Unroutable { exchange, routing_key } => {
                let (key, exchange) = (Excerpt(routing_key), Excerpt(exchange));
                write!(f, "no server is bound to `{key}` on exchange `{exchange}`")
            }
            Self::Overloaded { host } => {
                write!(f, "the server on `{}` has no room for the call", Excerpt(host))
            }
            Self::NoConsumer { queue, observed } => {
                let queue = Excerpt(queue);
                write!(f, "nothing consumes the queue `{queue}`: ")?;
                write!(f, "the broker has reported no consumer for {observed:.1?}")
            }
            Self::DeadlineExceeded { waited, sent, unconsumed, no_connection } => {
                let what = if *sent { "answer" } else { "connection to the broker" };
                write!(f, "no {what} within {waited:?}")?;
                if let Some(queue) = unconsumed {
                    write!(f, ": nothing consumes the queue `{}`", Excerpt(queue))?;
                }
                no_connection.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::HeartbeatLost { waited } => {
                write!(f, "no sign of life from the server within {waited:?}")
            }
            Self::Interrupted => {
                f.write_str("a connection was lost or closed while the request was under way")
            }
            Self::Refused => f.write_str(
                "the broker refused the request by a negative confirm, as for a full queue",
            ),
            Self::Unavailable(error) => write!(f, "the transport cannot send the request: {error}"),
            Self::VersionCap { what, needed, cap } => write!(
                f,
                "{what} needs version {needed} of the RPC API, but this client is capped at {cap}"
            ),
            Self::MissingHost { method } => {
                write!(f, "the arguments of `{}` say no host to send it to", Excerpt(method))
            }
            Self::TooLarge { size, limit } => {
                write!(f, "the request has {size} bytes, where {limit} are allowed")
            }
            Self::Encode(error) => {
                write!(f, "the request cannot be written as JSON: {}", Excerpt(&error.to_string()))
            }
            Self::Decode(error) => {
                write!(
                    f,
                    "the reply does not fit the method's type: {}",
                    Excerpt(&error.to_string())
                )
            }
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    /// Returns the cause below what the text says already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Method(error) => error.source(),
            Self::Failure(error) | Self::BadArgument { failure: error, .. } => error.source(),
            Self::Unavailable(error) => error.source(),
            Self::Encode(error) | Self::Decode(error) => error.source(),
            Self::UnsupportedVersion { .. }
            | Self::NoSuchMethod { .. }
            | Self::Unroutable { .. }
            | Self::Overloaded { .. }
            | Self::NoConsumer { .. }
            | Self::DeadlineExceeded { .. }
            | Self::HeartbeatLost { .. }
            | Self::Interrupted
            | Self::Refused
            | Self::VersionCap { .. }
            | Self::MissingHost { .. }
            | Self::TooLarge { .. } => None,
        }
    }
}

/// Why a transport could not be set up, or a server not be bound.
///
/// Opaque, so that no broker library shows through. Programs decide by [`kind`](Self::kind). The
/// text is for people, and has the whole cause in the words of the broker or the system: there is
/// no [`source`](Error::source) below it.
#[derive(Clone)]
pub struct TransportError(Arc<Inner>);

struct Inner {
    kind: TransportErrorKind,
    what: String,
}

/// What sort of thing went wrong with a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The transport's URL, or a name given to it, is malformed; or the options ask for what the
    /// broker cannot make; or there is no Tokio runtime with timers where a transport, a call, a
    /// server or a notifier needs one. Trying again does not help.
    Configuration,
    /// No broker answered. Trying again may help.
    ///
    /// If the hosts of a transport URL fail for different reasons, the error names each, and has
    /// the kind that is least likely to pass: a broker that refuses the login, beside one that does
    /// not answer, is [`Refused`](Self::Refused).
    Unreachable,
    /// The broker refused the credentials, the virtual host, access to an exchange, queue or topic, or a message, for what
    /// it is.
    Refused,
    /// An exchange or queue exists with other properties than the ones wanted.
    Mismatch,
    /// A limit was reached: the broker's of connections, channels, queues or exchanges, or this
    /// machine's of threads or open files.
    LimitReached,
    /// The broker has no such exchange or queue, or the queue's node is down. It may come back.
    NotFound,
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

impl TransportErrorKind {
    /// Whether trying again may help although no program and no broker is set up differently.
    #[must_use]
    pub fn may_pass(self) -> bool {
        match self {
            Self::Closed | Self::Configuration | Self::Mismatch | Self::Tls | Self::Refused => {
                false
            }
            Self::LimitReached
            | Self::NotFound
            | Self::Blocked
            | Self::TimedOut
            | Self::Disconnected
            | Self::Unreachable => true,
        }
    }

    /// Returns the rank of the kind among the reasons for which several hosts fail: 0 is the least
    /// likely to pass.
    #[cfg(feature = "rabbit")]
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Configuration => 1,
            Self::Mismatch => 2,
            Self::Tls => 3,
            Self::Refused => 4,
            Self::LimitReached => 5,
            Self::NotFound => 6,
            Self::Blocked => 7,
            Self::TimedOut => 8,
            Self::Disconnected => 9,
            Self::Unreachable => 10,
        }
    }
}

impl TransportError {
    pub(crate) fn new(kind: TransportErrorKind, what: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, what: what.into() }))
    }

    /// Makes one that says what failed, and then everything that caused it.
    pub(crate) fn caused(
        kind: TransportErrorKind,
        what: impl fmt::Display,
        cause: &(dyn Error + 'static),
    ) -> Self {
        Self::new(kind, format!("{what}: {}", Causes(cause)))
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
            .finish()
    }
}

impl Error for TransportError {}

#[cfg(all(test, feature = "rabbit"))]
mod tests {
    use super::TransportErrorKind::*;

    #[test]
    fn kinds_that_may_pass_rank_behind_all_that_may_not() {
        let by_rank = [
            Closed,
            Configuration,
            Mismatch,
            Tls,
            Refused,
            LimitReached,
            NotFound,
            Blocked,
            TimedOut,
            Disconnected,
            Unreachable,
        ];
        assert!(by_rank.is_sorted_by(|one, other| one.rank() < other.rank()));
        assert!(by_rank.iter().map(|kind| kind.may_pass()).is_sorted(), "{by_rank:?}");
    }
}
