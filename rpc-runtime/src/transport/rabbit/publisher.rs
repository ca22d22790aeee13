//! The one task that publishes: requests and replies, with a bounded window of confirms.
//!
//! It owns what is on its way. When a channel or connection is lost, it knows for each message whether it surely did
//! not leave, may have left, or was confirmed, and decides what to do: send it again, fail it, or wait for its reply.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet, VecDeque},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, ErrorKind,
    options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::timeout,
};
use uuid::Uuid;

use super::{
    OPERATION_LIMIT, broker_error,
    confirms::{Confirms, Verdict},
    exchange_kind,
    supervisor::{Backoff, Generation, Generations, connected},
    told, topology,
};
use crate::{
    TransportError, TransportErrorKind,
    caps::Retry,
    envelope,
    pending::{Exchange, Outcome, Outgoing, Pending},
    transport::{Answer, Tracked},
};

/// How many publishes may wait for their confirm.
const WINDOW: usize = 256;
/// How long a call whose request may have left waits for the reply that would show it, once its connection is lost.
const GRACE: Duration = Duration::from_secs(1);
/// How long a reply that no queue took waits for its next try (wire: section 3.4).
const RESEND: Duration = Duration::from_millis(250);

/// What waits to be published.
///
/// It needs no bound of its own: each request has a caller that waits for it, each reply a server's slot. What its
/// caller has given up is swept out as the queue grows, so that an outage piles up nothing.
#[derive(Default)]
pub(super) struct SendQueue {
    jobs: Mutex<Jobs>,
    woken: Notify,
}

#[derive(Default)]
struct Jobs {
    /// Calls, which are not sent before their reply could be received.
    calls: VecDeque<Arc<Pending>>,
    others: VecDeque<Job>,
    /// Whose turn it is, so that neither starves the other.
    calls_turn: bool,
    /// The length at which to sweep next.
    sweep_at: usize,
    /// Whether nobody sends any more.
    closed: bool,
}

pub(super) enum Job {
    Request(Arc<Pending>),
    Reply(ReplyJob),
}

/// A reply, and what becomes free when it is settled.
pub(super) struct ReplyJob {
    message: Outgoing,
    rest: ReplyRest,
}

struct ReplyRest {
    until: Instant,
    slot: Option<tokio::sync::OwnedSemaphorePermit>,
    settled: Option<oneshot::Sender<()>>,
    _tracked: Tracked,
}

impl From<Answer> for Job {
    fn from(answer: Answer) -> Self {
        let Answer { message, until, slot, settled, tracked } = answer;
        Self::Reply(ReplyJob {
            message,
            rest: ReplyRest { until, slot, settled, _tracked: tracked },
        })
    }
}

impl SendQueue {
    /// The shortest queue that is worth sweeping.
    const SWEEP: usize = 1024;

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, job: Job) {
        let mut jobs = self.lock();
        if jobs.closed {
            drop(jobs);
            return job.fail();
        }
        match job {
            Job::Request(call) if call.is_call => jobs.calls.push_back(call),
            other => jobs.others.push_back(other),
        }
        if jobs.len() >= jobs.sweep_at.max(Self::SWEEP) {
            jobs.sweep();
        }
        drop(jobs);
        self.woken.notify_one();
    }

    /// Puts back what could not be sent, ahead of everything else.
    fn push_front(&self, job: Job) {
        let mut jobs = self.lock();
        match job {
            Job::Request(call) if call.is_call => jobs.calls.push_front(call),
            other => jobs.others.push_front(other),
        }
    }

    /// Takes out the next job: a call only if it can be answered.
    fn pop(&self, answerable: bool) -> Option<Job> {
        let mut jobs = self.lock();
        jobs.calls_turn = !jobs.calls_turn;
        if jobs.calls_turn
            && answerable
            && let Some(call) = jobs.calls.pop_front()
        {
            return Some(Job::Request(call));
        }
        match jobs.others.pop_front() {
            None if answerable => jobs.calls.pop_front().map(Job::Request),
            other => other,
        }
    }

    fn is_empty(&self) -> bool {
        self.lock().len() == 0
    }

    /// Fails what waits, and whatever comes later.
    pub(super) fn close(&self) {
        let jobs = std::mem::replace(&mut *self.lock(), Jobs { closed: true, ..Jobs::default() });
        jobs.calls.into_iter().map(Job::Request).chain(jobs.others).for_each(Job::fail);
    }
}

impl Jobs {
    fn len(&self) -> usize {
        self.calls.len() + self.others.len()
    }

    fn sweep(&mut self) {
        let now = Instant::now();
        self.calls.retain(|call| call.is_queued());
        self.others.retain(|job| match job {
            Job::Request(cast) => cast.is_queued(),
            Job::Reply(job) => job.rest.until > now,
        });
        self.sweep_at = 2 * self.len();
    }
}

/// Whose message is on its way.
enum Owner {
    Request(Arc<Pending>),
    Reply(ReplyRest),
}

/// A message on its way.
struct Flight {
    owner: Owner,
    message: Outgoing,
}

/// How a publish ended, as the channel tells it.
enum Landing {
    Confirmed {
        acked: bool,
        carried: Option<Uuid>,
    },
    /// It surely did not leave.
    Unsent,
    /// It may have left.
    Lost,
}

/// What happens later.
struct Timer {
    at: Instant,
    event: Event,
}

enum Event {
    Resend(ReplyJob),
    GiveUp(Arc<Pending>),
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// See the module.
pub(super) struct Publisher {
    queue: Arc<SendQueue>,
    generations: Generations,
    /// Whether the reply queue is consumed: no call is sent before.
    answerable: watch::Receiver<bool>,
    timers: BinaryHeap<Reverse<Timer>>,
    /// Set when nothing new comes any more: what is there is sent, and then the task ends.
    closing: watch::Receiver<bool>,
}

/// Why a session on a channel ended.
enum End {
    /// The channel or the connection is gone.
    Lost,
    /// Everything is sent, and nothing more comes.
    Drained,
}

/// One channel in confirm mode, and one on the side for declarations, whose failure costs nobody a publish.
struct Session {
    generation: Arc<Generation>,
    channel: Channel,
    /// For declarations: opened when first needed, and again after a failure.
    side: Option<Channel>,
    declared: HashSet<String>,
    confirms: Confirms<Uuid, Flight>,
}

impl Publisher {
    pub(super) fn new(
        queue: Arc<SendQueue>,
        generations: Generations,
        answerable: watch::Receiver<bool>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self { queue, generations, answerable, timers: BinaryHeap::new(), closing }
    }

    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        loop {
            let mut generations = self.generations.clone();
            let Some(generation) = self.meanwhile(connected(&mut generations)).await.flatten()
            else {
                return;
            };
            match Session::open(generation).await {
                Ok(session) => {
                    let since = Instant::now();
                    if let End::Drained = self.session(session).await {
                        return;
                    }
                    if since.elapsed() > Duration::from_secs(5) {
                        backoff.reset();
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot open a channel to publish on"),
            }
            if self.meanwhile(backoff.pause()).await.is_none() {
                return;
            }
        }
    }

    /// Waits for `future` while timers go on. `None` if the transport is closing: without a connection there is
    /// nothing to wait for then.
    async fn meanwhile<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        let mut closing = self.closing.clone();
        loop {
            let due = self.next_timer();
            tokio::select! {
                output = &mut future => return Some(output),
                () = sleep_until(due) => self.fire(),
                () = told(&mut closing) => return None,
            }
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse(timer)| timer.at)
    }

    fn fire(&mut self) {
        let now = Instant::now();
        while self.timers.peek().is_some_and(|Reverse(timer)| timer.at <= now) {
            let Some(Reverse(timer)) = self.timers.pop() else { return };
            match timer.event {
                Event::Resend(job) => self.queue.push(Job::Reply(job)),
                Event::GiveUp(call) => call.end(Outcome::Interrupted),
            }
        }
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.timers.push(Reverse(Timer { at: Instant::now() + after, event }));
    }

    /// Returns the next message to publish, if there is one that is still wanted.
    fn next(&mut self) -> Option<Flight> {
        let answerable = *self.answerable.borrow();
        loop {
            let flight = match self.queue.pop(answerable)? {
                Job::Request(request) => {
                    request.take().map(|message| Flight { owner: Owner::Request(request), message })
                }
                Job::Reply(ReplyJob { message, rest }) => {
                    Some(Flight { owner: Owner::Reply(rest), message })
                }
            };
            if let Some(flight) = flight.filter(Flight::is_wanted) {
                return Some(flight);
            }
        }
    }

    /// Publishes until the channel is lost or everything is sent.
    async fn session(&mut self, mut session: Session) -> End {
        let mut flying = FuturesUnordered::new();
        let mut closing = self.closing.clone();
        let end = loop {
            while flying.len() < WINDOW {
                let Some(flight) = self.next() else { break };
                if !session.declare(&flight.message.route.exchange).await {
                    self.again(flight, false);
                    break;
                }
                let number = session.confirms.published();
                flying.push(publish(session.channel.clone(), number, flight));
            }
            let idle = flying.is_empty() && self.queue.is_empty();
            if idle && *closing.borrow() {
                break End::Drained;
            }
            let due = self.next_timer();
            tokio::select! {
                biased;
                Some((number, flight, landing)) = flying.next(), if !flying.is_empty() => {
                    if !self.land(&mut session, number, flight, landing) {
                        break End::Lost;
                    }
                }
                () = self.queue.woken.notified(), if flying.len() < WINDOW => {}
                Ok(()) = self.answerable.changed() => {}
                Ok(()) = closing.changed() => {}
                () = sleep_until(due) => self.fire(),
                _ = self.generations.changed() => break End::Lost,
            }
        };
        self.finish(session, flying).await;
        end
    }

    /// Takes note of how a publish ended. Returns whether the channel is still good.
    fn land(
        &mut self,
        session: &mut Session,
        number: u64,
        flight: Flight,
        landing: Landing,
    ) -> bool {
        match landing {
            Landing::Confirmed { acked, carried } => {
                let mut settled = Vec::new();
                let id = flight.message.unique_id;
                session.confirms.completed(
                    number,
                    id,
                    flight,
                    acked,
                    carried,
                    |flight, verdict| settled.push((flight, verdict)),
                );
                settled.into_iter().for_each(|(flight, verdict)| self.settle(flight, verdict));
                return true;
            }
            Landing::Unsent => self.again(flight, false),
            Landing::Lost => self.lost(flight),
        }
        session.confirms.lost(number);
        false
    }

    fn settle(&mut self, flight: Flight, verdict: Verdict) {
        match (flight.owner, verdict) {
            (Owner::Request(request), Verdict::Taken) => request.confirm(),
            (Owner::Request(request), Verdict::Returned) => request.end(Outcome::Unroutable),
            (Owner::Request(request), Verdict::Refused) => request.end(Outcome::Refused),
            (Owner::Reply(rest), Verdict::Taken) => rest.settle(),
            (Owner::Reply(mut rest), _) => {
                // The caller may be reconnecting. Until it is back, its reply holds no slot.
                rest.slot = None;
                if Instant::now() + RESEND < rest.until {
                    let job = ReplyJob { message: flight.message, rest };
                    self.later(RESEND, Event::Resend(job));
                } else {
                    tracing::warn!(queue = %flight.message.route.routing_key, "dropped a reply: its queue is gone");
                    rest.settle();
                }
            }
        }
    }

    /// Queues a message again. `left` says whether it may have left before.
    fn again(&mut self, flight: Flight, left: bool) {
        let job = match flight.owner {
            Owner::Request(request) if request.retry == Retry::Never => {
                return request.end(Outcome::Unsent(crate::transport::disconnected()));
            }
            Owner::Request(request) => {
                request.put_back(flight.message, left);
                Job::Request(request)
            }
            Owner::Reply(rest) => Job::Reply(ReplyJob { message: flight.message, rest }),
        };
        self.queue.push_front(job);
    }

    /// Decides about a message that may have left without a confirm.
    fn lost(&mut self, flight: Flight) {
        match &flight.owner {
            // A caller ignores a second reply, so a reply may always be repeated.
            Owner::Reply(_) => self.again(flight, true),
            Owner::Request(request) if request.retry == Retry::Ambiguous => {
                self.again(flight, true)
            }
            Owner::Request(call) if call.is_call => {
                self.later(GRACE, Event::GiveUp(Arc::clone(call)))
            }
            Owner::Request(cast) => cast.end(Outcome::Interrupted),
        }
    }

    /// Ends a session: every publish that is still on its way gets its landing.
    async fn finish<F: Future<Output = (u64, Flight, Landing)>>(
        &mut self,
        mut session: Session,
        mut flying: FuturesUnordered<F>,
    ) {
        // lapin fails them all at once when the channel goes. A publish that stays silent drops with its future.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
        while let Ok(Some((number, flight, landing))) =
            tokio::time::timeout_at(deadline, flying.next()).await
        {
            self.land(&mut session, number, flight, landing);
        }
        let mut settled = Vec::new();
        session.confirms.end(|flight, verdict| settled.push((flight, verdict)));
        settled.into_iter().for_each(|(flight, verdict)| self.settle(flight, verdict));
        if !flying.is_empty() {
            session.generation.give_up();
        }
        if session.generation.is_alive() {
            let _ = timeout(Duration::from_secs(1), session.channel.close(200, "bye".into())).await;
        }
    }
}

impl Job {
    /// Says that it is not sent any more.
    fn fail(self) {
        match self {
            Self::Request(request) => request.end(Outcome::Unsent(TransportError::closed())),
            Self::Reply(job) => job.rest.settle(),
        }
    }
}

impl ReplyRest {
    fn settle(self) {
        if let Some(settled) = self.settled {
            let _ = settled.send(());
        }
    }
}

impl Flight {
    /// Whether it is worth sending: not once its caller's deadline has passed.
    fn is_wanted(&self) -> bool {
        let now = Instant::now();
        match &self.owner {
            Owner::Request(_) => self.message.expires.is_none_or(|expires| expires.deadline > now),
            Owner::Reply(rest) => rest.until > now,
        }
    }
}

impl Session {
    async fn open(generation: Arc<Generation>) -> Result<Self, TransportError> {
        let opened = async {
            let channel = generation.connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        };
        let channel = match timeout(OPERATION_LIMIT, opened).await {
            Ok(opened) => opened.map_err(|error| broker_error("open a channel", &error))?,
            Err(_) => {
                generation.give_up();
                return Err(TransportError::new(
                    TransportErrorKind::TimedOut,
                    "the broker does not open a channel",
                ));
            }
        };
        Ok(Self {
            generation,
            channel,
            side: None,
            declared: HashSet::new(),
            confirms: Confirms::new(),
        })
    }

    /// Declares an exchange, on the side channel. One that exists with other properties is used as it is.
    ///
    /// A fanout exchange goes when its last server goes, so it is declared each time. Returns whether the connection
    /// is still good.
    async fn declare(&mut self, exchange: &Exchange) -> bool {
        let Some(declaration) = topology::publishing(exchange) else { return true };
        if self.declared.contains(&declaration.name) {
            return true;
        }
        let side = self.side.take().filter(|side| side.status().connected());
        let connection = &self.generation.connection;
        let declared = async {
            let side = match side {
                Some(side) => side,
                None => connection.create_channel().await?,
            };
            let options = ExchangeDeclareOptions {
                auto_delete: declaration.auto_delete,
                ..Default::default()
            };
            let name = ShortString::from(declaration.name.as_str());
            let kind = exchange_kind(declaration.kind);
            side.exchange_declare(name, kind, options, FieldTable::default()).await.map(|()| side)
        };
        match timeout(OPERATION_LIMIT, declared).await {
            Ok(Err(error)) => {
                tracing::warn!(exchange = declaration.name, %error, "cannot declare an exchange")
            }
            Ok(Ok(side)) => self.side = Some(side),
            Err(_) => {
                self.generation.give_up();
                return false;
            }
        }
        if let Exchange::Topic(_) = exchange {
            self.declared.insert(declaration.name);
        }
        true
    }
}

/// Publishes a message, and waits for its confirm.
async fn publish(channel: Channel, number: u64, flight: Flight) -> (u64, Flight, Landing) {
    let landing = match send(&channel, &flight.message).await {
        Ok(confirmation) => confirmation,
        Err(error) => match error.kind() {
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                Landing::Unsent
            }
            _ => Landing::Lost,
        },
    };
    (number, flight, landing)
}

async fn send(channel: &Channel, message: &Outgoing) -> Result<Landing, lapin::Error> {
    let route = &message.route;
    let options = BasicPublishOptions { mandatory: route.mandatory, immediate: false };
    let exchange = ShortString::from(route.exchange.name());
    let routing_key = ShortString::from(&*route.routing_key);
    let confirm = channel
        .basic_publish(exchange, routing_key, options, &message.body, properties(message))
        .await?;
    // From here on the message may have left, whatever the error says.
    Ok(match confirm.await {
        Ok(Confirmation::Ack(returned)) => {
            Landing::Confirmed { acked: true, carried: returned.and_then(|m| id_of(&m.data)) }
        }
        Ok(Confirmation::Nack(returned)) => {
            Landing::Confirmed { acked: false, carried: returned.and_then(|m| id_of(&m.data)) }
        }
        Ok(Confirmation::NotRequested) | Err(_) => Landing::Lost,
    })
}

/// Returns the id of a message that the broker gave back.
fn id_of(body: &[u8]) -> Option<Uuid> {
    let text = envelope::open(body).ok()?;
    let id = envelope::Request::parse(&text).ok()?.unique_id()?;
    Uuid::try_parse(&id).ok()
}

/// The properties that every message has (wire: section 5.1).
fn properties(message: &Outgoing) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type(ShortString::from(envelope::CONTENT_TYPE))
        .with_content_encoding(ShortString::from("utf-8"))
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_priority(0);
    match &message.expires {
        // An expired message is not sent; one that expires this instant may live for a millisecond.
        Some(expires) => {
            let millis = expires.millis(Instant::now()).unwrap_or(1);
            properties.with_expiration(ShortString::from(millis.to_string()))
        }
        None => properties,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
