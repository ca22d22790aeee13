//! The transport: one cheap handle for users, and the seam behind which the drivers stand.
//!
//! A driver knows envelopes as bytes, exchanges, topics and hosts; it knows nothing of methods or types.

pub(crate) mod in_process;
pub(crate) mod kept;
pub mod memory;
#[cfg(test)]
mod model;
#[cfg(feature = "rabbit")]
mod rabbit;

#[cfg(all(any(fuzzing, test), feature = "config", feature = "rabbit"))]
pub(crate) use rabbit::guard_promises;
#[cfg(all(any(rpc_bench, test), feature = "rabbit"))]
pub(crate) use rabbit::measured;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

use self::{
    in_process::Witness,
    kept::{Header, Redelivery},
};
use crate::{
    Api, Compression, ConnectionState, Dispatch, Events, Login, Metrics, RabbitOptions, Service,
    TransportError, TransportErrorKind, TransportState,
    clock::Instant,
    contain::Kept,
    dispatch::AnyService,
    limits::{Limits, TooLarge},
    observe::Observer,
    options::{self, origin::Origins},
    pending::{Exchange, Outgoing, Pending, Route},
    quiet::Quiet,
    refusal::{self, Mark},
    replies::Replies,
    sync::AtomicUsize,
    unconsumed::{Unconsumed, Waits},
    url::{Scheme, TransportUrl},
};

/// A connection to a broker: clients send through it, servers listen on it.
///
/// Cheap to clone. It reconnects by itself; what waits for a reply goes on waiting meanwhile.
///
/// - `memory://name` is a broker inside this process, for examples and tests: every transport of that name shares it.
/// - `rabbit://user:password@host:port,…/vhost` (also `amqp://`, `amqps://`, `rabbit+tls://`) is RabbitMQ. Options of
///   the original may follow, and win over the builder's: `?rabbit_quorum_queue=true&kombu_compression=gzip`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::TransportError> {
/// let transport = rpc_runtime::Transport::connect("memory://doc").await?;
/// # transport.close().await; Ok(()) }
/// ```
#[derive(Clone)]
pub struct Transport(Arc<Inner>);

struct Inner {
    driver: Driver,
    replies: Arc<Replies>,
    /// Its URL, without a password.
    name: String,
    control_exchange: Arc<str>,
    timeout: Duration,
    compression: Option<Compression>,
    typed_modules: Option<Arc<[String]>>,
    absent_caller_timeout: Duration,
    observer: Arc<Observer>,
    limits: Limits,
    unconsumed: Arc<Unconsumed>,
}

enum Driver {
    Memory(memory::Link),
    InProcess(in_process::Link),
    #[cfg(feature = "rabbit")]
    Rabbit(rabbit::Link),
}

/// See [`Transport::CLOSE_LIMIT`].
const CLOSE_LIMIT: Duration = Duration::from_secs(15);

impl Transport {
    /// How long [`close`](Self::close) takes at most.
    pub const CLOSE_LIMIT: Duration = CLOSE_LIMIT;

    /// Connects to the broker at `url`.
    ///
    /// On RabbitMQ it returns once the broker has granted or refused the queue for replies, or has
    /// done neither for ten seconds. A refusal is no error here, since a process may need no
    /// replies: [`state`](Self::state) has the reason, and calls fail with it.
    ///
    /// # Errors
    /// If the URL is malformed, no host answers, or the broker refuses the credentials or the
    /// virtual host. Of several hosts the error names each with its reason, up to five reasons, and
    /// has the kind that is least likely to pass. RabbitMQ needs a Tokio runtime with timers.
    pub async fn connect(url: &str) -> Result<Self, TransportError> {
        Self::builder(url).connect().await
    }

    /// Takes an implementation of an interface in place of a broker: every client over this transport calls it, whatever
    /// its topic and host. Requests and replies are written and read as for a broker.
    ///
    /// ```
    /// # use rpc_runtime::{Context, Transport, rpc_api};
    /// # #[rpc_api(topic = "adder", version = "1.0")]
    /// # trait Adder { async fn add(&self, ctx: Context, a: u32, b: u32) -> u32; }
    /// struct Sum;
    ///
    /// impl Adder for Sum {
    ///     async fn add(&self, _: Context, a: u32, b: u32) -> u32 {
    ///         a + b
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = AdderClient::new(&Transport::in_process(AdderServer::new(Sum)));
    /// assert_eq!(client.add(&Context::new(), 2_u32, 3_u32).await?, 5);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn in_process<A: Api, S: Send + Sync + 'static>(service: Service<A, S>) -> Self
    where
        Service<A, S>: Dispatch<A>,
    {
        Self::instead_of_a_broker(Arc::new(Kept::new(service)), None)
    }

    pub(crate) fn instead_of_a_broker(
        service: Arc<dyn AnyService>,
        witness: Option<Arc<dyn Witness>>,
    ) -> Self {
        let observer = Arc::new(Observer::new());
        observer.connected("in process");
        let replies = Arc::new(Replies::new(Arc::clone(&observer), Limits::default()));
        let link =
            in_process::Link::new(service, witness, Arc::clone(&replies), Arc::clone(&observer));
        Self(Arc::new(Inner {
            driver: Driver::InProcess(link),
            replies,
            name: "in-process".to_owned(),
            control_exchange: TransportBuilder::CONTROL_EXCHANGE.into(),
            timeout: TransportBuilder::TIMEOUT,
            compression: None,
            typed_modules: None,
            absent_caller_timeout: TransportBuilder::TIMEOUT,
            observer,
            limits: Limits::default(),
            unconsumed: Arc::new(Unconsumed::new(Duration::ZERO)),
        }))
    }

    /// Starts a transport with other options.
    pub fn builder(url: &str) -> TransportBuilder {
        TransportBuilder {
            url: url.to_owned(),
            control_exchange: TransportBuilder::CONTROL_EXCHANGE.into(),
            timeout: TransportBuilder::TIMEOUT,
            wait_for_broker: None,
            compression: None,
            typed_modules: None,
            limits: Limits::default(),
            rabbit: RabbitOptions::default(),
            origins: Origins::default(),
        }
    }

    /// Returns how many calls wait for a reply.
    #[must_use]
    pub fn pending_calls(&self) -> usize {
        self.0.replies.len()
    }

    /// Returns what the transport's connections are doing. In process there is none, which counts as connected.
    #[must_use]
    pub fn state(&self) -> TransportState {
        self.0.observer.state()
    }

    /// Returns what happens to the transport from now on: connections that come and go, a broker that takes no messages.
    ///
    /// ```
    /// # use rpc_runtime::{Event, Transport};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::TransportError> {
    /// let transport = Transport::connect("memory://events-doc").await?;
    /// let mut events = transport.events();
    /// transport.memory().expect("it is embedded").disconnect();
    /// assert!(matches!(events.next().await, Some(Event::Lost { .. })));
    /// assert!(!transport.state().is_up());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn events(&self) -> Events {
        self.0.observer.events()
    }

    /// Returns what the transport has done so far, in numbers.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let queued = match &self.0.driver {
            Driver::Memory(link) => link.queued(),
            Driver::InProcess(_) => 0,
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(link) => link.queued(),
        };
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        let (pending_calls, queued) = (count(self.pending_calls()), count(queued));
        Metrics { pending_calls, queued, ..self.0.observer.metrics() }
    }

    /// Says why nothing leaves although there is a connection.
    pub(crate) fn obstacle(&self) -> Option<TransportError> {
        match self.0.observer.state().publishing {
            ConnectionState::Blocked { reason, .. } => {
                let what = format!("the broker takes no messages: {reason}");
                Some(TransportError::new(TransportErrorKind::Blocked, what))
            }
            _ => None,
        }
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.0.observer
    }

    /// Returns the embedded broker behind a `memory://` transport, with its switches for tests.
    #[must_use]
    pub fn memory(&self) -> Option<memory::Broker> {
        match &self.0.driver {
            Driver::Memory(link) => Some(link.broker()),
            Driver::InProcess(_) => None,
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(_) => None,
        }
    }

    /// Closes the transport: sends what has been handed over, deletes the reply queue, and closes the connections.
    ///
    /// Requests made afterwards fail with
    /// [`CallError::Unavailable`](crate::CallError::Unavailable), and calls that still wait then
    /// end with [`CallError::Interrupted`](crate::CallError::Interrupted). It ends within a few
    /// seconds, also without a broker, and within [`Self::CLOSE_LIMIT`] in any case. Use
    /// [`close_within`](Self::close_within) for a process that has less time.
    ///
    /// # Cancel safety
    /// Dropping the future goes on closing in the background.
    pub async fn close(&self) {
        self.close_within(Self::CLOSE_LIMIT).await;
    }

    /// Closes the transport as [`close`](Self::close) does, and returns within `limit`, whatever
    /// the broker does.
    ///
    /// About two thirds of the time are for what has been handed over and not been sent. Then
    /// consumers are cancelled, the reply queue is deleted, and the connections are closed; what
    /// the broker does not answer by then is given up. With `Duration::ZERO` nothing is waited for.
    /// If several callers close, the earliest end counts.
    ///
    /// A process that has to end in time spends one budget on its servers and its transport:
    ///
    /// ```
    /// # use rpc_runtime::{Context, Running, Server, Transport, rpc_api};
    /// # #[rpc_api(topic = "closer", version = "1.0")]
    /// # trait Closer { async fn idle(&self, ctx: Context); }
    /// # struct Lazy;
    /// # impl Closer for Lazy { async fn idle(&self, _: Context) {} }
    /// use std::time::Duration;
    /// use tokio::time::Instant;
    ///
    /// /// Returns within three seconds. Methods have the first two to finish.
    /// async fn stop(server: Running, transport: Transport) {
    ///     let begun = Instant::now();
    ///     if let Err(unfinished) = server.shutdown(Duration::from_secs(2)).await {
    ///         eprintln!("{unfinished}");
    ///     }
    ///     transport.close_within(Duration::from_secs(3).saturating_sub(begun.elapsed())).await;
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::TransportError> {
    /// # let transport = Transport::connect("memory://closing-doc").await?;
    /// # let server = Server::builder(&transport).host("h").serve(CloserServer::new(Lazy)).bind().await?.run();
    /// # stop(server, transport).await;
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future goes on closing in the background, by the same limit.
    pub async fn close_within(&self, limit: Duration) {
        match &self.0.driver {
            Driver::Memory(link) => link.close(),
            Driver::InProcess(link) => link.close(),
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(link) => link.close_within(limit).await,
        }
        #[cfg(not(feature = "rabbit"))]
        let _ = limit;
    }

    /// Whether calls are watched that wait in a queue which nothing may consume.
    pub(crate) fn watches_queues(&self) -> bool {
        !self.0.unconsumed.is_off()
    }

    /// Has the broker asked whether something consumes `queue`, as long as the returned value
    /// lives.
    pub(crate) fn wait_unconsumed(&self, queue: Arc<str>, call: &Arc<Pending>) -> Waits {
        let waits = self.0.unconsumed.wait(queue, call);
        match &self.0.driver {
            Driver::Memory(link) => link.ask(&self.0.unconsumed),
            Driver::InProcess(_) => {}
            // It has a task that asks.
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(_) => {}
        }
        waits
    }

    pub(crate) fn replies(&self) -> &Replies {
        &self.0.replies
    }

    pub(crate) fn control_exchange(&self) -> Arc<str> {
        Arc::clone(&self.0.control_exchange)
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// How long a reply is tried whose request does not say how long its caller waits.
    pub(crate) fn absent_caller_timeout(&self) -> Duration {
        self.0.absent_caller_timeout
    }

    /// Whether a failure of `module` may become a typed error.
    pub(crate) fn types_module(&self, module: &str) -> bool {
        module == "builtins"
            || self.0.typed_modules.as_ref().is_none_or(|known| known.iter().any(|m| m == module))
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Compresses a body, if this transport does.
    ///
    /// # Errors
    /// If it is larger than it may be.
    pub(crate) fn pack(&self, body: Vec<u8>) -> Result<(Vec<u8>, Option<Compression>), TooLarge> {
        let compression = self.0.compression;
        let written = body.len();
        self.0.limits.check(written, 0)?;
        let body = match compression {
            Some(compression) => compression.pack(&body),
            None => body,
        };
        self.0.limits.check(written, body.len())?;
        Ok((body, compression))
    }

    /// Makes the message of a reply.
    ///
    /// # Errors
    /// If it is larger than it may be.
    pub(crate) fn reply(
        &self,
        queue: Arc<str>,
        body: Vec<u8>,
        unique_id: Uuid,
    ) -> Result<ReplyMessage, TooLarge> {
        let (body, compression) = self.pack(body)?;
        Ok(ReplyMessage { queue, body: Arc::new(body), compression, unique_id, mark: None })
    }

    /// Sends a request, as soon as there is a connection.
    pub(crate) fn send(&self, request: Arc<Pending>) {
        match &self.0.driver {
            Driver::Memory(link) => link.send(request),
            Driver::InProcess(link) => link.send(&request),
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(link) => link.send(request),
        }
    }

    /// A server wants to be done: replies whose callers are gone are given up soon.
    pub(crate) fn part(&self) {
        match &self.0.driver {
            Driver::Memory(_) | Driver::InProcess(_) => {}
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(link) => link.part(),
        }
    }

    /// Sends a reply, as soon as there is a connection.
    pub(crate) fn answer(&self, mut answer: Answer) {
        self.0.observer.counts.replies_sent.add_one();
        if !answer.once {
            answer.owed = Owed(Some(Arc::clone(&self.0.observer)));
        }
        match &self.0.driver {
            Driver::Memory(link) => link.answer(answer),
            // It answers by itself.
            Driver::InProcess(_) => answer.owed.pay(),
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(link) => link.answer(answer),
        }
    }

    /// Binds queues. What is published after this returns is not lost.
    pub(crate) async fn listen(
        &self,
        subscription: Subscription,
    ) -> Result<Listener, TransportError> {
        match &self.0.driver {
            Driver::Memory(link) => Ok(Listener::Memory(link.listen(&subscription)?)),
            Driver::InProcess(_) => {
                let what = "nobody can listen in place of an implementation";
                Err(TransportError::new(TransportErrorKind::Configuration, what))
            }
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(link) => link.listen(subscription).await.map(Listener::Rabbit),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transport").field(&format_args!("{}", self.0.name)).finish()
    }
}

/// The options of a [`Transport`].
#[must_use = "a builder does nothing until `connect`"]
#[derive(Clone)]
pub struct TransportBuilder {
    url: String,
    control_exchange: Arc<str>,
    timeout: Duration,
    wait_for_broker: Option<Duration>,
    compression: Option<Compression>,
    typed_modules: Option<Arc<[String]>>,
    limits: Limits,
    rabbit: RabbitOptions,
    origins: Origins,
}

impl TransportBuilder {
    /// The control exchange of oslo.messaging (wire: section 5.2).
    pub const CONTROL_EXCHANGE: &'static str = "openstack";
    /// The default of oslo.messaging's `rpc_response_timeout`.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
    /// The largest message that is sent or taken by default, in bytes: 16 MiB, what RabbitMQ 4 takes by default.
    pub const MESSAGE_LIMIT: usize = Limits::MESSAGE;
    /// The largest body that a compressed message may have by default, in bytes: 64 MiB.
    pub const UNPACKED_LIMIT: usize = Limits::UNPACKED;
    /// How many JSON values a message may be made of by default: a million.
    pub const VALUE_LIMIT: usize = Limits::VALUES;

    /// Sets the exchange that topics are bound to; OpenStack's services use their own name. Default:
    /// [`Self::CONTROL_EXCHANGE`].
    pub fn control_exchange(mut self, exchange: impl Into<Arc<str>>) -> Self {
        self.control_exchange = exchange.into();
        self
    }

    /// Sets how long requests may take that do not say otherwise. Default: [`Self::TIMEOUT`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Keeps trying to reach the broker for this time, as long as the reason of any host
    /// [may pass](TransportErrorKind::may_pass). Default: each host is tried once.
    pub fn wait_for_broker(mut self, time: Duration) -> Self {
        self.wait_for_broker = Some(time);
        self
    }

    /// Compresses what is sent (`kombu_compression`). Default: nothing is. Every peer reads both kinds.
    pub fn compression(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.compression = compression.into();
        self
    }

    /// Sets how RabbitMQ is used. Of an embedded broker's transport it only sets
    /// [`no_consumer_after`](RabbitOptions::no_consumer_after).
    pub fn rabbit(mut self, options: RabbitOptions) -> Self {
        self.rabbit = options;
        self.origins =
            Origins { url: self.origins.url, no_url: self.origins.no_url, ..Origins::default() };
        self
    }

    /// Lets only failures of these modules, and of `builtins`, arrive as the typed errors that interfaces declare
    /// (`allowed_remote_exmods`); all others arrive as [`CallError::Failure`](crate::CallError::Failure). Default: what
    /// an interface declares is allowed. Nothing of a failure is executed in either case.
    pub fn typed_modules<M: Into<String>>(mut self, modules: impl IntoIterator<Item = M>) -> Self {
        self.typed_modules = Some(modules.into_iter().map(Into::into).collect());
        self
    }

    /// Limits how many bytes a message has, as it goes over the wire. A request that is larger is not sent
    /// ([`CallError::TooLarge`](crate::CallError::TooLarge)); instead of a reply that is larger, its caller gets a failure
    /// `ReplyTooLarge`. What comes and is larger is refused, without ever being held in memory: a request is rejected,
    /// and a reply's call ends by its deadline. Options: `message_limit`. Default: [`Self::MESSAGE_LIMIT`].
    ///
    /// Where the two ends of a call have different limits, the smaller one counts.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.limits.message = bytes;
        self
    }

    /// Limits how many bytes a compressed message unpacks to, and how many there are to compress. What comes and is
    /// larger is refused once it has unpacked to that much. Option: `unpacked_limit`. Default: [`Self::UNPACKED_LIMIT`].
    pub fn unpacked_limit(mut self, bytes: usize) -> Self {
        self.limits.unpacked = bytes;
        self
    }

    /// Limits how many JSON values a message that comes is made of, those inside of lists and objects included: a few
    /// bytes of text become many of memory. A request with more is answered with a failure `RequestTooLarge`; a call
    /// whose reply has more ends with [`CallError::Decode`](crate::CallError::Decode). Option: `value_limit`. Default:
    /// [`Self::VALUE_LIMIT`].
    pub fn value_limit(mut self, values: usize) -> Self {
        self.limits.values = values;
        self
    }

    /// Sets an option by the original's name, as a URL's query or a configuration file has it.
    pub(crate) fn option(mut self, name: &str, value: &str) -> Result<Self, TransportError> {
        if name == "kombu_compression" {
            self.compression = match value {
                "" => None,
                _ => Some(
                    Compression::of_option(value)
                        .ok_or_else(|| options::misspelt(name, value, "`gzip` or `bzip2`"))?,
                ),
            };
            return Ok(self);
        }
        if let Some(limit) = self.limits.named(name) {
            let given = value.trim().parse().ok().filter(|given| *given > 0);
            *limit =
                given.ok_or_else(|| options::misspelt(name, value, "a whole number from 1"))?;
            return Ok(self);
        }
        self.rabbit = self.rabbit.set(name, value)?;
        Ok(self)
    }

    /// The options that do not depend on the broker.
    #[cfg(feature = "config")]
    pub(crate) const OPTIONS: [&'static str; 4] =
        ["kombu_compression", "message_limit", "unpacked_limit", "value_limit"];

    /// Moves the options to another URL.
    #[cfg(feature = "config")]
    pub(crate) fn at(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    #[cfg(all(test, feature = "config", feature = "rabbit"))]
    pub(crate) fn options(&self) -> (&RabbitOptions, Option<Compression>) {
        (&self.rabbit, self.compression)
    }

    #[cfg(feature = "config")]
    pub(crate) fn origins(&mut self) -> &mut Origins {
        &mut self.origins
    }

    /// Whether URL and options are right, as far as can be told without a broker.
    #[cfg(feature = "config")]
    pub(crate) fn check(self) -> Result<(), TransportError> {
        self.resolve().map(drop)
    }

    #[cfg(feature = "config")]
    pub(crate) fn into_rabbit(self) -> RabbitOptions {
        self.rabbit
    }

    /// Reads the URL, and lets its options win over the builder's.
    pub(crate) fn resolve(mut self) -> Result<(Self, TransportUrl), TransportError> {
        if let Some(error) = self.origins.no_url.take() {
            return Err(error);
        }
        let origin = self.origins.url.clone();
        let url: TransportUrl = self.url.parse().map_err(|error| origin.blame(&error))?;
        for (name, value) in url.query() {
            self = self.option(name, value).map_err(|error| origin.blame(&error))?;
            if let Some(name) = options::current(name) {
                self.origins.options.insert(name, origin.clone());
            }
        }
        if url.scheme() != Scheme::Memory {
            return self.secured(url.from(origin));
        }
        // An embedded broker has no use for options of RabbitMQ, so those of a file cannot stop it.
        // Those of a program or of the URL are checked at once.
        if self.origins.options.values().all(|from| *from == origin) {
            self.fits()?;
        }
        Ok((self, url))
    }

    /// Checks what only a broker's transport uses.
    fn secured(mut self, mut url: TransportUrl) -> Result<(Self, TransportUrl), TransportError> {
        let origin = self.origins.url.clone();
        let blamed = |what: &str| {
            origin.blame(&TransportError::new(TransportErrorKind::Configuration, what))
        };
        if let Some(tls) = self.rabbit.tls.enabled {
            url.set_tls(tls).map_err(|error| self.origins.of("ssl").blame(&error))?;
        }
        let wants_tls = url.scheme() == Scheme::Rabbit { tls: true };
        self.rabbit.tls.enabled = Some(wants_tls);
        let is_used = |name: &str| wants_tls || !name.starts_with("ssl_");
        if let Some((_, error)) = self.origins.invalid.iter().find(|(name, _)| is_used(name)) {
            return Err(error.clone());
        }
        self.fits()?;
        if wants_tls && !cfg!(feature = "tls") {
            Err(blamed("this build has no TLS: enable the feature `tls`"))
        } else if !wants_tls && self.rabbit.login == Login::External {
            Err(blamed("a login by certificate needs TLS: `amqps://`, or the option `ssl`"))
        } else {
            Ok((self, url))
        }
    }

    /// Refuses options that do not fit each other. The error spells them as they were set: by a
    /// file, by a variable, or by the program.
    fn fits(&self) -> Result<(), TransportError> {
        let origins = &self.origins;
        let Some(rule) = self.rabbit.conflict() else { return Ok(()) };
        let Some(first) = rule.options().find_map(|name| origins.options.get(name)) else {
            return self.rabbit.validate();
        };
        let spell = |name| match origins.options.get(name) {
            // In a URL, an option has its own name.
            Some(origin) if *origin == origins.url => format!("`{name}` ({origin})"),
            Some(origin) => format!("`{}` ({origin})", origin.spelling().unwrap_or(name)),
            None => format!("`{name}`"),
        };
        let what = rule.text(spell);
        Err(first.blame(&TransportError::new(TransportErrorKind::Configuration, what)))
    }

    /// Connects.
    ///
    /// # Errors
    /// As [`Transport::connect`].
    ///
    /// # Cancel safety
    /// Dropping the future gives up connecting.
    pub async fn connect(self) -> Result<Transport, TransportError> {
        let (this, url) = self.resolve()?;
        let absent_caller_timeout = this.rabbit.absent_caller_timeout;
        let observer = Arc::new(Observer::new());
        let replies = Arc::new(Replies::new(Arc::clone(&observer), this.limits));
        let unconsumed = Arc::new(Unconsumed::new(this.rabbit.no_consumer_after));
        let driver = match url.scheme() {
            Scheme::Memory => {
                let (replies, observer) = (Arc::clone(&replies), Arc::clone(&observer));
                let name = url.virtual_host();
                Driver::Memory(memory::Link::new(name, replies, observer, this.limits))
            }
            #[cfg(feature = "rabbit")]
            Scheme::Rabbit { .. } => {
                crate::clock::runtime()?;
                Driver::Rabbit(
                    rabbit::Link::connect(
                        &url,
                        Arc::clone(&replies),
                        this.wait_for_broker,
                        this.rabbit,
                        Arc::clone(&observer),
                        Arc::clone(&unconsumed),
                    )
                    .await?,
                )
            }
            #[cfg(not(feature = "rabbit"))]
            Scheme::Rabbit { .. } => {
                let what = "this build has no RabbitMQ transport: enable the feature `rabbit`";
                return Err(TransportError::new(TransportErrorKind::Configuration, what));
            }
        };
        Ok(Transport(Arc::new(Inner {
            driver,
            replies,
            name: url.to_string(),
            control_exchange: this.control_exchange,
            timeout: this.timeout,
            compression: this.compression,
            typed_modules: this.typed_modules,
            absent_caller_timeout,
            observer,
            limits: this.limits,
            unconsumed,
        })))
    }
}

impl fmt::Debug for TransportBuilder {
    /// Leaves out the URL: it is not checked yet, so what of it is a password is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportBuilder")
            .field("control_exchange", &self.control_exchange)
            .field("timeout", &self.timeout)
            .field("wait_for_broker", &self.wait_for_broker)
            .field("compression", &self.compression)
            .field("limits", &self.limits)
            .field("rabbit", &self.rabbit)
            .finish_non_exhaustive()
    }
}

/// What somebody listens to.
#[derive(Clone, Debug)]
pub(crate) enum Subscription {
    Server(ListenAddress),
    Notifications(Sources),
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) struct ListenAddress {
    pub(crate) exchange: Arc<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) host: Arc<str>,
    /// How many requests of one queue may be here, acknowledged by nobody.
    pub(crate) prefetch: u16,
}

/// Where notifications come from.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// What events and log lines call it.
    pub(crate) name: Arc<str>,
    /// Exchanges, with a routing key that is a topic, a dot and a priority. None is there twice.
    pub(crate) bindings: Vec<(Arc<str>, Arc<str>)>,
    /// One queue for all of them. `None`: each has its own, named like its key, for all listeners together.
    pub(crate) pool: Option<Arc<str>>,
    /// How many notifications may be here, acknowledged by nobody.
    pub(crate) prefetch: u16,
}

impl Sources {
    /// Lists where they come from, for a log line.
    pub(crate) fn shown(&self) -> String {
        let bindings = self.bindings.iter().map(|(exchange, key)| format!("{exchange}/{key}"));
        bindings.collect::<Vec<_>>().join(", ")
    }

    /// The queue of a binding.
    pub(crate) fn queue<'a>(&'a self, key: &'a Arc<str>) -> &'a Arc<str> {
        self.pool.as_ref().unwrap_or(key)
    }

    /// The queues, each once: two exchanges with the same key share one.
    pub(crate) fn queues(&self) -> Vec<Arc<str>> {
        let mut queues = Vec::new();
        for (_, key) in &self.bindings {
            let queue = self.queue(key);
            if !queues.contains(queue) {
                queues.push(Arc::clone(queue));
            }
        }
        queues
    }
}

/// What comes to somebody who listens.
#[derive(Debug)]
pub(crate) enum Listener {
    Memory(memory::Listener),
    #[cfg(feature = "rabbit")]
    Rabbit(rabbit::Listener),
}

impl Listener {
    /// Waits until a request is there to be taken. `false` once the transport is closed.
    pub(crate) async fn ready(&mut self) -> bool {
        match self {
            Self::Memory(listener) => listener.ready().await,
            #[cfg(feature = "rabbit")]
            Self::Rabbit(listener) => listener.ready().await,
        }
    }

    /// Takes the next request, if it is still there.
    pub(crate) fn take(&mut self) -> Option<Delivery> {
        match self {
            Self::Memory(listener) => listener.take(),
            #[cfg(feature = "rabbit")]
            Self::Rabbit(listener) => listener.take(),
        }
    }

    /// How many deliveries of one queue may be here, acknowledged by nobody. `None`: any number.
    pub(crate) fn prefetch(&self) -> Option<u16> {
        match self {
            Self::Memory(_) => None,
            #[cfg(feature = "rabbit")]
            Self::Rabbit(listener) => listener.prefetch(),
        }
    }

    /// Stops consuming, and gives back to the broker what [`take`](Self::take) has not returned.
    pub(crate) async fn cancel(&mut self) {
        match self {
            Self::Memory(listener) => listener.cancel(),
            #[cfg(feature = "rabbit")]
            Self::Rabbit(listener) => listener.cancel().await,
        }
    }
}

/// A request, or a notification, as it came.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) body: Body,
    /// Whether it went to every server of the topic, of whichever control exchange.
    pub(crate) is_fanout: bool,
    /// What the message says that it holds.
    pub(crate) content: Content,
    /// The header that says how the body is compressed.
    pub(crate) compression: Option<String>,
    /// When its caller stops waiting, as far as can be told: the time in the queue is not known.
    pub(crate) expires: Option<Instant>,
    /// What is known of its deliveries before this one.
    pub(crate) redelivery: Option<Redelivery>,
    /// The queue that it came by. `None` for a stream, from which nobody takes anything.
    pub(crate) queue: Option<Arc<str>>,
    pub(crate) acker: Acker,
}

/// What a message holds, as far as can be told without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Json,
    /// Something else; the original refuses it, too (wire: section 10.1).
    #[cfg(feature = "rabbit")]
    Other,
    /// Its properties could not be read, and are gone.
    #[cfg(feature = "rabbit")]
    Unreadable,
    /// It is larger than it may be, and its body is gone.
    TooLarge,
}

impl Content {
    /// Says why it is refused, if it is.
    pub(crate) fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Json => None,
            #[cfg(feature = "rabbit")]
            Self::Other => Some("its content type is not `application/json`"),
            #[cfg(feature = "rabbit")]
            Self::Unreadable => Some("its properties cannot be read"),
            Self::TooLarge => Some("it is larger than it may be"),
        }
    }
}

/// A message's bytes: owned, or shared with who may have to send or deliver them again.
#[derive(Debug)]
pub(crate) enum Body {
    Owned(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Body {
    /// Lets others have the bytes, too.
    pub(crate) fn share(self) -> Arc<Vec<u8>> {
        match self {
            Self::Owned(body) => Arc::new(body),
            Self::Shared(body) => body,
        }
    }
}

impl std::ops::Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(body) => body,
            Self::Shared(body) => body,
        }
    }
}

/// Tells the broker what became of a delivery. One that is dropped is delivered again.
#[derive(Debug)]
pub(crate) enum Acker {
    Memory(memory::Acker),
    #[cfg(feature = "rabbit")]
    Rabbit(rabbit::Acker),
}

impl Acker {
    /// The request is taken care of. `false` if the connection is gone: the broker delivers it again, so it must not
    /// be run for this delivery.
    pub(crate) async fn ack(self) -> bool {
        match self {
            Self::Memory(acker) => acker.ack(),
            #[cfg(feature = "rabbit")]
            Self::Rabbit(acker) => acker.ack().await,
        }
    }

    /// As [`ack`](Self::ack), but waits until the broker has taken note of it: a process that ends afterwards takes
    /// nothing back.
    pub(crate) async fn ack_surely(self) -> Acked {
        match self {
            Self::Memory(acker) => Acked::of(acker.ack()),
            #[cfg(feature = "rabbit")]
            Self::Rabbit(acker) => acker.ack_surely().await,
        }
    }

    /// The request has not been run here: the broker delivers it again, to whoever is free.
    pub(crate) async fn give_back(self) {
        match self {
            Self::Memory(acker) => drop(acker),
            #[cfg(feature = "rabbit")]
            Self::Rabbit(acker) => acker.give_back().await,
        }
    }

    /// The message is not for anyone: drop or dead-letter it.
    pub(crate) async fn reject(self) {
        match self {
            Self::Memory(acker) => drop(acker.ack()),
            #[cfg(feature = "rabbit")]
            Self::Rabbit(acker) => acker.reject().await,
        }
    }
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acked {
    /// The broker has it: nobody else gets the request.
    Surely,
    /// The request comes again, to somebody.
    NotLeft,
    /// Nobody knows which of the two.
    #[cfg(feature = "rabbit")]
    Unknown,
}

impl Acked {
    /// What became of one that has left, or has not.
    pub(crate) fn of(left: bool) -> Self {
        if left { Self::Surely } else { Self::NotLeft }
    }
}

/// Why a request that may only be sent at once is not sent: there is no connection, and why.
pub(crate) fn disconnected(observer: &Observer) -> TransportError {
    let mut what = "there is no connection to the broker at the moment".to_owned();
    if let Some(error) = observer.no_connection() {
        what += &format!(": {error}");
    }
    TransportError::new(TransportErrorKind::Disconnected, what)
}

/// A reply on its way.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) message: Outgoing,
    /// When nobody waits for it any more.
    pub(crate) until: Instant,
    /// The server's slot, free again once the broker has had the reply for the first time, so that a broker which
    /// takes no replies stops the intake.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
    /// Told when the reply has been confirmed or given up.
    pub(crate) settled: Option<oneshot::Sender<()>>,
    pub(crate) tracked: Option<Tracked>,
    /// Whether it is sent at most once: a heartbeat that comes late is worse than none.
    pub(crate) once: bool,
    pub(crate) owed: Owed,
}

/// A reply that a caller waits for. Dropped before the broker has taken the reply, it counts the
/// loss and logs it, whichever task or queue dropped it.
#[derive(Debug, Default)]
pub(crate) struct Owed(Option<Arc<Observer>>);

impl Owed {
    /// The broker has the reply.
    pub(crate) fn pay(mut self) {
        self.0 = None;
    }

    /// The caller does not get the reply, and a log line has said why.
    #[cfg(feature = "rabbit")]
    pub(crate) fn give_up(mut self) {
        if let Some(observer) = self.0.take() {
            observer.counts.replies_dropped.add_one();
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        static QUIET: Quiet = Quiet::new();

        let Some(observer) = self.0.take() else { return };
        observer.counts.replies_dropped.add_one();
        // The publisher may drop it, on the thread of a connection.
        QUIET.defer((), |left_out| {
            let what = "dropped a reply: it could not leave before its caller's deadline, or before its transport closed";
            tracing::warn!(left_out, "{what}");
        });
    }
}

/// A reply as it is published. Cheap to clone, so that it can be sent again.
#[derive(Clone, Debug)]
pub(crate) struct ReplyMessage {
    pub(crate) queue: Arc<str>,
    pub(crate) body: Arc<Vec<u8>>,
    pub(crate) compression: Option<Compression>,
    /// The id in the body.
    pub(crate) unique_id: Uuid,
    /// Its header's mark of a failure. A result has none.
    pub(crate) mark: Option<Mark>,
}

impl Answer {
    /// Makes an answer of `reply`, that is tried until its queue takes it or `until` has come.
    pub(crate) fn new(reply: ReplyMessage, until: Instant) -> Self {
        let ReplyMessage { queue, body, compression, unique_id, mark } = reply;
        let route = Route { exchange: Exchange::Default, routing_key: queue, mandatory: true };
        let header = mark.map(|mark| (refusal::HEADER, Header::Text(mark.text())));
        let (body, headers) = (Body::Shared(body), header.into_iter().collect());
        let message = Outgoing { route, body, compression, expires: None, headers, unique_id };
        Self {
            message,
            until,
            slot: None,
            settled: None,
            tracked: None,
            once: false,
            owed: Owed::default(),
        }
    }
}

/// How long failures and refusals may take to leave, once a server or listener has had `limit` to
/// stop.
pub(crate) fn farewell(limit: Duration) -> Duration {
    const LEAST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(1);
    (limit / 4).clamp(LEAST, MOST)
}

/// Counts what a server has begun and not finished.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracker(Arc<Tracking>);

#[derive(Debug, Default)]
struct Tracking {
    running: AtomicUsize,
    changed: Notify,
}

impl Tracker {
    pub(crate) fn track(&self) -> Tracked {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Tracked(Arc::clone(&self.0))
    }

    pub(crate) fn running(&self) -> usize {
        self.0.running.load(Ordering::Acquire)
    }

    /// Waits until nothing is tracked.
    pub(crate) async fn idle(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.running() == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// One thing that a [`Tracker`] counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Tracked(Arc<Tracking>);

impl Drop for Tracked {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}
