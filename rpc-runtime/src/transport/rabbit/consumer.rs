//! What consumes queues: a server's three, or those of a listener for notifications.
//!
//! Each of them is one task that sets itself up anew in every generation. What it has handed out before belongs to
//! a channel that is gone: such a delivery comes again, so its acknowledgement fails and it is not run.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::ready,
    stream::{BoxStream, SelectAll, once},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot, watch},
    time::{sleep, timeout},
};

use super::{
    amqp::{Channel, Connection, Fault},
    claim::{Claim, claim, release},
    declare::declare_all,
    guard,
    lookout::Lookout,
    place::{FanoutQueue, Place},
    redelivery::{Belief, claims_to_count, origin, redelivery},
    stream::Reading,
    supervisor::{Backoff, Generations, connected, replaced},
    told,
    topology::{Cause, Layout},
    vital::Vital,
};
use crate::{
    Event, RabbitOptions, TransportError, TransportErrorKind,
    age::{Ages, Arrived, Judged, Origin},
    clock::Instant,
    envelope::CONTENT_TYPE,
    excerpt::Excerpt,
    logging,
    observe::Observer,
    transport::{Acked, Body, Content, Delivery, Subscription, Tracked},
};

/// How long an exchange that is gone stays so, in looks at it, until all of its servers have seen that.
const UNTIL_ALL_KNOW: f64 = 1.5;

/// Settles a delivery, on the channel that it came by. A panic that drops it requeues the message,
/// so that the task takes no room in the prefetch along.
pub(crate) struct Acker {
    /// `None` once the delivery is settled.
    unsettled: Option<(Channel, u64)>,
    /// Where the message is in the stream, if it came by one.
    place: Option<(Arc<Reading>, i64)>,
}

impl Acker {
    pub(crate) async fn ack(self) -> bool {
        self.tell(false).await == Acked::Surely
    }

    pub(crate) async fn ack_surely(self) -> Acked {
        self.tell(true).await
    }

    async fn tell(mut self, surely: bool) -> Acked {
        let Some((channel, tag)) = self.unsettled.take() else { return Acked::NotLeft };
        let acked = channel.ack(tag, surely).await;
        self.done(acked == Acked::Surely);
        acked
    }

    fn done(&mut self, is_done: bool) {
        if let Some((reading, offset)) = self.place.take().filter(|_| is_done) {
            reading.done(offset);
        }
    }

    pub(crate) async fn give_back(mut self) {
        if let Some((channel, tag)) = self.unsettled.take() {
            requeue(&channel, tag).await;
        }
    }

    pub(crate) async fn reject(mut self) {
        let Some((channel, tag)) = self.unsettled.take() else { return };
        // A channel that is gone gives the message back to the queue: it comes again, to be rejected then.
        let rejected = channel.reject(tag).await.is_ok();
        self.done(rejected);
    }
}

impl Drop for Acker {
    fn drop(&mut self) {
        // The broker requeues a delivery whose channel ends with its runtime.
        if let Some((channel, tag)) = self.unsettled.take().filter(|_| std::thread::panicking()) {
            channel.requeue_later(tag);
        }
    }
}

/// Gives a delivery back to its queue. A channel that is gone has done so.
async fn requeue(channel: &Channel, tag: u64) {
    let _ = channel.requeue(tag).await;
}

impl fmt::Debug for Acker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.unsettled.as_ref().map(|(_, tag)| tag);
        f.debug_struct("Acker").field("tag", &tag).finish_non_exhaustive()
    }
}

/// Takes what tells the broker of a delivery.
fn acker(delivery: Delivery) -> Option<Acker> {
    match delivery.acker {
        crate::transport::Acker::Rabbit(acker) => Some(acker),
        crate::transport::Acker::Memory(_) => None,
    }
}

/// The requests that came and have not begun, at most as many as the prefetch allows.
struct Inbox {
    state: Mutex<InboxState>,
    woken: Notify,
}

struct InboxState {
    deliveries: VecDeque<Delivery>,
    ended: bool,
    /// Here, so that judging a delivery and adding it take one lock.
    ages: Ages,
}

impl Inbox {
    fn new() -> Self {
        let (deliveries, ages) = (VecDeque::new(), Ages::new(Instant::now()));
        let state = Mutex::new(InboxState { deliveries, ended: false, ages });
        Self { state, woken: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that nothing more comes, however who fills the inbox ends.
struct InboxEnd(Arc<Inbox>);

impl Drop for InboxEnd {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.woken.notify_waiters();
        self.0.woken.notify_one();
    }
}

/// The requests to a server.
pub(crate) struct Listener {
    inbox: Arc<Inbox>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
    prefetch: u16,
}

impl Listener {
    pub(super) async fn bind(
        subscription: Subscription,
        shared: Consuming,
        tracked: Tracked,
    ) -> Result<Self, TransportError> {
        let Consuming { layout, generations, closing, observer, lookout, runtime, vital } = shared;
        let inbox = Arc::new(Inbox::new());
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let (ready, bound) = oneshot::channel();
        let place = Place::new(subscription, &layout.options)?;
        let prefetch = place.prefetch();
        let task = ListenTask {
            place,
            layout,
            generations,
            inbox: Arc::clone(&inbox),
            stopped,
            closing,
            observer,
            lookout,
            failed: None,
        };
        let end = InboxEnd(Arc::clone(&inbox));
        vital.spawn(&runtime, "consuming queues", async move {
            task.run(ready).await;
            drop((end, tracked));
            ending.send_replace(true);
        });
        let listener = Self { inbox, stop, ended, prefetch };
        match bound.await {
            Ok(bound) => bound.map(|()| listener),
            Err(_) => Err(TransportError::closed()),
        }
    }

    pub(crate) async fn ready(&mut self) -> bool {
        loop {
            let woken = self.inbox.woken.notified();
            {
                let state = self.inbox.lock();
                if !state.deliveries.is_empty() {
                    return true;
                }
                if state.ended {
                    return false;
                }
            }
            woken.await;
        }
    }

    pub(crate) fn take(&mut self) -> Option<Delivery> {
        self.inbox.lock().deliveries.pop_front()
    }

    pub(crate) fn prefetch(&self) -> Option<u16> {
        // To AMQP, nothing is no limit.
        Some(self.prefetch).filter(|prefetch| *prefetch > 0)
    }

    pub(crate) async fn cancel(&mut self) {
        self.stop.send_replace(true);
        told(&mut self.ended).await;
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("waiting", &self.inbox.lock().deliveries.len())
            .finish_non_exhaustive()
    }
}

/// What all consumers of a transport share.
#[derive(Clone)]
pub(super) struct Consuming {
    pub(super) layout: Arc<Layout>,
    pub(super) generations: Generations,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) observer: Arc<Observer>,
    pub(super) lookout: Arc<Lookout>,
    pub(super) runtime: Handle,
    pub(super) vital: Vital,
}

/// What keeps a server's consumers up.
struct ListenTask {
    place: Place,
    layout: Arc<Layout>,
    generations: Generations,
    inbox: Arc<Inbox>,
    /// Set, or dropped, when the server stops.
    stopped: watch::Receiver<bool>,
    closing: watch::Receiver<bool>,
    observer: Arc<Observer>,
    lookout: Arc<Lookout>,
    /// Why the last attempt failed.
    failed: Option<TransportError>,
}

/// Consumers on one channel.
struct Consumers {
    channel: Channel,
    /// What comes, with the number of its queue. `None` is the end of one of them.
    deliveries: SelectAll<BoxStream<'static, Option<(usize, lapin::message::Delivery)>>>,
    queues: Vec<Arc<str>>,
    /// Whether each of them is a quorum queue.
    are_quorum: Vec<bool>,
    layout: Arc<Layout>,
    /// What has been read of the stream, if fanout casts come by one.
    reading: Option<Arc<Reading>>,
    /// Held while the server's own queue is consumed.
    _claim: Option<Claim>,
}

impl ListenTask {
    /// How long the first set-up may take.
    const BIND_LIMIT: Duration = Duration::from_secs(30);

    async fn run(mut self, ready: oneshot::Sender<Result<(), TransportError>>) {
        let first = timeout(Self::BIND_LIMIT, self.connect()).await.unwrap_or_else(|_| {
            let late = "the broker did not bind the queues in time";
            let late = || TransportError::new(TransportErrorKind::TimedOut, late);
            Err(self.failed.take().unwrap_or_else(late))
        });
        match first {
            Ok(Some(consumers)) => {
                if ready.send(Ok(())).is_ok() {
                    self.serve(consumers).await;
                }
            }
            Ok(None) => drop(ready.send(Err(TransportError::closed()))),
            Err(error) => drop(ready.send(Err(error))),
        }
    }

    async fn serve(mut self, mut consumers: Consumers) {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        loop {
            let since = Instant::now();
            let (mut stopped, mut closing) = (self.stopped.clone(), self.closing.clone());
            let connection = Arc::clone(consumers.channel.connection());
            self.observer.note(Event::Serving { topic: self.place.name().to_owned() });
            let receiving = async move {
                let stops = self.receive(&mut consumers).await;
                (self, consumers, stops)
            };
            let stops;
            (self, consumers, stops) = connection.run(receiving).await;
            drop(connection);
            if stops {
                return self.stop(consumers).await;
            }
            self.observer.note(Event::ConsumersLost { topic: self.place.name().to_owned() });
            self.leave(consumers).await;
            if since.elapsed() > Duration::from_secs(5) {
                backoff.reset();
            }
            let lost = Instant::now();
            consumers = loop {
                tokio::select! {
                    () = backoff.pause() => {}
                    () = told(&mut stopped) => return,
                    () = told(&mut closing) => return,
                }
                match self.connect().await {
                    Ok(Some(consumers)) => break consumers,
                    Ok(None) => return,
                    Err(error) => {
                        backoff.refused_for(lost.elapsed());
                        let topic = self.place.name().to_owned();
                        self.layout.quiet.defer(Cause::Consume, move |left_out| {
                            tracing::warn!(topic, %error, left_out, "cannot consume; trying again");
                        });
                    }
                }
            };
        }
    }

    /// Receives requests until one of the consumers is gone, or the server stops. Returns whether it does.
    async fn receive(&self, consumers: &mut Consumers) -> bool {
        let (mut stopped, mut closing) = (self.stopped.clone(), self.closing.clone());
        let mut generations = self.generations.clone();
        let current = Arc::clone(consumers.channel.connection());
        tokio::select! {
            () = receive(&self.inbox, consumers) => false,
            () = self.look_after(&current) => false,
            () = replaced(&mut generations, &current) => false,
            () = told(&mut stopped) => true,
            () = told(&mut closing) => true,
        }
    }

    /// Leaves consumers behind of which one is gone. What has not begun comes again, by the next channel; what runs is
    /// acknowledged by this one, which lasts until then.
    async fn leave(&mut self, mut consumers: Consumers) {
        if let Some(reading) = self.place.reading() {
            match consumers.channel.connection().is_alive() {
                // A consumer that ends before its connection does has lost its queue.
                true => reading.moved(),
                false => reading.ended(),
            }
        }
        let is_there = self.give_back(&mut consumers).await;
        self.release(&consumers.channel).await;
        if !is_there {
            self.inbox.lock().deliveries.clear();
        }
    }

    /// Lets another process claim the name of the server's own queue.
    async fn release(&self, channel: &Channel) {
        if let Some(own) = self.place.fanout().and_then(FanoutQueue::own) {
            release(channel, own, &self.layout).await;
        }
    }

    /// Cancels the consumers, and gives back what has not begun. Returns whether the channel was there for it.
    async fn give_back(&self, consumers: &mut Consumers) -> bool {
        for number in (0..consumers.queues.len()).rev() {
            if consumers.channel.cancel(&tag(number)).await.is_err() {
                return false;
            }
        }
        while let Some(Some(delivery)) = consumers.deliveries.next().now_or_never() {
            if let Some((_, delivery)) = delivery {
                requeue(&consumers.channel, delivery.delivery_tag).await;
            }
        }
        let waiting = std::mem::take(&mut self.inbox.lock().deliveries);
        for acker in waiting.into_iter().filter_map(acker) {
            acker.give_back().await;
        }
        true
    }

    /// Makes exchanges and bindings again that somebody has deleted. Returns when that fails.
    async fn look_after(&self, connection: &Arc<Connection>) {
        let steps = self.place.steps(&self.layout);
        let mut watching = self.lookout.watch(steps.clone());
        loop {
            let missing = watching.missing().await;
            let topic = self.place.name().to_owned();
            self.layout.quiet.defer(Cause::Exchange, move |left_out| {
                let what = "an exchange is gone; declaring it again";
                tracing::warn!(topic, fault = %missing, left_out, "{what}");
            });
            // Whoever looks once it is there again misses nothing, and has no bindings.
            sleep(self.layout.options.check_exchanges.mul_f64(UNTIL_ALL_KNOW)).await;
            if declare_all(connection, steps.clone(), &self.layout).await.is_err() {
                return;
            }
            watching.made_again();
        }
    }

    /// Declares and consumes in the current generation, as soon as there is one. `None` if there will be none.
    ///
    /// What may pass is tried again: a connection that goes meanwhile, or a fanout exchange that goes between its
    /// declaration and its binding because the last server before this one has just left.
    async fn connect(&mut self) -> Result<Option<Consumers>, TransportError> {
        let mut backoff = Backoff::new(Duration::from_millis(500));
        loop {
            let mut stopped = self.stopped.clone();
            let connection = tokio::select! {
                connection = connected(&mut self.generations) => connection,
                () = told(&mut stopped) => None,
            };
            let Some(connection) = connection else { return Ok(None) };
            backoff.pause().await;
            match self.consume(&connection).await {
                Ok(consumers) => return Ok(Some(consumers)),
                Err(error) if !error.kind().may_pass() => return Err(error),
                Err(error) => {
                    self.failed = Some(error.clone());
                    logging::defer(move || tracing::debug!(%error, "cannot bind yet"));
                }
            }
        }
    }

    /// Declares and consumes the queues. A fanout queue that somebody else consumes is left to them, for another.
    async fn consume(&mut self, connection: &Arc<Connection>) -> Result<Consumers, TransportError> {
        loop {
            declare_all(connection, self.place.steps(&self.layout), &self.layout).await?;
            let failed = |what: &'static str| move |fault: Fault| fault.to_error(what);
            let channel = connection.channel().await.map_err(failed("open a channel"))?;
            channel.qos(self.place.prefetch()).await.map_err(failed("limit the prefetch"))?;
            if self.place.fanout().is_some() {
                connection.time();
            }
            match (self.consume_on(channel).await, self.place.fanout_mut()) {
                (Ok(consumers), fanout) => {
                    match fanout {
                        Some(FanoutQueue::Own(queue)) => queue.claimed(),
                        Some(FanoutQueue::Stream { reading, name }) => {
                            reading.began(connection, name).await;
                        }
                        None => {}
                    }
                    return Ok(consumers);
                }
                (Err((_, fault)), Some(FanoutQueue::Own(queue))) if is_taken(&fault) => {
                    if !queue.refused() {
                        let what = format!("`{}` is still in use", queue.name());
                        return Err(TransportError::new(TransportErrorKind::Disconnected, what));
                    }
                }
                (Err((queue, fault)), _) => {
                    return Err(fault.to_error(&format!("consume the queue `{queue}`")));
                }
            }
        }
    }

    /// Consumes the queues, the fanout queue first: it may be refused. An error comes with the queue's name.
    async fn consume_on(&self, channel: Channel) -> Result<Consumers, (String, Fault)> {
        let mut deliveries = SelectAll::new();
        let queues = self.place.queues();
        let fanout = self.place.fanout().map(|fanout| (queues.len() - 1, fanout));
        let mut claims = None;
        if let Some(own) = self.place.fanout().and_then(FanoutQueue::own) {
            let claimed = claim(&channel, own, &self.layout).await;
            claims = Some(claimed.map_err(|fault| (own.name().to_owned(), fault))?);
        }
        for (number, queue) in queues.iter().enumerate().rev() {
            let is_fanout = fanout.is_some_and(|(at, _)| at == number);
            let exclusive = is_fanout && fanout.is_some_and(|(_, fanout)| fanout.is_stable());
            let arguments = match self.place.reading() {
                Some(reading) if is_fanout => reading.resume(),
                _ => consuming(&self.layout.options),
            };
            match channel.consume(queue, &tag(number), exclusive, arguments).await {
                Ok(consumer) => {
                    let consumer = consumer.map(move |delivery| Some((number, delivery)));
                    deliveries.push(consumer.chain(once(ready(None))).boxed());
                }
                Err(fault) => return Err((queue.to_string(), fault)),
            }
        }
        let reading = self.place.reading().cloned();
        let layout = Arc::clone(&self.layout);
        let are_quorum = queues.iter().map(|queue| layout.is_quorum(queue)).collect();
        Ok(Consumers { channel, deliveries, queues, are_quorum, layout, reading, _claim: claims })
    }

    /// Stops in an order that loses nothing: no more deliveries, what has not begun back to the queue, then this
    /// server's own queue. The channel stays open for the acknowledgements of what runs on.
    async fn stop(&self, mut consumers: Consumers) {
        if !self.give_back(&mut consumers).await {
            return;
        }
        self.release(&consumers.channel).await;
        if let Some(own) = self.place.fanout().filter(|fanout| fanout.is_temporary()) {
            // One that cannot be deleted goes by itself, later.
            let _ = consumers.channel.delete_queue(own.name()).await;
        }
    }
}

/// Puts what comes into the inbox, until the channel or one of the consumers is gone.
async fn receive(inbox: &Inbox, consumers: &mut Consumers) {
    while let Some(Some((number, delivery))) = consumers.deliveries.next().await {
        let (tag, channel) = (delivery.delivery_tag, consumers.channel.clone());
        if put(inbox, consumers, number, delivery) {
            inbox.woken.notify_one();
        } else {
            let what = "a call may have expired before it was read; requeueing it";
            logging::defer(move || tracing::debug!("{what}"));
            let connection = Arc::clone(channel.connection());
            // Not here: what has been read with it is judged before the standstill is forgotten.
            connection.detach(async move { requeue(&channel, tag).await });
        }
    }
}

/// Puts a delivery into the inbox. Returns whether it belongs there: a call whose caller may have
/// given up does not.
fn put(
    inbox: &Inbox,
    consumers: &Consumers,
    number: usize,
    delivery: lapin::message::Delivery,
) -> bool {
    let (tag, channel) = (delivery.delivery_tag, consumers.channel.clone());
    let (lifetime, origin) = (lifetime(&delivery.properties), origin(&delivery));
    let mut inbox = inbox.lock();
    let judged = match lifetime {
        None => Judged::Until(None),
        Some(lifetime) => {
            let unread_since = channel.connection().unread_since();
            let is_redelivered = delivery.redelivered;
            let call = Arrived { lifetime, origin, is_redelivered, unread_since };
            inbox.ages.judge(call, Instant::now())
        }
    };
    let Judged::Until(expires) = judged else { return false };
    let place = consumers.reading.as_ref().and_then(|reading| {
        reading.read(&delivery.properties).map(|offset| (Arc::clone(reading), offset))
    });
    let acker = Acker { unsettled: Some((channel, tag)), place };
    let began = origin.map(|origin| origin.whole(lifetime));
    let delivery = incoming(delivery, number, consumers, (expires, began), acker);
    inbox.deliveries.push_back(delivery);
    true
}

/// Returns AMQP's `expiration`.
fn lifetime(properties: &BasicProperties) -> Option<Duration> {
    let millis = properties.expiration().as_ref()?.as_str().parse().ok()?;
    Some(Duration::from_millis(millis))
}

fn incoming(
    delivery: lapin::message::Delivery,
    number: usize,
    consumers: &Consumers,
    (expires, began): (Option<Instant>, Option<Origin>),
    acker: Acker,
) -> Delivery {
    let properties = &delivery.properties;
    let content = match properties.content_type().as_ref().map(|kind| kind.as_str()) {
        Some(CONTENT_TYPE) => Content::Json,
        Some(guard::TAKEN) => Content::Unreadable,
        Some(guard::TOO_LARGE) => Content::TooLarge,
        _ => Content::Other,
    };
    let compression = compression(properties).map(str::to_owned);
    let is_fanout = delivery.exchange.as_str().ends_with("_fanout");
    let is_of_stream = consumers.reading.is_some() && number + 1 == consumers.queues.len();
    let queue = consumers.queues.get(number).filter(|_| !is_of_stream);
    let belief = belief(&delivery, number, consumers);
    Delivery {
        is_fanout,
        redelivery: redelivery(&delivery, queue, began, belief),
        queue: queue.cloned(),
        body: Body::Owned(delivery.data),
        content,
        compression,
        expires,
        acker: crate::transport::Acker::Rabbit(acker),
    }
}

/// Says what of a delivery's counters is believed, and logs a counter that is not: it may be a
/// stranger's, or that of a server with another login.
fn belief(delivery: &lapin::message::Delivery, number: usize, consumers: &Consumers) -> Belief {
    let Layout { trust, quiet, .. } = &*consumers.layout;
    let is_ours = trust.covers(&delivery.properties);
    if !is_ours && claims_to_count(delivery) {
        let user = delivery.properties.user_id().clone();
        let queue = consumers.queues.get(number).cloned();
        quiet.defer(Cause::Counter, move |left_out| {
            let user = user.as_ref().map_or("", |user| user.as_str());
            let queue = queue.as_deref().unwrap_or_default();
            let what = "ignored a counter of redeliveries: its user is not one of this transport's";
            tracing::warn!(queue, user = %Excerpt(user), left_out, "{what}");
        });
    }
    let queue_counts = consumers.are_quorum.get(number).is_some_and(|is_quorum| *is_quorum);
    Belief { queue_counts, is_ours }
}

/// Returns the header that says how a body is compressed.
pub(super) fn compression(properties: &BasicProperties) -> Option<&str> {
    let header = properties.headers().as_ref()?.inner().get("compression")?;
    // What is no text names no compression that is known here.
    Some(match header {
        AMQPValue::LongString(name) => std::str::from_utf8(name.as_bytes()).unwrap_or("?"),
        _ => "?",
    })
}

/// The arguments of a consumer.
pub(super) fn consuming(options: &RabbitOptions) -> FieldTable {
    let mut arguments = FieldTable::default();
    if options.cancel_on_failover {
        arguments.insert("x-cancel-on-ha-failover".into(), AMQPValue::Boolean(true));
    }
    arguments
}

/// The tag of the consumer of a queue.
fn tag(number: usize) -> String {
    (number + 1).to_string()
}

/// Whether somebody else consumes a queue that we want for ourselves.
pub(super) fn is_taken(fault: &Fault) -> bool {
    let words = ["exclusive use", "exclusive access"];
    fault.kind() == TransportErrorKind::Refused && words.iter().any(|words| fault.says(words))
}
