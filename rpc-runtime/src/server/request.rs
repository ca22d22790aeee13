//! One request on a server: read it, acknowledge it, run its method, answer it.

use std::{borrow::Cow, pin::pin, sync::Arc};

use rpc_idl::{Ack, Method};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::{
    Place, Shared,
    admission::{Admission, Admitted, Entry, Permits, Presence},
    answer::{Held, reply, send},
    heartbeat::Heartbeat,
    run::{run, standing},
    verdict::report,
};
use crate::{
    Failure, RefusalKind,
    clock::{Instant, sleep_until},
    compression::unpack,
    contain::Caught,
    dispatch::{self, AnyService},
    duplicates::Seen,
    envelope::{self, EnvelopeError, Request},
    excerpt::Excerpt,
    logging::guarded,
    refusal::Mark,
    transport::{
        Acked, Acker, Answer, Body, Content, Delivery, ReplyMessage, Tracked, kept::Redelivery,
    },
};

/// How long a request may take to come again that may have come to nobody.
#[cfg(feature = "rabbit")]
const DOUBT: std::time::Duration = std::time::Duration::from_secs(1);

/// A request that has been taken.
pub(super) struct Incoming {
    pub(super) shared: Arc<Shared>,
    pub(super) place: Arc<Place>,
}

/// A request, and of it what is asked for more than once.
pub(super) struct Parts<'a> {
    pub(super) request: Request<'a>,
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) id: Option<Cow<'a, str>>,
    /// The call's id as it came, and the queue for its reply.
    pub(super) caller: Option<(&'a str, Cow<'a, str>)>,
    /// Whether it went to every server of the topic, of whichever control exchange.
    pub(super) is_fanout: bool,
}

/// The parts of a request that outlive a panic of its task: see [`Incoming::rescue`].
struct Ending {
    /// `None` once the delivery is settled.
    acker: Option<Acker>,
    /// `None` once the reply has it.
    tracked: Option<Tracked>,
    /// The request's key in the window, until the window knows that the request has ended.
    key: Option<u128>,
}

/// A message as it came.
pub(super) struct Message {
    pub(super) body: Body,
    is_fanout: bool,
    content: Content,
    /// How the body is compressed.
    pub(super) compression: Option<String>,
    /// When its caller stops waiting.
    pub(super) expires: Option<Instant>,
    /// What is known of its deliveries before this one.
    pub(super) redelivery: Option<Redelivery>,
    /// The queue that it came by. `None` for a stream.
    pub(super) queue: Option<Arc<str>>,
}

/// A request as far as it has come, and what tells the broker of it.
pub(super) struct Arrival<'a> {
    pub(super) parts: &'a Parts<'a>,
    found: Result<Found, Failure>,
    pub(super) message: &'a Message,
    ending: &'a mut Ending,
    /// Kept until the request is in the window of known ones.
    presence: Option<Presence>,
    /// Its caller learns that the server lives, also while it waits.
    heartbeat: Option<Heartbeat>,
}

/// What a peer can fill logs with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    NoRequest,
    NoReplyQueue,
    ReplyTooLarge,
    #[cfg(feature = "rabbit")]
    Interrupted,
    /// A method's failures of one class.
    Failed(&'static str, String),
    /// Casts that were refused. The method is empty if no interface here has it.
    Refused(&'static str, RefusalKind),
    Expired,
    Broken,
    Dead,
    NotPutAside,
    Uncounted,
    Kept,
    NotKept,
}

/// What a request is for.
struct Found {
    service: Arc<dyn AnyService>,
    method: &'static Method<'static>,
}

/// What becomes of a request.
enum Turn {
    /// It is run. The key is the window's, if the request has an id.
    Run(Option<u128>),
    /// Another copy of it was answered so.
    Repeat(ReplyMessage),
    /// There is nothing to do for it.
    Over,
}

impl Incoming {
    pub(super) async fn handle(
        self,
        tracked: Tracked,
        delivery: Delivery,
        entry: Entry,
        stopped: watch::Receiver<bool>,
    ) {
        let Delivery { body, is_fanout, content, compression, expires, redelivery, queue, acker } =
            delivery;
        let message = Message { body, is_fanout, content, compression, expires, redelivery, queue };
        let mut ending = Ending { acker: Some(acker), tracked: Some(tracked), key: None };
        let taken = {
            let taking = pin!(self.take(&message, &mut ending, entry, stopped));
            Caught::new(taking).await
        };
        if taken.is_err() {
            Box::pin(self.rescue(&message, ending)).await;
        }
    }

    async fn take(
        &self,
        message: &Message,
        ending: &mut Ending,
        entry: Entry,
        stopped: watch::Receiver<bool>,
    ) {
        let (expires, is_fanout) = (message.expires, message.is_fanout);
        if let Some(why) = message.content.refusal() {
            return Box::pin(self.refuse(ending, &why)).await;
        }
        let limits = self.shared.transport.limits();
        let body = match unpack(&message.body, message.compression.as_deref(), limits.unpacked) {
            Ok(body) => body,
            Err(error) => {
                let error = EnvelopeError::from(error);
                return Box::pin(self.refuse(ending, &error)).await;
            }
        };
        let text = match envelope::open(&body) {
            Ok(text) => text,
            Err(error) => return Box::pin(self.refuse(ending, &error)).await,
        };
        let parts = match Request::parse_within(&text, limits.values) {
            Ok(request) => Parts::of(request, is_fanout),
            Err(error) => return Box::pin(self.refuse(ending, &error)).await,
        };
        self.shared.counts().requests_received.add_one();
        if is_over(expires) {
            return Box::pin(drop_late(&self.shared, &parts, ending.acker.take())).await;
        }
        let values = parts.request.values;
        let found = match values > limits.values {
            true => Err(Failure::too_many_values(values, limits.values)),
            false => self.find(&parts),
        };
        let presence = self.shared.admission.note(parts.id.as_deref());
        let heartbeat = Heartbeat::of(&parts, &self.shared.transport).await;
        let mut arrival = Arrival { parts: &parts, found, message, ending, presence, heartbeat };
        self.begin(&mut arrival, entry, stopped).await;
    }

    /// Ends a request whose task has panicked, by a bug of this library's: no user code panics
    /// there. Its slot and its heartbeat went with the task. It counts as run, since it may have
    /// been; its caller gets a failure.
    async fn rescue(&self, message: &Message, mut ending: Ending) {
        let shared = &self.shared;
        shared.counts().requests_broken.add_one();
        let copies = ending.key.take().map(|key| end(shared, key, None)).unwrap_or_default();
        if let Some(reply) = self.apology(message) {
            let until = shared.answerable_until(message.expires);
            let mut answer = Answer::new(reply, until);
            answer.tracked = ending.tracked.take();
            shared.transport.answer(answer);
        }
        for acker in ending.acker.take().into_iter().chain(copies) {
            acker.ack().await;
        }
        shared.quiet.say(Cause::Broken, |left_out| {
            let what = "a request failed by a bug of this library; its caller gets a failure";
            tracing::error!(topic = &*self.place.topic, left_out, "{what}");
        });
    }

    /// Writes the failure that answers a request whose task has panicked.
    fn apology(&self, message: &Message) -> Option<ReplyMessage> {
        let limits = self.shared.transport.limits();
        let compression = message.compression.as_deref();
        let body = unpack(&message.body, compression, limits.unpacked).ok()?;
        let text = envelope::open(&body).ok()?;
        let request = Request::parse_within(&text, limits.values).ok()?;
        let what = "the server failed while it handled the request, which may have run";
        let failure = Failure::internal("ServerFailed", what);
        reply(&self.shared, &Parts::of(request, message.is_fanout), Err(failure))
    }

    /// Runs a request once it may begin, or does what else is to be done for it.
    async fn begin(&self, arrival: &mut Arrival<'_>, entry: Entry, stopped: watch::Receiver<bool>) {
        let permits = match Admission::at_once(entry) {
            Ok(permits) => {
                drop(stopped);
                permits
            }
            Err(entry) => match Box::pin(self.wait(arrival, entry, stopped)).await {
                Some(permits) => permits,
                None => return,
            },
        };
        // What made room for it may be that everything is given up.
        if *self.shared.abort.borrow() {
            return Box::pin(give_back(&self.shared, None, arrival.acker())).await;
        }
        let permits = match self.is_suspicious(arrival) {
            false => permits,
            true => match Box::pin(self.unless_poison(arrival, permits)).await {
                Some(permits) => permits,
                None => return,
            },
        };
        self.serve(arrival, permits).await;
    }

    /// Waits until a request may begin. `None` if it does not.
    async fn wait(
        &self,
        arrival: &mut Arrival<'_>,
        entry: Entry,
        stopped: watch::Receiver<bool>,
    ) -> Option<Permits> {
        let expires = arrival.message.expires;
        let admitted = tokio::select! {
            biased;
            admitted = self.admit(arrival, entry) => admitted?,
            () = sleep_until(expires) => {
                drop_late(&self.shared, arrival.parts, arrival.acker()).await;
                return None;
            }
            () = self.shared.stopping(stopped) => {
                give_back(&self.shared, None, arrival.acker()).await;
                return None;
            }
        };
        match admitted {
            Admitted::Begins(permits) => Some(permits),
            Admitted::Full(permit) => {
                self.shared.counts().requests_declined.add_one();
                guarded(|| tracing::debug!("refused a call: there is no room"));
                self.decline(arrival, permit, Failure::overloaded(&self.shared.host)).await;
                None
            }
        }
    }

    /// Waits until a request may begin, unless there is no place to wait and it has surely not begun anywhere.
    async fn admit(&self, arrival: &Arrival<'_>, entry: Entry) -> Option<Admitted> {
        let method = arrival.found.as_ref().ok().map(|found| found.method.name);
        let may_be_refused = || {
            let parts = arrival.parts;
            arrival.is_alone()
                && parts.caller.is_some()
                && !parts.id.as_ref().is_some_and(|id| self.shared.duplicates().knows(id))
        };
        self.shared.admission.admit(entry, method, may_be_refused).await
    }

    /// Answers a request that is not run here. The permit is free once the broker has had the reply.
    pub(super) async fn decline(
        &self,
        arrival: &mut Arrival<'_>,
        permit: OwnedSemaphorePermit,
        why: Failure,
    ) {
        let Arrival { parts, message: &Message { expires, .. }, .. } = *arrival;
        // No sign of life comes behind the refusal.
        arrival.heartbeat = None;
        let Some(acker) = arrival.acker() else { return };
        // "Has not run" is told only of what nobody else runs.
        match acker.ack_surely().await {
            Acked::Surely => {}
            Acked::NotLeft => return,
            #[cfg(feature = "rabbit")]
            Acked::Unknown => {
                drop(permit);
                return self.doubt(parts, expires).await;
            }
        }
        let until = self.shared.answerable_until(expires);
        if let Some(reply) = reply(&self.shared, parts, Err(why)) {
            let tracked = self.shared.tracker.track();
            send(&self.shared, reply, Held { slot: permit, tracked, until }, false);
        }
    }

    async fn serve(&self, arrival: &mut Arrival<'_>, permits: Permits) {
        let (shared, late) = (&self.shared, arrival.is_late());
        let Arrival { parts, message: &Message { expires, .. }, .. } = *arrival;
        let Permits { slot, limit } = permits;
        let method = arrival.found.as_ref().ok().map(|found| found.method);
        // A call that is not idempotent begins only when the broker surely gives it to no other
        // server. Nor is a call refused before: another server may have what this one lacks.
        let surely = method.is_none_or(|method| !method.idempotent) && parts.caller.is_some();
        let is_alone = arrival.is_alone();
        let acked = match arrival.ending.acker.take_if(|_| !late) {
            Some(acker) if surely => acker.ack_surely().await,
            Some(acker) => Acked::of(acker.ack().await),
            None => Acked::Surely,
        };
        match acked {
            Acked::Surely => {}
            // It is run then.
            Acked::NotLeft => return,
            #[cfg(feature = "rabbit")]
            Acked::Unknown => {
                drop((slot, limit, arrival.presence.take()));
                return Box::pin(self.doubt(parts, expires)).await;
            }
        }
        if is_over(expires) {
            return Box::pin(drop_late(shared, parts, arrival.acker())).await;
        }
        let turn = self.turn(parts, &mut arrival.ending.acker);
        arrival.presence = None;
        let Some(tracked) = arrival.ending.tracked.take() else { return };
        let held = Held { slot, tracked, until: shared.answerable_until(expires) };
        let (key, settled) = match turn {
            Turn::Over => {
                arrival.heartbeat = None;
                // Where the copy has not kept it to itself.
                if let Some(acker) = arrival.acker() {
                    Box::pin(acker.ack()).await;
                }
                return;
            }
            Turn::Repeat(mut reply) => {
                arrival.heartbeat = None;
                // There are two copies, and another server may have had one of them.
                reply.mark = reply.mark.map(|_| Mark::MayHaveBegun);
                (None, send(shared, reply, held, late))
            }
            Turn::Run(key) => {
                arrival.ending.key = key;
                let redeliveries =
                    arrival.message.redelivery.as_ref().map_or(0, |before| before.count);
                let standing = standing(shared, expires, redeliveries);
                let result = match &arrival.found {
                    Ok(Found { service, .. }) => run(shared, &**service, parts, standing).await,
                    Err(failure) => Some(Err(failure.clone())),
                };
                arrival.heartbeat = None;
                drop(limit);
                if result.is_none() && late {
                    arrival.ending.key = None;
                    return Box::pin(give_back(shared, key, arrival.acker())).await;
                }
                let result = result.unwrap_or_else(|| Err(Failure::server_stopped()));
                let (result, late) = match result {
                    Err(failure) if failure.refusal().is_some() && parts.caller.is_some() => {
                        let acker = arrival.acker();
                        let refused = Box::pin(refused(failure, acker, surely, is_alone)).await;
                        (Err(refused), false)
                    }
                    result => (result, late),
                };
                let refused = report(shared, &self.place, parts, method, &result);
                if let Some(kind) = refused.filter(|_| parts.caller.is_none()) {
                    self.keep_refused(arrival, kind);
                }
                let reply = reply(shared, parts, result);
                if let (Some(key), false) = (key, late) {
                    arrival.ending.key = None;
                    for copy in end(shared, key, reply.clone()) {
                        copy.ack().await;
                    }
                }
                let kept = reply.clone().filter(|_| late);
                let settled = reply.and_then(|reply| send(shared, reply, held, late));
                (key.filter(|_| late).map(|key| (key, kept)), settled)
            }
        };
        if let Some(acker) = arrival.acker() {
            arrival.ending.key = None;
            Box::pin(finish(shared, acker, key, settled)).await;
        }
    }

    /// Tells a caller that its request may be with nobody, unless it has come again meanwhile: the connection went between its
    /// acknowledgement and the broker's word for that. If another server has it, whichever reply comes first ends the call, and
    /// this one says that it may have run.
    #[cfg(feature = "rabbit")]
    async fn doubt(&self, parts: &Parts<'_>, expires: Option<Instant>) {
        tokio::select! {
            () = tokio::time::sleep(DOUBT) => {}
            // Its caller knows by itself.
            () = sleep_until(expires) => return,
        }
        if parts.id.as_ref().is_some_and(|id| self.shared.duplicates().knows(id)) {
            return;
        }
        self.shared.quiet.say(Cause::Interrupted, |left_out| {
            let what = "the connection went before a request could begin: its caller is told";
            tracing::warn!(left_out, "{what}");
        });
        if let Some(reply) = reply(&self.shared, parts, Err(Failure::interrupted())) {
            let mut answer = Answer::new(reply, self.shared.answerable_until(expires));
            answer.tracked = Some(self.shared.tracker.track());
            self.shared.transport.answer(answer);
        }
    }

    /// Rejects a message that cannot be read as a request.
    async fn refuse(&self, ending: &mut Ending, why: &(dyn std::fmt::Display + Sync)) {
        let shared = &self.shared;
        shared.counts().requests_malformed.add_one();
        if let Some(acker) = ending.acker.take() {
            acker.reject().await;
        }
        shared.quiet.say(Cause::NoRequest, |left_out| {
            let topic = &*self.place.topic;
            tracing::warn!(topic, %why, left_out, "rejected a message that cannot be read as a request");
        });
    }

    fn find(&self, parts: &Parts<'_>) -> Result<Found, Failure> {
        let (request, Some(method)) = (&parts.request, &parts.method) else {
            return Err(Failure::bad_arguments("attribute name must be string"));
        };
        let interfaces = self.place.services.iter().map(|service| service.interface());
        let namespace = request.namespace();
        let (at, method) =
            dispatch::find(interfaces, namespace.as_deref(), request.version(), method)?;
        Ok(Found { service: Arc::clone(&self.place.services[at]), method })
    }

    /// Asks the window of known requests. A copy of one that still runs, and that is to be acknowledged after it,
    /// leaves its `acker` there.
    fn turn(&self, parts: &Parts<'_>, acker: &mut Option<Acker>) -> Turn {
        let Some(id) = &parts.id else { return Turn::Run(None) };
        let turn = match self.shared.duplicates().begin(id, Instant::now()) {
            Seen::First(key) => return Turn::Run(Some(key)),
            Seen::Running(waiting) => {
                waiting.extend(acker.take());
                Turn::Over
            }
            Seen::Ended(Some(reply)) => Turn::Repeat(reply),
            Seen::Ended(None) => Turn::Over,
        };
        self.shared.counts().requests_duplicate.add_one();
        guarded(
            || tracing::debug!(unique_id = %Excerpt(id), "a second copy of a request is not run"),
        );
        turn
    }
}

impl<'a> Parts<'a> {
    fn of(request: Request<'a>, is_fanout: bool) -> Self {
        let (method, id, caller) = (request.method(), request.unique_id(), request.caller());
        Self { request, method, id, caller, is_fanout }
    }

    /// The method's name as it came, if it is one.
    pub(super) fn name(&self) -> &str {
        self.method.as_deref().unwrap_or("")
    }

    /// The kind of the request, for spans and log lines.
    pub(super) fn kind(&self) -> &'static str {
        match (&self.caller, self.is_fanout) {
            (Some(_), _) => "call",
            (None, false) => "cast",
            (None, true) => "fanout cast",
        }
    }
}

impl Arrival<'_> {
    /// Takes what tells the broker of it, if the broker has not been told.
    pub(super) fn acker(&mut self) -> Option<Acker> {
        self.ending.acker.take()
    }

    /// Whether no server had the request before, as far as can be told, nor is a copy of it here.
    fn is_alone(&self) -> bool {
        let is_first = self.presence.as_ref().is_none_or(|presence| presence.is_first);
        is_first && self.message.redelivery.is_none()
    }

    /// Whether it is acknowledged after it has run.
    pub(super) fn is_late(&self) -> bool {
        self.found.as_ref().is_ok_and(|found| found.method.ack == Ack::Late)
    }
}

/// Whether nobody waits for a request any more.
fn is_over(expires: Option<Instant>) -> bool {
    expires.is_some_and(|expires| expires <= Instant::now())
}

/// Leaves a request alone, and acknowledges it unless that has been done. A call's caller knows by
/// itself that its time is over; a cast's caller learns nothing.
pub(super) async fn drop_late(shared: &Shared, parts: &Parts<'_>, acker: impl Into<Option<Acker>>) {
    shared.counts().requests_expired.add_one();
    if let Some(acker) = acker.into() {
        acker.ack().await;
    }
    let method = Excerpt(parts.name());
    if parts.caller.is_some() {
        return guarded(
            || tracing::debug!(%method, "dropped a call whose caller has stopped waiting"),
        );
    }
    shared.quiet.say(Cause::Expired, |left_out| {
        let what = "dropped a cast that had expired: its caller is not told";
        let unique_id = parts.id.as_deref().unwrap_or_default();
        tracing::warn!(%method, unique_id = %Excerpt(unique_id), left_out, "{what}");
    });
}

/// Notes that a request has ended. Returns the copies of it that wait to be acknowledged.
fn end(shared: &Shared, key: u128, reply: Option<ReplyMessage>) -> Vec<Acker> {
    shared.duplicates().end(key, reply, Instant::now())
}

/// Acknowledges a refused call, unless that has `surely` been done: there is nothing to run again.
/// Returns its failure, with the mark of a refusal if no other server had or gets the call.
async fn refused(failure: Failure, acker: Option<Acker>, surely: bool, is_alone: bool) -> Failure {
    let surely = match acker {
        Some(acker) => acker.ack_surely().await == Acked::Surely,
        None => surely,
    };
    let refusal = failure.refusal().filter(|_| surely && is_alone);
    failure.refusing(refusal)
}

/// Acknowledges a request that has run, and its copies, once its reply is settled.
async fn finish(
    shared: &Shared,
    acker: Acker,
    key: Option<(u128, Option<ReplyMessage>)>,
    settled: Option<oneshot::Receiver<()>>,
) {
    if let Some(settled) = settled {
        // Given up or confirmed: either way there is nothing more to do for this request.
        let _ = settled.await;
    }
    let copies = key.map(|(key, reply)| end(shared, key, reply)).unwrap_or_default();
    for acker in [acker].into_iter().chain(copies) {
        acker.ack().await;
    }
}

/// Gives back a request that has not come to its end, and its copies: whoever gets them next runs them again.
pub(super) async fn give_back(shared: &Shared, key: Option<u128>, acker: Option<Acker>) {
    let copies = key.map(|key| shared.duplicates().forget(key)).unwrap_or_default();
    for acker in acker.into_iter().chain(copies) {
        acker.give_back().await;
    }
}

#[cfg(test)]
mod tests;
