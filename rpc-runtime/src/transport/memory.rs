//! The embedded broker: exchanges, queues, acknowledgements and expiry inside this process.
//!
//! The same envelope bytes flow through it as through RabbitMQ. It keeps the promises that a test relies on:
//! competing consumers, redelivery of what was not acknowledged, expiry, returns of what no queue takes. On top it
//! has switches to lose, delay and repeat messages, and to cut every connection.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
};
use uuid::Uuid;

use super::{
    Answer, Body, Content, Delivery, ListenAddress, Subscription,
    kept::{Header, REDELIVERIES, Redelivery},
};
use crate::{
    Compression, Event, TransportError,
    caps::Retry,
    clock::Instant,
    hash::Keyed,
    limits::Limits,
    logging::guarded,
    observe::Observer,
    pending::{Exchange, Outcome, Outgoing, Pending, Route},
    refusal::{self, Mark},
    replies::Replies,
    sync::lock,
    unconsumed::{Answer as Counts, Asking, Unconsumed},
};

/// The brokers of this process, by name. One lives as long as a transport uses it.
static BROKERS: Mutex<BTreeMap<String, Weak<Shared>>> = Mutex::new(BTreeMap::new());

type Table<K, V> = HashMap<K, V, Keyed>;

/// The embedded broker, and its switches for tests. Get it from [`Transport::memory`](crate::Transport::memory).
///
/// ```
/// # use rpc_runtime::{Context, Transport, rpc_api};
/// # #[rpc_api(topic = "noted", version = "1.0")]
/// # trait Noted { async fn note(&self, ctx: Context); }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Transport::connect("memory://broker-doc").await?;
/// let broker = transport.memory().expect("it is embedded");
/// let mut published = broker.observe();
/// let everyone = NotedClient::new(&transport).prepare().fanout().client();
/// everyone.note(&Context::new()).await?;
/// assert_eq!(published.recv().await.expect("it was published").exchange, "noted_fanout");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    cut: bool,
    /// Exchange, then routing key, to the queues bound.
    bindings: Table<String, Table<String, Vec<Arc<str>>>>,
    queues: Table<Arc<str>, Queue>,
    reply_queues: Table<String, Weak<Replies>>,
    /// What consumers have and did not acknowledge, by delivery tag.
    unacked: Table<u64, (Arc<str>, Message)>,
    next_tag: u64,
    /// What waits for the connection.
    backlog: Vec<Waiting>,
    /// What was sent, if a test decides what becomes of it.
    #[cfg(test)]
    held: Option<Vec<Arc<Pending>>>,
    lose: usize,
    repeat: usize,
    delay: Option<Duration>,
    observers: Vec<mpsc::UnboundedSender<Published>>,
    /// How often connections were cut.
    cuts: u64,
    /// The transports that are connected.
    connected: Vec<Weak<Observer>>,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    consumers: Vec<Arc<Notify>>,
    /// How many messages it holds at most.
    most: Option<usize>,
}

#[derive(Clone)]
struct Message {
    body: Arc<Vec<u8>>,
    compression: Option<Compression>,
    /// Its header's mark of a failure.
    mark: Option<Mark>,
    expires: Option<Instant>,
    /// How often it was delivered, and not acknowledged.
    redeliveries: u32,
}

enum Job {
    Request(Arc<Pending>),
    Answer(Box<Answer>),
}

/// A job, and what tells whether its transport was closed.
struct Waiting {
    closed: Arc<AtomicBool>,
    job: Job,
}

/// A message as it was published, for tests of what goes over the wire.
#[derive(Clone)]
#[non_exhaustive]
pub struct Published {
    /// The exchange's name; empty for replies.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Whether the broker was asked to return it if no queue takes it.
    pub mandatory: bool,
    /// The time to live in milliseconds, as RabbitMQ would get it.
    pub expiration: Option<String>,
    /// The header `compression`.
    pub compression: Option<&'static str>,
    /// The other headers, numbers as text.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Published {
    /// Leaves out the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("mandatory", &self.mandatory)
            .field("expiration", &self.expiration)
            .field("compression", &self.compression)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// Loses the next `count` messages: whoever sends them is told that they arrived.
    pub fn lose_next(&self, count: usize) {
        self.0.lock().lose = count;
    }

    /// Delivers the next `count` messages twice.
    pub fn repeat_next(&self, count: usize) {
        self.0.lock().repeat = count;
    }

    /// Delivers every message so much later; `None` stops that.
    pub fn delay(&self, delay: impl Into<Option<Duration>>) {
        self.0.lock().delay = delay.into();
    }

    /// Cuts every connection to this broker. What was delivered and not acknowledged goes back to its queue; what is
    /// sent meanwhile waits.
    pub fn disconnect(&self) {
        let mut state = self.0.lock();
        if !std::mem::replace(&mut state.cut, true) {
            state.cuts += 1;
            state.tell(|transport| transport.lost("the embedded broker was cut off"));
        }
        for (_, (queue, message)) in std::mem::take(&mut state.unacked) {
            state.requeue(&queue, message);
        }
    }

    /// Lets everyone connect again.
    pub fn reconnect(&self) {
        let backlog = {
            let mut state = self.0.lock();
            if std::mem::take(&mut state.cut) {
                state.tell(|transport| transport.connected("memory"));
            }
            state.queues.values().for_each(Queue::wake);
            std::mem::take(&mut state.backlog)
        };
        for waiting in backlog {
            self.0.work(waiting.job);
        }
    }

    /// Returns every message that is published from now on.
    #[must_use]
    pub fn observe(&self) -> mpsc::UnboundedReceiver<Published> {
        let (observer, published) = mpsc::unbounded_channel();
        self.0.lock().observers.push(observer);
        published
    }

    /// Holds what is sent from now on, and returns what was held before.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> Vec<Arc<Pending>> {
        self.0.lock().held.replace(Vec::new()).unwrap_or_default()
    }

    /// Publishes a message as a stranger may: any bytes. Returns whether a queue took it. The empty exchange is that of
    /// reply queues, and one whose name ends with `_fanout` is a topic's for all its servers.
    pub fn publish(&self, exchange: &str, routing_key: &str, body: Vec<u8>) -> bool {
        let exchange = match exchange {
            "" => Exchange::Default,
            fanout if fanout.ends_with("_fanout") => Exchange::Fanout(fanout.into()),
            topic => Exchange::Topic(topic.into()),
        };
        let route = Route { exchange, routing_key: routing_key.into(), mandatory: true };
        let (body, compression, mark, expires) = (Arc::new(body), None, None, None);
        let message = Message { body, compression, mark, expires, redeliveries: 0 };
        deliver(self.0.lock(), &route, &message, 1)
    }

    /// Returns how many messages wait in `queue`: a topic, or a topic, a dot and a host.
    #[must_use]
    pub fn queued(&self, queue: &str) -> usize {
        self.0.lock().queues.get(queue).map_or(0, |queue| queue.messages.len())
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}

impl Queue {
    fn wake(&self) {
        self.consumers.iter().for_each(|consumer| consumer.notify_one());
    }
}

impl State {
    fn tell(&mut self, what: impl Fn(&Observer)) {
        self.connected
            .retain(|transport| transport.upgrade().inspect(|transport| what(transport)).is_some());
    }

    fn bind(&mut self, exchange: &str, key: &str, queue: &Arc<str>) {
        let bound = self
            .bindings
            .entry(exchange.to_owned())
            .or_default()
            .entry(key.to_owned())
            .or_default();
        if !bound.contains(queue) {
            bound.push(Arc::clone(queue));
        }
    }

    /// Makes a queue, unless it is there, and binds it.
    fn provide(&mut self, exchange: &str, key: &str, queue: &Arc<str>) {
        self.queues.entry(Arc::clone(queue)).or_default();
        self.bind(exchange, key, queue);
    }

    /// Makes the queues of a server, and returns them: the topic's, the host's, and its own of the exchange that is
    /// returned, too.
    fn bind_server(&mut self, address: &ListenAddress) -> ([Arc<str>; 3], String) {
        let ListenAddress { exchange, topic, host, .. } = address;
        let fanout = format!("{topic}_fanout");
        let own: Arc<str> = format!("{fanout}_{}", Uuid::new_v4().simple()).into();
        let of_host: Arc<str> = format!("{topic}.{host}").into();
        self.provide(exchange, topic, topic);
        self.provide(exchange, &of_host, &of_host);
        self.provide(&fanout, "", &own);
        ([Arc::clone(topic), of_host, own], fanout)
    }

    /// Counts what waits in a queue, and its consumers. `None` without a connection, or such a
    /// queue.
    fn count(&self, queue: &str) -> Option<Counts> {
        let queue = self.queues.get(queue).filter(|_| !self.cut)?;
        let now = Instant::now();
        let is_due = |message: &&Message| message.expires.is_none_or(|expires| expires > now);
        let messages = queue.messages.iter().filter(is_due).count();
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let consumers = number(queue.consumers.len());
        Some(Counts::Counts { messages: number(messages), consumers })
    }

    fn requeue(&mut self, queue: &str, mut message: Message) {
        message.redeliveries = message.redeliveries.saturating_add(1);
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.messages.push_front(message);
            queue.wake();
        }
    }

    /// Puts a message into the queue of that name. Returns whether there is one.
    fn put(&mut self, queue: &str, message: &Message) -> bool {
        let Some(queue) = self.queues.get_mut(queue) else { return false };
        queue.messages.push_back(message.clone());
        while queue.most.is_some_and(|most| queue.messages.len() > most) {
            queue.messages.pop_front();
        }
        queue.wake();
        true
    }

    fn fate(&mut self) -> Fate {
        if self.lose > 0 {
            self.lose -= 1;
            return Fate::Lost;
        }
        let copies = if self.repeat > 0 { 2 } else { 1 };
        self.repeat = self.repeat.saturating_sub(1);
        self.delay.map_or(Fate::Delivered(copies), |delay| Fate::Delayed(delay, copies))
    }

    /// Shows a message to who observes the broker.
    fn show(&mut self, message: &Outgoing) {
        if self.observers.is_empty() {
            return;
        }
        let expires =
            message.expires.and_then(|expires| Some((expires, expires.millis(Instant::now())?)));
        let origin = expires.and_then(|(expires, millis)| expires.origin(millis));
        let origin = origin.as_ref().into_iter().flat_map(Header::of_origin);
        let published = Published {
            exchange: message.route.exchange.name().to_owned(),
            routing_key: message.route.routing_key.to_string(),
            mandatory: message.route.mandatory,
            expiration: expires.map(|(_, millis)| millis.to_string()),
            compression: message.compression.map(Compression::header),
            headers: message.headers.iter().cloned().chain(origin).map(shown).collect(),
            body: message.body.to_vec(),
        };
        self.observers.retain(|observer| observer.send(published.clone()).is_ok());
    }

    /// Puts a message into every queue that is bound. Returns whether there was one.
    fn route(&mut self, exchange: &str, key: &str, message: &Message) -> bool {
        let Some(bound) = self.bindings.get(exchange).and_then(|keys| keys.get(key)) else {
            return false;
        };
        for queue in bound {
            if let Some(queue) = self.queues.get_mut(queue) {
                queue.messages.push_back(message.clone());
                queue.wake();
            }
        }
        !bound.is_empty()
    }
}

/// What becomes of a message: the switches decide.
enum Fate {
    Lost,
    Delayed(Duration, usize),
    Delivered(usize),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    fn work(self: &Arc<Self>, job: Job) {
        match job {
            Job::Request(request) => self.request(&request),
            Job::Answer(answer) => self.answer(self.lock(), *answer),
        }
    }

    /// Publishes a reply. One whose queue is gone is dropped, which counts and logs it.
    fn answer(self: &Arc<Self>, state: MutexGuard<'_, State>, answer: Answer) {
        if self.publish(state, answer.message) {
            answer.owed.pay();
        }
    }

    fn request(self: &Arc<Self>, request: &Pending) {
        // Its caller may be woken by that, and is not to find the broker locked.
        let Some(message) = request.take() else { return };
        let route = message.route.mandatory.then(|| message.route.clone());
        let is_taken = self.publish(self.lock(), message);
        match route.filter(|_| !is_taken) {
            None => request.confirm(),
            Some(route) => _ = request.end(Outcome::Unroutable(route)),
        }
    }

    /// Publishes a message. Returns whether a queue took it, or will.
    fn publish(self: &Arc<Self>, mut state: MutexGuard<'_, State>, message: Outgoing) -> bool {
        state.show(&message);
        let Outgoing { route, body, compression, expires, headers, .. } = message;
        let expires = expires.map(|expires| expires.deadline);
        let counted = headers.iter().find_map(|(name, value)| match value {
            Header::Number(count) if *name == REDELIVERIES => u32::try_from(*count).ok(),
            _ => None,
        });
        let mark = headers.iter().find_map(|(name, value)| match value {
            Header::Text(text) if *name == refusal::HEADER => Some(Mark::parse(text)),
            _ => None,
        });
        let (body, redeliveries) = (body.share(), counted.unwrap_or(0));
        let message = Message { body, compression, mark, expires, redeliveries };
        match state.fate() {
            Fate::Lost => true,
            Fate::Delivered(copies) => deliver(state, &route, &message, copies),
            Fate::Delayed(delay, copies) => {
                drop(state);
                let shared = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    deliver(shared.lock(), &route, &message, copies);
                });
                true
            }
        }
    }
}

/// Delivers a message so many times. Returns whether a queue took it. Who waits for a reply is told once the broker is free.
fn deliver(
    mut state: MutexGuard<'_, State>,
    route: &Route,
    message: &Message,
    copies: usize,
) -> bool {
    let key = &*route.routing_key;
    let mut put = || match &route.exchange {
        Exchange::Default => state.put(key, message),
        // A fanout exchange does not look at routing keys; ours binds with the empty one that senders use.
        Exchange::Fanout(name) => state.route(name, "", message),
        Exchange::Topic(name) => state.route(name, key, message),
        Exchange::Notifications(name) => {
            state.provide(name, key, &route.routing_key);
            state.route(name, key, message)
        }
    };
    if (0..copies).fold(false, |taken, _| put() || taken) {
        return true;
    }
    let replies = match route.exchange {
        Exchange::Default => state.reply_queues.get(key).and_then(Weak::upgrade),
        _ => None,
    };
    drop(state);
    let Some(replies) = replies else { return false };
    for _ in 0..copies {
        let compression = message.compression.map(Compression::header);
        replies.receive(&message.body, compression, message.mark);
    }
    true
}

/// Counts messages and consumers of the queues that calls wait on.
async fn count(shared: Arc<Shared>, mut asking: Asking) {
    let mut cuts = None;
    while let Some(queues) = asking.questions().await {
        for queue in queues {
            let (now, counts) = {
                let state = shared.lock();
                (state.cuts, state.count(&queue))
            };
            if cuts.replace(now).is_some_and(|before| before != now) {
                asking.reset();
            }
            if let Some(counts) = counts {
                asking.answered(&queue, counts);
            }
        }
    }
}

fn shown((name, value): (&'static str, Header)) -> (&'static str, String) {
    match value {
        Header::Text(text) => (name, text),
        Header::Number(number) => (name, number.to_string()),
    }
}

/// One transport's end of a broker.
pub(crate) struct Link {
    shared: Arc<Shared>,
    replies: Arc<Replies>,
    observer: Arc<Observer>,
    limits: Limits,
    closed: Arc<AtomicBool>,
}

impl Link {
    pub(crate) fn new(
        name: &str,
        replies: Arc<Replies>,
        observer: Arc<Observer>,
        limits: Limits,
    ) -> Self {
        let shared = {
            let mut brokers = lock(&BROKERS);
            brokers.retain(|_, broker| broker.strong_count() > 0);
            let known = brokers.get(name).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let shared = Arc::new(Shared::default());
                brokers.insert(name.to_owned(), Arc::downgrade(&shared));
                shared
            })
        };
        replies.set_queue(&format!("reply_{}", Uuid::new_v4().simple()));
        observer.connected("memory");
        let mut state = shared.lock();
        state.reply_queues.insert(replies.queue().to_string(), Arc::downgrade(&replies));
        state.connected.push(Arc::downgrade(&observer));
        if state.cut {
            observer.lost("the embedded broker was cut off");
        }
        drop(state);
        guarded(|| tracing::info!(broker = "memory", name, "connected to the embedded broker"));
        Self { shared, replies, observer, limits, closed: Arc::default() }
    }

    pub(crate) fn broker(&self) -> Broker {
        Broker(Arc::clone(&self.shared))
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.observer.note(Event::Closed);
        }
        let mut state = self.shared.lock();
        state.reply_queues.remove(&*self.replies.queue());
        self.replies.close();
        state.queues.values().for_each(Queue::wake);
        // Answers wait for the connection all the same: what was begun is finished.
        let is_own = |waiting: &mut Waiting| {
            matches!(waiting.job, Job::Request(_)) && Arc::ptr_eq(&waiting.closed, &self.closed)
        };
        let own: Vec<_> = state.backlog.extract_if(.., is_own).collect();
        drop(state);
        for Waiting { job, .. } in own {
            if let Job::Request(request) = job {
                request.end(Outcome::Unsent(TransportError::closed()));
            }
        }
    }

    pub(crate) fn send(&self, request: Arc<Pending>) {
        {
            let mut state = self.shared.lock();
            // Whoever closes it looks at the backlog afterwards.
            if self.is_closed() {
                drop(state);
                request.end(Outcome::Unsent(TransportError::closed()));
                return;
            }
            #[cfg(test)]
            if let Some(held) = &mut state.held {
                return held.push(request);
            }
            if state.cut {
                if request.retry == Retry::Never {
                    drop(state);
                    request.end(Outcome::Unsent(super::disconnected(&self.observer)));
                    return;
                }
                return state.backlog.push(self.later(Job::Request(request)));
            }
        }
        if !request.is_notification {
            self.observer.counts.requests_sent.add_one();
        }
        self.shared.request(&request);
    }

    /// Sees to it that a task looks at the queues which calls wait on, as long as there are any.
    pub(crate) fn ask(&self, unconsumed: &Arc<Unconsumed>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let Some(asking) = unconsumed.claim() else { return };
        runtime.spawn(count(Arc::clone(&self.shared), asking));
    }

    fn later(&self, job: Job) -> Waiting {
        Waiting { closed: Arc::clone(&self.closed), job }
    }

    /// How many requests and replies wait for the connection, of this transport and others.
    pub(crate) fn queued(&self) -> usize {
        self.shared.lock().backlog.len()
    }

    pub(crate) fn answer(&self, answer: Answer) {
        let mut state = self.shared.lock();
        if state.cut {
            return state.backlog.push(self.later(Job::Answer(Box::new(answer))));
        }
        self.shared.answer(state, answer);
    }

    /// Makes a queue without a consumer, unless it is there. With `most` the oldest message makes
    /// room for one more.
    pub(crate) fn keep_queue(&self, queue: &str, most: Option<u32>) {
        let most = most.and_then(|most| usize::try_from(most).ok());
        let new = || Queue { most, ..Queue::default() };
        self.shared.lock().queues.entry(queue.into()).or_insert_with(new);
    }

    pub(crate) fn listen(&self, subscription: &Subscription) -> Result<Listener, TransportError> {
        if self.is_closed() {
            return Err(TransportError::closed());
        }
        let mut state = self.shared.lock();
        let (queues, fanout) = match subscription {
            Subscription::Server(address) => {
                let (queues, fanout) = state.bind_server(address);
                (queues.into(), Some(fanout))
            }
            Subscription::Notifications(sources) => {
                for (exchange, key) in &sources.bindings {
                    state.provide(exchange, key, sources.queue(key));
                }
                (sources.queues(), None)
            }
        };
        let woken = Arc::new(Notify::new());
        for queue in &queues {
            state.queues.entry(Arc::clone(queue)).or_default().consumers.push(Arc::clone(&woken));
        }
        drop(state);
        Ok(Listener {
            shared: Arc::clone(&self.shared),
            fanout,
            queues,
            woken,
            largest: self.limits.message,
            turn: 0,
            cancelled: false,
            closed: Arc::clone(&self.closed),
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

/// What comes to somebody who listens.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    /// The exchange of the last queue, if that one is a server's own.
    fanout: Option<String>,
    queues: Vec<Arc<str>>,
    woken: Arc<Notify>,
    /// What is larger is refused.
    largest: usize,
    /// Which queue is asked first, so that none starves.
    turn: usize,
    cancelled: bool,
    closed: Arc<AtomicBool>,
}

impl Listener {
    pub(crate) async fn ready(&mut self) -> bool {
        loop {
            if self.is_over() {
                return false;
            }
            if self.has_some() {
                return true;
            }
            self.woken.notified().await;
        }
    }

    fn is_over(&self) -> bool {
        self.cancelled || self.closed.load(Ordering::Acquire)
    }

    fn has_some(&self) -> bool {
        let state = self.shared.lock();
        let mut queues = self.queues.iter().filter_map(|name| state.queues.get(name));
        !state.cut && queues.any(|queue| !queue.messages.is_empty())
    }

    pub(crate) fn take(&mut self) -> Option<Delivery> {
        let mut state = self.shared.lock();
        if state.cut || self.is_over() {
            return None;
        }
        let now = Instant::now();
        for place in 0..self.queues.len() {
            let at = (self.turn + place) % self.queues.len();
            let name = &self.queues[at];
            let Some(queue) = state.queues.get_mut(name) else { continue };
            while let Some(message) = queue.messages.pop_front() {
                if message.expires.is_some_and(|expires| expires <= now) {
                    continue;
                }
                let tag = state.next_tag;
                state.next_tag += 1;
                let content = match message.body.len() > self.largest {
                    true => Content::TooLarge,
                    false => Content::Json,
                };
                let body = Body::Shared(Arc::clone(&message.body));
                let expires = message.expires;
                let redelivery = (message.redeliveries > 0).then(|| Redelivery {
                    count: message.redeliveries,
                    queue: Arc::clone(name),
                    began: None,
                    is_redelivered: true,
                    is_counted: true,
                });
                let compression =
                    message.compression.map(|compression| compression.header().to_owned());
                state.unacked.insert(tag, (Arc::clone(name), message));
                self.turn = self.turn.wrapping_add(place + 1);
                let acker = Acker { shared: Arc::clone(&self.shared), tag, is_acked: false };
                return Some(Delivery {
                    body,
                    is_fanout: self.fanout.is_some() && at + 1 == self.queues.len(),
                    content,
                    compression,
                    expires,
                    redelivery,
                    queue: Some(Arc::clone(name)),
                    acker: super::Acker::Memory(acker),
                });
            }
        }
        None
    }

    pub(crate) fn cancel(&mut self) {
        if std::mem::replace(&mut self.cancelled, true) {
            return;
        }
        let mut state = self.shared.lock();
        for queue in &self.queues {
            if let Some(queue) = state.queues.get_mut(queue) {
                queue.consumers.retain(|consumer| !Arc::ptr_eq(consumer, &self.woken));
                // Whoever else consumes may have slept through a message that woke only this one.
                queue.wake();
            }
        }
        let (Some(exchange), Some(own)) = (&self.fanout, self.queues.last()) else { return };
        state.queues.remove(own);
        if let Some(keys) = state.bindings.get_mut(exchange) {
            keys.values_mut().for_each(|bound| bound.retain(|queue| queue != own));
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("queues", &self.queues).finish_non_exhaustive()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// A delivery that is not acknowledged yet. Dropping it puts the message back.
pub(crate) struct Acker {
    shared: Arc<Shared>,
    tag: u64,
    is_acked: bool,
}

impl Acker {
    pub(crate) fn ack(mut self) -> bool {
        self.is_acked = true;
        self.shared.lock().unacked.remove(&self.tag).is_some()
    }
}

impl fmt::Debug for Acker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acker").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl Drop for Acker {
    fn drop(&mut self) {
        if self.is_acked {
            return;
        }
        let mut state = self.shared.lock();
        if let Some((queue, message)) = state.unacked.remove(&self.tag) {
            state.requeue(&queue, message);
        }
    }
}
