//! The queue that replies to this transport's calls come by, and who reads it.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::{BasicProperties, types::AMQPValue};
use tokio::{sync::watch, time::timeout};

use super::{
    amqp::{Channel, Connection, Consumer, Fault},
    consumer::{compression, consuming, is_taken},
    declare::declare_all,
    names::OwnQueue,
    supervisor::{Backoff, Generations, connected, is_passing, replaced},
    told,
    topology::{self, Cause, Layout, Step},
};
use crate::{
    TransportError,
    clock::Instant,
    refusal::{self, Mark},
    replies::Replies,
};

/// How many replies may wait here, and how many are acknowledged in one go at the most.
const REPLY_PREFETCH: u16 = 1000;
const REPLY_BATCH: usize = 64;
/// How often a connection may go while a stable name is looked for.
const CLAIM_ATTEMPTS: usize = 5;

/// What keeps the reply queue consumed.
pub(super) struct ReplyTask {
    pub(super) replies: Arc<Replies>,
    pub(super) generations: Generations,
    /// Tells whether the queue is consumed.
    pub(super) answerable: watch::Sender<bool>,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) layout: Arc<Layout>,
    queue: OwnQueue,
    /// The consumer that has claimed the queue's name.
    first: Option<(Channel, Consumer)>,
}

impl ReplyTask {
    /// Finds a name for the queue, which it keeps. A stable one is claimed by consuming the queue.
    pub(super) async fn new(
        replies: Arc<Replies>,
        generations: Generations,
        answerable: watch::Sender<bool>,
        closing: watch::Receiver<bool>,
        layout: Arc<Layout>,
    ) -> Result<Self, TransportError> {
        let queue = OwnQueue::new("reply".to_owned(), &layout.options.names)?;
        let first = None;
        let mut task = Self { replies, generations, answerable, closing, layout, queue, first };
        if task.queue.is_stable() {
            task.first = Some(task.claim().await?);
        }
        task.replies.set_queue(task.queue.name());
        Ok(task)
    }

    async fn claim(&mut self) -> Result<(Channel, Consumer), TransportError> {
        let mut attempts = 0;
        loop {
            let connection = connected(&mut self.generations).await;
            let connection = connection.ok_or_else(TransportError::closed)?;
            let error = match self.set_up(&connection).await {
                Ok(claimed) => return Ok(claimed),
                Err(error) => error,
            };
            attempts += 1;
            if attempts == CLAIM_ATTEMPTS || !is_passing(&error) {
                return Err(error);
            }
            connection.give_up("claiming a queue");
            replaced(&mut self.generations, &connection).await;
        }
    }

    /// Declares and consumes the queue. One that somebody else consumes is left to them, for another number, until
    /// there is a name for good.
    async fn set_up(
        &mut self,
        connection: &Arc<Connection>,
    ) -> Result<(Channel, Consumer), TransportError> {
        let failed = |what: &'static str| move |fault: Fault| fault.to_error(what);
        loop {
            let name = self.queue.name().to_owned();
            let declared = Step::Queue(topology::transient(name.clone(), &self.layout));
            declare_all(connection, vec![declared], &self.layout).await?;
            let channel = connection.channel().await.map_err(failed("open a channel"))?;
            channel.qos(REPLY_PREFETCH).await.map_err(failed("limit the prefetch"))?;
            let arguments = consuming(&self.layout.options);
            match channel.consume(&name, "1", self.queue.is_stable(), arguments).await {
                Ok(consumer) => {
                    self.queue.claimed();
                    return Ok((channel, consumer));
                }
                Err(fault) if is_taken(&fault) && !self.replies.has_queue() => {
                    self.queue.refused();
                }
                Err(fault) => return Err(fault.to_error("consume the reply queue")),
            }
        }
    }

    /// Returns the consumer that has claimed the queue, or makes one, as soon as there is a connection.
    async fn consumer(&mut self) -> Option<Result<(Channel, Consumer), TransportError>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let connection = connected(&mut self.generations).await?;
        Some(self.set_up(&connection).await)
    }

    /// Keeps the queue consumed, until the transport closes.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let (mut closing, mut lost) = (self.closing.clone(), Instant::now());
        loop {
            let since = Instant::now();
            let consumer = tokio::select! {
                consumer = self.consumer() => consumer,
                () = told(&mut closing) => None,
            };
            match consumer {
                None => return,
                Some(Ok((channel, consumer))) => {
                    self.answerable.send_replace(true);
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
                    self.answerable.send_replace(false);
                    channel.close().await;
                    lost = Instant::now();
                }
                Some(Err(error)) => {
                    self.layout.quiet.say(Cause::ConsumeReplies, |left_out| {
                        tracing::warn!(%error, left_out, "cannot consume replies");
                    });
                    if !is_passing(&error) {
                        backoff.refused_for(lost.elapsed());
                    }
                }
            }
            if since.elapsed() > Duration::from_secs(5) {
                backoff.reset();
            }
            tokio::select! {
                () = backoff.pause() => {}
                () = told(&mut closing) => return,
            }
        }
    }

    /// Hands replies to their calls, until the consumer is gone or there is another connection to use. Returns whether
    /// the transport closes.
    async fn receive(&mut self, channel: &Channel, mut consumer: Consumer) -> bool {
        let mut closing = self.closing.clone();
        tokio::select! {
            () = receive(channel, &mut consumer, &self.replies) => false,
            () = replaced(&mut self.generations, channel.connection()) => false,
            () = told(&mut closing) => true,
        }
    }

    /// Nobody can answer any more: a queue that only this process knows goes at once instead of after half an hour.
    async fn leave(&self, channel: &Channel) {
        if !self.queue.is_stable() {
            // One that cannot be deleted goes by itself, later.
            let _ = timeout(Duration::from_secs(1), channel.delete_queue(self.queue.name())).await;
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
