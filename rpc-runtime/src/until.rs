//! Waiting for a point in time that there may not be.

use std::time::Instant;

/// Waits until then, or for ever.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
