//! The server's side: bind the queues, run the methods, stop without losing anything.

mod heartbeat;
mod request;

use std::{
    fmt,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{
    Api, Dispatch, Service, Transport, TransportError, TransportErrorKind,
    dispatch::{AnyService, Ping},
    duplicates::Duplicates,
    server::request::Incoming,
    transport::{Acker, ListenAddress, Listener, Tracker},
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
}

/// A place where a server listens.
struct Bound {
    topic: Arc<str>,
    listener: Listener,
    services: Services,
}

/// The interfaces of one topic, in the order in which they are asked.
type Services = Arc<[Arc<dyn AnyService>]>;

/// What all requests of one server share.
struct Shared {
    transport: Transport,
    slots: Arc<Semaphore>,
    tracker: Tracker,
    /// One window for all queues: a request may come by one and its copy by another.
    duplicates: Mutex<Duplicates<Acker>>,
    /// Whether methods that still run are to be given up.
    abort: watch::Sender<bool>,
    /// Whether it has been said that fanout casts of others come.
    crossed: AtomicBool,
}

impl Server {
    /// Starts a server that will listen over `transport`.
    pub fn builder(transport: &Transport) -> ServerBuilder {
        ServerBuilder {
            transport: transport.clone(),
            host: None,
            exchange: None,
            topic: None,
            concurrency: ServerBuilder::CONCURRENCY,
            services: Vec::new(),
            places: Vec::new(),
            ping: false,
        }
    }

    /// Starts to serve, on tasks of its own.
    #[must_use = "keep it to shut the server down"]
    pub fn run(self) -> Running {
        let (mut tasks, mut stops) = (JoinSet::new(), Vec::new());
        for Bound { topic, listener, services } in self.listeners {
            let (stop, stopped) = watch::channel(false);
            stops.push((topic, stop));
            tasks.spawn(serve(Arc::clone(&self.shared), listener, services, stopped));
        }
        Running { shared: self.shared, stops, tasks }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners.len()).finish_non_exhaustive()
    }
}

/// Takes requests one by one while there is a free slot for each, until told to stop.
async fn serve(
    shared: Arc<Shared>,
    mut listener: Listener,
    services: Services,
    mut stopped: watch::Receiver<bool>,
) {
    let mut stop = std::pin::pin!(async move {
        if stopped.wait_for(|stop| *stop).await.is_err() {
            // The handle was dropped: nobody can stop this server any more.
            std::future::pending::<()>().await;
        }
    });
    loop {
        let next = async {
            let slot = Arc::clone(&shared.slots).acquire_owned().await.ok()?;
            Some((listener.next().await?, slot))
        };
        let (delivery, slot) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => match next {
                Some(next) => next,
                None => break,
            },
        };
        let incoming = Incoming {
            shared: Arc::clone(&shared),
            services: Arc::clone(&services),
            tracked: shared.tracker.track(),
        };
        tokio::spawn(incoming.handle(delivery, slot));
    }
    listener.cancel().await;
}

/// The options of a [`Server`].
#[must_use = "a builder does nothing until `bind`"]
pub struct ServerBuilder {
    transport: Transport,
    host: Option<Arc<str>>,
    exchange: Option<Arc<str>>,
    topic: Option<Arc<str>>,
    concurrency: usize,
    services: Vec<Arc<dyn AnyService>>,
    /// Further topics and hosts.
    places: Vec<(Arc<str>, Arc<str>)>,
    ping: bool,
}

impl ServerBuilder {
    /// How many requests run at once by default, as in oslo.messaging (`executor_thread_pool_size`).
    pub const CONCURRENCY: usize = 64;

    /// Sets the name under which clients address this very server: `prepare().server(host)`. Required.
    pub fn host(mut self, host: impl Into<Arc<str>>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the control exchange of all interfaces. Default: each interface's own, else the transport's.
    pub fn exchange(mut self, exchange: impl Into<Arc<str>>) -> Self {
        self.exchange = Some(exchange.into());
        self
    }

    /// Sets the topic of all interfaces. Default: each interface's own.
    pub fn topic(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Listens in one more place, with all interfaces: another topic of the same service, say, or another host name. What
    /// comes there takes the same slots. [`Running::stop_listening`] ends one topic alone.
    pub fn listen(mut self, topic: impl Into<Arc<str>>, host: impl Into<Arc<str>>) -> Self {
        self.places.push((topic.into(), host.into()));
        self
    }

    /// Sets how many requests run at once; the broker keeps the others for whoever is free. At least 1. Default:
    /// [`Self::CONCURRENCY`].
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Answers `oslo_rpc_server_ping` with `pong` on every topic (`rpc_ping_enabled`). Default: no, it is a method
    /// that no server has.
    pub fn ping(mut self, enabled: bool) -> Self {
        self.ping = enabled;
        self
    }

    /// Adds an interface. Interfaces of one topic share its queues, and are asked in the order in which they are
    /// added (wire: section 6.4).
    pub fn serve<A: Api, S: Send + Sync + 'static>(mut self, service: Service<A, S>) -> Self
    where
        Service<A, S>: Dispatch<A>,
    {
        self.services.push(Arc::new(service));
        self
    }

    /// Sorts the interfaces by the queues that they share.
    fn groups(&self, host: &Arc<str>) -> Result<Vec<Group>, TransportError> {
        let mut groups: Vec<Group> = Vec::new();
        for service in &self.services {
            let interface = service.interface();
            let exchange = self.exchange.clone().or_else(|| interface.exchange.map(Into::into));
            let exchange = exchange.unwrap_or_else(|| self.transport.control_exchange());
            let topic = self.topic.clone().or_else(|| interface.topic.map(Into::into));
            let topic = topic.ok_or_else(|| {
                misconfigured(format!(
                    "the interface {} has no topic of its own: `Server::builder(…).topic(…)`",
                    interface.name
                ))
            })?;
            let places = [(topic, Arc::clone(host))];
            for (topic, host) in places.iter().chain(&self.places) {
                let shares = |group: &&mut Group| {
                    group.exchange == exchange && group.topic == *topic && group.host == *host
                };
                let service = Arc::clone(service);
                match groups.iter_mut().find(shares) {
                    Some(group) => group.services.push(service),
                    None => groups.push(Group {
                        exchange: Arc::clone(&exchange),
                        topic: Arc::clone(topic),
                        host: Arc::clone(host),
                        services: vec![service],
                    }),
                }
            }
        }
        Ok(groups)
    }

    /// Binds the queues: for each topic, the one that its servers share, the one of this host, and this server's own
    /// for fanout casts.
    ///
    /// # Errors
    /// If the host or a topic is missing or a name cannot be a queue's, if an exchange or queue exists with other properties, or
    /// if the broker does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future unbinds what was bound.
    pub async fn bind(self) -> Result<Server, TransportError> {
        let host = self
            .host
            .clone()
            .ok_or_else(|| misconfigured("a server needs a host: `Server::builder(…).host(…)`"))?;
        if self.services.is_empty() {
            return Err(misconfigured(
                "a server needs an interface: `Server::builder(…).serve(…)`",
            ));
        }
        let prefetch = u16::try_from(self.concurrency).unwrap_or(u16::MAX);
        let mut listeners = Vec::new();
        for Group { exchange, topic, host, mut services } in self.groups(&host)? {
            check_names(&topic, &host)?;
            if self.ping {
                services.push(Arc::new(Ping));
            }
            let address = ListenAddress { exchange, topic: Arc::clone(&topic), host, prefetch };
            let listener = self.transport.listen(address).await?;
            listeners.push(Bound { topic, listener, services: services.into() });
        }
        let shared = Shared {
            transport: self.transport,
            slots: Arc::new(Semaphore::new(self.concurrency)),
            tracker: Tracker::default(),
            duplicates: Mutex::new(Duplicates::new()),
            abort: watch::Sender::new(false),
            crossed: AtomicBool::new(false),
        };
        Ok(Server { shared: Arc::new(shared), listeners })
    }
}

/// The interfaces of one topic and host of one exchange.
struct Group {
    exchange: Arc<str>,
    topic: Arc<str>,
    host: Arc<str>,
    services: Vec<Arc<dyn AnyService>>,
}

fn misconfigured(what: impl Into<String>) -> TransportError {
    TransportError::new(TransportErrorKind::Configuration, what)
}

/// Refuses what would not name the queues it should: too long for AMQP with what is appended, or a pattern.
fn check_names(topic: &str, host: &str) -> Result<(), TransportError> {
    for (what, name) in [("topic", topic), ("host", host)] {
        if name.is_empty() || name.contains(['*', '#']) && what == "topic" {
            return Err(misconfigured(format!("`{}` cannot be a {what}", name.escape_debug())));
        }
    }
    let longest = topic.len() + host.len().max("_fanout_".len() + 32) + 1;
    if longest > 255 {
        return Err(misconfigured(format!(
            "topic and host make a queue name of {longest} bytes; AMQP has room for 255"
        )));
    }
    Ok(())
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interfaces: Vec<_> =
            self.services.iter().map(|service| service.interface().name).collect();
        f.debug_struct("ServerBuilder")
            .field("host", &self.host)
            .field("interfaces", &interfaces)
            .finish_non_exhaustive()
    }
}

/// A server that serves. Dropping this handle does not stop it.
pub struct Running {
    shared: Arc<Shared>,
    /// By topic, what stops a listener. Its receiver is dropped when the listener has stopped.
    stops: Vec<(Arc<str>, watch::Sender<bool>)>,
    tasks: JoinSet<()>,
}

/// What [`Running::shutdown`] could not wait for.
#[derive(Debug, thiserror::Error)]
#[error("{unfinished} requests were not finished within {limit:?}; their callers were told")]
pub struct ShutdownError {
    /// How many methods were given up, or replies not confirmed.
    pub unfinished: usize,
    /// The time there was.
    pub limit: Duration,
}

impl Running {
    /// Returns how many requests have begun and are not answered yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.tracker.running()
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
    /// If that took longer than `limit`. Methods that still run are then given up, and their callers get a failure.
    /// It returns shortly after `limit` in any case, also without a broker.
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

#[expect(
    dead_code,
    reason = "servers are bound and stopped from any task: the compiler checks it here"
)]
fn servers_cross_threads(builder: ServerBuilder, running: Running) {
    fn crosses<T: Send>(_: T) {}
    crosses(builder.bind());
    crosses(running.shutdown(Duration::ZERO));
}
