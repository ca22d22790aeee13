//! Requests that end their server's process.

use rpc_runtime::{Context, rpc_api};

/// What a process does that is started again and again.
#[rpc_api(topic = "poison", version = "1.0")]
pub trait Poison {
    /// Ends the process.
    #[rpc(ack = "late")]
    async fn explode(&self, ctx: Context) -> ();
    /// Ends the process, and nobody waits for it.
    #[rpc(ack = "late")]
    async fn explode_alone(&self, ctx: Context);
    /// Returns how often it was delivered before.
    #[rpc(ack = "late")]
    async fn survive(&self, ctx: Context) -> u32;
}
