//! The queue that replies to this transport's calls come by, and who reads it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::{
    Channel, Consumer,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeleteOptions},
    types::ShortString,
};
use tokio::{sync::watch, time::timeout};

use super::{
    OPERATION_LIMIT, broker_error,
    consumer::{compression, consuming, is_taken},
    declare::declare_all,
    names::OwnQueue,
    supervisor::{Backoff, Generation, Generations, connected},
    told,
    topology::{self, Layout, Step},
};
use crate::{TransportError, TransportErrorKind, replies::Replies};

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
    first: Option<(Arc<Generation>, Channel, Consumer)>,
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
        let mut task =
            Self { replies, generations, answerable, closing, layout, queue, first: None };
        if task.queue.is_stable() {
            task.first = Some(task.claim().await?);
        }
        task.replies.set_queue(task.queue.name());
        Ok(task)
    }

    async fn claim(&mut self) -> Result<(Arc<Generation>, Channel, Consumer), TransportError> {
        let mut attempts = 0;
        loop {
            let generation = connected(&mut self.generations).await;
            let generation = generation.ok_or_else(TransportError::closed)?;
            let set_up = timeout(OPERATION_LIMIT, self.set_up(&generation.connection)).await;
            let error = match set_up {
                Ok(Ok((channel, consumer))) => return Ok((generation, channel, consumer)),
                Ok(Err(error)) if error.kind() != TransportErrorKind::Disconnected => {
                    return Err(error);
                }
                Ok(Err(error)) => error,
                Err(_) => TransportError::new(
                    TransportErrorKind::TimedOut,
                    "the broker did not make the reply queue in time",
                ),
            };
            attempts += 1;
            if attempts == CLAIM_ATTEMPTS {
                return Err(error);
            }
            generation.give_up();
            drop(generation);
            // The supervisor takes it away.
            let _ = self.generations.changed().await;
        }
    }

    /// Declares and consumes the queue. One that somebody else consumes is left to them, for another number, until
    /// there is a name for good.
    async fn set_up(
        &mut self,
        connection: &lapin::Connection,
    ) -> Result<(Channel, Consumer), TransportError> {
        let failed = |what: &'static str| move |error: lapin::Error| broker_error(what, &error);
        loop {
            let name = self.queue.name().to_owned();
            let declared = Step::Queue(topology::transient(name.clone(), &self.layout));
            declare_all(connection, vec![declared], &self.layout).await?;
            let channel = connection.create_channel().await.map_err(failed("open a channel"))?;
            let qos = channel.basic_qos(REPLY_PREFETCH, BasicQosOptions::default());
            qos.await.map_err(failed("limit the prefetch"))?;
            let exclusive = self.queue.is_stable();
            let options = BasicConsumeOptions { exclusive, ..BasicConsumeOptions::default() };
            let arguments = consuming(&self.layout.options);
            match channel.basic_consume(name.into(), "1".into(), options, arguments).await {
                Ok(consumer) => {
                    self.queue.claimed();
                    return Ok((channel, consumer));
                }
                Err(error) if is_taken(&error) && !self.replies.has_queue() => {
                    self.queue.refused();
                }
                Err(error) => return Err(broker_error("consume the reply queue", &error)),
            }
        }
    }

    /// Keeps the queue consumed, until the transport closes.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_secs(2));
        let mut closing = self.closing.clone();
        loop {
            let since = Instant::now();
            let generation = match &self.first {
                Some((generation, ..)) => Some(Arc::clone(generation)),
                None => tokio::select! {
                    generation = connected(&mut self.generations) => generation,
                    () = told(&mut closing) => None,
                },
            };
            let Some(generation) = generation else { return };
            let set_up = async {
                match self.first.take() {
                    Some((_, channel, consumer)) => Ok((channel, consumer)),
                    None => self.set_up(&generation.connection).await,
                }
            };
            match timeout(OPERATION_LIMIT, set_up).await {
                Ok(Ok((channel, mut consumer))) => {
                    self.answerable.send_replace(true);
                    tokio::select! {
                        () = receive(&channel, &mut consumer, &self.replies) => {}
                        () = told(&mut closing) => return self.leave(&channel).await,
                    }
                    self.answerable.send_replace(false);
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

    /// Nobody can answer any more: a queue that only this process knows goes at once instead of after half an hour.
    async fn leave(&self, channel: &Channel) {
        if self.queue.is_stable() {
            return;
        }
        let name = ShortString::from(self.queue.name());
        let deleted = channel.queue_delete(name, QueueDeleteOptions::default());
        let _ = timeout(Duration::from_secs(1), deleted).await;
    }
}

/// Hands replies to their calls, until the channel or the consumer is gone. Replies are acknowledged in batches: one
/// that comes again finds nobody waiting.
async fn receive(channel: &Channel, consumer: &mut Consumer, replies: &Replies) {
    while let Some(Ok(first)) = consumer.next().await {
        let mut last = first.delivery_tag;
        deliver(replies, &first);
        for _ in 1..REPLY_BATCH {
            let Some(Some(Ok(next))) = consumer.next().now_or_never() else { break };
            last = next.delivery_tag;
            deliver(replies, &next);
        }
        let acked = channel.basic_ack(last, BasicAckOptions { multiple: true });
        if !matches!(timeout(OPERATION_LIMIT, acked).await, Ok(Ok(()))) {
            return;
        }
    }
}

fn deliver(replies: &Replies, reply: &lapin::message::Delivery) {
    if let Err(error) = replies.deliver(&reply.data, compression(&reply.properties)) {
        tracing::warn!(%error, "dropped a message on the reply queue that is not a reply");
    }
}
