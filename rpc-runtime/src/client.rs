//! The caller's side: what every generated client is made of.

mod request;
mod transport_choice;

use std::{any::Any, fmt, marker::PhantomData, ops::Deref, sync::Arc, time::Duration};

use rpc_idl::{Interface, Version};

pub use self::request::{LaterRequest, NameBefore, Request};
use self::transport_choice::TransportChoice;
use crate::{
    AddressFn, SharedCap, Transport,
    caps::{AnyHost, Api, Cap, EveryHost, Negotiated, OneHost, Pinned, Retry, Target, Unchecked},
    envelope::RequestWriter,
    pending::{Exchange, Route},
    shared_cap::CurrentCap,
};

/// What a generated client dereferences to: its options, and the ways to change them.
///
/// Cheap to clone; every clone uses the same transport.
///
/// ```
/// # use rpc_runtime::{CallError, Context, Transport, rpc_api};
/// #[rpc_api(topic = "notes", version = "1.2")]
/// trait Notes {
///     async fn add(&self, ctx: Context, text: String, #[arg(since = "1.1")] colour: Option<String>);
///     #[rpc(since = "1.2")]
///     async fn count(&self, ctx: Context) -> u32;
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = Transport::connect("memory://client-doc").await?;
/// let client = NotesClient::new(&transport);
/// let old = client.version_cap::<notes::V1_0>(); // `old.count(…)` does not compile
/// let _ = old.add(&Context::new(), "milk").colour_or_drop("red");
///
/// let negotiated = client.negotiated("1.1".parse()?);
/// assert!(negotiated.narrow::<notes::V1_1>().is_some());
/// assert!(negotiated.narrow::<notes::V1_2>().is_none());
///
/// let error = client.unchecked("1.1".parse()?).count(&Context::new()).await.expect_err("1.1 has no `count`");
/// assert!(matches!(error, CallError::VersionCap { .. }));
/// # Ok(()) }
/// ```
pub struct Client<A: ?Sized, C, T> {
    transport: Transport,
    options: Arc<Options>,
    marker: Marker<A, C, T>,
}

/// Names types without holding them.
type Marker<A, C, T> = PhantomData<fn() -> (PhantomData<A>, C, T)>;

#[derive(Clone, Debug)]
struct Options {
    interface: &'static Interface<'static>,
    address: Option<AddressFn>,
    exchange: Arc<str>,
    topic: Arc<str>,
    /// Whether the client has named the topic, so that methods have none of their own.
    is_topic_named: bool,
    namespace: Option<Arc<str>>,
    host: Option<Arc<str>>,
    fanout: bool,
    cap: CurrentCap,
    /// Whether requests carry a version.
    versioned: bool,
    timeout: Option<Duration>,
    retry: Option<Retry>,
    monitor: Option<Duration>,
    mandatory: bool,
    /// What chooses another transport for a request, by its context.
    choice: Option<TransportChoice>,
    /// What the options above come to, for a request to a topic or a host.
    route: Route,
}

impl Options {
    fn routed(mut self) -> Self {
        self.route = if self.fanout {
            self.to_every_host(&self.topic)
        } else {
            self.to_one(&self.topic, self.host.as_deref())
        };
        self
    }

    fn to_one(&self, topic: &Arc<str>, host: Option<&str>) -> Route {
        let exchange = Exchange::Topic(Arc::clone(&self.exchange));
        let routing_key =
            host.map_or_else(|| Arc::clone(topic), |host| format!("{topic}.{host}").into());
        Route { exchange, routing_key, mandatory: self.mandatory }
    }

    /// The exchange has no control exchange in its name, and the routing key is empty (wire: section 0).
    fn to_every_host(&self, topic: &str) -> Route {
        let exchange = Exchange::Fanout(format!("{topic}_fanout").into());
        Route { exchange, routing_key: "".into(), mandatory: false }
    }
}

impl<A: Api> Client<A, A::Latest, AnyHost> {
    /// Makes a client over `transport` that may use all of the interface.
    #[must_use]
    pub fn new(transport: &Transport) -> Self {
        Self::on_topic(transport, A::INTERFACE.topic.unwrap_or_default())
    }

    /// Makes a client over `transport` that may use all of the interface, of the servers that listen on `topic`.
    #[must_use]
    pub fn on_topic(transport: &Transport, topic: impl Into<Arc<str>>) -> Self {
        let interface = A::INTERFACE;
        let exchange = interface.exchange.map_or_else(|| transport.control_exchange(), Into::into);
        let topic: Arc<str> = topic.into();
        let options = Options {
            route: Route {
                exchange: Exchange::Topic(Arc::clone(&exchange)),
                routing_key: Arc::clone(&topic),
                mandatory: true,
            },
            interface,
            address: A::ADDRESS,
            exchange,
            topic,
            is_topic_named: false,
            namespace: interface.namespace.map(Into::into),
            host: None,
            fanout: false,
            cap: interface.version.into(),
            versioned: true,
            timeout: None,
            retry: None,
            monitor: None,
            mandatory: true,
            choice: None,
        };
        Self { transport: transport.clone(), options: Arc::new(options), marker: PhantomData }
    }
}

impl<A: Api, C: Cap, T: Target> Client<A, C, T> {
    fn with<C2: Cap, T2: Target>(&self, change: impl FnOnce(&mut Options)) -> Client<A, C2, T2> {
        let mut options = Options::clone(&self.options);
        change(&mut options);
        let options = Arc::new(options.routed());
        Client { transport: self.transport.clone(), options, marker: PhantomData }
    }

    /// Starts a client with other options: `client.prepare().server("node-1").get_pools(…)`.
    pub fn prepare(&self) -> Prepared<A, C, T> {
        Prepared(A::client(self.clone()))
    }

    /// Returns a client that never sends what a server of version `V` would refuse. What is newer does not compile.
    #[must_use]
    pub fn version_cap<V: Pinned<Api = A>>(&self) -> A::Client<V, T> {
        A::client(self.with(|options| options.cap = V::VERSION.into()))
    }

    /// Returns a client whose cap is known only now. [`narrow`](Self::narrow) opens what is newer than the oldest
    /// version.
    #[must_use]
    pub fn negotiated(&self, cap: Version) -> A::Client<Negotiated, T> {
        A::client(self.with(|options| options.cap = cap.into()))
    }

    /// Returns a client whose cap is known only now, and may change while it is used: requests are judged by what it is
    /// when they are made.
    #[must_use]
    pub fn capped_by(&self, cap: &SharedCap<A>) -> A::Client<Negotiated, T> {
        A::client(self.with(|options| options.cap = cap.current()))
    }

    /// Returns a client whose cap is judged at each send: everything compiles, and what goes beyond the cap fails
    /// with [`CallError::VersionCap`](crate::CallError::VersionCap) before anything leaves.
    #[must_use]
    pub fn unchecked(&self, cap: Version) -> A::Client<Unchecked, T> {
        A::client(self.with(|options| options.cap = cap.into()))
    }

    /// As [`unchecked`](Self::unchecked), with a cap that may change while the client is used.
    #[must_use]
    pub fn unchecked_by(&self, cap: &SharedCap<A>) -> A::Client<Unchecked, T> {
        A::client(self.with(|options| options.cap = cap.current()))
    }

    /// Proves that the cap allows version `V`. `None` if it does not.
    ///
    /// The client keeps its real cap: later arguments are still judged by it. A cap that may change is kept as it is now,
    /// since the proof would not hold for another.
    #[must_use]
    pub fn narrow<V: Pinned<Api = A>>(&self) -> Option<A::Client<V, T>> {
        let cap = self.options.cap.get();
        let proven = self.options.interface.has(cap, V::VERSION);
        proven.then(|| A::client(self.with(|options| options.cap = cap.into())))
    }

    /// Returns the cap: the oldest version that a server may have.
    #[must_use]
    pub fn cap(&self) -> Version {
        self.options.cap.get()
    }

    /// Whether the cap allows a request of `version`: the same major, and not newer.
    #[must_use]
    pub fn can_send_version(&self, version: Version) -> bool {
        self.options.cap.get().allows(version)
    }

    /// Starts a request. Generated stubs call this.
    pub fn request(&self, method: &'static str) -> Request {
        self.request_before(method, &[])
    }

    /// Starts a request for a method that was called otherwise before some versions, which come the oldest first, each
    /// with the version that its requests carried.
    pub fn request_before(&self, method: &'static str, before: &[NameBefore]) -> Request {
        let (interface, cap) = (self.options.interface, self.options.cap.get());
        let version = |(major, minor)| Version::new(major, minor);
        let is_over = |(ended, ..): &&NameBefore| interface.has(cap, version(*ended));
        let (newest, old) =
            (before.iter().take_while(is_over).last(), before.iter().find(|one| !is_over(one)));
        let (name, sent_as) = old.map_or((method, None), |(_, name, sent_as)| (*name, *sent_as));
        Request {
            transport: self.transport.clone(),
            options: Arc::clone(&self.options),
            cap,
            method,
            name,
            writer: RequestWriter::new(name),
            needed: newest.map_or_else(|| interface.first(), |(ended, ..)| version(*ended)),
            sent_as: sent_as.map(version),
            fanout: false,
            topic: None,
            host: None,
            timeout: None,
            monitor: None,
            retry: Retry::Unsent,
            error: None,
        }
    }
}

impl<A: ?Sized, C, T> Clone for Client<A, C, T> {
    fn clone(&self) -> Self {
        Self {
            transport: self.transport.clone(),
            options: Arc::clone(&self.options),
            marker: PhantomData,
        }
    }
}

impl<A: ?Sized, C, T> fmt::Debug for Client<A, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A client whose options are being set. It dereferences to the client, so that a call can follow at once.
#[must_use = "it is a client with other options: call a method on it"]
pub struct Prepared<A: Api, C: Cap, T: Target>(A::Client<C, T>);

impl<A: Api, C: Cap, T: Target> Prepared<A, C, T> {
    fn with<T2: Target>(self, change: impl FnOnce(&mut Options)) -> Prepared<A, C, T2> {
        Prepared(A::client((*self.0).with(change)))
    }

    /// Addresses the server on `host`. Default: any one server of the topic.
    pub fn server(self, host: impl Into<Arc<str>>) -> Prepared<A, C, OneHost> {
        self.with(|options| {
            options.host = Some(host.into());
            options.fanout = false;
        })
    }

    /// Addresses every server of the topic. Such a client can only cast.
    pub fn fanout(self) -> Prepared<A, C, EveryHost> {
        self.with(|options| {
            options.host = None;
            options.fanout = true;
        })
    }

    /// Sets how long a request may take from its first instant on, connecting included. A cast uses it for reaching
    /// the broker. Default: the method's own `timeout`, else the transport's.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = Some(timeout))
    }

    /// Sets the control exchange. Default: the interface's, else the transport's.
    pub fn exchange(self, exchange: impl Into<Arc<str>>) -> Self {
        self.with(|options| options.exchange = exchange.into())
    }

    /// Sets the topic, also of methods that have one of their own. Default: the method's, else the interface's.
    pub fn topic(self, topic: impl Into<Arc<str>>) -> Self {
        self.with(|options| {
            options.topic = topic.into();
            options.is_topic_named = true;
        })
    }

    /// Sends over another transport. Default: the one that the client was made of.
    pub fn transport(self, transport: &Transport) -> Self {
        let client = Client { transport: transport.clone(), ..(*self.0).clone() };
        Self(A::client(client))
    }

    /// Chooses the transport of each request by its context: one broker for each cell, say. `None` is the client's own.
    ///
    /// `X` is the type of context that the interface's methods take. A request with a context of another type fails with
    /// [`CallError::Unavailable`](crate::CallError::Unavailable).
    ///
    /// ```
    /// # use rpc_runtime::{Context, Transport, rpc_api};
    /// # #[rpc_api(topic = "cells", version = "1.0")]
    /// # trait Cells { async fn count(&self, ctx: Context) -> u32; }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (transport, cell) = (Transport::connect("memory://a").await?, Transport::connect("memory://b").await?);
    /// let client = CellsClient::new(&transport);
    /// let client = client.prepare().transport_by(move |ctx: &Context| {
    ///     (ctx.value::<String>("cell").as_deref() == Some("b")).then(|| cell.clone())
    /// });
    /// # let _ = client; Ok(()) }
    /// ```
    pub fn transport_by<X: Any>(
        self,
        choose: impl Fn(&X) -> Option<Transport> + Send + Sync + 'static,
    ) -> Self {
        self.with(|options| options.choice = Some(TransportChoice::new(choose)))
    }

    /// Sets the namespace, or takes it away. Default: the interface's.
    pub fn namespace<'n>(self, namespace: impl Into<Option<&'n str>>) -> Self {
        self.with(|options| options.namespace = namespace.into().map(Into::into))
    }

    /// Decides what may be sent twice or late. Default: [`Retry::Ambiguous`] for idempotent methods, else
    /// [`Retry::Unsent`].
    pub fn retry(self, retry: Retry) -> Self {
        self.with(|options| options.retry = Some(retry))
    }

    /// Watches the server (`call_monitor_timeout`): a call fails with
    /// [`CallError::HeartbeatLost`](crate::CallError::HeartbeatLost) once its server has given no
    /// sign of life for `silence`, however long its timeout. Servers send a heartbeat at least
    /// every half of that. Zero turns it off. Default: the method's own `monitor`, else the
    /// server's silence means nothing.
    ///
    /// Less than two seconds counts as two: a client does not know what its server is written in,
    /// and a server of oslo.messaging sends no heartbeat at all to callers that ask for less.
    pub fn monitor(self, silence: Duration) -> Self {
        self.with(|options| options.monitor = Some(silence))
    }

    /// Whether the broker has to have a queue for the request, so that one which nobody would get fails with
    /// [`CallError::Unroutable`](crate::CallError::Unroutable) at once (`at_least_once`). Default: yes. Where it is no, the
    /// broker drops it, and a cast succeeds.
    pub fn mandatory(self, mandatory: bool) -> Self {
        self.with(|options| options.mandatory = mandatory)
    }

    /// Sends no version, as the original's clients do whose target has none. Servers read that as `1.0`.
    pub fn unversioned(self) -> Self {
        self.with(|options| options.versioned = false)
    }

    /// Returns the client, to be kept.
    #[must_use]
    pub fn client(self) -> A::Client<C, T> {
        self.0
    }
}

impl<A: Api, C: Cap, T: Target> Deref for Prepared<A, C, T> {
    type Target = A::Client<C, T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<A: Api, C: Cap, T: Target> fmt::Debug for Prepared<A, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prepared").field(&*self.0).finish()
    }
}
