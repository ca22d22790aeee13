//! The times that Nova's operators set, `rpc_response_timeout` and `long_rpc_timeout`. Each call
//! reads them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// In seconds.
static RPC_RESPONSE_TIMEOUT: AtomicU64 = AtomicU64::new(60);

/// In seconds.
static LONG_RPC_TIMEOUT: AtomicU64 = AtomicU64::new(1800);

/// Returns how long a server may be silent in a long call. Default: a minute.
#[must_use]
pub fn rpc_response_timeout() -> Duration {
    Duration::from_secs(RPC_RESPONSE_TIMEOUT.load(Ordering::Relaxed))
}

/// Returns how long a long call may take. Default: half an hour.
#[must_use]
pub fn long_rpc_timeout() -> Duration {
    Duration::from_secs(LONG_RPC_TIMEOUT.load(Ordering::Relaxed))
}

/// Sets both times, in seconds: how long a server may be silent in a long call, and how long the
/// call may take.
pub fn set_timeouts(silence: u64, whole: u64) {
    RPC_RESPONSE_TIMEOUT.store(silence, Ordering::Relaxed);
    LONG_RPC_TIMEOUT.store(whole, Ordering::Relaxed);
}
