//! A request under way, as its caller awaits it.

use std::{
    any::Any,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use rpc_idl::Version;
use tokio::time::Sleep;
use tracing::Span;
use uuid::Uuid;

use crate::{
    CallError, CallResult, Failure, RemoteError, Transport, TransportError,
    caps::Retry,
    clock::{self, Instant},
    contain::GuardedSpan,
    envelope::Reply,
    excerpt::Excerpt,
    json,
    limits::TooLarge,
    pending::{Expiry, Outcome, Outgoing, Pending, Route},
    refusal::{self, Refusal},
    returns::Returns,
    transport::Body,
    unconsumed::{PATIENCE, Waits},
};

/// How long a request that nobody limits may take: long enough never to be noticed, short enough for any clock.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// A request that is written, and not sent yet.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) transport: Transport,
    pub(crate) method: &'static str,
    /// The method's name in the message, and the version there.
    pub(crate) name: &'static str,
    pub(crate) version: Version,
    pub(crate) route: Route,
    pub(crate) body: Vec<u8>,
    pub(crate) unique_id: Uuid,
    /// The id of a call. A cast has none.
    pub(crate) msg_id: Option<Uuid>,
    pub(crate) timeout: Duration,
    /// The deadline of the request that this one is made for.
    pub(crate) inherited: Option<Instant>,
    pub(crate) retry: Retry,
    /// How long the server may be silent.
    pub(crate) monitor: Option<Duration>,
}

pin_project! {
    #[project = Staged]
    #[project_replace = Left]
    enum Stage {
        /// It failed before anything was sent, or is over.
        Ended { error: Option<CallError> },
        Ready { ready: Ready },
        Waiting { waiting: Waiting, #[pin] sleep: Sleep },
    }
}

struct Waiting {
    transport: Transport,
    name: &'static str,
    version: Version,
    pending: Arc<Pending>,
    msg_id: Option<Uuid>,
    waited: Duration,
    deadline: Instant,
    monitor: Option<Duration>,
    /// The queue of a call, until it is asked whether something consumes that.
    queue: Option<Arc<str>>,
    waits: Option<Waits>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.pending.abandon();
        if let Some(msg_id) = self.msg_id {
            self.transport.replies().remove(msg_id);
        }
    }
}

/// What a call was answered with.
type Answered = Result<Reply, Failure>;

pin_project! {
    /// Sends a request when it is first polled, and waits for its end or its deadline.
    struct Exchange {
        #[pin]
        stage: Stage,
        // From the first poll on.
        span: GuardedSpan,
    }
}

impl Exchange {
    /// Boxed, so that a call stays small and can be moved until it is awaited.
    fn new(request: Result<Ready, CallError>) -> Pin<Box<Self>> {
        let stage = match request {
            Ok(ready) => Stage::Ready { ready },
            Err(error) => Stage::Ended { error: Some(error) },
        };
        Box::pin(Self { stage, span: GuardedSpan::none() })
    }
}

impl Stage {
    const ENDED: Self = Self::Ended { error: None };
}

impl Future for Exchange {
    /// What a call was answered with: a result, or a failure that may become a typed error. `None` for a cast.
    type Output = Result<Option<Answered>, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Staged::Ready { .. } = this.stage.as_mut().project() {
            let Left::Ready { ready } = this.stage.as_mut().project_replace(Stage::ENDED) else {
                return Poll::Pending;
            };
            *this.span = GuardedSpan::new(|| span(&ready));
            this.stage.set(match this.span.run(|| start(ready)) {
                Ok((waiting, sleep)) => Stage::Waiting { waiting, sleep },
                Err(error) => Stage::Ended { error: Some(error) },
            });
        }
        let stage = this.stage.as_mut();
        let ended = ready!(this.span.run(|| match stage.project() {
            Staged::Ended { error } => Poll::Ready(Err(error.take().unwrap_or_else(finished))),
            Staged::Ready { .. } => Poll::Pending,
            Staged::Waiting { waiting, sleep } => match waiting.pending.poll(cx) {
                Poll::Ready(outcome) => Poll::Ready(waiting.end(outcome)),
                Poll::Pending => waiting.sleep(sleep, cx).map(|()| waiting.give_up()),
            },
        }));
        this.stage.set(Stage::ENDED);
        Poll::Ready(ended)
    }
}

/// What a future says that is polled after its end. Nothing was sent by that.
fn finished() -> CallError {
    not_sent(Duration::ZERO, None)
}

/// The end of a request that had not left by its deadline.
fn not_sent(waited: Duration, no_connection: Option<TransportError>) -> CallError {
    CallError::DeadlineExceeded { waited, sent: false, unconsumed: None, no_connection }
}

/// Returns the span of a request, named as OpenTelemetry names such things.
fn span(ready: &Ready) -> Span {
    tracing::info_span!(
        "rpc.client",
        otel.kind = if ready.msg_id.is_some() { "client" } else { "producer" },
        rpc.system = "oslo.messaging",
        rpc.method = ready.method,
        messaging.destination.name = %Excerpt(&ready.route.routing_key),
        messaging.message.id = %ready.unique_id.simple(),
    )
}

/// Hands the request to its transport. The deadline counts from here, the call's first instant.
///
/// The timer comes first: where there can be none, nothing is sent.
fn start(ready: Ready) -> Result<(Waiting, Sleep), CallError> {
    let Ready { transport, name, version, route, body, unique_id, msg_id, .. } = ready;
    let Ready { timeout, inherited, retry, monitor, .. } = ready;
    route.check().map_err(CallError::Unavailable)?;
    let now = Instant::now();
    let own = now.checked_add(timeout.min(FOREVER)).unwrap_or(now);
    let deadline = inherited.map_or(own, |inherited| inherited.min(own));
    let waited = deadline.saturating_duration_since(now);
    if waited.is_zero() {
        return Err(not_sent(waited, None));
    }
    let is_watched = msg_id.is_some() && waited > PATIENCE && transport.watches_queues();
    let due = if is_watched { deadline.min(now + PATIENCE) } else { deadline };
    let sleep = clock::timer(due).map_err(CallError::Unavailable)?;
    let queue = is_watched.then(|| Arc::clone(&route.routing_key));
    let expires = msg_id.map(|_| Expiry { deadline, timeout: waited, is_own: true });
    let packed = transport.pack(body);
    let (body, compression) =
        packed.map_err(|TooLarge { size, limit }| CallError::TooLarge { size, limit })?;
    let message = Outgoing {
        route,
        body: Body::Owned(body),
        compression,
        expires,
        headers: Vec::new(),
        unique_id,
    };
    let mut pending = Pending::new(message, msg_id.is_some(), retry);
    pending.is_monitored = monitor.is_some();
    let pending = Arc::new(pending);
    if let Some(msg_id) = msg_id {
        transport.replies().insert(msg_id, Arc::clone(&pending));
    }
    transport.send(Arc::clone(&pending));
    let waiting = Waiting {
        transport,
        name,
        version,
        pending,
        msg_id,
        waited,
        deadline,
        monitor,
        queue,
        waits: None,
    };
    Ok((waiting, sleep))
}

impl Waiting {
    /// Waits until the call is over for its caller: its deadline, or the server's silence, whichever ends first.
    fn sleep(&mut self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.due();
            if sleep.deadline() != due {
                sleep.as_mut().reset(due);
            }
            ready!(sleep.as_mut().poll(cx));
            let is_impatient = self.patience_ends() == due;
            match self.queue.take_if(|_| is_impatient) {
                Some(queue) => {
                    self.waits = Some(self.transport.wait_unconsumed(queue, &self.pending))
                }
                None if self.due() == due => return Poll::Ready(()),
                None => {}
            }
        }
    }

    /// Returns when there is something to do, unless the request ends before.
    fn due(&self) -> Instant {
        let silent = self.monitor.zip(self.pending.alive());
        let silent = silent.and_then(|(monitor, alive)| alive.checked_add(monitor));
        let due = silent.map_or(self.deadline, |silent| silent.min(self.deadline));
        if self.queue.is_some() { due.min(self.patience_ends()) } else { due }
    }

    /// Returns when the broker is to be asked whether something consumes the call's queue.
    fn patience_ends(&self) -> Instant {
        self.deadline - self.waited + PATIENCE
    }

    /// Says why there is no end: or that there was a result, only without one.
    fn give_up(&self) -> Result<Option<Answered>, CallError> {
        if let Some(early) = self.pending.take_early() {
            return self.answered(early);
        }
        // In one step: what has not left by now never leaves.
        let sent = self.pending.abandon();
        match self.monitor {
            Some(waited) if sent && Instant::now() < self.deadline => {
                Err(CallError::HeartbeatLost { waited })
            }
            _ => match self.transport.obstacle().filter(|_| !sent) {
                Some(obstacle) => Err(CallError::Unavailable(obstacle)),
                None if sent => {
                    let unconsumed = self.waits.as_ref().and_then(Waits::unconsumed);
                    Err(CallError::DeadlineExceeded {
                        waited: self.waited,
                        sent,
                        unconsumed: unconsumed.map(|queue| queue.to_string()),
                        no_connection: None,
                    })
                }
                None => Err(not_sent(self.waited, self.transport.observer().no_connection())),
            },
        }
    }

    fn answered(&self, reply: Reply) -> Result<Option<Answered>, CallError> {
        let Some(failure) = reply.failure().map_err(CallError::Decode)? else {
            return Ok(Some(Ok(reply)));
        };
        if let Some(refusal) = self.refusal(&reply, &failure) {
            return Err(self.refused(refusal, failure));
        }
        if failure.overloaded_host().is_some() {
            return Err(self.overloaded(failure));
        }
        if failure.is_interrupted() {
            self.transport.observer().counts.requests_interrupted.add_one();
            return Err(CallError::Interrupted);
        }
        match self.transport.types_module(failure.module()) {
            true => Ok(Some(Err(failure))),
            false => Err(CallError::Failure(failure)),
        }
    }

    /// Returns why a server refused the request, if it has surely not run. A refusal does not count
    /// if another server may have a copy of the request, and run it.
    fn refusal(&self, reply: &Reply, failure: &Failure) -> Option<Refusal> {
        let proven = refusal::proven(reply.mark, failure, self.name, self.version);
        proven.filter(|_| !self.pending.is_repeated())
    }

    fn refused(&self, refusal: Refusal, failure: Failure) -> CallError {
        let method = self.name;
        match refusal {
            Refusal::Method => CallError::NoSuchMethod { method },
            Refusal::Arguments => CallError::BadArgument { method, failure },
            Refusal::Version(serves) => {
                CallError::UnsupportedVersion { method, needs: self.version, serves }
            }
        }
    }

    /// Says that a server had no room. If a copy of the request may be with another one, that is not the end of it, but
    /// its caller is not kept waiting.
    fn overloaded(&self, failure: Failure) -> CallError {
        match failure.overloaded_host() {
            Some(host) if !self.pending.is_repeated() => CallError::Overloaded { host },
            _ => CallError::Failure(failure),
        }
    }

    fn end(&self, outcome: Outcome) -> Result<Option<Answered>, CallError> {
        let counts = &self.transport.observer().counts;
        match &outcome {
            Outcome::Refused => counts.requests_refused.add_one(),
            Outcome::Interrupted => counts.requests_interrupted.add_one(),
            Outcome::Unroutable(_) => counts.requests_returned.add_one(),
            Outcome::Confirmed
            | Outcome::Answered(_)
            | Outcome::Unconsumed { .. }
            | Outcome::Unsent(_) => {}
        }
        match outcome {
            Outcome::Confirmed => Ok(None),
            Outcome::Answered(reply) => {
                if let Some(waits) = &self.waits {
                    waits.was_consumed();
                }
                self.answered(reply)
            }
            Outcome::Refused => Err(CallError::Refused),
            Outcome::Interrupted => Err(CallError::Interrupted),
            Outcome::Unconsumed { queue, observed } => {
                Err(CallError::NoConsumer { queue: queue.to_string(), observed })
            }
            Outcome::Unsent(error) => Err(CallError::Unavailable(error)),
            Outcome::Unroutable(route) => Err(CallError::Unroutable {
                exchange: route.exchange.name().to_owned(),
                routing_key: route.routing_key.to_string(),
            }),
        }
    }
}

/// A call: await it for what the method returns.
///
/// The request is written when the stub is called and sent when this is first awaited; the deadline counts from then,
/// and covers connecting, publishing and waiting. `R` is the method's return type; the output is [`CallResult`] of its
/// value and error.
///
/// # Cancel safety
/// Dropping it stops waiting. A request that has not left is then never sent; one that has may still run, and its
/// reply is dropped.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<R, const IS_RESULT: bool> {
    exchange: Pin<Box<Exchange>>,
    returns: PhantomData<fn() -> R>,
}

impl<R, const IS_RESULT: bool> Call<R, IS_RESULT> {
    pub(crate) fn new(request: Result<Ready, CallError>) -> Self {
        Self { exchange: Exchange::new(request), returns: PhantomData }
    }
}

impl<R, const IS_RESULT: bool> fmt::Debug for Call<R, IS_RESULT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<R: Returns<IS_RESULT>, const IS_RESULT: bool> Future for Call<R, IS_RESULT> {
    type Output = CallResult<R::Value, R::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match ready!(self.exchange.as_mut().poll(cx)) {
            Ok(Some(answered)) => answered,
            // A cast's end cannot reach a call: its requests have an id.
            Ok(None) => return Poll::Ready(Err(finished().widen())),
            Err(error) => return Poll::Ready(Err(error.widen())),
        };
        Poll::Ready(match answered {
            Ok(reply) => json::from_str(reply.result()).map_err(CallError::Decode),
            Err(failure) => Err(match R::Error::from_failure(failure) {
                Ok(error) => CallError::Method(error),
                Err(failure) => CallError::Failure(failure),
            }),
        })
    }
}

/// A cast: await it until the broker has confirmed the request.
///
/// Nothing tells whether a server ran it. It fails with [`CallError::Unroutable`] if no queue takes it, but a fanout
/// cast that nobody hears is no failure.
///
/// # Cancel safety
/// As for [`Call`]: a request that has not left is then never sent.
#[must_use = "a cast does nothing until it is awaited"]
pub struct Cast {
    exchange: Pin<Box<Exchange>>,
}

impl Cast {
    pub(crate) fn new(request: Result<Ready, CallError>) -> Self {
        Self { exchange: Exchange::new(request) }
    }
}

impl fmt::Debug for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cast").finish_non_exhaustive()
    }
}

impl Future for Cast {
    type Output = CallResult<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.exchange.as_mut().poll(cx)).map(drop))
    }
}

#[expect(
    dead_code,
    reason = "calls and casts move between threads: the compiler checks it here, not at a user"
)]
fn requests_cross_threads() {
    fn crosses<T: Send + Any>() {}
    crosses::<Call<u8, false>>();
    crosses::<Cast>();
}

#[cfg(all(test, feature = "rabbit"))]
mod tests {
    use super::*;
    use crate::{
        Context as RequestContext,
        envelope::{ReplyWriter, Request, open},
        refusal::Mark,
    };

    #[rpc_runtime::rpc_api(topic = "call-tests", version = "1.0")]
    trait Probe {
        async fn probe(&self, ctx: RequestContext) -> u32;
    }

    #[tokio::test]
    async fn a_refusal_by_one_server_of_what_two_may_have_is_a_failure_like_any_other() {
        for is_repeated in [false, true] {
            let transport = Transport::connect(&format!("memory://{}", Uuid::new_v4())).await;
            let transport = transport.expect("it is embedded");
            let broker = transport.memory().expect("it is embedded");
            broker.hold();
            let client = ProbeClient::new(&transport);
            let call = tokio::spawn(async move { client.probe(&RequestContext::new()).await });
            let pending = loop {
                tokio::task::yield_now().await;
                if let Some(pending) = broker.hold().pop() {
                    break pending;
                }
            };
            let message = pending.take().expect("it waits");
            let text = open(&message.body).expect("an envelope").into_owned();
            let (msg_id, _) = Request::parse(&text).expect("a request").caller().expect("a call");
            if is_repeated {
                pending.put_back(message, true);
            }
            let failure = Failure::no_such_method("probe");
            let reply = ReplyWriter::failure(&failure).finish(msg_id, Uuid::new_v4());
            let mark = Some(Mark::of(failure.refusal()));
            transport.replies().receive(&reply, None, mark);
            let error = call.await.expect("no panic").expect_err("it is refused");
            assert_eq!(error.may_have_run(), is_repeated, "{error:?}");
            assert_eq!(matches!(error, CallError::Failure(_)), is_repeated, "{error:?}");
        }
    }
}
