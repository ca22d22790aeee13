//! Hostile input: thousands of generated messages to servers and clients.
//!
//! `RPC_RANDOM_SEED` selects others, `RPC_TEST_LONG=1` sends a million.

mod lines;
mod messages;
mod odd;
mod process;
mod replies;
mod siege;
mod stranger;

use tokio::sync::{Mutex, MutexGuard};

/// Runs one test at a time, because the tests measure the whole process.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// The interface of these tests.
mod target {
    use std::sync::Arc;

    use rpc_runtime::{Context, rpc_api};
    use tests::Log;
    use tokio::sync::Notify;

    /// The interface under attack.
    #[rpc_api(topic = "target", version = "1.0")]
    pub(crate) trait Target {
        /// Adds.
        async fn add(&self, ctx: Context, a: u64, b: u64) -> u64;
        /// Ignores a number.
        async fn note(&self, ctx: Context, a: u64);
        /// Returns once the test opens the gate.
        async fn hold(&self, ctx: Context) -> u64;
    }

    /// The server of [`Target`].
    #[derive(Clone, Default)]
    pub(crate) struct Adder {
        pub(crate) ran: Log<()>,
        pub(crate) gate: Arc<Notify>,
    }

    impl Target for Adder {
        async fn add(&self, _: Context, a: u64, b: u64) -> u64 {
            a.wrapping_add(b)
        }

        async fn note(&self, _: Context, _: u64) {}

        async fn hold(&self, _: Context) -> u64 {
            self.ran.push(());
            self.gate.notified().await;
            7
        }
    }
}
