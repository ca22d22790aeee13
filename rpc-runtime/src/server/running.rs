//! A server that serves, and how it stops.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use super::Shared;

/// A server that serves. Dropping this handle does not stop it.
pub struct Running {
    shared: Arc<Shared>,
    /// By topic, what stops a listener. Its receiver is dropped when the listener has stopped.
    stops: Vec<(Arc<str>, watch::Sender<bool>)>,
    tasks: JoinSet<()>,
}

/// What [`Running::shutdown`] could not wait for.
#[derive(Debug, thiserror::Error)]
#[error("{unfinished} requests were not finished within {limit:?}, and were given up")]
pub struct ShutdownError {
    /// How many methods were given up, or replies not confirmed.
    pub unfinished: usize,
    /// The time there was.
    pub limit: Duration,
}

impl Running {
    pub(super) fn new(
        shared: Arc<Shared>,
        stops: Vec<(Arc<str>, watch::Sender<bool>)>,
        tasks: JoinSet<()>,
    ) -> Self {
        Self { shared, stops, tasks }
    }

    /// Returns how many requests have begun and are not answered yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.tracker.running().saturating_sub(self.waiting())
    }

    /// Returns how many requests have been read and wait for a slot or for the limit of their method. Where there are no
    /// limits and no refusals, none does: the broker has them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.admission.waiting()
    }

    /// Takes no more requests of `topic`, and gives back to the broker what has not begun. What has begun goes on, and so
    /// do the server's other topics. Returns once that is done; `false` if the server does not listen there.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the topic's listener stopping.
    pub async fn stop_listening(&self, topic: &str) -> bool {
        let mut listens = false;
        for (_, stop) in self.stops.iter().filter(|(own, _)| **own == *topic) {
            listens |= !stop.is_closed();
            stop.send_replace(true);
        }
        for (_, stop) in self.stops.iter().filter(|(own, _)| **own == *topic) {
            stop.closed().await;
        }
        listens
    }

    /// Stops: cancels the consumers first, gives back to the broker what has not begun, lets what has begun finish,
    /// and waits until the replies are confirmed.
    ///
    /// # Errors
    /// If that took longer than `limit`. Methods that still run are then given up: their callers get a failure, or, where a
    /// method is acknowledged late, another server gets the request, and runs it from the beginning. It returns shortly after `limit` in any case, also without a broker.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the server stopping: it takes no new requests.
    pub async fn shutdown(mut self, limit: Duration) -> Result<(), ShutdownError> {
        for (_, stop) in &self.stops {
            stop.send_replace(true);
        }
        let drained = async {
            while self.tasks.join_next().await.is_some() {}
            self.shared.tracker.idle().await;
        };
        if tokio::time::timeout(limit, drained).await.is_ok() {
            return Ok(());
        }
        let unfinished = self.shared.tracker.running();
        self.shared.abort.send_replace(true);
        // The failures of the methods given up still have to leave.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.shared.tracker.idle()).await;
        Err(ShutdownError { unfinished, limit })
    }

    /// Waits until the server ends by itself: when its transport is closed.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn wait(&mut self) {
        while self.tasks.join_next().await.is_some() {}
        self.shared.tracker.idle().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A server outlives its handle; a `JoinSet` would end its tasks.
        self.tasks.detach_all();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
