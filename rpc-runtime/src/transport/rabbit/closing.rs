//! How the time for closing a transport is shared out between its steps.
//!
//! Each step ends early enough to leave the later ones their part, so that what can be sent is
//! sent, and all of it ends by one deadline. A later and shorter deadline takes effect at once,
//! also in the middle of a step.

use std::{future::Future, pin::pin, time::Duration};

use tokio::sync::watch;

use crate::clock::Instant;

/// The most that the steps after the first may need.
const REST: Duration = Duration::from_secs(2);

/// A step of closing, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Requests and replies that were handed over are sent.
    Sending,
    /// Consumers are cancelled, and the queues of this transport's own deleted.
    Leaving,
    /// The connections are closed.
    HangingUp,
}

/// When a transport has to be closed, once that is known. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Closing(watch::Sender<Option<Span>>);

/// The time there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    begun: Instant,
    until: Instant,
}

impl Closing {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Ends closing within `limit` from now, unless that is later than it ends anyway. Returns when
    /// it ends.
    pub(super) fn within(&self, limit: Duration) -> Instant {
        let begun = Instant::now();
        // A century is as good as for ever, and fits any clock.
        let until = begun + limit.min(Duration::from_secs(100 * 365 * 24 * 3600));
        let is_earlier = |span: &Span| until < span.until;
        self.0.send_if_modified(|span| {
            let is_news = span.as_ref().is_none_or(is_earlier);
            if is_news {
                *span = Some(Span { begun, until });
            }
            is_news
        });
        self.0.borrow().map_or(until, |span| span.until)
    }

    /// Waits for a part of a step: for `limit` at most, and until the step has to end. `None` if it
    /// was not done by then.
    pub(super) async fn wait<F: Future>(
        &self,
        step: Step,
        limit: Duration,
        part: F,
    ) -> Option<F::Output> {
        let (mut part, mut spans) = (pin!(part), self.0.subscribe());
        let longest = Instant::now() + limit;
        loop {
            let span = *spans.borrow_and_update();
            let until = span.map_or(longest, |span| span.end(step).min(longest));
            tokio::select! {
                biased;
                done = &mut part => return Some(done),
                Ok(()) = spans.changed() => {}
                () = tokio::time::sleep_until(until) => return None,
            }
        }
    }
}

impl Span {
    /// Returns when a step has to end.
    fn end(&self, step: Step) -> Instant {
        let rest = (self.until.saturating_duration_since(self.begun) / 3).min(REST);
        match step {
            Step::Sending => self.until - rest,
            Step::Leaving => self.until - rest / 2,
            Step::HangingUp => self.until,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn steps_that_never_end_leave_each_other_their_part_and_end_by_the_deadline() {
        for limit in [0, 1, 300, 2000, 15_000].map(Duration::from_millis) {
            let (closing, begun) = (Closing::new(), Instant::now());
            closing.within(limit);
            let mut ends = Vec::new();
            for step in [Step::Sending, Step::Leaving, Step::HangingUp] {
                assert!(closing.wait(step, HOUR, pending::<()>()).await.is_none());
                ends.push(begun.elapsed());
            }
            // Timers have a millisecond's resolution.
            assert!(ends[2] <= limit + Duration::from_millis(2), "{ends:?} of {limit:?}");
            assert!(ends[0] >= limit * 3 / 5, "{ends:?}: most of {limit:?} is for sending");
            if limit >= Duration::from_millis(300) {
                assert!(ends[0] < ends[1] && ends[1] < ends[2], "{ends:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_deadline_takes_effect_at_once_and_a_longer_one_never() {
        let (closing, begun) = (Closing::new(), Instant::now());
        closing.within(HOUR);
        let shorten = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            closing.within(Duration::from_secs(3));
            let until = closing.within(HOUR);
            assert_eq!(until.saturating_duration_since(begun).as_secs(), 8);
        };
        let wait = closing.wait(Step::HangingUp, HOUR, pending::<()>());
        let (ended, ()) = tokio::join!(wait, shorten);
        assert!(ended.is_none());
        assert_eq!(begun.elapsed().as_secs(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_has_a_limit_of_its_own_also_before_there_is_a_deadline() {
        let (closing, begun) = (Closing::new(), Instant::now());
        let limit = Duration::from_secs(5);
        assert!(closing.wait(Step::Sending, limit, pending::<()>()).await.is_none());
        closing.within(Duration::MAX);
        assert!(closing.wait(Step::Sending, limit, pending::<()>()).await.is_none());
        assert_eq!(begun.elapsed().as_secs(), 10);
        assert_eq!(closing.wait(Step::Sending, Duration::ZERO, async { 7 }).await, Some(7));
    }
}
