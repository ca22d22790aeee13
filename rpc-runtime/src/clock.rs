//! The runtime's clock: Tokio's, so that a test which pauses time pauses every deadline with it.
//!
//! Outside a paused runtime it is the system's monotonic clock, at no extra cost.

use std::{
    future::Future,
    panic::catch_unwind,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::{runtime::Handle, time::Sleep};

pub(crate) use tokio::time::Instant;

use crate::{TransportError, TransportErrorKind};

/// Returns the caller's runtime, which has timers.
///
/// # Errors
/// If the caller runs on no Tokio runtime, or on one without timers.
pub(crate) fn runtime() -> Result<Handle, TransportError> {
    drop(timer(Instant::now())?);
    Handle::try_current().map_err(|_| misplaced(NO_RUNTIME))
}

/// A timer on the caller's runtime.
///
/// # Errors
/// If the caller runs on no Tokio runtime, or on one without timers. Tokio reports missing timers
/// only by a panic, so that is caught. The panic hook still prints its message.
pub(crate) fn timer(at: Instant) -> Result<Sleep, TransportError> {
    Handle::try_current().map_err(|_| misplaced(NO_RUNTIME))?;
    catch_unwind(|| tokio::time::sleep_until(at)).map_err(|_| misplaced(NO_TIMERS))
}

const NO_RUNTIME: &str = "there is no Tokio runtime here: run this inside of one";
const NO_TIMERS: &str = "this Tokio runtime has no timers: build it with `enable_time`";

fn misplaced(what: &str) -> TransportError {
    TransportError::new(TransportErrorKind::Configuration, what)
}

/// `sleep_until` for an optional deadline: without one it waits for ever.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

pin_project! {
    /// A future that is polled within a runtime's context, also outside of that runtime.
    pub(crate) struct Within<F> {
        runtime: Handle,
        #[pin]
        future: F,
    }
}

impl<F> Within<F> {
    pub(crate) fn new(runtime: Handle, future: F) -> Self {
        Self { runtime, future }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.runtime.enter();
        this.future.poll(cx)
    }
}
