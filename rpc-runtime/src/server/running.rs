//! A server that serves, and how it stops.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch, task::JoinSet};

use super::Shared;

use crate::{
    clock::{Instant, Within},
    logging::guarded,
    transport::farewell,
};

/// A server that serves. Dropping this handle does not stop it.
///
/// A process that is told to stop once lets its server finish what has begun. One that is told twice is in a hurry:
///
/// ```
/// # use rpc_runtime::{AbortHandle, Running};
/// # use std::{future::Future, time::Duration};
/// # async fn signal() {}
/// async fn until_stopped(server: Running) {
///     signal().await; // SIGTERM, say
///     let hurry = server.abort_handle();
///     let impatient = tokio::spawn(async move {
///         signal().await; // once more
///         hurry.abort();
///     });
///     if let Err(unfinished) = server.shutdown(Duration::from_secs(60)).await {
///         eprintln!("{unfinished}");
///     }
///     impatient.abort();
/// }
/// # use rpc_runtime::{Context, Server, Transport, rpc_api};
/// # #[rpc_api(topic = "idler", version = "1.0")]
/// # trait Idler { async fn idle(&self, ctx: Context); }
/// # struct Lazy;
/// # impl Idler for Lazy { async fn idle(&self, _: Context) {} }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::TransportError> {
/// # let transport = Transport::connect("memory://running-doc").await?;
/// # until_stopped(Server::builder(&transport).host("h").serve(IdlerServer::new(Lazy)).bind().await?.run()).await;
/// # Ok(()) }
/// ```
pub struct Running {
    shared: Arc<Shared>,
    /// By topic, what stops a listener. Its receiver is dropped when the listener has stopped.
    stops: Vec<(Arc<str>, watch::Sender<bool>)>,
    tasks: JoinSet<()>,
    /// The runtime that the tasks are on.
    runtime: Handle,
}

/// Stops a server at once, from anywhere. Get it from [`Running::abort_handle`].
#[derive(Clone)]
pub struct AbortHandle(Arc<Shared>);

impl AbortHandle {
    /// Gives up what runs, as [`Running::shutdown`] does at the end of its time, and takes nothing more: callers get
    /// failures, and what is acknowledged late or has not begun goes back to the broker. It returns at once. A `shutdown`
    /// that waits ends within a second, also without a broker; one that begins later finds the same.
    pub fn abort(&self) {
        self.0.abort.send_replace(true);
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").finish_non_exhaustive()
    }
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
        runtime: Handle,
    ) -> Self {
        Self { shared, stops, tasks, runtime }
    }

    pub(super) fn say_serving(&self) {
        let topics: Vec<_> = self.stops.iter().map(|(topic, _)| &**topic).collect();
        let host = &*self.shared.host;
        guarded(|| tracing::info!(?topics, host, "the server serves"));
    }

    fn say_draining(&self, limit: Duration) {
        let (in_flight, waiting) = (self.in_flight(), self.waiting());
        let host = &*self.shared.host;
        let what = "the server drains: it takes no more requests";
        guarded(|| tracing::info!(host, in_flight, waiting, ?limit, "{what}"));
    }

    /// Says that the server has stopped, and what it gave up.
    fn say_stopped(&self, begun: Instant, unfinished: usize) {
        let (host, took) = (&*self.shared.host, begun.elapsed());
        guarded(|| tracing::info!(host, unfinished, ?took, "the server has stopped"));
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

    /// Returns what stops the server at once, also while somebody waits for its [`shutdown`](Self::shutdown).
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(Arc::clone(&self.shared))
    }

    /// Stops: cancels the consumers first, gives back to the broker what has not begun, lets what has begun finish,
    /// and waits until the replies are confirmed.
    ///
    /// # Errors
    /// If that took longer than `limit`, or the server was [aborted](AbortHandle::abort). Methods
    /// that still run are then given up: their callers get a failure, or, where a method is
    /// acknowledged late, another server gets the request, and runs it from the beginning. It
    /// returns within a quarter of `limit` more in any case, also without a broker: half a second
    /// at least, and a second at most. With `Duration::ZERO` no method is waited for. For a process
    /// that has to end in time, [`Transport::close_within`](crate::Transport::close_within) shows
    /// how to spend the rest.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the server stopping: it takes no new requests.
    pub async fn shutdown(self, limit: Duration) -> Result<(), ShutdownError> {
        let runtime = self.runtime.clone();
        Within::new(runtime, self.stop(limit)).await
    }

    async fn stop(mut self, limit: Duration) -> Result<(), ShutdownError> {
        let begun = Instant::now();
        self.shared.transport.part();
        for (_, stop) in &self.stops {
            stop.send_replace(true);
        }
        self.say_draining(limit);
        let mut aborted = self.shared.abort.subscribe();
        tokio::select! {
            biased;
            () = self.drained() => {
                self.say_stopped(begun, 0);
                return Ok(());
            }
            () = tokio::time::sleep(limit) => {}
            _ = aborted.wait_for(|aborted| *aborted) => {}
        }
        let farewell = farewell(limit);
        let (unfinished, limit) = (self.in_flight(), limit.min(begun.elapsed()));
        self.shared.abort.send_replace(true);
        // The failures of the methods given up still have to leave, and what has not begun has to go back.
        let drained = tokio::time::timeout(farewell, self.drained()).await;
        self.say_stopped(begun, unfinished);
        match drained {
            Ok(()) if unfinished == 0 => Ok(()),
            _ => Err(ShutdownError { unfinished, limit }),
        }
    }

    async fn drained(&mut self) {
        while self.tasks.join_next().await.is_some() {}
        self.shared.tracker.idle().await;
    }

    /// Waits until the server ends by itself: when its transport is closed.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn wait(&mut self) {
        self.drained().await;
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
