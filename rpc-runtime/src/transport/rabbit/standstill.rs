//! Notices that the thread which reads a connection stood still: its process was stopped, or it got
//! no time.
//!
//! Bytes that are read after a standstill may have waited in the socket since it began. The thread
//! looks at its socket at least every [`LOOK`], so a longer pause between two looks is a
//! standstill. It is over once the socket has been found empty. Tokio may say that a socket is
//! empty without asking the system, if it has not asked since the last read. So an empty socket
//! counts only after a timer that was set afterwards has fired: Tokio asks the system before it
//! looks at timers.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::clock::Instant;

/// How often the thread looks at its socket at least.
const LOOK: Duration = Duration::from_millis(250);
/// A pause between two looks that counts as a standstill.
const STANDSTILL: Duration = Duration::from_millis(500);
/// Long enough for the timer to fire after the system has been asked.
const ASK: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Standstill {
    looked: Instant,
    state: State,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes that are read have just arrived.
    Moving,
    /// Bytes that are read may have waited since then.
    Stood(Instant),
    /// The socket was empty. Bytes that were read before that are being handed on.
    Drained(Instant),
}

impl Standstill {
    pub(super) fn new() -> Self {
        Self { looked: Instant::now(), state: State::Moving, timer: None }
    }

    /// Notes that the thread is about to look at its socket. Returns whether [`since`](Self::since)
    /// has changed.
    pub(super) fn look(&mut self, now: Instant) -> bool {
        let before = self.since();
        if let State::Drained(_) = self.state {
            self.become_at(State::Moving, LOOK);
        }
        match &self.timer {
            // The first look.
            None => self.timer = Some(Box::pin(sleep(LOOK))),
            Some(_) if now.saturating_duration_since(self.looked) > STANDSTILL => {
                let since = self.since().unwrap_or(self.looked);
                self.become_at(State::Stood(since), ASK);
            }
            Some(_) => {}
        }
        self.looked = now;
        self.since() != before
    }

    /// Notes that the socket looks empty, and sees to it that the thread looks again.
    pub(super) fn empty(&mut self, cx: &mut Context<'_>) {
        let Some(timer) = &mut self.timer else { return };
        if let Poll::Ready(()) = timer.as_mut().poll(cx) {
            match self.state {
                State::Stood(since) => self.become_at(State::Drained(since), ASK),
                _ => self.become_at(self.state, LOOK),
            }
            // The timer was set anew, and needs a waker.
            if let Some(timer) = &mut self.timer
                && timer.as_mut().poll(cx).is_ready()
            {
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Returns since when the last bytes may have waited unread. `None`: they have not waited.
    pub(super) fn since(&self) -> Option<Instant> {
        match self.state {
            State::Moving => None,
            State::Stood(since) | State::Drained(since) => Some(since),
        }
    }

    fn become_at(&mut self, state: State, look: Duration) {
        self.state = state;
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(Instant::now() + look);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, thread};

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    /// Looks at an empty socket whenever there is reason to, until `is_over`.
    async fn look_until(standstill: &mut Standstill, mut is_over: impl FnMut(&Standstill) -> bool) {
        let looking = poll_fn(|cx| {
            standstill.look(Instant::now());
            if is_over(standstill) {
                return Poll::Ready(());
            }
            standstill.empty(cx);
            Poll::Pending
        });
        timeout(SOON, looking).await.expect("it looks again by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_looks_in_time_has_not_stood_still() {
        let (mut standstill, mut looks) = (Standstill::new(), 0);
        tokio::time::advance(SOON / 2).await;
        look_until(&mut standstill, |standstill| {
            assert_eq!(standstill.since(), None, "before the first look there is no standstill");
            looks += 1;
            looks == 20
        })
        .await;
    }

    #[tokio::test]
    async fn a_standstill_is_known_until_the_socket_is_surely_empty() {
        let (mut standstill, mut looks) = (Standstill::new(), 0);
        let looked = Instant::now();
        standstill.look(looked);
        thread::sleep(STANDSTILL + LOOK);
        let now = Instant::now();
        assert!(standstill.look(now));
        assert_eq!(standstill.since(), Some(looked));
        assert!(!standstill.look(now), "there is more to read");
        assert_eq!(standstill.since(), Some(looked));
        look_until(&mut standstill, |standstill| {
            looks += 1;
            standstill.since().is_none()
        })
        .await;
        assert!(looks > 2, "a socket that looks empty once is not known to be: {looks}");
    }

    #[tokio::test]
    async fn two_standstills_in_a_row_are_one() {
        let mut standstill = Standstill::new();
        let looked = Instant::now();
        standstill.look(looked);
        for _ in 0..2 {
            thread::sleep(STANDSTILL + LOOK);
            standstill.look(Instant::now());
        }
        assert_eq!(standstill.since(), Some(looked));
    }
}
