//! What consumes: a server's three queues, and a client's replies.
//!
//! Each consumer is one task that sets itself up anew in every generation. What it has handed out before belongs to a
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
    BasicProperties, Channel, Consumer,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, BasicRejectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::timeout,
};

use super::{
    OPERATION_LIMIT, broker_error, exchange_kind,
    supervisor::{Backoff, Generations, connected},
    told,
    topology::{self, Argument, QueueDeclaration, Step},
};
use crate::{
    RabbitOptions, TransportError, TransportErrorKind,
    envelope::CONTENT_TYPE,
    replies::Replies,
    transport::{Address, Body, Delivery, Tracked},
};

/// How many replies may wait here, and how many are acknowledged in one go at the most.
const REPLY_PREFETCH: u16 = 1000;
const REPLY_BATCH: usize = 64;

/// Tells the broker what became of a delivery, on the channel that it came by.
pub(crate) struct Acker {
    channel: Channel,
    tag: u64,
}

impl Acker {
    pub(crate) async fn ack(self) -> bool {
        let acked = self.channel.basic_ack(self.tag, BasicAckOptions::default());
        matches!(timeout(OPERATION_LIMIT, acked).await, Ok(Ok(())))
    }

    pub(crate) async fn reject(self) {
        let rejected = self.channel.basic_reject(self.tag, BasicRejectOptions { requeue: false });
        // A channel that is gone gives the message back to the queue: it comes again, to be rejected then.
        let _ = timeout(OPERATION_LIMIT, rejected).await;
    }

    async fn requeue(self) {
        let requeued =
            self.channel.basic_nack(self.tag, BasicNackOptions { requeue: true, multiple: false });
        let _ = timeout(OPERATION_LIMIT, requeued).await;
    }
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
        address: Address,
        options: Arc<RabbitOptions>,
        generations: Generations,
        closing: watch::Receiver<bool>,
        tracked: Tracked,
    ) -> Result<Self, TransportError> {
        let inbox = Arc::new(Inbox::default());
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let (ready, bound) = oneshot::channel();
        let fanout_queue = format!("{}_fanout_{}", address.topic, uuid::Uuid::new_v4().simple());
        let task = ListenTask {
            address,
            options,
            fanout_queue,
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
    address: Address,
    options: Arc<RabbitOptions>,
    fanout_queue: String,
    generations: Generations,
    inbox: Arc<Inbox>,
    /// Set, or dropped, when the server stops.
    stopped: watch::Receiver<bool>,
    closing: watch::Receiver<bool>,
}

/// Three consumers on one channel.
struct Consuming {
    channel: Channel,
    /// `None` is the end of one of the three: lapin gives an error when the channel goes, and nothing at all when the
    /// broker cancels a consumer.
    deliveries: SelectAll<BoxStream<'static, Option<lapin::message::Delivery>>>,
    tags: [ShortString; 3],
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

    async fn consume(&self, connection: &lapin::Connection) -> Result<Consuming, TransportError> {
        let failed = |what: String| move |error: lapin::Error| broker_error(&what, &error);
        let channel = connection.create_channel().await.map_err(failed("open a channel".into()))?;
        declare_all(connection, topology::server(&self.address, &self.fanout_queue, &self.options))
            .await?;
        let qos = channel.basic_qos(self.address.prefetch, BasicQosOptions::default());
        qos.await.map_err(failed("limit the prefetch".into()))?;
        let tags = ["1", "2", "3"].map(ShortString::from);
        let mut deliveries = SelectAll::new();
        for (queue, tag) in
            topology::queues(&self.address, &self.fanout_queue).into_iter().zip(&tags)
        {
            let what = format!("consume the queue `{queue}`");
            let options = BasicConsumeOptions::default();
            let arguments = consuming(&self.options);
            let consumer = channel.basic_consume(queue.into(), tag.clone(), options, arguments);
            let consumer = consumer.await.map_err(failed(what))?;
            deliveries.push(consumer.map(Result::ok).chain(once(ready(None))).boxed());
        }
        Ok(Consuming { channel, deliveries, tags })
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
                Acker { channel: channel.clone(), tag: delivery.delivery_tag }.requeue().await;
            }
        }
        let waiting = std::mem::take(&mut self.inbox.lock().deliveries);
        for (_, tag, channel) in waiting {
            Acker { channel, tag }.requeue().await;
        }
        let deleted =
            channel.queue_delete(self.fanout_queue.as_str().into(), QueueDeleteOptions::default());
        let _ = timeout(OPERATION_LIMIT, deleted).await;
    }
}

/// Puts what comes into the inbox, until the channel or one of the consumers is gone.
async fn receive(inbox: &Inbox, consuming: &mut Consuming) {
    while let Some(Some(delivery)) = consuming.deliveries.next().await {
        let tag = delivery.delivery_tag;
        let channel = consuming.channel.clone();
        let delivery = incoming(delivery, Acker { channel: channel.clone(), tag });
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

/// Declares one thing after the other, on a channel of their own: a refusal closes it.
///
/// What exists and only lasts longer or shorter than it should is used as it is.
async fn declare_all(
    connection: &lapin::Connection,
    steps: Vec<Step>,
) -> Result<(), TransportError> {
    let opened = || async {
        let channel = connection.create_channel().await;
        channel.map_err(|error| broker_error("open a channel", &error))
    };
    let mut channel = opened().await?;
    for step in steps {
        let what = match &step {
            Step::Exchange(exchange) => format!("declare the exchange `{}`", exchange.name),
            Step::Queue(queue) => format!("declare the queue `{}`", queue.name),
            Step::Bind { queue, exchange, .. } => {
                format!("bind the queue `{queue}` to the exchange `{exchange}`")
            }
        };
        match declare(&channel, step).await {
            Ok(()) => {}
            Err(error) if is_usable(&error) => {
                tracing::warn!(%error, "cannot {what}: using it as it is");
                channel = opened().await?;
            }
            Err(error) => return Err(broker_error(&what, &error)),
        }
    }
    let closed = channel.close(200, "done".into());
    let _ = timeout(OPERATION_LIMIT, closed).await;
    Ok(())
}

/// Whether a declaration was refused for a difference that does not matter to who uses the thing.
fn is_usable(error: &lapin::Error) -> bool {
    let text = error.to_string();
    broker_error("", error).kind() == TransportErrorKind::Mismatch
        && ["inequivalent arg 'durable'", "inequivalent arg 'auto_delete'"]
            .iter()
            .any(|difference| text.contains(difference))
}

async fn declare(channel: &Channel, step: Step) -> lapin::Result<()> {
    match step {
        Step::Exchange(exchange) => {
            let options = ExchangeDeclareOptions {
                durable: exchange.durable,
                auto_delete: exchange.auto_delete,
                ..Default::default()
            };
            let kind = exchange_kind(exchange.kind);
            channel
                .exchange_declare(exchange.name.into(), kind, options, FieldTable::default())
                .await
        }
        Step::Queue(queue) => declare_queue(channel, queue).await,
        Step::Bind { queue, exchange, key } => {
            let options = QueueBindOptions::default();
            channel
                .queue_bind(
                    queue.into(),
                    exchange.into(),
                    key.into(),
                    options,
                    FieldTable::default(),
                )
                .await
        }
    }
}

async fn declare_queue(channel: &Channel, queue: QueueDeclaration) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    for (name, value) in queue.arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString(text.into()),
            Argument::Number(number) => AMQPValue::LongInt(number),
        };
        arguments.insert(name.into(), value);
    }
    let options = QueueDeclareOptions {
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(queue.name.into(), options, arguments).await.map(drop)
}

/// The arguments of a consumer.
fn consuming(options: &RabbitOptions) -> FieldTable {
    let mut arguments = FieldTable::default();
    if options.cancel_on_failover {
        arguments.insert("x-cancel-on-ha-failover".into(), AMQPValue::Boolean(true));
    }
    arguments
}

/// Keeps the reply queue consumed, and tells through `answerable` whether it is.
pub(super) async fn consume_replies(
    replies: Arc<Replies>,
    mut generations: Generations,
    answerable: watch::Sender<bool>,
    mut closing: watch::Receiver<bool>,
    options: Arc<RabbitOptions>,
) {
    let mut backoff = Backoff::new(Duration::from_secs(2));
    loop {
        let generation = tokio::select! {
            Some(generation) = connected(&mut generations) => generation,
            () = told(&mut closing) => return,
            else => return,
        };
        let since = Instant::now();
        let set_up = set_up_replies(&generation.connection, replies.queue(), &options);
        match timeout(OPERATION_LIMIT, set_up).await {
            Ok(Ok((channel, mut consumer))) => {
                answerable.send_replace(true);
                tokio::select! {
                    () = receive_replies(&channel, &mut consumer, &replies) => {}
                    () = told(&mut closing) => {
                        // Nobody can answer any more: the queue goes at once instead of after half an hour.
                        let name = ShortString::from(replies.queue());
                        let deleted = channel.queue_delete(name, QueueDeleteOptions::default());
                        let _ = timeout(Duration::from_secs(1), deleted).await;
                        return;
                    }
                }
                answerable.send_replace(false);
            }
            Ok(Err(error)) => tracing::warn!(%error, "cannot consume replies"),
            Err(_) => generation.give_up(),
        }
        drop(generation);
        if since.elapsed() > Duration::from_secs(5) {
            backoff.reset();
        }
        tokio::select! {
            () = backoff.pause() => {}
            () = told(&mut closing) => return,
        }
    }
}

async fn set_up_replies(
    connection: &lapin::Connection,
    queue: &str,
    options: &RabbitOptions,
) -> lapin::Result<(Channel, Consumer)> {
    let channel = connection.create_channel().await?;
    declare_queue(&channel, topology::transient(queue.to_owned(), options)).await?;
    channel.basic_qos(REPLY_PREFETCH, BasicQosOptions::default()).await?;
    let (consume, arguments) = (BasicConsumeOptions::default(), consuming(options));
    let consumer = channel.basic_consume(queue.into(), "1".into(), consume, arguments).await?;
    Ok((channel, consumer))
}

/// Hands replies to their calls, until the channel or the consumer is gone. Replies are acknowledged in batches: one
/// that comes again finds nobody waiting.
async fn receive_replies(channel: &Channel, consumer: &mut Consumer, replies: &Replies) {
    while let Some(Ok(first)) = consumer.next().await {
        let mut last = first.delivery_tag;
        deliver_reply(replies, &first);
        for _ in 1..REPLY_BATCH {
            let Some(Some(Ok(next))) = consumer.next().now_or_never() else { break };
            last = next.delivery_tag;
            deliver_reply(replies, &next);
        }
        let acked = channel.basic_ack(last, BasicAckOptions { multiple: true });
        if !matches!(timeout(OPERATION_LIMIT, acked).await, Ok(Ok(()))) {
            return;
        }
    }
}

fn deliver_reply(replies: &Replies, reply: &lapin::message::Delivery) {
    if let Err(error) = replies.deliver(&reply.data, compression(&reply.properties)) {
        tracing::warn!(%error, "dropped a message on the reply queue that is not a reply");
    }
}
