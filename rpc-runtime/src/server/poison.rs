//! Requests that come again and again: what ends its server each time it runs has to stop at some point.
//!
//! Only requests that are acknowledged late are looked at: the others have been acknowledged before
//! they run, so running them cannot bring them back. A quorum queue counts deliveries. For a
//! classic queue the request is published anew, to the end of its queue, with a header that counts,
//! and the delivery at hand is acknowledged once the broker has confirmed the copy. The copy is the
//! same request, with the same ids and the same caller, who is answered when it runs. Its remaining
//! time goes along, and so do the headers of a Rust caller that say when the call began. The time
//! of other callers began anew when the broker delivered the request, since nothing says how long
//! it had waited. After a crash between confirm and acknowledgement there are two copies, which
//! both count. The copy itself could be what crashes us there, so none is run while another is
//! being made.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    admission::Permits,
    request::{Arrival, Cause, Incoming, drop_late, give_back},
};
use crate::{
    Failure,
    clock::{Instant, sleep_until},
    excerpt::Excerpt,
    pending::{Expiry, Outcome, Outgoing},
    transport::kept::{DEAD_HOST, Header, MOMENT, REDELIVERIES, Redelivery, letter},
};

/// How long a request is kept that could not be put aside, before it goes back to its queue.
const PAUSE: Duration = Duration::from_secs(1);

/// How many copies are being made.
#[derive(Debug, Default)]
pub(super) struct Counting {
    copies: AtomicUsize,
    done: Notify,
}

/// A copy that is being made, until it is dropped.
struct Copying<'a>(&'a Counting);

impl Counting {
    fn begin(&self) -> Copying<'_> {
        self.copies.fetch_add(1, Ordering::AcqRel);
        Copying(self)
    }

    /// Waits until none is being made.
    async fn idle(&self) {
        loop {
            let done = self.done.notified();
            if self.copies.load(Ordering::Acquire) == 0 {
                return;
            }
            done.await;
        }
    }
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        if self.0.copies.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.done.notify_waiters();
        }
    }
}

/// What becomes of a request that was delivered before.
enum Fate {
    Runs,
    /// It is on its way to be run later, or given up.
    Taken,
    /// It goes back to its queue.
    Back,
    /// Nobody waits for it any more.
    Late,
}

impl Incoming {
    /// Whether a request was delivered before, and may be what ended its server.
    pub(super) fn is_suspicious(&self, arrival: &Arrival<'_>) -> bool {
        // What is known runs here, or has: its connection was lost, and not its server.
        let is_known =
            || arrival.parts.id.as_ref().is_some_and(|id| self.shared.duplicates().knows(id));
        arrival.message.redelivery.is_some()
            && self.shared.delivery_limit > 0
            && arrival.is_late()
            && !is_known()
    }

    /// Counts a request that was delivered before, and puts it aside if that was too often. Returns what is to be run now.
    pub(super) async fn unless_poison(
        &self,
        arrival: &mut Arrival<'_>,
        permits: Permits,
    ) -> Option<Permits> {
        let limit = self.shared.delivery_limit;
        let Some(redelivery) = &arrival.message.redelivery else { return Some(permits) };
        let mut stopped = self.shared.abort.subscribe();
        let is_dead = redelivery.is_redelivered && redelivery.count >= limit;
        let counting = (!is_dead && !redelivery.is_counted).then(|| self.shared.counting.begin());
        let fate = tokio::select! {
            fate = self.decide(arrival, redelivery, is_dead) => fate,
            () = sleep_until(arrival.message.expires) => Fate::Late,
            _ = stopped.wait_for(|stopped| *stopped) => Fate::Back,
        };
        match fate {
            Fate::Runs => return Some(permits),
            Fate::Back => give_back(&self.shared, None, arrival.acker()).await,
            Fate::Late => drop_late(&self.shared, arrival.parts, arrival.acker()).await,
            Fate::Taken if is_dead => self.decline(arrival, permits.slot, dead(limit)).await,
            Fate::Taken => {
                if let Some(acker) = arrival.acker() {
                    acker.ack_surely().await;
                }
            }
        }
        drop(counting);
        None
    }

    async fn decide(&self, arrival: &Arrival<'_>, redelivery: &Redelivery, is_dead: bool) -> Fate {
        match (is_dead, redelivery.is_counted) {
            (true, _) => self.bury(arrival, redelivery).await,
            (false, true) => {
                self.shared.counting.idle().await;
                Fate::Runs
            }
            (false, false) => self.count(arrival, redelivery).await,
        }
    }

    /// Publishes the request anew, with the count.
    async fn count(&self, arrival: &Arrival<'_>, redelivery: &Redelivery) -> Fate {
        let mut headers = vec![(REDELIVERIES, Header::Number(redelivery.count.into()))];
        headers.extend(redelivery.began.iter().flat_map(Header::of_origin));
        let mut copy = arrival.copy(Arc::clone(&redelivery.queue), headers);
        copy.expires = arrival.message.expires.map(|deadline| Expiry {
            deadline,
            timeout: deadline.saturating_duration_since(Instant::now()),
            is_own: false,
        });
        match self.shared.transport.publish_within(copy, MOMENT).await {
            Some(Outcome::Confirmed) => Fate::Taken,
            Some(Outcome::Interrupted | Outcome::Unsent(_)) => {
                tokio::time::sleep(PAUSE).await;
                Fate::Back
            }
            // A broker that takes no messages, `None`, stops no work by that.
            outcome => {
                self.shared.quiet.say(Cause::Uncounted, |left_out| {
                    let queue = &*redelivery.queue;
                    let what = "cannot count the deliveries of a request: it runs uncounted";
                    tracing::warn!(?outcome, queue, left_out, "{what}");
                });
                Fate::Runs
            }
        }
    }

    /// Puts the request aside for good.
    async fn bury(&self, arrival: &Arrival<'_>, redelivery: &Redelivery) -> Fate {
        let queue = self.shared.dead_letter_queue(&self.place.topic);
        let method = arrival.parts.name();
        let mut headers = letter("delivery_limit", redelivery.count, &redelivery.queue, method);
        headers.push((DEAD_HOST, Header::Text(self.shared.host.to_string())));
        let letter = arrival.copy(Arc::clone(&queue), headers);
        let buried = self.shared.transport.put_aside(&queue, letter, None).await;
        let id = arrival.parts.id.as_deref().unwrap_or_default();
        let (method, id, deliveries) = (Excerpt(method), Excerpt(id), redelivery.count);
        match buried {
            Ok(()) => {
                self.shared.counts().requests_dead.add_one();
                self.shared.quiet.say(Cause::Dead, |left_out| {
                    tracing::error!(%method, unique_id = %id, deliveries, %queue, left_out, "a request was delivered too often, and is a dead letter now");
                });
                Fate::Taken
            }
            Err(why) => {
                self.shared.quiet.say(Cause::NotPutAside, |left_out| {
                    tracing::warn!(%method, unique_id = %id, deliveries, %queue, %why, left_out, "cannot put aside a request that was delivered too often: it goes back to its queue");
                });
                tokio::time::sleep(PAUSE).await;
                Fate::Back
            }
        }
    }
}

impl Arrival<'_> {
    /// Returns the request's message as it came, for another queue.
    pub(super) fn copy(&self, queue: Arc<str>, headers: Vec<(&'static str, Header)>) -> Outgoing {
        Outgoing::copy(queue, &self.message.body, self.message.compression.as_deref(), headers)
    }
}

/// Says that a request was delivered too often.
fn dead(limit: u32) -> Failure {
    let what = format!(
        "the request was delivered {limit} times, and no server came to its end: it is a dead letter"
    );
    Failure::internal("DeliveryLimitExceeded", &what)
}
