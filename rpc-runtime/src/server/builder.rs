//! The options of a server, and how it binds its queues.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};

use super::{
    Bound, Place, Server, Shared, admission::Admission, keeping::Keeping, poison::Counting,
};
use crate::{
    Api, Dispatch, DuplicateWindow, Service, Transport, TransportError, TransportErrorKind, clock,
    contain::Kept,
    dispatch::{AnyService, Ping},
    duplicates::Duplicates,
    excerpt::Excerpt,
    quiet::Quiet,
    transport::{ListenAddress, Subscription, Tracker, kept},
};

/// The options of a [`Server`].
#[must_use = "a builder does nothing until `bind`"]
pub struct ServerBuilder {
    transport: Transport,
    host: Option<Arc<str>>,
    exchange: Option<Arc<str>>,
    topic: Option<Arc<str>>,
    concurrency: usize,
    /// How many of a method's requests run at once.
    limits: Vec<(String, usize)>,
    waiting: Option<usize>,
    refuses: bool,
    time_limit: Option<Duration>,
    delivery_limit: u32,
    dead_letter_queue: Option<Arc<str>>,
    keep_refused: u32,
    duplicate_window: DuplicateWindow,
    services: Vec<Arc<dyn AnyService>>,
    /// Further topics and hosts.
    places: Vec<(Arc<str>, Arc<str>)>,
    ping: bool,
}

impl ServerBuilder {
    /// How many requests run at once by default, as in oslo.messaging (`executor_thread_pool_size`).
    pub const CONCURRENCY: usize = 64;
    /// How often a request is delivered by default, as RabbitMQ 4 has it for its quorum queues.
    pub const DELIVERY_LIMIT: u32 = 20;
    /// What is appended to a topic for the queue of its dead letters.
    pub const DEAD_LETTERS: &'static str = ".dead_letter";
    /// The suffix of a topic's queue for refused casts that are [kept](Self::keep_refused).
    pub const REFUSED: &'static str = kept::REFUSED;
    /// How many requests are there at once to be refused.
    const REFUSED_AHEAD: usize = 16;

    pub(super) fn new(transport: &Transport) -> Self {
        Self {
            transport: transport.clone(),
            host: None,
            exchange: None,
            topic: None,
            concurrency: Self::CONCURRENCY,
            limits: Vec::new(),
            waiting: None,
            refuses: false,
            time_limit: None,
            delivery_limit: Self::DELIVERY_LIMIT,
            dead_letter_queue: None,
            keep_refused: 0,
            duplicate_window: DuplicateWindow::new(),
            services: Vec::new(),
            places: Vec::new(),
            ping: false,
        }
    }

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
    /// comes there takes the same slots. [`Running::stop_listening`](crate::Running::stop_listening) ends one topic alone.
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

    /// Sets how many requests of `method` run at once, in all interfaces that have it. At least 1. Default: as many as
    /// there are slots. A name that no interface has makes [`bind`](Self::bind) fail.
    ///
    /// A request of a method that is at its limit waits without a slot, so that a stuck method stops no other. It has not
    /// begun: it is not acknowledged, its deadline is watched, and a server that stops gives it back. How many may wait is
    /// said by [`waiting`](Self::waiting).
    ///
    /// ```
    /// # use rpc_runtime::{Context, Server, Transport, rpc_api};
    /// # #[rpc_api(topic = "volumes", version = "1.0")]
    /// # trait Volumes { async fn clone_volume(&self, ctx: Context); }
    /// # struct Lvm;
    /// # impl Volumes for Lvm { async fn clone_volume(&self, _: Context) {} }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::TransportError> {
    /// # let transport = Transport::connect("memory://limit-doc").await?;
    /// let server = Server::builder(&transport)
    ///     .host("node-1")
    ///     .limit("clone_volume", 4) // copies are hard on the disks
    ///     .refuse_when_full(true)
    ///     .serve(VolumesServer::new(Lvm))
    ///     .bind()
    ///     .await?;
    /// # drop(server); Ok(()) }
    /// ```
    pub fn limit(mut self, method: impl Into<String>, requests: usize) -> Self {
        self.limits.push((method.into(), requests.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// Sets how many requests may wait here for a slot or for their method's limit, where there is a limit or
    /// [refusal](Self::refuse_when_full); else the broker keeps them all. Default: as many as there are slots.
    ///
    /// While so many wait, the server takes no more, and whatever is behind them waits at the broker: a method that is
    /// stuck for longer than that needs refusal, or fewer callers. What waits here is not given to servers that are idle.
    /// The broker is asked for `concurrency` plus so many requests of each queue in advance, unless
    /// [`RabbitOptions::prefetch`](crate::RabbitOptions::prefetch) says otherwise; fewer than that let fewer wait.
    pub fn waiting(mut self, requests: usize) -> Self {
        self.waiting = Some(requests.min(Semaphore::MAX_PERMITS));
        self
    }

    /// Refuses calls at once that could not begin and find no place to wait in, see [`waiting`](Self::waiting). Default:
    /// no.
    ///
    /// Their callers get [`CallError::Overloaded`](crate::CallError::Overloaded), those in Python a `RemoteError` of type
    /// `Overloaded`. A refused call has surely not begun. What may have begun before is not refused but waits: a
    /// request that is delivered again, and a copy of one that is here. Casts are never refused: the broker keeps them, and
    /// what is behind one that finds no place waits with it.
    pub fn refuse_when_full(mut self, refuse: bool) -> Self {
        self.refuses = refuse;
        self
    }

    /// Gives methods up that run for longer than `limit`, or beyond their caller's deadline, whichever comes first.
    /// Default: none is given up while the server runs. A deadline that passes is only told, see
    /// [`Context::cancelled`](crate::Context::cancelled): a piece of a control plane that stops half way does more harm
    /// than one that comes late.
    ///
    /// A method that is given up is dropped at its next `await`, its slot is free, and its caller gets a
    /// [`CallError::Failure`](crate::CallError::Failure) of module `rpc_runtime` and class `TimeLimitExceeded`. That is
    /// its end, also if it is acknowledged late. One that blocks its thread meets no `await`, and cannot be given up: it
    /// holds slot and thread until it returns. What blocks belongs on a thread of its own
    /// (`tokio::task::spawn_blocking`), which is not ended either, but can look at
    /// [`Context::is_cancelled`](crate::Context::is_cancelled).
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Sets how often a request that is acknowledged late, `#[rpc(ack = "late")]`, is delivered at most. Default:
    /// [`Self::DELIVERY_LIMIT`]; 0 is without end.
    ///
    /// A request that ends its server's process comes to the next one, and ends that. One that was delivered so often is
    /// not run any more but published to the [dead-letter queue](Self::dead_letter_queue), its message as it came, with
    /// headers that say why, when and from where: `x-rpc-dead-reason`, `-time`, `-queue`, `-host`, `-method` and
    /// `-deliveries`. That is logged as an error, and its caller gets a [`CallError::Failure`](crate::CallError::Failure)
    /// of module `rpc_runtime` and class `DeliveryLimitExceeded`. Published to its topic again, it starts anew.
    ///
    /// What counts is deliveries, so requests that were at a server when another one ended it count as well. Where such a
    /// request takes long, a low limit makes dead letters of its neighbours.
    ///
    /// Quorum queues count by themselves, also what was never begun, such as requests that a server gave back. Other
    /// queues only tell that there was a delivery before: there a server publishes the request to its queue's end with a
    /// header that counts, and acknowledges the first once that is confirmed, before it is run again. With 0 it is run at
    /// once.
    pub fn delivery_limit(mut self, deliveries: u32) -> Self {
        self.delivery_limit = deliveries;
        self
    }

    /// Sets the queue of dead letters, for all topics. It is declared, durable, when there is a first one; a queue that
    /// exists is used as it is. Default: for each topic a queue of its own, its name with [`Self::DEAD_LETTERS`].
    pub fn dead_letter_queue(mut self, queue: impl Into<Arc<str>>) -> Self {
        self.dead_letter_queue = Some(queue.into());
        self
    }

    /// Keeps casts that this server refuses: a method that it does not have, a version that it does
    /// not serve, arguments that do not fit. Default: 0, it keeps no cast. Every publisher with
    /// access to the topic can cause this durable write.
    ///
    /// Each is published to a durable queue, the topic with [`Self::REFUSED`], with the headers of
    /// a [dead letter](Self::delivery_limit); its `x-rpc-dead-reason` says why it was refused. The
    /// queue holds the newest `casts` of all servers of the topic, and the broker drops the oldest
    /// beyond that. One server publishes at most `casts` a minute, and at most 16 at once; it does
    /// not keep what is beyond, and logs that. A queue that exists is used as it is, whatever its
    /// length.
    ///
    /// A cast is acknowledged before it is kept, so a crash in between loses it. A fanout cast is
    /// kept by each server that refuses it, unless it is for another service that shares the topic.
    /// [`Metrics::requests_kept`](crate::Metrics::requests_kept) counts.
    ///
    /// ```
    /// # use rpc_runtime::{Server, ServerBuilder, Transport};
    /// # fn doc(transport: &Transport) -> ServerBuilder {
    /// Server::builder(transport).host("node-1").keep_refused(1000)
    /// # }
    /// ```
    pub fn keep_refused(mut self, casts: u32) -> Self {
        self.keep_refused = casts;
        self
    }

    /// Sets how much is remembered of requests that have begun, so that a second copy is not run again. Default:
    /// [`DuplicateWindow::new`].
    pub fn duplicate_window(mut self, window: DuplicateWindow) -> Self {
        self.duplicate_window = window;
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
        self.services.push(Arc::new(Kept::new(service)));
        self
    }

    /// Adds what a test serves.
    #[cfg(test)]
    pub(super) fn serve_any(mut self, service: Arc<dyn AnyService>) -> Self {
        self.services.push(service);
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

    /// Says what begins, what waits and what is refused, and how much of a queue may be here for that.
    fn admission(&self) -> Result<(Admission, u16), TransportError> {
        let prefetch = |requests: usize| u16::try_from(requests).unwrap_or(u16::MAX);
        if self.limits.is_empty() && !self.refuses {
            return Ok((Admission::slots(self.concurrency), prefetch(self.concurrency)));
        }
        let mut limits = HashMap::new();
        for (name, limit) in &self.limits {
            let limit = Arc::new(Semaphore::new(*limit));
            let methods = self.services.iter().filter_map(|s| s.interface().method(name));
            let mut limited = methods.map(|method| limits.insert(method.name, Arc::clone(&limit)));
            if limited.by_ref().count() == 0 {
                return Err(misconfigured(format!(
                    "no interface has the method `{}` that is to be limited",
                    Excerpt(name)
                )));
            }
        }
        let waiting = self.waiting.unwrap_or(self.concurrency);
        // One more is looked at. Where calls are refused, several should be there for that.
        let looked_at = if self.refuses { Self::REFUSED_AHEAD } else { 1 };
        let prefetch = prefetch(self.concurrency.saturating_add(waiting).saturating_add(looked_at));
        Ok((Admission::limited(self.concurrency, limits, waiting, self.refuses), prefetch))
    }

    /// Binds the queues: for each topic, the one that its servers share, the one of this host, and this server's own
    /// for fanout casts.
    ///
    /// # Errors
    /// If the host or a topic is missing, a name cannot be a queue's, or a limited method is not
    /// there; if an exchange or queue exists with other properties, if the broker does not answer,
    /// or without a Tokio runtime that has timers.
    ///
    /// # Cancel safety
    /// Dropping the future unbinds what was bound.
    pub async fn bind(self) -> Result<Server, TransportError> {
        let runtime = clock::runtime()?;
        let host = self
            .host
            .clone()
            .ok_or_else(|| misconfigured("a server needs a host: `Server::builder(…).host(…)`"))?;
        if self.services.is_empty() {
            return Err(misconfigured(
                "a server needs an interface: `Server::builder(…).serve(…)`",
            ));
        }
        let (admission, prefetch) = self.admission()?;
        let mut listeners = Vec::new();
        let groups = self.groups(&host)?;
        check_dead_letters(self.dead_letter_queue.as_deref(), &groups)?;
        if self.keep_refused > 0 {
            check_kept(&groups)?;
        }
        for Group { exchange, topic, host, mut services } in groups {
            check_names(&exchange, &topic, &host)?;
            if self.ping {
                services.push(Arc::new(Ping));
            }
            let place = Place {
                exchange: Arc::clone(&exchange),
                topic: Arc::clone(&topic),
                host: Arc::clone(&host),
                services,
            };
            let address = ListenAddress { exchange, topic, host, prefetch };
            let listener = self.transport.listen(Subscription::Server(address)).await?;
            listeners.push(Bound { place: Arc::new(place), listener });
        }
        let shared = Shared {
            transport: self.transport,
            host,
            admission,
            time_limit: self.time_limit,
            delivery_limit: self.delivery_limit,
            counting: Counting::default(),
            dead_letter_queue: self.dead_letter_queue,
            tracker: Tracker::default(),
            duplicates: Mutex::new(Duplicates::new(self.duplicate_window)),
            abort: Arc::new(watch::Sender::new(false)),
            crossed: AtomicBool::new(false),
            quiet: Quiet::new(),
            keeping: NonZeroU32::new(self.keep_refused).map(Keeping::new),
        };
        listeners.iter().for_each(|bound| bound.place.say_bound());
        Ok(Server { shared: Arc::new(shared), listeners, runtime })
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
fn check_names(exchange: &str, topic: &str, host: &str) -> Result<(), TransportError> {
    if exchange.len() > 255 {
        let what = format!("`{}` is too long for an exchange", Excerpt(exchange));
        return Err(misconfigured(what));
    }
    for (what, name) in [("topic", topic), ("host", host)] {
        if name.is_empty() || name.contains(['*', '#']) && what == "topic" {
            return Err(misconfigured(format!("`{}` cannot be a {what}", Excerpt(name))));
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

/// Refuses a queue for dead letters that would bring them back, or that cannot be one.
fn check_dead_letters(queue: Option<&str>, groups: &[Group]) -> Result<(), TransportError> {
    for Group { topic, .. } in groups {
        let own = || format!("{topic}{}", ServerBuilder::DEAD_LETTERS);
        let name = queue.map_or_else(own, str::to_owned);
        let is_served = groups.iter().any(|Group { topic, host, .. }| {
            name == **topic || name.strip_prefix(&**topic) == Some(&format!(".{host}"))
        });
        if !name.is_empty() && name.len() <= 255 && !name.starts_with("amq.") && !is_served {
            continue;
        }
        let name = Excerpt(&name);
        return Err(misconfigured(format!(
            "`{name}` cannot be the queue of `{topic}`'s dead letters"
        )));
    }
    Ok(())
}

/// Refuses a topic whose queue for refused casts would be one of this server's own.
fn check_kept(groups: &[Group]) -> Result<(), TransportError> {
    for Group { topic, host, .. } in groups {
        let name = format!("{topic}{}", ServerBuilder::REFUSED);
        let is_served = groups.iter().any(|other| {
            *name == *other.topic || name == format!("{}.{}", other.topic, other.host)
        });
        if is_served || name.len() > 255 {
            return Err(misconfigured(format!(
                "`{}` cannot be the queue of `{}`'s refused casts, beside the host `{}`",
                Excerpt(&name),
                Excerpt(topic),
                Excerpt(host)
            )));
        }
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
