//! Refused casts that are put aside, within bounds: a stranger can cause each of them, and each is
//! a durable write.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    ServerBuilder,
    request::{Arrival, Cause, Incoming},
};
use crate::{
    RefusalKind,
    clock::Instant,
    excerpt::Excerpt,
    sync::lock,
    transport::kept::{DEAD_HOST, Header, letter},
};

/// How much is kept, and how fast.
pub(super) struct Keeping {
    /// How many casts the queue holds, and how many are kept in a [`MINUTE`](Self::MINUTE).
    most: NonZeroU32,
    at_once: Arc<Semaphore>,
    minute: Mutex<Minute>,
}

/// The number of casts kept since a point in time.
struct Minute {
    since: Instant,
    kept: u32,
}

impl Keeping {
    /// How many casts are being kept at once.
    const AT_ONCE: usize = 16;
    const MINUTE: Duration = Duration::from_secs(60);

    pub(super) fn new(most: NonZeroU32) -> Self {
        let minute = Minute { since: Instant::now(), kept: 0 };
        Self { most, at_once: Arc::new(Semaphore::new(Self::AT_ONCE)), minute: Mutex::new(minute) }
    }

    /// Returns what one more may be kept with. `None` if that would be too much.
    fn begin(&self, now: Instant) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.at_once).try_acquire_owned().ok()?;
        let mut minute = lock(&self.minute);
        if now.saturating_duration_since(minute.since) >= Self::MINUTE {
            *minute = Minute { since: now, kept: 0 };
        }
        if minute.kept >= self.most.get() {
            return None;
        }
        minute.kept += 1;
        Some(permit)
    }
}

impl Incoming {
    /// Puts a refused cast aside, if the server does that. The request does not wait for it; a
    /// shutdown does.
    pub(super) fn keep_refused(&self, arrival: &Arrival<'_>, kind: RefusalKind) {
        let Some(keeping) = &self.shared.keeping else { return };
        let Some(permit) = keeping.begin(Instant::now()) else {
            return self.shared.quiet.say(Cause::NotKept, |left_out| {
                let topic = &*self.place.topic;
                tracing::warn!(topic, left_out, "a refused cast is not kept: there are too many");
            });
        };
        let (shared, topic, most) =
            (Arc::clone(&self.shared), Arc::clone(&self.place.topic), keeping.most.get());
        let queue: Arc<str> = format!("{topic}{}", ServerBuilder::REFUSED).into();
        let deliveries = arrival.message.redelivery.as_ref().map_or(1, |before| before.count + 1);
        let from = arrival.message.queue.as_ref().unwrap_or(&topic);
        let mut headers =
            letter(&format!("refused: {kind}"), deliveries, from, arrival.parts.name());
        headers.push((DEAD_HOST, Header::Text(shared.host.to_string())));
        let letter = arrival.copy(Arc::clone(&queue), headers);
        let tracked = shared.tracker.track();
        tokio::spawn(async move {
            match shared.transport.put_aside(&queue, letter, Some(most)).await {
                Ok(()) => shared.counts().requests_kept.add_one(),
                Err(why) => shared.quiet.say(Cause::Kept, |left_out| {
                    let (why, what) = (Excerpt(&why), "cannot keep a refused cast");
                    tracing::warn!(%queue, %why, left_out, "{what}");
                }),
            }
            drop((permit, tracked));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_kept_in_a_minute_and_so_many_at_once() {
        let keeping = Keeping::new(NonZeroU32::new(20).expect("not 0"));
        let start = Instant::now();
        let at = |seconds| keeping.begin(start + Duration::from_secs(seconds));
        let held: Vec<_> = (0..16).filter_map(|_| at(0)).collect();
        assert_eq!((held.len(), at(0).is_none()), (16, true), "these are being kept");
        drop(held);
        assert_eq!((0..10).filter_map(|_| at(59)).count(), 4);
        assert_eq!((0..30).filter_map(|_| at(61)).count(), 20);
    }
}
