//! A request that somebody waits for: its message until it is sent, then how it ended.
//!
//! One allocation a request serves the caller, the transport that sends it, and the table of replies. The caller owns
//! the waiting; when it stops, the message is dropped unless it has been taken for sending.

use std::{
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use uuid::Uuid;

use crate::{
    Compression, TransportError, TransportErrorKind,
    age::Origin,
    caps::Retry,
    clock::Instant,
    contain::wake,
    envelope::Reply,
    excerpt::Excerpt,
    sync::{Mutex, MutexGuard},
    transport::{Body, kept::Header},
};

/// A message on its way to the broker: its body, and where it goes.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) route: Route,
    pub(crate) body: Body,
    /// How the body is compressed.
    pub(crate) compression: Option<Compression>,
    /// A call's deadline, from which its expiration is made.
    pub(crate) expires: Option<Expiry>,
    /// Headers beside the one for compression.
    pub(crate) headers: Vec<(&'static str, Header)>,
    pub(crate) unique_id: Uuid,
}

impl Outgoing {
    #[cfg(feature = "rabbit")]
    fn readdress(&mut self, names: &[Arc<str>], by: &str) {
        let Body::Owned(body) = &mut self.body else { return };
        match self.compression {
            None => replace(body, names, by),
            Some(compression) => {
                // It was packed here, so it can be unpacked.
                let name = Some(compression.header());
                if let Ok(unpacked) = crate::compression::unpack(body, name, usize::MAX) {
                    let mut unpacked = unpacked.into_owned();
                    replace(&mut unpacked, names, by);
                    *body = compression.pack(&unpacked);
                }
            }
        }
    }
}

/// Replaces the first of the names that occurs by another of the same length.
#[cfg(feature = "rabbit")]
fn replace(text: &mut [u8], names: &[Arc<str>], by: &str) {
    for name in names.iter().filter(|name| name.len() == by.len()) {
        let at = text.windows(name.len()).position(|window| window == name.as_bytes());
        if let Some(at) = at {
            text[at..at + by.len()].copy_from_slice(by.as_bytes());
            return;
        }
    }
}

/// Where a message goes.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) exchange: Exchange,
    pub(crate) routing_key: Arc<str>,
    /// Whether the broker gives the message back if no queue takes it.
    pub(crate) mandatory: bool,
}

impl Route {
    /// Makes one that leads nowhere.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn of_nothing() -> Self {
        Self { exchange: Exchange::Default, routing_key: "q".into(), mandatory: true }
    }

    /// Whether AMQP has room for the names.
    pub(crate) fn check(&self) -> Result<(), TransportError> {
        const LONGEST: usize = 255;
        for (what, name) in [("exchange", self.exchange.name()), ("routing key", &self.routing_key)]
        {
            if name.len() > LONGEST {
                let what = format!("the {what} `{}` is too long for AMQP", Excerpt(name));
                return Err(TransportError::new(TransportErrorKind::Configuration, what));
            }
        }
        Ok(())
    }
}

/// An exchange, and who declares it how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// The broker's own, which routes by queue name: for replies.
    Default,
    /// A control exchange.
    Topic(Arc<str>),
    /// The fanout exchange of a topic.
    Fanout(Arc<str>),
    /// A control exchange, where whoever publishes makes a queue of the routing key's name.
    Notifications(Arc<str>),
}

impl Exchange {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Default => "",
            Self::Topic(name) | Self::Fanout(name) | Self::Notifications(name) => name,
        }
    }
}

/// When a request stops being worth running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    pub(crate) deadline: Instant,
    /// What the deadline was made of.
    pub(crate) timeout: Duration,
    /// Whether the call is this process's own, so that its message says when it began. A server's
    /// copy of a message has the headers of the original instead.
    pub(crate) is_own: bool,
}

impl Expiry {
    /// How much later than its caller's first instant a message may leave and still carry the whole timeout.
    const AT_ONCE: Duration = Duration::from_millis(20);

    /// The longest that RabbitMQ keeps a timer for, in milliseconds: 49 days.
    const LONGEST: u64 = 49 * 24 * 3600 * 1000;

    /// Returns the message's `expiration` in milliseconds, at least 1. `None` once the deadline has passed.
    ///
    /// A message that leaves at once carries the timeout as it was asked for, as the original's does; one that had to
    /// wait for a connection carries what is left.
    pub(crate) fn millis(&self, now: Instant) -> Option<u64> {
        let left = self.deadline.checked_duration_since(now).filter(|left| !left.is_zero())?;
        let time = if left + Self::AT_ONCE >= self.timeout { self.timeout } else { left };
        Some(u64::try_from(time.as_millis()).unwrap_or(Self::LONGEST).clamp(1, Self::LONGEST))
    }

    /// Returns what the message says of the call's beginning, beside its `expiration`.
    pub(crate) fn origin(&self, expiration: u64) -> Option<Origin> {
        let began = self.deadline.checked_sub(self.timeout).filter(|_| self.is_own)?;
        Some(Origin::of_call(began, self.timeout, expiration))
    }
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A cast was confirmed.
    Confirmed,
    /// A call was answered.
    Answered(Reply),
    /// No queue took it that was sent there.
    Unroutable(Route),
    Refused,
    /// The connection was lost with the request on its way.
    Interrupted,
    /// Nothing consumes the queue that the request waits in, as was observed for some time.
    Unconsumed {
        queue: Arc<str>,
        observed: Duration,
    },
    Unsent(TransportError),
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Queued,
    Sent,
    Confirmed,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pending {
    state: Mutex<State>,
    pub(crate) retry: Retry,
    /// A call ends with its reply, a cast with the broker's confirm.
    pub(crate) is_call: bool,
    /// Whether the caller watches for signs of life.
    pub(crate) is_monitored: bool,
    /// Whether it is a notification, and not counted among requests.
    pub(crate) is_notification: bool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Whether it has been given back after it may have left, so that what one server says of it is not all.
    is_repeated: bool,
    held: Held,
    /// Whether nobody waits any more.
    is_abandoned: bool,
    /// Whether its server has given a sign of life.
    is_alive: bool,
    /// Most calls learn nothing before their end.
    signs: Option<Box<Signs>>,
    waker: Option<Waker>,
}

/// What a call learns before its end.
#[derive(Debug, Default)]
struct Signs {
    /// The result, if there was one.
    early: Option<Reply>,
    /// When the request was sent, or its server last gave a sign of life. Kept only if somebody looks at it.
    alive: Option<Instant>,
}

/// What is kept for whoever comes for it: never both, so that a call takes less room.
#[derive(Debug)]
enum Held {
    /// The publisher has it, or the caller has been told.
    Nothing,
    Message(Outgoing),
    Outcome(Outcome),
}

impl Held {
    fn take_message(&mut self) -> Option<Outgoing> {
        match self.take_if(Self::is_message)? {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }

    fn take_outcome(&mut self) -> Option<Outcome> {
        match self.take_if(Self::is_outcome)? {
            Self::Outcome(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Takes it if it is what is wanted. What is not stays where it is, and is not moved for that.
    fn take_if(&mut self, is_wanted: fn(&Self) -> bool) -> Option<Self> {
        is_wanted(self).then(|| std::mem::replace(self, Self::Nothing))
    }

    fn is_message(&self) -> bool {
        matches!(self, Self::Message(_))
    }

    fn is_outcome(&self) -> bool {
        matches!(self, Self::Outcome(_))
    }
}

impl State {
    fn is_silent(&self) -> bool {
        self.phase == Phase::Confirmed && !self.is_alive && !self.held.is_outcome()
    }
}

impl Pending {
    pub(crate) fn new(message: Outgoing, is_call: bool, retry: Retry) -> Self {
        let is_notification = matches!(message.route.exchange, Exchange::Notifications(_));
        let state = State {
            phase: Phase::Queued,
            is_repeated: false,
            held: Held::Message(message),
            is_abandoned: false,
            is_alive: false,
            signs: None,
            waker: None,
        };
        Self { state: Mutex::new(state), retry, is_call, is_monitored: false, is_notification }
    }

    /// Makes a request with nothing in it.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn of_nothing(is_call: bool) -> Self {
        let message = Outgoing {
            route: Route::of_nothing(),
            body: Body::Owned(Vec::new()),
            compression: None,
            expires: None,
            headers: Vec::new(),
            unique_id: Uuid::nil(),
        };
        Self::new(message, is_call, Retry::Unsent)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the message to send it. `None` if nobody waits any more: then it is not sent.
    pub(crate) fn take(&self) -> Option<Outgoing> {
        let (message, state) = self.take_message()?;
        if self.is_monitored {
            Self::sign_of_life(state);
        }
        Some(message)
    }

    /// Takes the message to run it in this process, where no server can fall silent.
    pub(crate) fn take_to_run(&self) -> Option<Outgoing> {
        self.take_message().map(|(message, _)| message)
    }

    fn take_message(&self) -> Option<(Outgoing, MutexGuard<'_, State>)> {
        let mut state = self.lock();
        let message = state.held.take_message()?;
        state.phase = Phase::Sent;
        Some((message, state))
    }

    /// Notes that the request is under way, and lets its caller set its timer anew.
    fn sign_of_life(mut state: MutexGuard<'_, State>) {
        state.signs.get_or_insert_default().alive = Some(Instant::now());
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    /// Returns when the request was sent, or its server last gave a sign of life.
    pub(crate) fn alive(&self) -> Option<Instant> {
        self.lock().signs.as_ref()?.alive
    }

    /// Takes the result that came without an end.
    pub(crate) fn take_early(&self) -> Option<Reply> {
        self.lock().signs.as_mut()?.early.take()
    }

    /// Gives the message back after all, to be sent later, if somebody waits. `left` says whether it may have been sent
    /// before.
    pub(crate) fn put_back(&self, message: Outgoing, left: bool) {
        let mut state = self.lock();
        if !state.held.is_outcome() && !state.is_abandoned {
            state.held = Held::Message(message);
            state.is_repeated |= left;
            if !state.is_repeated {
                state.phase = Phase::Queued;
            }
        }
    }

    /// It turns out that the last copy but one did not arrive either. `was_repeated` is what was known before that.
    pub(crate) fn unrepeat(&self, was_repeated: bool) {
        self.lock().is_repeated = was_repeated;
    }

    /// The broker has the message. That ends a cast; a call waits for its reply.
    pub(crate) fn confirm(&self) {
        if self.is_call {
            self.lock().phase = Phase::Confirmed;
        } else {
            self.end(Outcome::Confirmed);
        }
    }

    /// Ends the request. Returns whether it had not ended already.
    pub(crate) fn end(&self, outcome: Outcome) -> bool {
        self.end_where(|_| true, outcome)
    }

    /// Ends a call whose request the broker has, unless something has come back. Returns whether it
    /// did.
    pub(crate) fn end_if_silent(&self, outcome: Outcome) -> bool {
        self.end_where(State::is_silent, outcome)
    }

    /// Whether the broker has the request, and nothing has come back.
    pub(crate) fn is_silent(&self) -> bool {
        self.lock().is_silent()
    }

    fn end_where(&self, is_wanted: fn(&State) -> bool, outcome: Outcome) -> bool {
        let waker = {
            let mut state = self.lock();
            if state.held.is_outcome() || !is_wanted(&state) {
                return false;
            }
            state.held = Held::Outcome(match outcome {
                // That is true of this copy. Another may have arrived before it, which nobody asks of a notification.
                Outcome::Unroutable(_) | Outcome::Unsent(_)
                    if state.is_repeated && !self.is_notification =>
                {
                    Outcome::Interrupted
                }
                outcome => outcome,
            });
            state.waker.take()
        };
        if let Some(waker) = waker {
            wake(waker);
        }
        true
    }

    /// Takes a reply to this call.
    pub(crate) fn reply(&self, reply: Reply) {
        if !reply.is_ending() {
            let mut state = self.lock();
            state.is_alive = true;
            if reply.has_content() {
                state.signs.get_or_insert_default().early = Some(reply);
            }
            if self.is_monitored {
                Self::sign_of_life(state);
            }
            return;
        }
        let early = if reply.has_content() { None } else { self.take_early() };
        self.end(Outcome::Answered(early.unwrap_or(reply)));
    }

    /// Replaces one of the names in a message that has not left by another of the same length.
    #[cfg(feature = "rabbit")]
    pub(crate) fn readdress(&self, names: &[Arc<str>], by: &str) {
        if let Held::Message(message) = &mut self.lock().held {
            message.readdress(names, by);
        }
    }

    /// Whether the message still waits to be sent.
    pub(crate) fn is_queued(&self) -> bool {
        self.lock().held.is_message()
    }

    /// Whether it has ended, and its caller has not been told.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().held.is_outcome()
    }

    /// Whether the request has left this process.
    #[cfg(test)]
    pub(crate) fn has_left(&self) -> bool {
        self.lock().phase != Phase::Queued
    }

    /// Whether the request may have reached more than one server.
    pub(crate) fn is_repeated(&self) -> bool {
        self.lock().is_repeated
    }

    /// Nobody waits any more. A message that has not been taken is dropped. Returns whether the request has left.
    pub(crate) fn abandon(&self) -> bool {
        let mut state = self.lock();
        let message = state.held.take_message();
        state.is_abandoned = true;
        let has_left = state.phase != Phase::Queued;
        // Whoever would be woken may be all that holds its own last part, which is not to go under the lock.
        let waker = state.waker.take();
        drop(state);
        drop((waker, message));
        has_left
    }

    /// Waits for the end. Only one task may.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.lock();
        if let Some(outcome) = state.held.take_outcome() {
            return Poll::Ready(outcome);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Outgoing {
        Outgoing {
            route: Route::of_nothing(),
            body: Body::Owned(Vec::new()),
            compression: None,
            expires: None,
            headers: Vec::new(),
            unique_id: Uuid::from_u128(1),
        }
    }

    fn outcome(pending: &Pending) -> Option<Outcome> {
        match pending.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    fn reply(text: &str) -> Reply {
        Reply::parse(text.to_owned()).expect("a reply")
    }

    #[cfg(feature = "rabbit")]
    #[test]
    fn a_message_that_has_not_left_is_readdressed_whether_or_not_it_is_compressed() {
        let names = ["reply_0".into(), "reply_1".into(), "reply_long".into()];
        let text = b"{\"_reply_q\": \"reply_1\"}";
        for compression in [None, Some(Compression::Gzip), Some(Compression::Bzip2)] {
            let packed = compression.map_or(text.to_vec(), |compression| compression.pack(text));
            let message = Outgoing { body: Body::Owned(packed), compression, ..message() };
            let pending = Pending::new(message, true, Retry::Unsent);
            pending.readdress(&names, "reply_2");
            let message = pending.take().expect("it waits");
            let name = compression.map(Compression::header);
            let body = crate::compression::unpack(&message.body, name, 1000).expect("it unpacks");
            assert_eq!(body.escape_ascii().to_string(), r#"{\"_reply_q\": \"reply_2\"}"#);
            pending.readdress(&names, "reply_3");
        }
    }

    #[test]
    fn an_abandoned_message_is_not_sent() {
        let pending = Pending::new(message(), false, Retry::Unsent);
        pending.abandon();
        assert!(pending.take().is_none() && !pending.has_left());
    }

    #[test]
    fn what_may_have_left_once_is_never_said_not_to_have() {
        for last in
            [Outcome::Unroutable(Route::of_nothing()), Outcome::Unsent(TransportError::closed())]
        {
            let pending = Pending::new(message(), true, Retry::Ambiguous);
            let first = pending.take().expect("it waits");
            pending.put_back(first, true);
            let second = pending.take().expect("it waits again");
            pending.put_back(second, false);
            assert!(pending.has_left());
            assert!(pending.end(last));
            assert!(matches!(outcome(&pending), Some(Outcome::Interrupted)));
        }
    }

    #[test]
    fn a_notification_ends_as_its_last_copy_did() {
        let notification = || {
            let mut message = message();
            message.route.exchange = Exchange::Notifications("nova".into());
            let pending = Pending::new(message, false, Retry::Ambiguous);
            let first = pending.take().expect("it waits");
            pending.put_back(first, true);
            pending
        };
        let returned = notification();
        returned.end(Outcome::Unroutable(Route::of_nothing()));
        assert!(matches!(outcome(&returned), Some(Outcome::Unroutable(_))), "it is sent again");
        let refused = notification();
        refused.end(Outcome::Unsent(TransportError::closed()));
        assert!(matches!(outcome(&refused), Some(Outcome::Unsent(_))), "it says why");
    }

    #[test]
    fn a_copy_that_turns_out_not_to_have_arrived_does_not_count() {
        for was_repeated in [false, true] {
            let pending = Pending::new(message(), true, Retry::Ambiguous);
            let first = pending.take().expect("it waits");
            pending.put_back(first, true);
            pending.unrepeat(was_repeated);
            pending.end(Outcome::Unsent(TransportError::closed()));
            let is_certain = matches!(outcome(&pending), Some(Outcome::Unsent(_)));
            assert_eq!(is_certain, !was_repeated);
        }
    }

    #[test]
    fn what_is_put_back_is_sent_only_for_who_still_waits() {
        let pending = Pending::new(message(), false, Retry::Unsent);
        let message = pending.take().expect("it is queued");
        pending.put_back(message, false);
        assert!(pending.is_queued() && !pending.has_left());
        let message = pending.take().expect("it was put back");
        assert!(pending.abandon(), "it may have left");
        pending.put_back(message, true);
        assert!(!pending.is_queued() && pending.take().is_none());
    }

    #[test]
    fn a_confirm_ends_a_cast_and_not_a_call() {
        for is_call in [false, true] {
            let pending = Pending::new(message(), is_call, Retry::Unsent);
            assert!(pending.take().is_some() && pending.has_left());
            pending.confirm();
            assert_eq!(outcome(&pending).is_some(), !is_call);
        }
    }

    #[test]
    fn the_first_end_counts() {
        let pending = Pending::new(message(), true, Retry::Unsent);
        pending.end(Outcome::Unroutable(Route::of_nothing()));
        pending.end(Outcome::Interrupted);
        assert!(matches!(outcome(&pending), Some(Outcome::Unroutable(_))));
    }

    #[test]
    fn a_result_ahead_of_the_end_is_kept() {
        let pending = Pending::new(message(), true, Retry::Unsent);
        pending
            .reply(reply(r#"{"_msg_id": "1", "result": null, "failure": null, "ending": false}"#));
        pending.reply(reply(r#"{"_msg_id": "1", "result": 5, "failure": null, "ending": false}"#));
        assert!(outcome(&pending).is_none());
        pending
            .reply(reply(r#"{"_msg_id": "1", "result": null, "failure": null, "ending": true}"#));
        assert!(
            matches!(outcome(&pending), Some(Outcome::Answered(reply)) if reply.result() == "5")
        );
    }

    #[test]
    fn a_name_has_as_much_room_as_amqp_gives_it() {
        let route = |exchange: usize, key: usize| Route {
            exchange: Exchange::Topic("x".repeat(exchange).into()),
            routing_key: "k".repeat(key).into(),
            mandatory: true,
        };
        assert!(route(255, 255).check().is_ok() && route(0, 0).check().is_ok());
        for (route, said) in [(route(256, 1), "exchange"), (route(1, 256), "routing key")] {
            let error = route.check().expect_err("too long");
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn whoever_watches_a_request_sees_each_sign_of_life() {
        struct Woken(std::sync::atomic::AtomicUsize);
        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let heartbeat = r#"{"_msg_id": "1", "result": null, "failure": null, "ending": false}"#;
        for is_monitored in [true, false] {
            let mut pending = Pending::of_nothing(true);
            pending.is_monitored = is_monitored;
            let woken = Arc::new(Woken(std::sync::atomic::AtomicUsize::new(0)));
            let waker = Waker::from(Arc::clone(&woken));
            let start = Instant::now();
            let mut signs = Vec::new();
            for _ in 0..2 {
                assert!(pending.poll(&mut Context::from_waker(&waker)).is_pending());
                match signs.is_empty() {
                    true => assert!(pending.take().is_some()),
                    false => pending.reply(reply(heartbeat)),
                }
                signs.push(pending.alive());
            }
            let count = woken.0.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!(count, if is_monitored { 2 } else { 0 });
            let is_fresh = |sign: &Option<Instant>| sign.is_some_and(|sign| sign >= start);
            assert!(signs.iter().all(|sign| is_fresh(sign) == is_monitored), "{signs:?}");
        }
    }

    #[test]
    fn a_result_without_an_end_can_be_taken_once() {
        let pending = Pending::of_nothing(true);
        pending.reply(reply(r#"{"_msg_id": "1", "result": 5, "failure": null, "ending": false}"#));
        assert_eq!(pending.take_early().as_ref().map(Reply::result), Some("5"));
        assert!(pending.take_early().is_none());
    }

    #[test]
    fn who_ends_a_request_learns_whether_it_was_the_first() {
        let pending = Pending::of_nothing(true);
        assert!(!pending.has_ended() && pending.is_queued() && !pending.is_repeated());
        assert!(pending.end(Outcome::Refused));
        assert!(!pending.end(Outcome::Interrupted));
        assert!(pending.has_ended() && !pending.is_queued());
        assert!(matches!(outcome(&pending), Some(Outcome::Refused)));
    }

    #[test]
    fn what_has_not_left_says_so_when_it_is_given_up() {
        let waiting = Pending::of_nothing(true);
        assert!(!waiting.abandon());
        let sent = Pending::of_nothing(true);
        let message = sent.take().expect("it is queued");
        sent.put_back(message, true);
        assert!(sent.is_repeated() && sent.abandon());
    }

    #[test]
    fn no_message_expires_later_than_a_broker_can_tell() {
        let timeout = Duration::from_secs(100 * 24 * 3600);
        let now = Instant::now();
        let expiry = Expiry { deadline: now + timeout, timeout, is_own: true };
        assert_eq!(expiry.millis(now), Some(4_233_600_000), "49 days");
        assert!(expiry.millis(now).is_some_and(|millis| millis < 1 << 32));
    }

    #[test]
    fn a_message_that_leaves_at_once_carries_the_whole_timeout() {
        let (now, timeout) = (Instant::now(), Duration::from_millis(2500));
        let expiry = Expiry { deadline: now + timeout, timeout, is_own: true };
        let after = |millis| expiry.millis(now + Duration::from_millis(millis));
        assert_eq!((after(3), after(1000), after(2500)), (Some(2500), Some(1500), None));
        let tiny = Expiry {
            deadline: now + Duration::from_micros(500),
            timeout: Duration::from_micros(500),
            is_own: true,
        };
        assert_eq!(tiny.millis(now), Some(1));
    }
}
