//! The one task that publishes: requests and replies, with a bounded window of confirms.
//!
//! It owns what is on its way. When a channel or connection is lost, it knows for each message whether it surely did
//! not leave, may have left, or was confirmed, and decides what to do: send it again, fail it, or wait for its reply.

mod fallen;

use std::{cmp::Reverse, collections::BinaryHeap, future::Future, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::watch;

use super::{
    absent::Absent,
    amqp::Connection,
    confirms::Verdict,
    homeless::{Homeless, Missing},
    queue::{Job, ReplyJob, SendQueue},
    session::{Fallen, Flight, Landing, Owner, Provided, Session, blocked, forget, probe, publish},
    supervisor::{Backoff, Generations, connected, replaced},
    suspects::Suspects,
    told,
    topology::{Cause, Layout},
};
use crate::{
    TransportError, TransportErrorKind,
    clock::{Instant, sleep_until},
    observe::Observer,
    pending::{Outcome, Pending},
};

/// How long a call whose request may have left waits for the reply that would show it, once its connection is lost.
const GRACE: Duration = Duration::from_millis(150);
/// How long a reply that no queue took waits for its next try (wire: section 3.4).
const RESEND: Duration = Duration::from_millis(250);
/// How long a server that stops waits for a caller's queue to come back.
const PARTING: Duration = Duration::from_secs(2);
/// How long requests wait for the servers to make an exchange again: somewhat longer than those take to notice. And how long
/// notifications wait for a queue before it is looked for again.
const REBUILT: Duration = Duration::from_millis(1600);

/// What happens later.
struct Timer {
    at: Instant,
    event: Event,
}

enum Event {
    /// See whether a reply queue is there again.
    Try(Arc<str>),
    /// Publish again what had nowhere to go.
    Rehouse(Missing),
    GiveUp(Arc<Pending>),
    /// Look whether something can be sent.
    Look,
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
    absent: Absent<ReplyJob>,
    homeless: Homeless<Arc<Pending>>,
    suspects: Suspects<Job>,
    /// Whether it may be tried whether the broker takes messages.
    may_probe: bool,
    layout: Arc<Layout>,
    observer: Arc<Observer>,
    /// Set when nothing new comes any more: what is there is sent, and then the task ends.
    closing: watch::Receiver<bool>,
}

/// Why a session on a channel ended.
enum End {
    /// The channel or the connection is gone.
    Lost,
    /// Everything is sent, and nothing more comes.
    Drained,
    /// The broker refused messages of this channel. Another may fare better.
    Refused,
}

impl Publisher {
    pub(super) fn new(
        queue: Arc<SendQueue>,
        generations: Generations,
        answerable: watch::Receiver<bool>,
        closing: watch::Receiver<bool>,
        layout: Arc<Layout>,
        observer: Arc<Observer>,
    ) -> Self {
        Self {
            layout,
            observer,
            homeless: Homeless::new(),
            suspects: Suspects::new(),
            may_probe: true,
            queue,
            generations,
            answerable,
            timers: BinaryHeap::new(),
            absent: Absent::new(|job: &ReplyJob| job.message.body.len()),
            closing,
        }
    }

    pub(super) async fn run(self) {
        let mut this = self.publish().await;
        // Nobody comes back to what was put aside.
        for Reverse(timer) in std::mem::take(&mut this.timers) {
            if let Event::GiveUp(call) = timer.event {
                call.end(Outcome::Interrupted);
            }
        }
        let aside = this.homeless.into_waiting().map(Job::Request);
        let aside = aside.chain(this.suspects.into_waiting());
        let why = this.queue.why_closed().unwrap_or_else(TransportError::closed);
        aside.chain(this.absent.into_waiting().map(Job::Reply)).for_each(|job| job.fail(&why));
    }

    /// Publishes by one connection after the other, each time on the thread that the connection has.
    async fn publish(mut self) -> Self {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        loop {
            let mut generations = self.generations.clone();
            self.drop_hasty(generations.borrow().as_deref());
            let Some(generation) = self.meanwhile(connected(&mut generations)).await.flatten()
            else {
                return self;
            };
            match Session::open(&generation, Arc::clone(&self.layout)).await {
                Ok(session) => {
                    let since = Instant::now();
                    let publishing = async move {
                        let end = self.session(session).await;
                        (self, end)
                    };
                    let end;
                    (self, end) = generation.run(publishing).await;
                    match end {
                        End::Drained => return self,
                        End::Refused => continue,
                        // What the broker meant is not found yet.
                        End::Lost if !self.suspects.is_empty() && generation.is_alive() => continue,
                        End::Lost => {}
                    }
                    if since.elapsed() > Duration::from_secs(5) {
                        backoff.reset();
                    }
                }
                Err(error) => self.layout.quiet.defer(Cause::Publish, move |left_out| {
                    let what = "cannot open a channel to publish on; trying again";
                    tracing::warn!(%error, left_out, "{what}");
                }),
            }
            if self.meanwhile(backoff.pause()).await.is_none() {
                return self;
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
                Event::Try(queue) => self.try_queue(&queue),
                Event::Rehouse(missing) => {
                    let waiting = self.homeless.release(&missing).into_iter();
                    waiting.rev().for_each(|request| self.queue.push_front(Job::Request(request)));
                }
                Event::GiveUp(call) => _ = call.end(Outcome::Interrupted),
                Event::Look => {}
            }
        }
    }

    /// Fails what is to be sent at once or not at all, if that cannot be.
    fn drop_hasty(&self, connection: Option<&Connection>) {
        match connection.filter(|connection| connection.is_alive()) {
            None => self.queue.fail_hasty(&crate::transport::disconnected(&self.observer)),
            Some(connection) if connection.is_blocked() => self.queue.fail_hasty(&blocked()),
            Some(_) => {}
        }
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.timers.push(Reverse(Timer { at: Instant::now() + after, event }));
    }

    /// Returns the next message to publish, if there is one that is still wanted.
    fn next(&mut self) -> Option<Flight> {
        let answerable = *self.answerable.borrow();
        loop {
            let suspect = self.suspects.next(|job| job.may_be_sent(answerable));
            let flight = match suspect.or_else(|| self.queue.pop(answerable))? {
                Job::Request(request) => self.take(request),
                Job::Reply(job) => self.unless_absent(job).map(|ReplyJob { message, rest }| {
                    Flight { owner: Owner::Reply(rest), message }
                }),
            };
            match flight {
                Some(flight) if flight.is_wanted() => return Some(flight),
                // A trial that is too late for itself makes room for the next one.
                Some(Flight { owner: Owner::Reply(rest), message }) if rest.is_trial => {
                    self.try_queue(&message.route.routing_key);
                }
                _ => {}
            }
        }
    }

    /// Takes the message of a request, unless nobody waits any more or it has nowhere to go.
    fn take(&mut self, request: Arc<Pending>) -> Option<Flight> {
        let message = request.take()?;
        let key = request.is_notification.then_some(&*message.route.routing_key);
        let awaited = self.homeless.awaits(message.route.exchange.name(), key);
        let flight = Flight { owner: Owner::Request(request), message };
        let Some(missing) = awaited else { return Some(flight) };
        self.hold(flight, missing, false);
        None
    }

    /// Returns the next message, once what it goes to is there. `None` if there is nothing to send now.
    async fn ready(&mut self, session: &mut Session) -> Option<Flight> {
        loop {
            let flight = self.next()?;
            let make = self.homeless.is_rebuilt(flight.message.route.exchange.name());
            match session.provide(&flight.message.route, make).await {
                Provided::Ready => return Some(flight),
                Provided::Missing(missing) => self.hold(flight, missing, false),
                Provided::Disconnected => {
                    self.again(flight, false);
                    // The connection may be found to be well.
                    self.later(RESEND, Event::Look);
                    return None;
                }
            }
        }
    }

    /// How many messages may be on their way now. One that may close its channel goes alone.
    fn window(&self, session: &Session) -> usize {
        let window = session.window();
        if self.suspects.is_empty() { window } else { window.min(1) }
    }

    /// Puts a reply aside whose queue is not there, unless it is the one that is to find that out.
    fn unless_absent(&mut self, mut job: ReplyJob) -> Option<ReplyJob> {
        let queue = &job.message.route.routing_key;
        if job.rest.is_trial || !self.absent.knows(queue) {
            return Some(job);
        }
        job.rest.slot = None;
        if job.rest.once {
            job.rest.settle();
        } else {
            let queue = Arc::clone(queue);
            self.absent.hold(&queue, job).unwrap_or_else(ReplyJob::give_up);
        }
        None
    }

    fn try_queue(&mut self, queue: &str) {
        let now = Instant::now();
        let missed = self.absent.next(queue).and_then(|job| job.rest.missed);
        if self.queue.is_parting() && missed.is_some_and(|missed| now >= missed + PARTING) {
            self.absent.is_back(queue).into_iter().for_each(ReplyJob::give_up);
            return;
        }
        let next = self.absent.try_next(queue, |job| job.rest.until > now, ReplyJob::give_up);
        if let Some(mut job) = next {
            job.rest.is_trial = true;
            self.queue.push(Job::Reply(job));
        }
    }

    /// Publishes until the channel is lost or everything is sent.
    async fn session(&mut self, mut session: Session) -> End {
        let mut flying = FuturesUnordered::new();
        let mut probe = std::pin::pin!(probe(session.channel.clone()));
        let mut is_open = !self.may_probe;
        let mut closing = self.closing.clone();
        let connection = Arc::clone(session.channel.connection());
        let (mut health, mut generations) = (connection.health(), self.generations.clone());
        let end = loop {
            let now = Instant::now();
            if flying.is_empty() && session.stay.is_over(now) {
                break End::Refused;
            }
            let parting = session.stay.parts_until(now);
            while is_open && parting.is_none() && flying.len() < self.window(&session) {
                let Some(flight) = self.ready(&mut session).await else { break };
                self.count(&flight);
                let number = session.confirms.published();
                flying.push(publish(session.channel.clone(), number, flight));
            }
            let idle = flying.is_empty() && self.queue.is_empty();
            if idle && *closing.borrow() {
                break End::Drained;
            }
            let due = self.next_timer();
            let has_room = is_open && parting.is_none() && flying.len() < self.window(&session);
            tokio::select! {
                biased;
                Some((number, flight, landing)) = flying.next(), if !flying.is_empty() => {
                    if !self.land(&mut session, number, flight, landing) {
                        break End::Lost;
                    }
                }
                taken = &mut probe, if !is_open => match taken {
                    Ok(()) => is_open = true,
                    Err(fault) => {
                        // Who may not publish to the default exchange may still publish to others.
                        self.may_probe = fault.kind() != TransportErrorKind::Refused;
                        break End::Lost;
                    }
                },
                () = self.queue.woken.notified(), if has_room => {}
                Ok(()) = self.answerable.changed() => {}
                Ok(()) = closing.changed() => {}
                Ok(()) = health.changed() => self.drop_hasty(Some(&connection)),
                () = sleep_until(due) => self.fire(),
                () = sleep_until(parting) => {}
                () = replaced(&mut generations, &connection) => break End::Lost,
            }
        };
        self.finish(session, flying).await;
        end
    }

    fn count(&self, flight: &Flight) {
        let counts = &self.observer.counts;
        match &flight.owner {
            Owner::Request(request) if request.is_notification => {}
            Owner::Request(request) if request.is_repeated() => {
                counts.requests_sent.add_one();
                counts.requests_repeated.add_one();
            }
            Owner::Request(_) => counts.requests_sent.add_one(),
            Owner::Reply(_) => {}
        }
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
                let id = flight.message.unique_id;
                self.suspects.end_trial();
                if !acked {
                    session.stay.refused(Instant::now());
                }
                let Session { confirms, declared, .. } = session;
                confirms.completed(number, id, flight, acked, carried, |flight, verdict| {
                    if matches!(verdict, Verdict::Returned) {
                        forget(declared, &flight.message.route);
                    }
                    self.settle(flight, verdict);
                });
                return true;
            }
            landing => session.fallen.push(Fallen { number, flight, landing }),
        }
        session.confirms.lost(number);
        false
    }

    fn settle(&mut self, flight: Flight, verdict: Verdict) {
        match (flight.owner, verdict) {
            (Owner::Request(request), Verdict::Taken) => request.confirm(),
            (Owner::Request(request), Verdict::Returned) => {
                request.end(Outcome::Unroutable(flight.message.route));
            }
            (Owner::Request(request), Verdict::Refused) => _ = request.end(Outcome::Refused),
            (Owner::Reply(rest), Verdict::Taken) => {
                let waiting = self.absent.is_back(&flight.message.route.routing_key);
                waiting.into_iter().for_each(|job| self.queue.push(Job::Reply(job)));
                rest.delivered();
            }
            (Owner::Reply(rest), _) if rest.once => rest.settle(),
            (Owner::Reply(rest), _) => self.missed(ReplyJob { message: flight.message, rest }),
        }
    }

    /// Keeps a reply that no queue took: its caller may be reconnecting. Until that is back, its reply holds no slot.
    fn missed(&mut self, mut job: ReplyJob) {
        job.rest.slot = None;
        let was_trial = std::mem::take(&mut job.rest.is_trial);
        job.rest.missed.get_or_insert_with(Instant::now);
        let queue = Arc::clone(&job.message.route.routing_key);
        let news = self.absent.missed(&queue, job).unwrap_or_else(|job| {
            job.give_up();
            false
        });
        if news || was_trial {
            self.later(RESEND, Event::Try(queue));
        }
    }

    /// Ends a session: every publish that is still on its way gets its landing.
    async fn finish<F: Future<Output = (u64, Flight, Landing)>>(
        &mut self,
        mut session: Session,
        mut flying: FuturesUnordered<F>,
    ) {
        // They fail all at once when the channel goes. If it is only not to be used any more, they have a moment to land.
        let connection = Arc::clone(session.channel.connection());
        let mut deadline = std::pin::pin!(tokio::time::sleep(Duration::from_secs(1)));
        while !flying.is_empty() {
            tokio::select! {
                Some((number, flight, landing)) = flying.next() => {
                    self.land(&mut session, number, flight, landing);
                }
                () = &mut deadline, if connection.is_alive() => connection.give_up("publishing"),
            }
        }
        self.fall(std::mem::take(&mut session.fallen));
        session.confirms.end(|flight, verdict| self.settle(flight, verdict));
        if connection.is_alive() {
            session.channel.close().await;
        }
    }
}
