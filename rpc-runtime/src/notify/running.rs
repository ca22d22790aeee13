//! A listener that listens, and what becomes of each notification.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};

use super::{
    Metadata, Payload, Requeue,
    handler::{Handler, chosen},
};
use crate::{
    Context, ServerBuilder, ShutdownError, Transport,
    compression::unpack,
    dispatch::{Caught, Panicked},
    duplicates::{Duplicates, Seen},
    envelope::{self, EnvelopeError, Notice},
    excerpt::Excerpt,
    observe::Counts,
    pending::{Outcome, Outgoing},
    quiet::Quiet,
    transport::{
        Acker, Delivery, Listener, Tracked, Tracker,
        kept::{Header, REDELIVERIES, letter},
    },
};

/// How long a notification is kept that could not be published anew, before it goes back to its queue.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that one waits which a handler has refused, unless the first wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// What a log line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    NoNotification,
    NoPriority,
    Refused,
    Dead,
    Kept,
}

/// What all notifications of one listener share.
pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) handlers: Vec<Handler>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) duplicates: Mutex<Duplicates<Acker>>,
    pub(super) requeue_delay: Duration,
    pub(super) delivery_limit: u32,
    pub(super) dead_letter_queue: Option<Arc<str>>,
    pub(super) tracker: Tracker,
    /// Whether nothing more is to begin.
    pub(super) stop: watch::Sender<bool>,
    /// Whether handlers that still run are to be given up.
    pub(super) abort: watch::Sender<bool>,
    pub(super) quiet: Quiet<Cause>,
}

impl Shared {
    fn counts(&self) -> &Counts {
        &self.transport.observer().counts
    }

    fn duplicates(&self) -> MutexGuard<'_, Duplicates<Acker>> {
        self.duplicates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stopped(&self) {
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    async fn aborted(&self) {
        let _ = self.abort.subscribe().wait_for(|abort| *abort).await;
    }

    /// How long a notification waits that was refused after so many deliveries before that one.
    fn delay(&self, redeliveries: u32) -> Duration {
        let grown = self.requeue_delay.saturating_mul(2_u32.saturating_pow(redeliveries.min(16)));
        grown.min(LONGEST.max(self.requeue_delay))
    }
}

/// A listener that listens. Dropping this handle does not stop it.
pub struct RunningListener {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl RunningListener {
    /// How long it may take to give back what was given up.
    const FAREWELL: Duration = Duration::from_secs(1);

    pub(super) fn new(shared: Arc<Shared>, task: JoinHandle<()>) -> Self {
        Self { shared, task }
    }

    /// Returns how many notifications have been taken and are not settled yet: being worked on, or waiting to come again.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.tracker.running()
    }

    /// Stops: cancels the consumers first, gives back to the broker what has not begun or waits to come again, and lets
    /// what has begun finish.
    ///
    /// # Errors
    /// If that took longer than `limit`. Handlers that still run are given up then, and what they worked on comes again, to
    /// this listener's successor or to another. It returns within a second after `limit` in any case, also without a broker.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the listener stopping: it takes nothing new.
    pub async fn shutdown(mut self, limit: Duration) -> Result<(), ShutdownError> {
        self.shared.stop.send_replace(true);
        if tokio::time::timeout(limit, self.drained()).await.is_ok() {
            return Ok(());
        }
        let unfinished = self.in_flight();
        self.shared.abort.send_replace(true);
        match tokio::time::timeout(Self::FAREWELL, self.drained()).await {
            Ok(()) if unfinished == 0 => Ok(()),
            _ => Err(ShutdownError { unfinished, limit }),
        }
    }

    async fn drained(&mut self) {
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
        self.shared.tracker.idle().await;
    }

    /// Waits until the listener ends by itself: when its transport is closed.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn wait(&mut self) {
        self.drained().await;
    }
}

impl fmt::Debug for RunningListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningListener")
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// Takes notifications one by one, as there are slots, until told to stop.
pub(super) async fn serve(shared: Arc<Shared>, mut listener: Listener) {
    let mut stop = std::pin::pin!(shared.stopped());
    loop {
        let next = async {
            while listener.ready().await {
                let slot = Arc::clone(&shared.slots).acquire_owned().await.ok()?;
                if let Some(delivery) = listener.take() {
                    return Some((delivery, slot));
                }
            }
            None
        };
        let (delivery, slot) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => match next {
                Some(next) => next,
                None => break,
            },
        };
        let incoming = Incoming { shared: Arc::clone(&shared), _tracked: shared.tracker.track() };
        tokio::spawn(incoming.handle(delivery, slot));
    }
    listener.cancel().await;
}

/// A notification that has been taken.
struct Incoming {
    shared: Arc<Shared>,
    _tracked: Tracked,
}

/// What is needed to publish it anew.
struct Origin {
    body: crate::transport::Body,
    compression: Option<String>,
    queue: Option<Arc<str>>,
    /// How often it was delivered before.
    redeliveries: u32,
    /// Whether the next delivery will be counted by itself.
    is_counted: bool,
}

/// How the work on a notification ended.
enum End {
    Done,
    Refused(Requeue),
    /// The listener gave it up.
    GivenUp,
    /// Its payload is nothing that a handler can read.
    Unreadable(serde_json::Error),
}

impl Incoming {
    async fn handle(self, delivery: Delivery, slot: OwnedSemaphorePermit) {
        let Delivery { body, content, compression, redelivery, queue, acker, .. } = delivery;
        let shared = &self.shared;
        if let Some(why) = content.refusal() {
            return refuse(shared, acker, &why).await;
        }
        let redeliveries = redelivery.as_ref().map_or(0, |redelivery| redelivery.count);
        let is_counted = redelivery.is_none_or(|redelivery| redelivery.is_counted);
        let origin = Origin { body, compression, queue, redeliveries, is_counted };
        let limits = shared.transport.limits();
        let unpacked = match unpack(&origin.body, origin.compression.as_deref(), limits.unpacked) {
            Ok(body) => body,
            Err(error) => return refuse(shared, acker, &EnvelopeError::from(error)).await,
        };
        let parsed = envelope::open(&unpacked);
        let text = match &parsed {
            Ok(text) => text,
            Err(error) => return refuse(shared, acker, error).await,
        };
        let notice = match Notice::parse_within(text, limits.values) {
            Ok(notice) if notice.values > limits.values => {
                return refuse(shared, acker, &"it is made of too many values").await;
            }
            Ok(notice) => notice,
            Err(error) => return refuse(shared, acker, &error).await,
        };
        shared.counts().notifications_received.add_one();
        let Some(metadata) = metadata(shared, &notice, redeliveries) else {
            acker.ack().await;
            return;
        };
        let handlers = chosen(&shared.handlers, &metadata);
        if handlers.is_empty() {
            acker.ack().await;
            return;
        }
        let mut acker = Some(acker);
        let Some(key) = self.first(&notice, &mut acker).await else { return };
        let Some(acker) = acker else { return };
        let event_type = metadata.event_type.clone();
        if shared.delivery_limit > 0 && redeliveries >= shared.delivery_limit {
            drop(slot);
            let why = "delivery_limit";
            return self.put_aside(&origin, &event_type, why, key, acker).await;
        }
        if !origin.is_counted && shared.delivery_limit > 0 {
            // A classic queue does not count. What ends its listener each time it is handled would never stop.
            drop(slot);
            return self.publish_anew(&origin, redeliveries, key, acker).await;
        }
        let payload = Payload::new(notice.payload());
        drop(notice);
        let end = self.work(&handlers, metadata, &payload).await;
        drop(slot);
        match end {
            End::Done => {
                let copies = key.map(|key| shared.duplicates().end(key, None)).unwrap_or_default();
                for acker in [acker].into_iter().chain(copies) {
                    acker.ack().await;
                }
            }
            End::GivenUp => self.give_back(key, acker).await,
            End::Unreadable(error) => {
                let why = format!("unreadable: {error}");
                self.put_aside(&origin, &event_type, &why, key, acker).await;
            }
            End::Refused(requeue) => {
                self.requeue(&origin, &event_type, &requeue, key, acker).await;
            }
        }
    }

    /// Notes a notification. `None` if it is a second copy, which is taken care of.
    async fn first(&self, notice: &Notice<'_>, acker: &mut Option<Acker>) -> Option<Option<u128>> {
        let Some(id) = notice.unique_id() else { return Some(None) };
        {
            let mut known = self.shared.duplicates();
            match known.begin(&id, Instant::now()) {
                Seen::First(key) => return Some(Some(key)),
                // It is acknowledged with the one that is being worked on.
                Seen::Running(waiting) => waiting.extend(acker.take()),
                Seen::Ended(_) => {}
            }
        }
        self.shared.counts().notifications_duplicate.add_one();
        tracing::debug!(unique_id = %Excerpt(&id), "a second copy of a notification");
        if let Some(acker) = acker.take() {
            acker.ack().await;
        }
        None
    }

    async fn work(&self, handlers: &[&Handler], metadata: Metadata, payload: &Payload) -> End {
        for handler in handlers {
            let begun = Caught(Box::pin(async { handler.begin(metadata.clone(), payload) })).await;
            let work = match begun {
                Ok(Ok(work)) => work,
                Ok(Err(error)) => return End::Unreadable(error),
                Err(Panicked) => return End::Refused(Requeue::because("a handler panicked")),
            };
            let ended = tokio::select! {
                ended = Caught(work) => ended,
                () = self.shared.aborted() => return End::GivenUp,
            };
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(requeue)) => return End::Refused(requeue),
                Err(Panicked) => return End::Refused(Requeue::because("a handler panicked")),
            }
        }
        End::Done
    }

    /// Lets a notification come again after a while.
    async fn requeue(
        &self,
        origin: &Origin,
        event_type: &str,
        requeue: &Requeue,
        key: Option<u128>,
        acker: Acker,
    ) {
        let shared = &self.shared;
        let deliveries = origin.redeliveries.saturating_add(1);
        shared.quiet.say(Cause::Refused, |left_out| {
            let (event_type, why) = (Excerpt(event_type), Excerpt(requeue.reason()));
            tracing::warn!(%event_type, %why, deliveries, left_out, "a handler could not finish a notification");
        });
        if shared.delivery_limit > 0 && deliveries >= shared.delivery_limit {
            return self.put_aside(origin, event_type, requeue.reason(), key, acker).await;
        }
        shared.counts().notifications_requeued.add_one();
        tokio::select! {
            () = tokio::time::sleep(shared.delay(origin.redeliveries)) => {}
            () = shared.stopped() => return self.give_back(key, acker).await,
        }
        self.publish_anew(origin, deliveries, key, acker).await;
    }

    /// Publishes a notification to the end of its queue, with the number of its deliveries so far.
    async fn publish_anew(
        &self,
        origin: &Origin,
        deliveries: u32,
        key: Option<u128>,
        acker: Acker,
    ) {
        // Of a stream nothing can be put back.
        let Some(queue) = &origin.queue else { return self.give_back(key, acker).await };
        let headers = vec![(REDELIVERIES, Header::Number(deliveries.into()))];
        let copy = origin.copy(Arc::clone(queue), headers);
        // The copy may come before the broker's word for it.
        let copies = key.map(|key| self.shared.duplicates().forget(key)).unwrap_or_default();
        match self.shared.transport.publish(copy).await {
            Outcome::Confirmed => {
                for acker in [acker].into_iter().chain(copies) {
                    acker.ack().await;
                }
            }
            outcome => {
                self.kept(&format!("{outcome:?}"), queue).await;
                for acker in [acker].into_iter().chain(copies) {
                    acker.give_back().await;
                }
            }
        }
    }

    /// Puts a notification aside for good.
    async fn put_aside(
        &self,
        origin: &Origin,
        event_type: &str,
        why: &str,
        key: Option<u128>,
        acker: Acker,
    ) {
        let shared = &self.shared;
        let Some(from) = &origin.queue else { return self.give_back(key, acker).await };
        let own = || format!("{from}{}", ServerBuilder::DEAD_LETTERS).into();
        let queue = shared.dead_letter_queue.clone().unwrap_or_else(own);
        let deliveries = origin.redeliveries.saturating_add(1);
        let letter = origin.copy(Arc::clone(&queue), letter(why, deliveries, from, event_type));
        let buried = shared.transport.put_aside(&queue, letter).await;
        match buried {
            Ok(()) => {
                shared.counts().notifications_dead.add_one();
                shared.quiet.say(Cause::Dead, |left_out| {
                    let (event_type, why) = (Excerpt(event_type), Excerpt(why));
                    tracing::error!(%event_type, %why, %queue, left_out, "a notification is a dead letter now");
                });
                let copies = key.map(|key| shared.duplicates().end(key, None)).unwrap_or_default();
                for acker in [acker].into_iter().chain(copies) {
                    acker.ack().await;
                }
            }
            Err(why) => {
                self.kept(&why, &queue).await;
                self.give_back(key, acker).await;
            }
        }
    }

    /// Says that a notification could not be published, and waits for better times.
    async fn kept(&self, why: &str, queue: &str) {
        self.shared.quiet.say(Cause::Kept, |left_out| {
            tracing::warn!(%why, queue, left_out, "cannot publish a notification anew: it goes back");
        });
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = self.shared.stopped() => {}
        }
    }

    async fn give_back(&self, key: Option<u128>, acker: Acker) {
        let copies = key.map(|key| self.shared.duplicates().forget(key)).unwrap_or_default();
        for acker in [acker].into_iter().chain(copies) {
            acker.give_back().await;
        }
    }
}

impl Origin {
    /// Returns the message as it came, for one queue.
    fn copy(&self, queue: Arc<str>, headers: Vec<(&'static str, Header)>) -> Outgoing {
        Outgoing::copy(queue, &self.body, self.compression.as_deref(), headers)
    }
}

/// Reads what came beside the payload. `None` if its priority is none.
fn metadata(shared: &Shared, notice: &Notice<'_>, redeliveries: u32) -> Option<Metadata> {
    let priority = notice.priority();
    let Some(priority) = priority.as_deref().and_then(|name| name.parse().ok()) else {
        shared.quiet.say(Cause::NoPriority, |left_out| {
            let priority = Excerpt(priority.as_deref().unwrap_or("nothing"));
            tracing::warn!(%priority, left_out, "a notification has no priority that is known");
        });
        return None;
    };
    let owned = |text: Option<std::borrow::Cow<'_, str>>| text.map(std::borrow::Cow::into_owned);
    Some(Metadata {
        context: Context::of(&notice.context),
        publisher_id: owned(notice.publisher_id()),
        event_type: owned(notice.event_type()).unwrap_or_default(),
        priority,
        message_id: owned(notice.message_id()),
        timestamp: owned(notice.timestamp()),
        redeliveries,
    })
}

async fn refuse(shared: &Shared, acker: Acker, why: &(dyn fmt::Display + Sync)) {
    shared.counts().notifications_malformed.add_one();
    shared.quiet.say(Cause::NoNotification, |left_out| {
        tracing::warn!(%why, left_out, "refused a message that is no notification");
    });
    acker.reject().await;
}
