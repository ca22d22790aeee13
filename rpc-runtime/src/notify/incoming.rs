//! One notification: from the bytes that came to its end.

use std::{borrow::Cow, fmt, sync::Arc};

use super::{
    Metadata, Payload, Requeue,
    handler::{Handler, chosen},
    running::{Cause, PAUSE, Shared, TOO_LONG, delay},
};
use crate::{
    Context, ServerBuilder,
    clock::Instant,
    compression::unpack,
    contain::{Caught, Panicked},
    duplicates::Seen,
    envelope::{self, EnvelopeError, Notice},
    excerpt::Excerpt,
    logging::guarded,
    pending::{Outcome, Outgoing},
    transport::{
        Acker, Body, Delivery, Tracked,
        kept::{Header, MOMENT, PATIENCE, REDELIVERIES, letter},
    },
};

/// A notification that is to be worked on.
pub(super) struct Incoming {
    shared: Arc<Shared>,
    origin: Origin,
    pub(super) metadata: Metadata,
    pub(super) payload: Payload,
    known: Known,
    acker: Acker,
    /// Counted until it is settled, of all and of its queue.
    _tracked: (Tracked, Option<Tracked>),
}

/// A notification's entry in the window, if it has an id. An entry that is dropped before its end,
/// by a task that panicked or was cancelled, is forgotten, so that a handler gets the next copy.
struct Known {
    shared: Arc<Shared>,
    key: Option<u128>,
}

impl Known {
    /// Notes that the work is done. Returns the copies that wait for it.
    fn end(&mut self) -> Vec<Acker> {
        let ended = |key| self.shared.duplicates().end(key, None, Instant::now());
        self.key.take().map(ended).unwrap_or_default()
    }

    /// Forgets it: the next copy is worked on. Returns the copies that wait.
    fn forget(&mut self) -> Vec<Acker> {
        self.key.take().map(|key| self.shared.duplicates().forget(key)).unwrap_or_default()
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        // The ackers of the copies give them back.
        drop(self.forget());
    }
}

/// What is needed to publish it anew.
struct Origin {
    body: Body,
    compression: Option<String>,
    queue: Option<Arc<str>>,
    /// How often it was delivered before.
    redeliveries: u32,
    /// Whether the broker says so. A counter alone makes no dead letter.
    is_redelivered: bool,
    /// Whether the next delivery will be counted by itself.
    is_counted: bool,
}

/// How the work on a notification ended.
pub(super) enum End {
    Done,
    Refused(Requeue),
    /// The listener gave it up.
    GivenUp,
    /// It is nothing that a handler can read, or has been delivered too often.
    Dead(String),
}

/// The verdicts of all handlers on a notification.
#[derive(Default)]
struct Verdicts {
    /// Whether one of them is to have it again.
    is_refused: bool,
    /// Why not all have ended well, each reason once.
    reasons: Vec<String>,
}

impl Verdicts {
    fn refused(&mut self, why: &str) {
        self.is_refused = true;
        self.because(why.to_owned());
    }

    fn unreadable(&mut self, error: &serde_json::Error) {
        self.because(format!("unreadable: {error}"));
    }

    fn because(&mut self, why: String) {
        if !self.reasons.contains(&why) {
            self.reasons.push(why);
        }
    }

    /// Returns the end of the notification. It is put aside for a handler that cannot read it once
    /// no other handler wants it again.
    fn end(self) -> End {
        let why = self.reasons.join("; ");
        match (self.is_refused, why.is_empty()) {
            (true, _) => End::Refused(Requeue::because(why)),
            (false, false) => End::Dead(why),
            (false, true) => End::Done,
        }
    }
}

impl Incoming {
    /// Reads what came. `None` if it is taken care of: it is no notification, nobody's, or not to be worked on now.
    pub(super) async fn read(
        shared: Arc<Shared>,
        delivery: Delivery,
        tracked: Tracked,
    ) -> Option<Self> {
        let Delivery { body, content, compression, redelivery, queue, acker, .. } = delivery;
        if let Some(why) = content.refusal() {
            return refuse(&shared, acker, &why).await;
        }
        let redeliveries = redelivery.as_ref().map_or(0, |redelivery| redelivery.count);
        let is_redelivered = redelivery.as_ref().is_some_and(|known| known.is_redelivered);
        let is_counted = redelivery.is_none_or(|redelivery| redelivery.is_counted);
        let origin = Origin { body, compression, queue, redeliveries, is_redelivered, is_counted };
        let limits = shared.transport.limits();
        let unpacked = match unpack(&origin.body, origin.compression.as_deref(), limits.unpacked) {
            Ok(body) => body,
            Err(error) => return refuse(&shared, acker, &EnvelopeError::from(error)).await,
        };
        let parsed = envelope::open(&unpacked);
        let text = match &parsed {
            Ok(text) => text,
            Err(error) => return refuse(&shared, acker, error).await,
        };
        let notice = match Notice::parse_within(text, limits.values) {
            Ok(notice) if notice.values > limits.values => {
                return refuse(&shared, acker, &"it is made of too many values").await;
            }
            Ok(notice) => notice,
            Err(error) => return refuse(&shared, acker, &error).await,
        };
        shared.counts().notifications_received.add_one();
        let Some(metadata) = metadata(&shared, &notice, redeliveries) else {
            acker.ack().await;
            return None;
        };
        let payload = Payload::new(notice.payload());
        if !shared.wants(&metadata, &payload) {
            shared.counts().notifications_unwanted.add_one();
            acker.ack().await;
            guarded(|| {
                let event_type = Excerpt(&metadata.event_type);
                tracing::debug!(%event_type, "forgot a notification that no handler is for");
            });
            return None;
        }
        let id = notice.unique_id();
        let acker = count(&shared, &origin, id.as_deref(), acker).await?;
        let (known, acker) = first(&shared, id.as_deref(), acker).await?;
        drop(id);
        drop(notice);
        drop(parsed);
        drop(unpacked);
        Some(Self { shared, origin, metadata, payload, known, acker, _tracked: (tracked, None) })
    }

    /// Has it counted until it is settled.
    pub(super) fn holding(mut self, held: Option<Tracked>) -> Self {
        self._tracked.1 = held;
        self
    }

    /// How it ends without any work: it has been delivered too often.
    pub(super) fn early_end(&self) -> Option<End> {
        let is_enough = self.shared.is_enough(self.origin.redeliveries);
        let is_dead = is_enough && self.origin.is_redelivered;
        is_dead.then(|| End::Dead("delivery_limit".to_owned()))
    }

    /// Has all matching handlers work on it, one after the other, however each of them ends.
    pub(super) async fn work(&self, handlers: &[Handler]) -> End {
        if let Some(end) = self.early_end() {
            return end;
        }
        let mut verdicts = Verdicts::default();
        for handler in chosen(handlers, &self.metadata, &self.payload) {
            let work = async {
                let begun = handler.begin(self.metadata.clone(), &self.payload)?;
                Ok::<_, serde_json::Error>(begun.await)
            };
            let ended = tokio::select! {
                ended = Caught::new(Box::pin(work)) => ended,
                () = self.shared.too_long() => Ok(Ok(Err(Requeue::because(TOO_LONG)))),
                () = self.shared.aborted() => return End::GivenUp,
            };
            match ended {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(requeue))) => verdicts.refused(requeue.reason()),
                Ok(Err(error)) => verdicts.unreadable(&error),
                Err(Panicked) => verdicts.refused("a handler panicked"),
            }
        }
        verdicts.end()
    }

    /// Does what its end asks for.
    pub(super) async fn settle(self, end: End) {
        match end {
            End::Done => self.done().await,
            End::GivenUp => self.give_back().await,
            End::Dead(why) => self.put_aside(&why).await,
            End::Refused(requeue) => self.requeue(&requeue).await,
        }
    }

    async fn done(mut self) {
        let copies = self.known.end();
        for acker in [self.acker].into_iter().chain(copies) {
            acker.ack().await;
        }
    }

    async fn give_back(mut self) {
        let copies = self.known.forget();
        for acker in [self.acker].into_iter().chain(copies) {
            acker.give_back().await;
        }
    }

    /// Lets it come again after a while.
    async fn requeue(self, requeue: &Requeue) {
        let shared = &self.shared;
        let deliveries = self.origin.redeliveries.saturating_add(1);
        shared.quiet.say(Cause::Refused, |left_out| {
            let event_type = Excerpt(&self.metadata.event_type);
            let why = Excerpt(requeue.reason());
            tracing::warn!(%event_type, %why, deliveries, left_out, "a handler could not finish a notification");
        });
        if shared.is_enough(deliveries) {
            return self.put_aside(requeue.reason()).await;
        }
        shared.counts().notifications_requeued.add_one();
        let is_stopped = tokio::select! {
            () = tokio::time::sleep(delay(shared.requeue_delay, self.origin.redeliveries)) => false,
            () = shared.stopped() => true,
        };
        match is_stopped {
            true => self.give_back().await,
            false => self.publish_anew(deliveries).await,
        }
    }

    /// Publishes it to the end of its queue, with the number of its deliveries so far.
    async fn publish_anew(mut self, deliveries: u32) {
        // To a stream nothing can be put back.
        let Some(queue) = self.origin.queue.clone() else { return self.give_back().await };
        let shared = &self.shared;
        let copy = self.origin.counted(&queue, deliveries);
        // The copy may come before the broker's word for it.
        let copies = self.known.forget();
        let outcome = tokio::select! {
            outcome = shared.transport.publish_within(copy, PATIENCE) => outcome,
            () = shared.aborted() => None,
        };
        let is_there = matches!(outcome, Some(Outcome::Confirmed));
        if !is_there {
            kept(shared, &said(outcome), &queue).await;
        }
        for acker in [self.acker].into_iter().chain(copies) {
            match is_there {
                true => _ = acker.ack().await,
                false => acker.give_back().await,
            }
        }
    }

    /// Puts it aside for good.
    async fn put_aside(self, why: &str) {
        let Some(from) = &self.origin.queue else { return self.give_back().await };
        let shared = &self.shared;
        let own = || format!("{from}{}", ServerBuilder::DEAD_LETTERS).into();
        let queue = shared.dead_letter_queue.clone().unwrap_or_else(own);
        let (deliveries, event_type) =
            (self.origin.redeliveries.saturating_add(1), &self.metadata.event_type);
        let letter =
            self.origin.copy(Arc::clone(&queue), letter(why, deliveries, from, event_type));
        let put_aside = tokio::select! {
            put_aside = shared.transport.put_aside(&queue, letter, None) => put_aside,
            () = shared.aborted() => Err("the listener stops".to_owned()),
        };
        match put_aside {
            Ok(()) => {
                shared.counts().notifications_dead.add_one();
                shared.quiet.say(Cause::Dead, |left_out| {
                    let (event_type, why) = (Excerpt(event_type), Excerpt(why));
                    tracing::error!(%event_type, %why, %queue, left_out, "a notification is a dead letter now");
                });
                self.done().await;
            }
            Err(why) => {
                kept(shared, &why, &queue).await;
                self.give_back().await;
            }
        }
    }
}

impl Origin {
    /// Returns the message as it came, for one queue.
    fn copy(&self, queue: Arc<str>, headers: Vec<(&'static str, Header)>) -> Outgoing {
        Outgoing::copy(queue, &self.body, self.compression.as_deref(), headers)
    }

    /// Returns the same with the number of its deliveries so far.
    fn counted(&self, queue: &Arc<str>, deliveries: u32) -> Outgoing {
        let headers = vec![(REDELIVERIES, Header::Number(deliveries.into()))];
        self.copy(Arc::clone(queue), headers)
    }
}

/// Has a delivery counted that its queue did not count: what ends its listener each time would never stop. It is published
/// to the end of its queue, with the number. Returns the acker of what is to be worked on now; where the broker takes no
/// messages that is all, uncounted.
async fn count(shared: &Shared, origin: &Origin, id: Option<&str>, acker: Acker) -> Option<Acker> {
    let has_limit = shared.delivery_limit.is_some();
    // What is known is worked on here, or was: its connection was lost, and not its listener.
    let is_known = || id.is_some_and(|id| shared.duplicates().knows(id));
    let is_left = !origin.is_counted && !shared.is_enough(origin.redeliveries);
    let is_due = has_limit && is_left && !is_known();
    let Some(queue) = origin.queue.as_ref().filter(|_| is_due) else { return Some(acker) };
    let copy = origin.counted(queue, origin.redeliveries);
    let outcome = tokio::select! {
        outcome = shared.transport.publish_within(copy, MOMENT) => outcome,
        () = shared.stopped() => {
            acker.give_back().await;
            return None;
        }
    };
    if matches!(outcome, Some(Outcome::Confirmed)) {
        acker.ack().await;
        return None;
    }
    shared.quiet.say(Cause::Uncounted, |left_out| {
        let (why, what) = (said(outcome), "cannot count the deliveries of a notification");
        tracing::warn!(%why, %queue, left_out, "{what}");
    });
    Some(acker)
}

/// Says why a message was not published.
fn said(outcome: Option<Outcome>) -> String {
    outcome.map_or_else(|| "the broker does not take it".to_owned(), |known| format!("{known:?}"))
}

/// Notes a notification. `None` if it is a second copy, which is taken care of.
async fn first(shared: &Arc<Shared>, id: Option<&str>, acker: Acker) -> Option<(Known, Acker)> {
    let known = |key| Known { shared: Arc::clone(shared), key };
    let Some(id) = id else { return Some((known(None), acker)) };
    let mut acker = Some(acker);
    match shared.duplicates().begin(id, Instant::now()) {
        Seen::First(key) => {
            let acker = acker?;
            return Some((known(Some(key)), acker));
        }
        // It is acknowledged with the one that is being worked on.
        Seen::Running(waiting) => waiting.extend(acker.take()),
        Seen::Ended(_) => {}
    }
    shared.counts().notifications_duplicate.add_one();
    if let Some(acker) = acker {
        acker.ack().await;
    }
    guarded(
        || tracing::debug!(unique_id = %Excerpt(id), "a second copy of a notification is dropped"),
    );
    None
}

/// Says that a notification could not be published, and waits for better times.
async fn kept(shared: &Shared, why: &str, queue: &str) {
    shared.quiet.say(Cause::Kept, |left_out| {
        tracing::warn!(%why, queue, left_out, "cannot publish a notification anew: it goes back");
    });
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => {}
        () = shared.stopped() => {}
    }
}

/// Reads what came beside the payload. `None` if its priority is none.
fn metadata(shared: &Shared, notice: &Notice<'_>, redeliveries: u32) -> Option<Metadata> {
    let priority = notice.priority();
    let Some(priority) = priority.as_deref().and_then(|name| name.parse().ok()) else {
        shared.counts().notifications_unwanted.add_one();
        shared.quiet.say(Cause::NoPriority, |left_out| {
            let priority = Excerpt(priority.as_deref().unwrap_or("nothing"));
            tracing::warn!(%priority, left_out, "dropped a notification that has no known priority");
        });
        return None;
    };
    let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let event_type = owned(notice.event_type());
    Some(Metadata {
        context: Context::of(&notice.context),
        publisher_id: owned(notice.publisher_id()),
        has_event_type: event_type.is_some(),
        event_type: event_type.unwrap_or_default(),
        priority,
        message_id: owned(notice.message_id()),
        timestamp: owned(notice.timestamp()),
        redeliveries,
    })
}

async fn refuse<T>(shared: &Shared, acker: Acker, why: &(dyn fmt::Display + Sync)) -> Option<T> {
    shared.counts().notifications_malformed.add_one();
    acker.reject().await;
    shared.quiet.say(Cause::NoNotification, |left_out| {
        tracing::warn!(%why, left_out, "refused a message that is no notification");
    });
    None
}

#[cfg(test)]
mod tests;
