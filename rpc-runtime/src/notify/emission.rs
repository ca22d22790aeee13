//! What is known of a notification that was emitted.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::DriverError;
use crate::{
    TransportError,
    contain::wake,
    excerpt::{Causes, Excerpt},
    sync::{Mutex, MutexGuard},
};

/// Why a notification was not sent. Whoever does not ask is not told: it is logged, and counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The payload or the context is nothing that JSON can say.
    #[error("the notification cannot be encoded: {}", Excerpt(&.0.to_string()))]
    Encode(serde_json::Error),
    /// It is larger than the transport sends.
    #[error("the notification is larger than it may be: {size} bytes, where {limit} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The transport's limit.
        limit: usize,
    },
    /// So many wait for the broker already that there is no room for more.
    #[error("too many notifications wait for the broker")]
    SpoolFull,
    /// The broker has not taken it in time.
    #[error("the broker has not taken the notification within {waited:?}")]
    Expired {
        /// How long it was to wait.
        waited: Duration,
    },
    /// The broker refused it, and it was not to be sent again: a queue is full.
    #[error("the broker refused the notification by a negative confirm, as for a full queue")]
    Refused,
    /// There is no connection, the one was lost on which it was to be sent once, or there will be none.
    #[error(transparent)]
    Unavailable(#[from] TransportError),
    /// A driver of one's own failed.
    #[error("a driver failed: {}", Causes(&**.0))]
    Driver(DriverError),
}

/// A notification on its way. It goes whether or not somebody waits for this.
///
/// As a future it ends when every driver has done its work, and the broker has every copy. Its error is the first one.
///
/// # Cancel safety
/// Dropping it changes nothing.
pub struct Emission(Arc<Progress>);

/// What the copies of one notification share.
#[derive(Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    /// How many copies are on their way, and one more while they are being made.
    left: usize,
    error: Option<NotifyError>,
    waker: Option<Waker>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is one more copy to wait for.
    pub(super) fn begin(&self) {
        self.lock().left += 1;
    }

    /// A copy has ended.
    pub(super) fn end(&self, result: Result<(), NotifyError>) {
        let waker = {
            let mut state = self.lock();
            state.left = state.left.saturating_sub(1);
            if let Err(error) = result {
                state.error.get_or_insert(error);
            }
            if state.left > 0 {
                return;
            }
            state.waker.take()
        };
        if let Some(waker) = waker {
            wake(waker);
        }
    }
}

impl Emission {
    pub(super) fn new(progress: Arc<Progress>) -> Self {
        Self(progress)
    }
}

impl Future for Emission {
    type Output = Result<(), NotifyError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        if state.left == 0 {
            return Poll::Ready(state.error.take().map_or(Ok(()), Err));
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl fmt::Debug for Emission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emission").field("left", &self.0.lock().left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_emission_ends_with_its_last_copy_and_the_first_error() {
        let (progress, woken) = (Arc::new(Progress::default()), Arc::new(Woken::default()));
        let mut emission = Emission::new(Arc::clone(&progress));
        let waker = Waker::from(Arc::clone(&woken));
        let mut poll = || Pin::new(&mut emission).poll(&mut Context::from_waker(&waker));
        let wakes = || woken.0.load(Ordering::Relaxed);
        (0..3).for_each(|_| progress.begin());
        for result in [Err(NotifyError::SpoolFull), Err(NotifyError::Refused)] {
            assert!(poll().is_pending());
            progress.end(result);
            assert_eq!(wakes(), 0, "another is on its way");
        }
        assert!(poll().is_pending());
        progress.end(Ok(()));
        assert_eq!(wakes(), 1);
        assert!(matches!(poll(), Poll::Ready(Err(NotifyError::SpoolFull))));
    }

    #[test]
    fn an_emission_wakes_who_asked_last() {
        let (progress, [first, last]) =
            (Arc::new(Progress::default()), [(); 2].map(|()| Arc::default()));
        let mut emission = Emission::new(Arc::clone(&progress));
        progress.begin();
        for woken in [&first, &last] {
            let waker = Waker::from(Arc::<Woken>::clone(woken));
            assert!(Pin::new(&mut emission).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        progress.end(Ok(()));
        assert_eq!([first, last].map(|woken| woken.0.load(Ordering::Relaxed)), [0, 1]);
    }
}
