//! Log lines that neither stop nor hold up the code that writes them.
//!
//! A subscriber is the user's code: it may panic, and it may block. A line that the library writes
//! on the application's threads is [`guarded`]. Threads that serve AMQP connections [`defer`] their
//! lines to a thread of their own, so that a subscriber which blocks starves no heartbeat.

#[cfg(feature = "rabbit")]
mod deferred;
#[cfg(all(test, feature = "rabbit"))]
pub(crate) mod sink;

use crate::contain::contained;
#[cfg(feature = "rabbit")]
pub(crate) use deferred::{Logged, defer, flush, for_subscriber, start_writer, subscriber};

/// Calls a subscriber. Its panic ends here.
pub(crate) fn guarded(line: impl FnOnce()) {
    // The panic's own message has said what happened.
    let _ = contained(line);
}

/// Writes a line. Without AMQP connections no thread needs to defer one.
#[cfg(not(feature = "rabbit"))]
pub(crate) fn defer(line: impl FnOnce() + Send + 'static) {
    guarded(line);
}

/// Whether a subscriber may want lines below `info`. It is not asked itself.
pub(crate) fn wants_debug() -> bool {
    tracing::level_filters::LevelFilter::current() >= tracing::Level::DEBUG
}
