//! What consumes a server's three queues.
//!
//! A server is one task that sets itself up anew in every generation. What it has handed out before belongs to a
//! channel that is gone: such a delivery comes again, so its acknowledgement fails and it is not run.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::ready,
    stream::{BoxStream, SelectAll, once},
};
use lapin::{
    BasicProperties, Channel,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, BasicRejectOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::timeout,
};

use super::{
    OPERATION_LIMIT, broker_error,
    declare::declare_all,
    names::OwnQueue,
    stream::Reading,
    supervisor::{Backoff, Generations, connected},
    told,
    topology::{self, Layout},
};
use crate::{
    RabbitOptions, TransportError, TransportErrorKind,
    envelope::CONTENT_TYPE,
    transport::{Body, Delivery, ListenAddress, Tracked},
};

/// Tells the broker what became of a delivery, on the channel that it came by.
pub(crate) struct Acker {
    channel: Channel,
    tag: u64,
    /// Where the message is in the stream, if it came by one.
    place: Option<(Arc<Reading>, i64)>,
}

impl Acker {
    pub(crate) async fn ack(self) -> bool {
        let acked = self.channel.basic_ack(self.tag, BasicAckOptions::default());
        let acked = matches!(timeout(OPERATION_LIMIT, acked).await, Ok(Ok(())));
        if let Some((reading, offset)) = self.place.filter(|_| acked) {
            reading.done(offset);
        }
        acked
    }

    pub(crate) async fn reject(self) {
        let rejected = self.channel.basic_reject(self.tag, BasicRejectOptions { requeue: false });
        // A channel that is gone gives the message back to the queue: it comes again, to be rejected then.
        if let (Ok(Ok(())), Some((reading, offset))) =
            (timeout(OPERATION_LIMIT, rejected).await, self.place)
        {
            reading.done(offset);
        }
    }
}

/// Gives a delivery back to its queue.
async fn requeue(channel: &Channel, tag: u64) {
    let requeued = channel.basic_nack(tag, BasicNackOptions { requeue: true, multiple: false });
    let _ = timeout(OPERATION_LIMIT, requeued).await;
}

impl fmt::Debug for Acker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acker").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// The requests that came and have not begun, at most as many as the prefetch allows.
#[derive(Default)]
struct Inbox {
    state: Mutex<InboxState>,
    woken: Notify,
}

#[derive(Default)]
struct InboxState {
    deliveries: VecDeque<(Delivery, u64, Channel)>,
    ended: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The requests to a server.
pub(crate) struct Listener {
    inbox: Arc<Inbox>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

impl Listener {
    pub(super) async fn bind(
        address: ListenAddress,
        layout: Arc<Layout>,
        generations: Generations,
        closing: watch::Receiver<bool>,
        tracked: Tracked,
    ) -> Result<Self, TransportError> {
        let inbox = Arc::new(Inbox::default());
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let (ready, bound) = oneshot::channel();
        let fanout = FanoutQueue::new(format!("{}_fanout", address.topic), &layout.options)?;
        let task = ListenTask {
            address,
            layout,
            fanout,
            generations,
            inbox: Arc::clone(&inbox),
            stopped,
            closing,
        };
        tokio::spawn(async move {
            task.run(ready).await;
            drop(tracked);
            ending.send_replace(true);
        });
        let listener = Self { inbox, stop, ended };
        match bound.await {
            Ok(bound) => bound.map(|()| listener),
            Err(_) => Err(TransportError::closed()),
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        loop {
            let woken = self.inbox.woken.notified();
            {
                let mut state = self.inbox.lock();
                if let Some((delivery, ..)) = state.deliveries.pop_front() {
                    return Some(delivery);
                }
                if state.ended {
                    return None;
                }
            }
            woken.await;
        }
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

/// What keeps a server's consumers up.
struct ListenTask {
    address: ListenAddress,
    layout: Arc<Layout>,
    fanout: FanoutQueue,
    generations: Generations,
    inbox: Arc<Inbox>,
    /// Set, or dropped, when the server stops.
    stopped: watch::Receiver<bool>,
    closing: watch::Receiver<bool>,
}

/// Where fanout casts come by.
enum FanoutQueue {
    /// A queue of this server's own.
    Own(OwnQueue),
    /// One stream for all servers of the topic.
    Stream { name: String, reading: Arc<Reading> },
}

impl FanoutQueue {
    fn new(kind: String, options: &RabbitOptions) -> Result<Self, TransportError> {
        Ok(match options.stream_fanout {
            true => Self::Stream { name: kind, reading: Arc::default() },
            false => Self::Own(OwnQueue::new(kind, &options.names)?),
        })
    }

    fn name(&self) -> &str {
        match self {
            Self::Own(queue) => queue.name(),
            Self::Stream { name, .. } => name,
        }
    }

    /// Whether it has to be claimed.
    fn is_stable(&self) -> bool {
        matches!(self, Self::Own(queue) if queue.is_stable())
    }

    /// Whether it goes with the server.
    fn is_temporary(&self) -> bool {
        matches!(self, Self::Own(queue) if !queue.is_stable())
    }

    fn reading(&self) -> Option<&Arc<Reading>> {
        match self {
            Self::Own(_) => None,
            Self::Stream { reading, .. } => Some(reading),
        }
    }
}

/// Three consumers on one channel.
struct Consuming {
    channel: Channel,
    /// `None` is the end of one of the three: lapin gives an error when the channel goes, and nothing at all when the
    /// broker cancels a consumer.
    deliveries: SelectAll<BoxStream<'static, Option<lapin::message::Delivery>>>,
    tags: [ShortString; 3],
    /// What has been read of the stream, if fanout casts come by one.
    reading: Option<Arc<Reading>>,
}

impl ListenTask {
    /// How long the first set-up may take.
    const BIND_LIMIT: Duration = Duration::from_secs(30);

    async fn run(mut self, ready: oneshot::Sender<Result<(), TransportError>>) {
        let first = timeout(Self::BIND_LIMIT, self.connect()).await.unwrap_or_else(|_| {
            Err(TransportError::new(
                TransportErrorKind::TimedOut,
                "the broker did not bind the queues in time",
            ))
        });
        match first {
            Ok(Some(consuming)) => {
                if ready.send(Ok(())).is_ok() {
                    self.serve(consuming).await;
                }
            }
            Ok(None) => drop(ready.send(Err(TransportError::closed()))),
            Err(error) => drop(ready.send(Err(error))),
        }
        self.inbox.lock().ended = true;
        self.inbox.woken.notify_waiters();
        self.inbox.woken.notify_one();
    }

    async fn serve(&mut self, mut consuming: Consuming) {
        let mut backoff = Backoff::new(Duration::from_secs(2));
        loop {
            let since = Instant::now();
            let mut stopped = self.stopped.clone();
            let mut closing = self.closing.clone();
            tokio::select! {
                () = receive(&self.inbox, &mut consuming) => {}
                () = told(&mut stopped) => return self.stop(consuming).await,
                () = told(&mut closing) => return self.stop(consuming).await,
            }
            // What has not begun comes again by the next channel.
            self.inbox.lock().deliveries.clear();
            if let Some(reading) = self.fanout.reading() {
                let current = self.generations.borrow().clone();
                match current.is_some_and(|generation| generation.is_alive()) {
                    // A consumer that ends before its connection does has lost its queue.
                    true => reading.moved(),
                    false => reading.ended(),
                }
            }
            if since.elapsed() > Duration::from_secs(5) {
                backoff.reset();
            }
            consuming = loop {
                tokio::select! {
                    () = backoff.pause() => {}
                    () = told(&mut stopped) => return,
                    () = told(&mut closing) => return,
                }
                match self.connect().await {
                    Ok(Some(consuming)) => break consuming,
                    Ok(None) => return,
                    Err(error) => {
                        tracing::warn!(topic = %self.address.topic, %error, "cannot consume")
                    }
                }
            };
        }
    }

    /// Declares and consumes in the current generation, as soon as there is one. `None` if there will be none.
    ///
    /// What may pass is tried again: a connection that goes meanwhile, or a fanout exchange that goes between its
    /// declaration and its binding because the last server before this one has just left.
    async fn connect(&mut self) -> Result<Option<Consuming>, TransportError> {
        let mut backoff = Backoff::new(Duration::from_millis(500));
        loop {
            let mut stopped = self.stopped.clone();
            let generation = tokio::select! {
                generation = connected(&mut self.generations) => generation,
                () = told(&mut stopped) => None,
            };
            let Some(generation) = generation else { return Ok(None) };
            backoff.pause().await;
            match timeout(OPERATION_LIMIT, self.consume(&generation.connection)).await {
                Ok(Ok(consuming)) => return Ok(Some(consuming)),
                Ok(Err(error)) if error.kind() != TransportErrorKind::Disconnected => {
                    return Err(error);
                }
                Ok(Err(error)) => tracing::debug!(%error, "cannot bind yet"),
                Err(_) => generation.give_up(),
            }
        }
    }

    /// Declares and consumes the three queues. A fanout queue that somebody else consumes is left to them, for another.
    async fn consume(
        &mut self,
        connection: &lapin::Connection,
    ) -> Result<Consuming, TransportError> {
        loop {
            let steps = topology::server(&self.address, self.fanout.name(), &self.layout);
            declare_all(connection, steps, &self.layout).await?;
            let failed = |what: &'static str| move |error: lapin::Error| broker_error(what, &error);
            let channel = connection.create_channel().await.map_err(failed("open a channel"))?;
            let qos = channel.basic_qos(self.address.prefetch, BasicQosOptions::default());
            qos.await.map_err(failed("limit the prefetch"))?;
            match (self.consume_on(channel).await, &mut self.fanout) {
                (Ok(consuming), FanoutQueue::Own(queue)) => {
                    queue.claimed();
                    return Ok(consuming);
                }
                (Ok(consuming), FanoutQueue::Stream { reading, .. }) => {
                    reading.began();
                    return Ok(consuming);
                }
                (Err((_, error)), FanoutQueue::Own(queue)) if is_taken(&error) => {
                    if !queue.refused() {
                        let what = format!("`{}` is still in use", queue.name());
                        return Err(TransportError::new(TransportErrorKind::Disconnected, what));
                    }
                }
                (Err((queue, error)), _) => {
                    return Err(broker_error(&format!("consume the queue `{queue}`"), &error));
                }
            }
        }
    }

    /// Consumes the three queues, the fanout queue first: it may be refused. An error comes with the queue's name.
    async fn consume_on(&self, channel: Channel) -> Result<Consuming, (String, lapin::Error)> {
        let tags = ["3", "2", "1"].map(ShortString::from);
        let mut deliveries = SelectAll::new();
        let queues = topology::queues(&self.address, self.fanout.name());
        for (at, (queue, tag)) in queues.into_iter().rev().zip(&tags).enumerate() {
            let exclusive = at == 0 && self.fanout.is_stable();
            let options = BasicConsumeOptions { exclusive, ..BasicConsumeOptions::default() };
            let arguments = match self.fanout.reading() {
                Some(reading) if at == 0 => reading.resume(),
                _ => consuming(&self.layout.options),
            };
            let name = queue.clone().into();
            match channel.basic_consume(name, tag.clone(), options, arguments).await {
                Ok(consumer) => {
                    let consumer = consumer.map(Result::ok).chain(once(ready(None)));
                    deliveries.push(consumer.boxed());
                }
                Err(error) => return Err((queue, error)),
            }
        }
        Ok(Consuming { channel, deliveries, tags, reading: self.fanout.reading().cloned() })
    }

    /// Stops in an order that loses nothing: no more deliveries, what has not begun back to the queue, then this
    /// server's own queue. The channel stays open for the acknowledgements of what runs on.
    async fn stop(&self, mut consuming: Consuming) {
        let channel = consuming.channel.clone();
        for tag in &consuming.tags {
            let cancelled = channel.basic_cancel(tag.clone(), BasicCancelOptions::default());
            if !matches!(timeout(OPERATION_LIMIT, cancelled).await, Ok(Ok(()))) {
                return;
            }
        }
        while let Some(Some(delivery)) = consuming.deliveries.next().now_or_never() {
            if let Some(delivery) = delivery {
                requeue(&channel, delivery.delivery_tag).await;
            }
        }
        let waiting = std::mem::take(&mut self.inbox.lock().deliveries);
        for (_, tag, channel) in waiting {
            requeue(&channel, tag).await;
        }
        if self.fanout.is_temporary() {
            let name = self.fanout.name().into();
            let deleted = channel.queue_delete(name, QueueDeleteOptions::default());
            let _ = timeout(OPERATION_LIMIT, deleted).await;
        }
    }
}

/// Puts what comes into the inbox, until the channel or one of the consumers is gone.
async fn receive(inbox: &Inbox, consuming: &mut Consuming) {
    while let Some(Some(delivery)) = consuming.deliveries.next().await {
        let tag = delivery.delivery_tag;
        let channel = consuming.channel.clone();
        let place = consuming.reading.as_ref().and_then(|reading| {
            reading.read(&delivery.properties).map(|offset| (Arc::clone(reading), offset))
        });
        let delivery = incoming(delivery, Acker { channel: channel.clone(), tag, place });
        inbox.lock().deliveries.push_back((delivery, tag, channel));
        inbox.woken.notify_one();
    }
}

fn incoming(delivery: lapin::message::Delivery, acker: Acker) -> Delivery {
    let properties = &delivery.properties;
    let is_json =
        properties.content_type().as_ref().is_some_and(|kind| kind.as_str() == CONTENT_TYPE);
    let compression = compression(properties).map(str::to_owned);
    let lifetime = properties.expiration().as_ref().and_then(|millis| millis.as_str().parse().ok());
    let expires =
        lifetime.and_then(|millis| Instant::now().checked_add(Duration::from_millis(millis)));
    Delivery {
        is_fanout: delivery.exchange.as_str().ends_with("_fanout"),
        body: Body::Owned(delivery.data),
        is_json,
        compression,
        expires,
        acker: crate::transport::Acker::Rabbit(acker),
    }
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

/// Whether somebody else consumes a queue that we want for ourselves.
pub(super) fn is_taken(error: &lapin::Error) -> bool {
    broker_error("", error).kind() == TransportErrorKind::Refused
        && error.to_string().contains("exclusive use")
}
