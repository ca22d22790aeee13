//! A listener that listens, and how it stops.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::pending,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};

use super::{
    Filter, Metadata, Payload, Requeue,
    handler::{Batch, Handlers},
    incoming::{End, Incoming},
};
use crate::{
    ShutdownError, Transport,
    clock::{Instant, Within, sleep_until},
    contain::{Caught, Panicked},
    duplicates::Duplicates,
    logging::guarded,
    observe::Counts,
    quiet::Quiet,
    transport::{Acker, Delivery, Listener, Tracked, Tracker, farewell},
};

/// How long a notification is kept that could not be published anew, before it goes back to its queue.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// The longest that one waits which a handler has refused, unless the first wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Why a notification comes again whose handler was given up.
pub(super) const TOO_LONG: &str = "a handler took longer than it may";

/// What a log line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    NoNotification,
    NoPriority,
    Refused,
    Dead,
    Kept,
    Uncounted,
}

/// What all notifications of one listener share.
pub(super) struct Shared {
    /// The listener's name in log lines: its pool, or its topics.
    pub(super) name: Arc<str>,
    pub(super) transport: Transport,
    pub(super) handlers: Handlers,
    /// Of these one has to match, if there are any.
    pub(super) filters: Vec<Filter>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) duplicates: Mutex<Duplicates<Acker>>,
    pub(super) time_limit: Option<Duration>,
    pub(super) requeue_delay: Duration,
    /// How often one is delivered, if not as often as it takes.
    pub(super) delivery_limit: Option<NonZeroU32>,
    pub(super) dead_letter_queue: Option<Arc<str>>,
    pub(super) tracker: Tracker,
    /// Whether nothing more is to begin.
    pub(super) stop: watch::Sender<bool>,
    /// Whether handlers that still run are to be given up.
    pub(super) abort: watch::Sender<bool>,
    pub(super) quiet: Quiet<Cause>,
}

impl Shared {
    pub(super) fn counts(&self) -> &Counts {
        &self.transport.observer().counts
    }

    pub(super) fn duplicates(&self) -> MutexGuard<'_, Duplicates<Acker>> {
        self.duplicates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn stopped(&self) {
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    pub(super) async fn aborted(&self) {
        let _ = self.abort.subscribe().wait_for(|abort| *abort).await;
    }

    /// Waits for as long as a handler may work.
    pub(super) async fn too_long(&self) {
        sleep_until(self.time_limit.and_then(|limit| Instant::now().checked_add(limit))).await;
    }

    /// Whether somebody is to be told.
    pub(super) fn wants(&self, metadata: &Metadata, payload: &Payload) -> bool {
        let has_matched = |filter: &Filter| filter.matches(metadata, payload);
        (self.filters.is_empty() || self.filters.iter().any(has_matched))
            && self.handlers.are_for(metadata, payload)
    }

    /// Whether a notification has been delivered as often as it may be.
    pub(super) fn is_enough(&self, deliveries: u32) -> bool {
        self.delivery_limit.is_some_and(|limit| deliveries >= limit.get())
    }
}

/// How long a notification waits that was refused after so many deliveries before that one, where it was `first` at first.
pub(super) fn delay(first: Duration, redeliveries: u32) -> Duration {
    let grown = first.saturating_mul(2_u32.saturating_pow(redeliveries.min(16)));
    grown.min(LONGEST.max(first))
}

/// A listener that listens. Dropping this handle does not stop it.
pub struct RunningListener {
    shared: Arc<Shared>,
    /// `None` once it has ended.
    task: Option<JoinHandle<()>>,
    /// The runtime that the task is on.
    runtime: Handle,
}

impl RunningListener {
    pub(super) fn new(shared: Arc<Shared>, task: JoinHandle<()>, runtime: Handle) -> Self {
        Self { shared, task: Some(task), runtime }
    }

    /// Returns how many notifications have been taken and are not settled yet: being worked on, or waiting to come again.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.tracker.running()
    }

    /// Stops: cancels the consumers first, gives back to the broker what has not begun or waits to come again, and lets
    /// what has begun finish.
    ///
    /// # Errors
    /// If that took longer than `limit`. Handlers that still run are given up then, and what they
    /// worked on comes again, to this listener's successor or to another. It returns within a
    /// quarter of `limit` more in any case, also without a broker: half a second at least, and a
    /// second at most.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the listener stopping: it takes nothing new.
    pub async fn shutdown(self, limit: Duration) -> Result<(), ShutdownError> {
        let runtime = self.runtime.clone();
        Within::new(runtime, self.stop(limit)).await
    }

    async fn stop(mut self, limit: Duration) -> Result<(), ShutdownError> {
        let begun = Instant::now();
        self.shared.stop.send_replace(true);
        let (name, in_flight) = (Arc::clone(&self.shared.name), self.in_flight());
        let what = "the listener drains: it takes no more notifications";
        guarded(|| tracing::info!(listener = &*name, in_flight, ?limit, "{what}"));
        let stopped = |unfinished: usize| {
            let took = begun.elapsed();
            guarded(|| {
                tracing::info!(listener = &*name, unfinished, ?took, "the listener has stopped")
            });
        };
        if tokio::time::timeout(limit, self.drained()).await.is_ok() {
            stopped(0);
            return Ok(());
        }
        let unfinished = self.in_flight();
        self.shared.abort.send_replace(true);
        let drained = tokio::time::timeout(farewell(limit), self.drained()).await;
        stopped(unfinished);
        match drained {
            Ok(()) if unfinished == 0 => Ok(()),
            _ => Err(ShutdownError { unfinished, limit }),
        }
    }

    async fn drained(&mut self) {
        if let Some(task) = &mut self.task {
            let ended = task.await;
            self.task = None;
            if let Err(error) = ended {
                let what = "a listener's task died; the listener consumes nothing more";
                guarded(|| tracing::error!(%error, "{what}"));
            }
        }
        self.shared.tracker.idle().await;
    }

    /// Waits until the listener ends by itself: when its transport is closed.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn wait(&mut self) {
        self.drained().await;
    }
}

impl fmt::Debug for RunningListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningListener")
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// Takes notifications until told to stop.
pub(super) async fn serve(shared: Arc<Shared>, mut listener: Listener) {
    match &shared.handlers {
        Handlers::Each(_) => serve_each(&shared, &mut listener).await,
        Handlers::Batch(batch) => serve_batches(&shared, &mut listener, batch).await,
    }
    listener.cancel().await;
    if !*shared.stop.borrow() {
        let name = &*shared.name;
        let what = "the listener has stopped: its transport is closed";
        guarded(|| tracing::info!(listener = name, "{what}"));
    }
}

/// Takes them one by one, as there are slots.
async fn serve_each(shared: &Arc<Shared>, listener: &mut Listener) {
    let mut stop = std::pin::pin!(shared.stopped());
    loop {
        let next = async {
            while listener.ready().await {
                let slot = Arc::clone(&shared.slots).acquire_owned().await.ok()?;
                if let Some(delivery) = listener.take() {
                    return Some((delivery, slot));
                }
            }
            None
        };
        let (delivery, slot) = tokio::select! {
            biased;
            () = &mut stop => return,
            next = next => match next {
                Some(next) => next,
                None => return,
            },
        };
        tokio::spawn(handle(Arc::clone(shared), delivery, slot, shared.tracker.track()));
    }
}

async fn handle(
    shared: Arc<Shared>,
    delivery: Delivery,
    slot: OwnedSemaphorePermit,
    tracked: Tracked,
) {
    let Handlers::Each(handlers) = &shared.handlers else { return };
    let Some(incoming) = Incoming::read(Arc::clone(&shared), delivery, tracked).await else {
        return;
    };
    let end = incoming.work(handlers).await;
    drop(slot);
    incoming.settle(end).await;
}

/// Takes as many as a batch holds, as can be here or as come in time, one batch after the other.
async fn serve_batches(shared: &Arc<Shared>, listener: &mut Listener, batch: &Batch) {
    let mut stop = std::pin::pin!(shared.stopped());
    let mut intake = Intake::new(listener.prefetch());
    loop {
        let (mut gathered, mut due) = (Vec::new(), None);
        while gathered.len() < batch.size && (gathered.is_empty() || !intake.is_full()) {
            let has_room = gathered.len() + intake.reading.len() < batch.size;
            let is_there = tokio::select! {
                biased;
                () = &mut stop => false,
                () = sleep_until(due) => break,
                read = intake.next() => {
                    if let Some(incoming) = read.and_then(unless_dead) {
                        if gathered.is_empty() {
                            due = Instant::now().checked_add(batch.wait);
                        }
                        gathered.push(incoming);
                    }
                    continue;
                }
                is_there = listener.ready(), if has_room => is_there,
            };
            if !is_there {
                give_back(gathered).await;
                return intake.give_back().await;
            }
            if let Some(delivery) = listener.take() {
                intake.read(shared, delivery);
            }
        }
        hand_over(shared, batch, gathered).await;
    }
}

/// What is being read for a batch, in the order of arrival: one that is counted first holds up neither the reading of others
/// nor a listener that stops.
struct Intake {
    reading: VecDeque<JoinHandle<Option<Incoming>>>,
    /// How many of one queue may be here.
    most: Option<usize>,
    /// What is here of each queue, with what waits to come again.
    held: HashMap<Arc<str>, Tracker>,
}

impl Intake {
    fn new(prefetch: Option<u16>) -> Self {
        Self { reading: VecDeque::new(), most: prefetch.map(usize::from), held: HashMap::new() }
    }

    fn read(&mut self, shared: &Arc<Shared>, delivery: Delivery) {
        let queue = delivery.queue.clone();
        let held = queue.map(|queue| self.held.entry(queue).or_default().track());
        let read = Incoming::read(Arc::clone(shared), delivery, shared.tracker.track());
        self.reading.push_back(tokio::spawn(async { read.await.map(|read| read.holding(held)) }));
    }

    /// Whether nothing more of some queue can come before something of it has ended.
    fn is_full(&self) -> bool {
        let is_full = |most| self.held.values().any(|held| held.running() >= most);
        self.reading.is_empty() && self.most.is_some_and(is_full)
    }

    /// Waits until the first of them is read. `None` if it is taken care of.
    async fn next(&mut self) -> Option<Incoming> {
        let Some(first) = self.reading.front_mut() else { return pending().await };
        let read = first.await;
        self.reading.pop_front();
        read.ok().flatten()
    }

    async fn give_back(mut self) {
        while !self.reading.is_empty() {
            give_back(self.next().await.into_iter().collect()).await;
        }
    }
}

/// Puts aside what has been delivered too often. The batch does not wait for that.
fn unless_dead(incoming: Incoming) -> Option<Incoming> {
    match incoming.early_end() {
        None => Some(incoming),
        Some(end) => {
            drop(tokio::spawn(incoming.settle(end)));
            None
        }
    }
}

async fn hand_over(shared: &Shared, batch: &Batch, gathered: Vec<Incoming>) {
    let told = gathered.iter().map(|one| (one.metadata.clone(), one.payload.clone())).collect();
    let work = Caught::new(Box::pin(async { batch.begin(told).await }));
    let ended = tokio::select! {
        ended = work => Some(ended),
        () = shared.too_long() => None,
        () = shared.aborted() => return give_back(gathered).await,
    };
    let (results, silence) = match ended {
        Some(Ok(results)) => (results, "a handler said nothing of it"),
        Some(Err(Panicked)) => (Vec::new(), "a handler panicked"),
        None => (Vec::new(), TOO_LONG),
    };
    let mut results = results.into_iter();
    for one in gathered {
        match results.next().unwrap_or_else(|| Err(Requeue::because(silence))) {
            Ok(()) => one.settle(End::Done).await,
            // It waits, and the next batch does not.
            Err(requeue) => drop(tokio::spawn(one.settle(End::Refused(requeue)))),
        }
    }
}

async fn give_back(gathered: Vec<Incoming>) {
    for one in gathered {
        one.settle(End::GivenUp).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_half_a_minute_or_the_first_if_that_is_longer() {
        let seconds = Duration::from_secs;
        let delays = [0, 1, 4, 5, 6, u32::MAX].map(|redeliveries| delay(seconds(1), redeliveries));
        assert_eq!(delays, [1, 2, 16, 30, 30, 30].map(seconds));
        assert_eq!(
            [0, 1, 9].map(|redeliveries| delay(seconds(40), redeliveries)),
            [seconds(40); 3]
        );
        assert_eq!(delay(Duration::MAX, 3), Duration::MAX);
        assert_eq!(delay(Duration::ZERO, 3), Duration::ZERO);
    }
}
