//! User code, run so that none of its panics leaves: not the code's own, not one of a destructor.
//!
//! A panic carries a payload, which is a value of the user's, and dropping that may panic as well.
//! The same is true of a future that is given up. Each of these is caught here. A second panic
//! while the first one unwinds cannot be caught: Rust aborts the process.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tracing::Span;

use crate::logging::guarded;

/// User code panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs `code`, and drops the payload of its panic.
///
/// `code` shares only values of the user's with other code, so it counts as safe to unwind.
pub(crate) fn contained<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        discard_payload(payload);
        Panicked
    })
}

/// Drops a value of the user's. Returns whether its destructor ran to its end.
pub(crate) fn discard<T>(value: T) -> Result<(), Panicked> {
    contained(move || drop(value))
}

/// Wakes a task. The waker may be code of the user's executor.
pub(crate) fn wake(waker: Waker) {
    let _ = contained(|| waker.wake());
}

/// Drops the payload of a panic, whose destructor may panic with another payload, and so on.
fn discard_payload(mut payload: Box<dyn Any + Send>) {
    /// The last payload beyond this number is leaked.
    const MOST: usize = 16;
    for _ in 0..MOST {
        match catch_unwind(AssertUnwindSafe(move || drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    std::mem::forget(payload);
}

/// A future of the user's, whose panic is a result like any other. Its destructor runs before the
/// result is returned.
pub(crate) struct Caught<F>(Option<F>);

impl<F> Caught<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(future))
    }
}

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Ready(Err(Panicked)) };
        let polled = contained(|| Pin::new(future).poll(cx));
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(Panicked) => Err(Panicked),
        };
        // A future that panics when it is dropped has not ended well, whatever it returned before.
        Poll::Ready(discard(self.0.take()).and(ended))
    }
}

impl<F> Drop for Caught<F> {
    fn drop(&mut self) {
        let _ = discard(self.0.take());
    }
}

/// A long-lived value of the user's. Its destructor may panic wherever the last owner drops it.
#[derive(Debug)]
pub(crate) struct Kept<T>(Option<T>);

impl<T> Kept<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Returns the value. `None` only while it is dropped.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        let _ = discard(self.0.take());
    }
}

/// A span. A subscriber that panics costs the span, and not the code that runs in it, which
/// `tracing`'s own guards and `Instrumented` would take along.
#[derive(Debug)]
pub(crate) struct GuardedSpan(Kept<Span>);

impl GuardedSpan {
    pub(crate) fn none() -> Self {
        Self(Kept::new(Span::none()))
    }

    pub(crate) fn new(span: impl FnOnce() -> Span) -> Self {
        Self(Kept::new(contained(span).unwrap_or_else(|Panicked| Span::none())))
    }

    /// Runs `code` in the span.
    pub(crate) fn run<T>(&self, code: impl FnOnce() -> T) -> T {
        let span = self.0.get().filter(|span| !span.is_disabled());
        let _entered = Kept::new(span.and_then(|span| contained(|| span.enter()).ok()));
        code()
    }

    /// Notes a field's value.
    pub(crate) fn record(&self, field: &'static str, value: &str) {
        if let Some(span) = self.0.get() {
            guarded(|| _ = span.record(field, value));
        }
    }
}

/// A future in a span.
pub(crate) struct InSpan<F> {
    future: F,
    span: GuardedSpan,
}

impl<F> InSpan<F> {
    /// Puts `future` into the span that `span` makes.
    pub(crate) fn new(span: impl FnOnce() -> Span, future: F) -> Self {
        Self { future, span: GuardedSpan::new(span) }
    }

    /// Notes a field's value.
    pub(crate) fn record(&self, field: &'static str, value: &str) {
        self.span.record(field, value);
    }
}

impl<F: Future + Unpin> Future for InSpan<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, span } = &mut *self;
        span.run(|| Pin::new(future).poll(cx))
    }
}
