//! Who wants to know what happens.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::de::DeserializeOwned;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
};

use super::{
    BatchHandled, Filter, Handled, Metadata, Notification, NotifierBuilder, Payload, Priority,
    RunningListener,
    handler::{Batch, Handler, Handlers},
    running::{Shared, serve},
};
use crate::{
    DuplicateWindow, ServerBuilder, Transport, TransportError, TransportErrorKind, clock,
    duplicates::Duplicates,
    excerpt::Excerpt,
    logging::guarded,
    quiet::Quiet,
    transport::{Listener, Sources, Subscription, Tracker},
};

/// Listens to notifications, and hands them to functions.
///
/// A notification is acknowledged when its handlers have ended well: one whose listener crashes comes again, to it or to
/// another. Second copies are known by their id, and told to nobody. What a handler refuses with a
/// [`Requeue`](super::Requeue), or by a panic, comes again after a pause that grows, and is a dead letter after so many
/// deliveries.
///
/// Each matching handler gets a notification, in the order in which they were added, however the
/// others end. If one refuses it, all get it again, also those that had ended well. If the type of
/// one cannot be read from it, the others get it nevertheless. It is put aside as a dead letter
/// once no other handler refuses it, with a reason that says what could not be read. The handler
/// for [the rest](ListenerBuilder::otherwise) does not get it.
///
/// ```
/// use rpc_runtime::{Context, NotificationListener, Notifier, Transport, notification, notify::Metadata};
/// use serde::{Deserialize, Serialize};
///
/// #[notification(event_type = "volume.create.end", priority = "info")]
/// #[derive(Deserialize, Serialize)]
/// struct VolumeCreated {
///     size: u64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Transport::connect("memory://listener-doc").await?;
/// let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
/// let listener = NotificationListener::builder(&transport)
///     .on(move |_: Metadata, event: VolumeCreated| {
///         let _ = told.send(event.size);
///         async {}
///     })
///     .otherwise(|metadata, _| async move { println!("{}", metadata.event_type) })
///     .bind()
///     .await?
///     .run();
/// Notifier::builder(&transport).build().emit(&Context::new(), &VolumeCreated { size: 7 });
/// assert_eq!(heard.recv().await, Some(7));
/// listener.shutdown(std::time::Duration::from_secs(5)).await?;
/// # Ok(()) }
/// ```
pub struct NotificationListener {
    listener: Listener,
    shared: Arc<Shared>,
    /// The runtime that it was bound on, and is to run on.
    runtime: Handle,
}

/// The options of a [`NotificationListener`].
#[must_use = "a builder does nothing until `bind`"]
pub struct ListenerBuilder {
    transport: Transport,
    topics: Vec<(Option<Arc<str>>, String)>,
    priorities: Vec<Priority>,
    pool: Option<Arc<str>>,
    handlers: Vec<Handler>,
    batches: Vec<Batch>,
    filters: Vec<Filter>,
    concurrency: usize,
    window: DuplicateWindow,
    time_limit: Option<Duration>,
    requeue_delay: Duration,
    delivery_limit: u32,
    dead_letter_queue: Option<Arc<str>>,
}

impl ListenerBuilder {
    /// How many notifications are worked on at a time by default: the original's `executor_thread_pool_size`.
    pub const CONCURRENCY: usize = 64;
    /// How long a notification waits by default that its handler could not finish, for the first time.
    pub const REQUEUE_DELAY: Duration = Duration::from_secs(1);
    /// How often a notification is delivered by default, at most.
    pub const DELIVERY_LIMIT: u32 = 20;
    /// How many more are fetched of each queue, at least.
    const AHEAD: usize = 10;

    fn new(transport: &Transport) -> Self {
        Self {
            transport: transport.clone(),
            topics: Vec::new(),
            priorities: Vec::new(),
            pool: None,
            handlers: Vec::new(),
            batches: Vec::new(),
            filters: Vec::new(),
            concurrency: Self::CONCURRENCY,
            window: DuplicateWindow::new(),
            time_limit: None,
            requeue_delay: Self::REQUEUE_DELAY,
            delivery_limit: Self::DELIVERY_LIMIT,
            dead_letter_queue: None,
        }
    }

    /// Adds a topic of the transport's control exchange. Default: [`NotifierBuilder::TOPIC`].
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push((None, topic.into()));
        self
    }

    /// Adds a topic of another exchange: OpenStack's services have one each, called like them.
    pub fn topic_of(mut self, exchange: impl Into<Arc<str>>, topic: impl Into<String>) -> Self {
        self.topics.push((Some(exchange.into()), topic.into()));
        self
    }

    /// Listens to notifications of this priority, beside those of the events that handlers are [for](Self::on). Default: a
    /// listener that has another handler, [by a filter](Self::matching), for [the rest](Self::otherwise) or for
    /// [batches](Self::batches), listens to all.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priorities.push(priority);
        self
    }

    /// Listens with a queue of its own, for all topics and priorities: each pool gets a copy of every notification, and
    /// shares it out among its listeners. Default: the queues that notifiers make, for all that listen without a pool.
    pub fn pool(mut self, name: impl Into<Arc<str>>) -> Self {
        self.pool = Some(name.into());
        self
    }

    /// Adds a handler for the events of a type, and of its priority. Several for the same are
    /// called in order, also if one refuses the notification. When it is redelivered, all are
    /// called again, also those that had ended well.
    pub fn on<E, F, W>(mut self, handler: F) -> Self
    where
        E: Notification + DeserializeOwned,
        F: Fn(Metadata, E) -> W + Send + Sync + 'static,
        W: Future<Output: Handled> + Send + 'static,
    {
        self.handlers.push(Handler::typed(handler));
        self
    }

    /// Adds a handler for whatever matches `filter`, of any type and priority: the original's
    /// endpoint with a filter rule. If several handlers match, they run in order, those of its type
    /// included.
    ///
    /// ```
    /// # use rpc_runtime::{NotificationListener, Transport, notify::Filter};
    /// # fn doc(transport: &Transport) -> Result<(), rpc_runtime::notify::FilterError> {
    /// let failures = Filter::new().event_type(r"volume\..*\.error$")?;
    /// let listener = NotificationListener::builder(transport)
    ///     .matching(failures, |metadata, payload| async move {
    ///         println!("{}: {}", metadata.event_type, payload.text());
    ///     });
    /// # let _ = listener; Ok(()) }
    /// ```
    pub fn matching<F, W>(mut self, filter: Filter, handler: F) -> Self
    where
        F: Fn(Metadata, Payload) -> W + Send + Sync + 'static,
        W: Future<Output: Handled> + Send + 'static,
    {
        self.handlers.push(Handler::untyped(Some(filter), handler));
        self
    }

    /// Adds a handler for what no other handler is for. Without one, that is acknowledged and forgotten.
    pub fn otherwise<F, W>(mut self, handler: F) -> Self
    where
        F: Fn(Metadata, Payload) -> W + Send + Sync + 'static,
        W: Future<Output: Handled> + Send + 'static,
    {
        self.handlers.push(Handler::untyped(None, handler));
        self
    }

    /// Adds a handler for many notifications at a time: as many as `size`, or as come within `wait` of the first. One batch comes
    /// after the other, in the order of arrival, whatever the priority. A listener that has one has no other handler.
    ///
    /// A batch is handed over earlier if nothing more of one of its queues can come before: there are as many here as the
    /// [prefetch](crate::RabbitOptions::prefetch) lets in, with those that wait to come again. Without that option there is room
    /// for a whole batch of each queue, up to 65 535.
    pub fn batches<F, W>(mut self, size: usize, wait: Duration, handler: F) -> Self
    where
        F: Fn(Vec<(Metadata, Payload)>) -> W + Send + Sync + 'static,
        W: Future<Output: BatchHandled> + Send + 'static,
    {
        self.batches.push(Batch::new(size, wait, handler));
        self
    }

    /// Takes only notifications that match `filter`, or another one that is added, whoever they are for. What matches none is
    /// acknowledged, and told to nobody. For the filter of one handler see [`matching`](Self::matching).
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// Sets how many notifications are worked on at a time. Default: [`Self::CONCURRENCY`].
    ///
    /// With 1 they are in the order of their queue; there is one for each topic and priority, unless there is a
    /// [pool](Self::pool). What comes again is not: what a handler refused, and what was with a listener that has stopped or lost
    /// its connection, begun or not. Classic queues, the default, have that in its place again, but do not count it, so it is
    /// published to its queue's end with a count first. Quorum queues count by themselves, and with a
    /// [limit](Self::delivery_limit) of 0 nothing is counted: both keep the order as far as the broker does.
    ///
    /// So many are fetched of each queue, and half as many again in advance, shared out among the queues, at least ten for each:
    /// what waits to come again is among them. [`RabbitOptions::prefetch`](crate::RabbitOptions::prefetch) says otherwise.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how much is remembered of notifications that were finished, so that second copies are told to nobody.
    pub fn duplicate_window(mut self, window: DuplicateWindow) -> Self {
        self.window = window;
        self
    }

    /// Gives handlers up that work on a notification, or on a batch, for longer than `limit`: it comes again as if they had
    /// refused it. Default: none is given up while the listener runs, and one that hangs keeps its slot.
    ///
    /// A handler that is given up is dropped at its next `await`. One that blocks its thread meets none, and cannot be given up:
    /// what blocks belongs on a thread of its own (`tokio::task::spawn_blocking`), which is not ended either.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Sets how long a notification waits before it comes again that a handler has refused: so long the first time, twice
    /// as long each next, up to half a minute or this if it is longer. Default: [`Self::REQUEUE_DELAY`].
    pub fn requeue_delay(mut self, delay: Duration) -> Self {
        self.requeue_delay = delay;
        self
    }

    /// Sets how often a notification is delivered before it is put aside, into the queue for dead letters, with headers that
    /// say why. 0: as often as it takes. Default: [`Self::DELIVERY_LIMIT`].
    pub fn delivery_limit(mut self, limit: u32) -> Self {
        self.delivery_limit = limit;
        self
    }

    /// Sets the queue for dead letters. Default: for each queue one of its own, its name with
    /// [`ServerBuilder::DEAD_LETTERS`].
    pub fn dead_letter_queue(mut self, queue: impl Into<Arc<str>>) -> Self {
        self.dead_letter_queue = Some(queue.into());
        self
    }

    /// Binds the queues. What is published after this returns is not lost.
    ///
    /// # Errors
    /// If there is no handler, a name cannot be a queue's, an exchange or queue exists with other properties, or the broker
    /// does not answer, or without a Tokio runtime that has timers.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queues as they are, unconsumed.
    pub async fn bind(mut self) -> Result<NotificationListener, TransportError> {
        let runtime = clock::runtime()?;
        let sources = self.sources()?;
        let handlers = match self.batches.pop() {
            Some(batch) => Handlers::Batch(batch),
            None => Handlers::Each(self.handlers),
        };
        let (name, bindings) = (Arc::clone(&sources.name), sources.shown());
        let listener = self.transport.listen(Subscription::Notifications(sources)).await?;
        let shared = Shared {
            name,
            transport: self.transport,
            handlers,
            filters: self.filters,
            slots: Arc::new(Semaphore::new(self.concurrency)),
            duplicates: Mutex::new(Duplicates::new(self.window)),
            time_limit: self.time_limit,
            requeue_delay: self.requeue_delay,
            delivery_limit: NonZeroU32::new(self.delivery_limit),
            dead_letter_queue: self.dead_letter_queue,
            tracker: Tracker::default(),
            stop: watch::Sender::new(false),
            abort: watch::Sender::new(false),
            quiet: Quiet::new(),
        };
        let name = &*shared.name;
        guarded(|| tracing::info!(listener = name, %bindings, "the listener is bound"));
        Ok(NotificationListener { listener, shared: Arc::new(shared), runtime })
    }

    fn sources(&self) -> Result<Sources, TransportError> {
        let what = match (self.handlers.len(), self.batches.len()) {
            (0, 0) => Some("a listener needs a handler: `NotificationListener::builder(…).on(…)`"),
            (0, 1) | (_, 0) => None,
            _ => Some("a listener with a handler for batches has no other"),
        };
        if let Some(what) = what {
            return Err(misconfigured(what.to_owned()));
        }
        let mut topics = self.topics.clone();
        if topics.is_empty() {
            topics.push((None, NotifierBuilder::TOPIC.to_owned()));
        }
        let own = || self.handlers.iter().map(Handler::priority);
        let takes_any = !self.batches.is_empty() || own().any(|own| own.is_none());
        let is_wanted = |priority: &Priority| {
            own().any(|own| own == Some(*priority))
                || self.priorities.contains(priority)
                || takes_any && self.priorities.is_empty()
        };
        let mut bindings: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for (exchange, topic) in &topics {
            let exchange = exchange.clone().unwrap_or_else(|| self.transport.control_exchange());
            for priority in Priority::ALL.iter().filter(|priority| is_wanted(priority)) {
                let key = format!("{topic}.{}", priority.name());
                check_name("topic", topic, key.len())?;
                let binding = (Arc::clone(&exchange), key.into());
                if !bindings.contains(&binding) {
                    bindings.push(binding);
                }
            }
        }
        if let Some(pool) = &self.pool {
            check_name("pool", pool, pool.len())?;
        }
        if let Some(queue) = &self.dead_letter_queue {
            check_name("queue for dead letters", queue, queue.len())?;
        }
        let names: Vec<_> = topics.iter().map(|(_, topic)| topic.as_str()).collect();
        let name = self.pool.clone().unwrap_or_else(|| names.join(",").into());
        let mut sources = Sources { name, bindings, pool: self.pool.clone(), prefetch: 0 };
        sources.prefetch = self.prefetch(sources.queues().len());
        Ok(sources)
    }

    /// How many of each of so many queues may be here: any of them may be the only one where something comes.
    fn prefetch(&self, queues: usize) -> u16 {
        let begun = self.batches.iter().map(|batch| batch.size).max().unwrap_or(self.concurrency);
        let ahead = begun.saturating_add(begun / 2).div_ceil(queues.max(1)).max(Self::AHEAD);
        u16::try_from(begun.saturating_add(ahead)).unwrap_or(u16::MAX)
    }
}

fn misconfigured(what: String) -> TransportError {
    TransportError::new(TransportErrorKind::Configuration, what)
}

/// Refuses what cannot name a queue, together with its own for dead letters.
fn check_name(what: &str, name: &str, length: usize) -> Result<(), TransportError> {
    let is_odd = name.is_empty() || name.contains(['*', '#']) || name.starts_with("amq.");
    if is_odd || length + ServerBuilder::DEAD_LETTERS.len() > 255 {
        return Err(misconfigured(format!("`{}` cannot be a {what}", Excerpt(name))));
    }
    Ok(())
}

impl fmt::Debug for ListenerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerBuilder")
            .field("topics", &self.topics)
            .field("pool", &self.pool)
            .field("handlers", &(self.handlers.len() + self.batches.len()))
            .finish_non_exhaustive()
    }
}

impl NotificationListener {
    /// Starts a listener over `transport`.
    pub fn builder(transport: &Transport) -> ListenerBuilder {
        ListenerBuilder::new(transport)
    }

    /// Starts to listen, on tasks of its own. They belong to the Tokio runtime on which the
    /// listener was bound, wherever this is called.
    #[must_use = "keep it to shut the listener down"]
    pub fn run(self) -> RunningListener {
        let task = self.runtime.spawn(serve(Arc::clone(&self.shared), self.listener));
        let name = Arc::clone(&self.shared.name);
        let running = RunningListener::new(self.shared, task, self.runtime);
        guarded(|| tracing::info!(listener = &*name, "the listener takes notifications"));
        running
    }
}

impl fmt::Debug for NotificationListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationListener")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_fetched_ahead_goes_by_the_slots_and_is_shared_by_the_queues() {
        let transport = Transport::connect("memory://prefetch").await.expect("connected");
        let prefetch = |builder: ListenerBuilder| builder.sources().expect("sources").prefetch;
        let any = || ListenerBuilder::new(&transport).otherwise(|_, _| async {});
        let one = |builder: ListenerBuilder| prefetch(builder.priority(Priority::Info));
        assert_eq!((prefetch(any()), one(any())), (64 + 14, 64 + 96));
        assert_eq!((prefetch(any().pool("p")), one(any().concurrency(1))), (64 + 96, 1 + 10));
        let batches =
            |size| ListenerBuilder::new(&transport).batches(size, Duration::ZERO, |_| async {});
        assert_eq!((prefetch(batches(1000)), prefetch(batches(1))), (1000 + 215, 1 + 10));
        for many in [50_000, usize::MAX] {
            assert_eq!((one(batches(many)), one(any().concurrency(many))), (u16::MAX, u16::MAX));
        }
    }

    #[test]
    fn a_name_has_room_for_the_queue_of_its_dead_letters() {
        let longest = 255 - ServerBuilder::DEAD_LETTERS.len();
        assert!(check_name("topic", "t", longest).is_ok());
        let error = check_name("topic", "t", longest + 1).expect_err("too long");
        assert_eq!(error.kind(), TransportErrorKind::Configuration);
        assert_eq!(error.to_string(), "`t` cannot be a topic");
        for odd in ["", "a*", "#", "amq.topic"] {
            assert!(check_name("pool", odd, odd.len()).is_err(), "{odd}");
        }
        assert!(check_name("pool", "an.amq.topic", 12).is_ok());
    }
}
