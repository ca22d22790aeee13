//! The queue by which a transport's calls are answered, and its consumer.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::{BasicProperties, types::AMQPValue};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    amqp::{Channel, Connection, Consumer, Fault},
    claim::{Claim, claim, release},
    consumer::{compression, consuming, is_taken},
    declare::declare_all,
    names::OwnQueue,
    queue::SendQueue,
    supervisor::{Backoff, Generations, connected, replaced},
    told,
    topology::{self, Cause, Layout, Step},
    vital::Vital,
};
use crate::{
    Event, TransportError, TransportErrorKind,
    clock::Instant,
    observe::Observer,
    refusal::{self, Mark},
    replies::Replies,
};

/// How many replies may wait here, and how many are acknowledged in one go at the most.
const REPLY_PREFETCH: u16 = 1000;
const REPLY_BATCH: usize = 64;
/// How often a connection may go before the transport is handed out without a reply queue.
const FIRST_ATTEMPTS: usize = 5;
/// How long those attempts may take together.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
/// How often a queue that was left is looked at.
const LEFT_PAUSE: Duration = Duration::from_millis(250);

/// Keeps the reply queue declared and consumed.
pub(super) struct ReplyTask {
    parts: Parts,
    queue: OwnQueue,
    /// Whether the queue was consumed under its name.
    was_consumed: bool,
    /// Held while the queue is consumed.
    claim: Option<Claim>,
    /// The consumer that the first attempt made.
    first: Option<(Channel, Consumer)>,
    /// The connection on which the broker refused the queue.
    refused_on: Option<Arc<Connection>>,
}

/// The parts of a transport that its [`ReplyTask`] needs.
pub(super) struct Parts {
    pub(super) replies: Arc<Replies>,
    pub(super) generations: Generations,
    /// Tells whether the queue is consumed.
    pub(super) answerable: watch::Sender<bool>,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) layout: Arc<Layout>,
    pub(super) sending: Arc<SendQueue>,
    pub(super) observer: Arc<Observer>,
    pub(super) runtime: Handle,
    pub(super) vital: Vital,
}

impl ReplyTask {
    /// Makes the first attempt at the queue. It is over once the broker has granted or refused
    /// that, or has done neither in time.
    ///
    /// A refusal does not fail `connect`: notifiers and pure servers need no replies, and may lack
    /// the right. Nothing else uses the connection yet. If the broker closes it over the
    /// declaration, the next connection gets a declaration of another form.
    pub(super) async fn new(parts: Parts) -> Result<Self, TransportError> {
        let queue = OwnQueue::new("reply".to_owned(), &parts.layout.options.names)?;
        let mut task =
            Self { parts, queue, was_consumed: false, claim: None, first: None, refused_on: None };
        // An attempt that takes longer goes on in the background.
        if let Ok(attempted) = timeout(FIRST_LIMIT, task.attempt()).await {
            attempted?;
        }
        task.parts.replies.set_queue(task.queue.name());
        Ok(task)
    }

    async fn attempt(&mut self) -> Result<(), TransportError> {
        for _ in 0..FIRST_ATTEMPTS {
            let connection = connected(&mut self.parts.generations).await;
            let connection = connection.ok_or_else(TransportError::closed)?;
            match self.set_up(&connection).await {
                Ok(consumer) => {
                    self.first = Some(consumer);
                    return Ok(());
                }
                Err(error) if is_refusal(&error) => {
                    self.refused(&connection, error);
                    return Ok(());
                }
                Err(_) => {
                    connection.give_up("consuming the reply queue");
                    replaced(&mut self.parts.generations, &connection).await;
                }
            }
        }
        Ok(())
    }

    /// Declares and consumes the queue, exclusively: a stranger who knows its name could steal
    /// replies.
    ///
    /// A queue with another consumer is left to that one. Most often it belongs to a connection of
    /// ours that the broker has not given up yet.
    async fn set_up(
        &mut self,
        connection: &Arc<Connection>,
    ) -> Result<(Channel, Consumer), TransportError> {
        loop {
            let name = self.queue.name().to_owned();
            match consume(connection, &name, Some(&self.queue), true, &self.parts.layout).await? {
                Some(Consumed { channel, consumer, claim }) => {
                    self.claim = claim;
                    self.queue.claimed();
                    self.was_consumed = true;
                    return Ok((channel, consumer));
                }
                None if !self.queue.is_stable() => self.leave_queue()?,
                None if !self.was_consumed => _ = self.queue.refused(),
                None => {
                    let what = format!("the reply queue `{name}` is still in use");
                    return Err(TransportError::new(TransportErrorKind::Disconnected, what));
                }
            }
        }
    }

    /// Takes another queue for the calls to come. The old one is consumed for the calls that wait
    /// as soon as the broker allows it.
    fn leave_queue(&mut self) -> Result<(), TransportError> {
        let next = OwnQueue::new("reply".to_owned(), &self.parts.layout.options.names)?;
        let left = std::mem::replace(&mut self.queue, next);
        self.parts.replies.set_queue(self.queue.name());
        self.parts.sending.readdress_calls(left.name().into(), self.queue.name().into());
        let left = LeftQueue {
            name: left.name().to_owned(),
            waiting: self.parts.replies.waiting(),
            replies: Arc::clone(&self.parts.replies),
            generations: self.parts.generations.clone(),
            closing: self.parts.closing.clone(),
            layout: Arc::clone(&self.parts.layout),
        };
        let queue = left.name.clone();
        self.parts.vital.spawn(
            &self.parts.runtime,
            "consuming a reply queue that was left",
            left.run(),
        );
        self.parts.layout.quiet.defer(Cause::ReplyQueueTaken, move |left_out| {
            let what = "another consumer is on the reply queue, of a lost connection or of a stranger; \
                        new calls use another queue";
            tracing::warn!(queue, left_out, "{what}");
        });
        Ok(())
    }

    /// Returns the first attempt's consumer, or makes one, as soon as there is a connection.
    async fn consumer(&mut self) -> Option<Result<(Channel, Consumer), TransportError>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let connection = connected(&mut self.parts.generations).await?;
        let consumer = self.set_up(&connection).await;
        if let Err(error) = &consumer
            && is_refusal(error)
        {
            self.refused(&connection, error.clone());
        }
        Some(consumer)
    }

    /// Notes that the broker refuses the queue: calls fail with its reason for as long as it does.
    fn refused(&mut self, connection: &Arc<Connection>, error: TransportError) {
        self.refused_on = Some(Arc::clone(connection));
        self.parts.sending.refuse_calls(&error);
        self.parts.observer.note(Event::RepliesRefused { error });
    }

    fn consumed(&mut self) {
        self.refused_on = None;
        self.parts.sending.allow_calls();
        self.parts.observer.note(Event::RepliesConsumed);
        self.parts.answerable.send_replace(true);
    }

    /// Keeps the queue consumed, until the transport closes.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let (mut closing, mut lost) = (self.parts.closing.clone(), Instant::now());
        loop {
            let since = Instant::now();
            let consumer = tokio::select! {
                consumer = self.consumer() => consumer,
                () = told(&mut closing) => None,
            };
            match consumer {
                None => return,
                Some(Ok((channel, consumer))) => {
                    self.consumed();
                    let (connection, by) = (Arc::clone(channel.connection()), channel.clone());
                    let receiving = async move {
                        let closed = self.receive(&by, consumer).await;
                        (self, closed)
                    };
                    let closed;
                    (self, closed) = connection.run(receiving).await;
                    if closed {
                        return self.leave(&channel).await;
                    }
                    self.parts.answerable.send_replace(false);
                    release(&channel, &self.queue, &self.parts.layout).await;
                    channel.close().await;
                    lost = Instant::now();
                }
                Some(Err(error)) => {
                    if is_refusal(&error) {
                        backoff.refused_for(lost.elapsed());
                    }
                    self.parts.layout.quiet.defer(Cause::ConsumeReplies, move |left_out| {
                        let what = "cannot consume the reply queue; trying again";
                        tracing::warn!(%error, left_out, "{what}");
                    });
                }
            }
            if since.elapsed() > Duration::from_secs(5) {
                backoff.reset();
            }
            let mut generations = self.parts.generations.clone();
            let gone = async {
                match &self.refused_on {
                    Some(connection) => replaced(&mut generations, connection).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = told(&mut closing) => return,
                () = gone => {
                    // Another connection is another question.
                    self.refused_on = None;
                    self.parts.sending.allow_calls();
                }
                () = backoff.pause() => {}
            }
        }
    }

    /// Hands replies to their calls, until the consumer is gone or there is another connection to use. Returns whether
    /// the transport closes.
    async fn receive(&mut self, channel: &Channel, mut consumer: Consumer) -> bool {
        let mut closing = self.parts.closing.clone();
        tokio::select! {
            () = receive(channel, &mut consumer, &self.parts.replies) => false,
            () = replaced(&mut self.parts.generations, channel.connection()) => false,
            () = told(&mut closing) => true,
        }
    }

    /// Nobody can answer any more: a queue that only this process knows goes at once instead of after half an hour.
    async fn leave(&self, channel: &Channel) {
        if !self.queue.is_stable() {
            delete(channel, self.queue.name()).await;
        }
    }
}

/// Whether an attempt failed for a reason that stays while the connection does.
fn is_refusal(error: &TransportError) -> bool {
    use TransportErrorKind::{Blocked, Closed, Disconnected, NotFound, Unreachable};
    !matches!(error.kind(), Blocked | Closed | Disconnected | NotFound | Unreachable)
}

/// A consumer of a queue for replies.
struct Consumed {
    channel: Channel,
    consumer: Consumer,
    claim: Option<Claim>,
}

/// Declares and consumes a queue for replies. If it is this transport's `own`, its name is
/// claimed. `None`: the queue has another consumer, and one of the two is exclusive.
async fn consume(
    connection: &Arc<Connection>,
    name: &str,
    own: Option<&OwnQueue>,
    exclusive: bool,
    layout: &Layout,
) -> Result<Option<Consumed>, TransportError> {
    let failed = |what: &'static str| move |fault: Fault| fault.to_error(what);
    let declared = Step::Queue(topology::transient(name.to_owned(), layout));
    declare_all(connection, vec![declared], layout).await?;
    let channel = connection.channel().await.map_err(failed("open a channel for replies"))?;
    channel.qos(REPLY_PREFETCH).await.map_err(failed("limit the prefetch of replies"))?;
    let consumed = async {
        let claim = match own {
            Some(own) => Some(claim(&channel, own, layout).await?),
            None => None,
        };
        let arguments = consuming(&layout.options);
        Ok((channel.consume(name, "1", exclusive, arguments).await?, claim))
    };
    match consumed.await {
        Ok((consumer, claim)) => Ok(Some(Consumed { channel, consumer, claim })),
        Err(fault) if is_taken(&fault) => Ok(None),
        Err(fault) => Err(fault.to_error("consume the reply queue")),
    }
}

/// Deletes a queue that only this process knows. One that cannot be deleted expires later.
async fn delete(channel: &Channel, name: &str) {
    let _ = timeout(Duration::from_secs(1), channel.delete_queue(name)).await;
}

/// A reply queue that another consumer held when this transport came back to it, and the calls that
/// wait for replies by it.
struct LeftQueue {
    name: String,
    waiting: Vec<Uuid>,
    replies: Arc<Replies>,
    generations: Generations,
    closing: watch::Receiver<bool>,
    layout: Arc<Layout>,
}

impl LeftQueue {
    /// Consumes the queue until none of its calls waits any more, and deletes it then.
    async fn run(mut self) {
        let mut closing = self.closing.clone();
        tokio::select! {
            () = self.consume() => {}
            () = told(&mut closing) => {}
        }
    }

    async fn consume(&mut self) {
        loop {
            let Some(connection) = connected(&mut self.generations).await else { return };
            // The other consumer may be a stranger, who does not leave: half of the replies are
            // better than none.
            for exclusive in [true, false] {
                let layout = &self.layout;
                let consumed = consume(&connection, &self.name, None, exclusive, layout).await;
                if let Ok(Some(Consumed { channel, mut consumer, .. })) = consumed {
                    tokio::select! {
                        () = receive(&channel, &mut consumer, &self.replies) => {}
                        () = self.nobody_waits() => {}
                    }
                    break;
                }
            }
            if !self.replies.has_any(&self.waiting) {
                if let Ok(channel) = connection.channel().await {
                    delete(&channel, &self.name).await;
                }
                return;
            }
            sleep(LEFT_PAUSE).await;
        }
    }

    async fn nobody_waits(&self) {
        while self.replies.has_any(&self.waiting) {
            sleep(LEFT_PAUSE).await;
        }
    }
}

/// Hands replies to their calls, until the channel or the consumer is gone. Replies are acknowledged in batches: one
/// that comes again finds nobody waiting.
async fn receive(channel: &Channel, consumer: &mut Consumer, replies: &Replies) {
    while let Some(first) = consumer.next().await {
        let mut last = first.delivery_tag;
        replies.receive(&first.data, compression(&first.properties), mark(&first.properties));
        for _ in 1..REPLY_BATCH {
            let Some(Some(next)) = consumer.next().now_or_never() else { break };
            last = next.delivery_tag;
            replies.receive(&next.data, compression(&next.properties), mark(&next.properties));
        }
        if channel.ack_all(last).await.is_err() {
            return;
        }
    }
}

/// Returns what the headers of a reply say of its failure.
fn mark(properties: &BasicProperties) -> Option<Mark> {
    let header = properties.headers().as_ref()?.inner().get(refusal::HEADER)?;
    Some(match header {
        AMQPValue::LongString(text) => {
            Mark::parse(std::str::from_utf8(text.as_bytes()).unwrap_or_default())
        }
        _ => Mark::MayHaveBegun,
    })
}
