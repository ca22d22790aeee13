//! A listener that listens, and how it stops.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};

use super::{
    Filter, Requeue,
    handler::{Batch, Handlers},
    incoming::{End, Incoming},
};
use crate::{
    ShutdownError, Transport,
    dispatch::{Caught, Panicked},
    duplicates::Duplicates,
    observe::Counts,
    quiet::Quiet,
    transport::{Acker, Delivery, Listener, Tracked, Tracker},
    until::until,
};

/// How long a notification is kept that could not be published anew, before it goes back to its queue.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// The longest that one waits which a handler has refused, unless the first wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// What a log line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    NoNotification,
    NoPriority,
    Refused,
    Dead,
    Kept,
}

/// What all notifications of one listener share.
pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) handlers: Handlers,
    /// Of these one has to match, if there are any.
    pub(super) filters: Vec<Filter>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) duplicates: Mutex<Duplicates<Acker>>,
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
    task: JoinHandle<()>,
}

impl RunningListener {
    /// How long it may take to give back what was given up.
    const FAREWELL: Duration = Duration::from_secs(1);

    pub(super) fn new(shared: Arc<Shared>, task: JoinHandle<()>) -> Self {
        Self { shared, task }
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
    /// If that took longer than `limit`. Handlers that still run are given up then, and what they worked on comes again, to
    /// this listener's successor or to another. It returns within a second after `limit` in any case, also without a broker.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the listener stopping: it takes nothing new.
    pub async fn shutdown(mut self, limit: Duration) -> Result<(), ShutdownError> {
        self.shared.stop.send_replace(true);
        if tokio::time::timeout(limit, self.drained()).await.is_ok() {
            return Ok(());
        }
        let unfinished = self.in_flight();
        self.shared.abort.send_replace(true);
        match tokio::time::timeout(Self::FAREWELL, self.drained()).await {
            Ok(()) if unfinished == 0 => Ok(()),
            _ => Err(ShutdownError { unfinished, limit }),
        }
    }

    async fn drained(&mut self) {
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
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

/// Takes as many as a batch holds, or as come in time, one batch after the other.
async fn serve_batches(shared: &Arc<Shared>, listener: &mut Listener, batch: &Batch) {
    let mut stop = std::pin::pin!(shared.stopped());
    loop {
        let (mut gathered, mut due) = (Vec::new(), None);
        while gathered.len() < batch.size {
            tokio::select! {
                biased;
                () = &mut stop => return give_back(gathered).await,
                () = until(due) => break,
                is_there = listener.ready() => if !is_there {
                    return give_back(gathered).await;
                },
            }
            let Some(delivery) = listener.take() else { continue };
            let tracked = shared.tracker.track();
            if let Some(incoming) = Incoming::read(Arc::clone(shared), delivery, tracked).await {
                due = due.or_else(|| Instant::now().checked_add(batch.wait));
                gathered.push(incoming);
            }
        }
        hand_over(shared, batch, gathered).await;
    }
}

async fn hand_over(shared: &Shared, batch: &Batch, gathered: Vec<Incoming>) {
    let told = gathered.iter().map(|one| (one.metadata.clone(), one.payload.clone())).collect();
    let work = Caught(Box::pin(async { batch.begin(told).await }));
    let ended = tokio::select! {
        ended = work => ended,
        () = shared.aborted() => return give_back(gathered).await,
    };
    let (results, silence) = match ended {
        Ok(results) => (results, "a handler said nothing of it"),
        Err(Panicked) => (Vec::new(), "a handler panicked"),
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
