//! The server's side: bind the queues, run the methods, stop without losing anything.

mod admission;
mod answer;
mod builder;
mod heartbeat;
mod keeping;
mod poison;
mod request;
mod run;
mod running;
mod verdict;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, task::JoinSet};

pub(crate) use self::verdict::Verdict;
use self::{admission::Admission, keeping::Keeping, poison::Counting};
pub use self::{
    builder::ServerBuilder,
    running::{AbortHandle, Running, ShutdownError},
};
use crate::{
    Transport,
    clock::Instant,
    dispatch::AnyService,
    duplicates::Duplicates,
    logging::guarded,
    observe::Counts,
    quiet::Quiet,
    server::request::{Cause, Incoming},
    transport::{Acker, Listener, Tracker},
};

/// A server whose queues are bound: requests wait for it. [`run`](Self::run) starts to serve them.
///
/// Setting up takes two steps so that nothing falls between them: a request that is sent after
/// [`bind`](ServerBuilder::bind) has returned is not lost, and none is run before `run`.
///
/// Dropping it gives back what came in.
///
/// ```
/// # use rpc_runtime::{Context, Server, Transport, rpc_api};
/// # #[rpc_api(topic = "adder", version = "1.0")]
/// # trait Adder { async fn add(&self, ctx: Context, a: u32, b: u32) -> u32; }
/// # struct Sum;
/// # impl Adder for Sum { async fn add(&self, _: Context, a: u32, b: u32) -> u32 { a + b } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = Transport::connect("memory://server-doc").await?;
/// let server = Server::builder(&transport).host("node-1").concurrency(16).serve(AdderServer::new(Sum)).bind().await?;
/// let call = tokio::spawn(AdderClient::new(&transport).add(&Context::new(), 2_u32, 3_u32)); // waits in the queue
/// let running = server.run();
/// assert_eq!(call.await??, 5);
/// running.shutdown(std::time::Duration::from_secs(30)).await?;
/// # Ok(()) }
/// ```
#[must_use = "a bound server serves nothing until `run`"]
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<Bound>,
    /// The runtime that it was bound on, and is to run on.
    runtime: Handle,
}

/// A place where a server listens.
struct Bound {
    place: Arc<Place>,
    listener: Listener,
}

/// What all requests of one place share.
struct Place {
    exchange: Arc<str>,
    topic: Arc<str>,
    host: Arc<str>,
    /// The interfaces, in the order in which they are asked.
    services: Vec<Arc<dyn AnyService>>,
}

impl Place {
    fn say_bound(&self) {
        guarded(|| {
            let interfaces: Vec<_> = self
                .services
                .iter()
                .map(|service| service.interface())
                .map(|interface| format!("{} {}", interface.name, interface.version))
                .collect();
            let Self { exchange, topic, host, .. } = self;
            tracing::info!(?interfaces, %topic, %host, %exchange, "the server is bound");
        });
    }
}

/// What all requests of one server share.
struct Shared {
    transport: Transport,
    host: Arc<str>,
    admission: Admission,
    /// How long a method may run.
    time_limit: Option<Duration>,
    /// How often a request is delivered before it becomes a dead letter. 0 is as often as it takes.
    delivery_limit: u32,
    counting: Counting,
    /// Where dead letters of all topics go, if not to a queue of each topic's own.
    dead_letter_queue: Option<Arc<str>>,
    tracker: Tracker,
    /// One window for all queues: a request may come by one and its copy by another.
    duplicates: Mutex<Duplicates<Acker>>,
    /// Whether methods that still run are to be given up.
    abort: Arc<watch::Sender<bool>>,
    /// Whether it has been said that fanout casts of others come.
    crossed: AtomicBool,
    quiet: Quiet<Cause>,
    /// `None`: refused casts are not kept.
    keeping: Option<Keeping>,
}

impl Shared {
    fn counts(&self) -> &Counts {
        &self.transport.observer().counts
    }

    fn duplicates(&self) -> MutexGuard<'_, Duplicates<Acker>> {
        self.duplicates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a listener is told to stop, or the server is to stop at once.
    async fn stopping(&self, mut stopped: watch::Receiver<bool>) {
        let told = async {
            if stopped.wait_for(|stop| *stop).await.is_err() {
                // The handle was dropped: nobody can tell it any more.
                std::future::pending::<()>().await;
            }
        };
        let mut abort = self.abort.subscribe();
        tokio::select! {
            () = told => {}
            _ = abort.wait_for(|abort| *abort) => {}
        }
    }

    fn dead_letter_queue(&self, topic: &str) -> Arc<str> {
        let own = || format!("{topic}{}", ServerBuilder::DEAD_LETTERS).into();
        self.dead_letter_queue.clone().unwrap_or_else(own)
    }

    /// Returns how long a reply is tried, to a caller that waits until `expires` if that is known.
    fn answerable_until(&self, expires: Option<Instant>) -> Instant {
        expires.unwrap_or_else(|| Instant::now() + self.transport.absent_caller_timeout())
    }
}

impl Server {
    /// Starts a server that will listen over `transport`.
    pub fn builder(transport: &Transport) -> ServerBuilder {
        ServerBuilder::new(transport)
    }

    /// Starts to serve, on tasks of its own. They belong to the Tokio runtime on which the server
    /// was bound, wherever this is called.
    #[must_use = "keep it to shut the server down"]
    pub fn run(self) -> Running {
        let (mut tasks, mut stops) = (JoinSet::new(), Vec::new());
        for Bound { place, listener } in self.listeners {
            let (stop, stopped) = watch::channel(false);
            stops.push((Arc::clone(&place.topic), stop));
            let serving = serve(Arc::clone(&self.shared), listener, place, stopped);
            tasks.spawn_on(serving, &self.runtime);
        }
        let running = Running::new(self.shared, stops, tasks, self.runtime);
        running.say_serving();
        running
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners.len()).finish_non_exhaustive()
    }
}

/// Takes requests one by one as they are admitted, until told to stop.
async fn serve(
    shared: Arc<Shared>,
    mut listener: Listener,
    place: Arc<Place>,
    stopped: watch::Receiver<bool>,
) {
    let mut stop = std::pin::pin!(shared.stopping(stopped.clone()));
    loop {
        let next = async {
            // What it is taken with is not held for a request that may never come: other topics need it.
            while listener.ready().await {
                let entry = shared.admission.enter().await?;
                if let Some(delivery) = listener.take() {
                    return Some((delivery, entry));
                }
            }
            None
        };
        let (delivery, entry) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => match next {
                Some(next) => next,
                None => {
                    // Its listener has ended, so nothing is left to change.
                    let (topic, host) = (&*place.topic, &*shared.host);
                    guarded(|| tracing::info!(topic, host, "the server has stopped: its transport is closed"));
                    break;
                }
            },
        };
        let incoming = Incoming { shared: Arc::clone(&shared), place: Arc::clone(&place) };
        let tracked = shared.tracker.track();
        // Boxed, since tokio moves what is spawned several times.
        tokio::spawn(Box::pin(incoming.handle(tracked, delivery, entry, stopped.clone())));
    }
    listener.cancel().await;
}

#[expect(
    dead_code,
    reason = "servers are bound and stopped from any task: the compiler checks it here"
)]
fn servers_cross_threads(builder: ServerBuilder, running: Running) {
    fn crosses<T: Send>(_: T) {}
    crosses(builder.bind());
    crosses(running.shutdown(Duration::ZERO));
}
