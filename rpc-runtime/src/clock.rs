//! The runtime's clock: Tokio's, so that a test which pauses time pauses every deadline with it.
//!
//! Outside a paused runtime it is the system's monotonic clock, at no extra cost.

pub(crate) use tokio::time::Instant;

/// `sleep_until` for an optional deadline: without one it waits for ever.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
