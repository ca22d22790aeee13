//! Requests that crash their server's process.

use rpc_runtime::{Context, rpc_api};

/// The interface of a server that tests restart after each crash.
#[rpc_api(topic = "poison", version = "1.0")]
pub trait Poison {
    /// Crashes the process.
    #[rpc(ack = "late")]
    async fn explode(&self, ctx: Context) -> ();
    /// Crashes the process. A cast.
    #[rpc(ack = "late")]
    async fn explode_alone(&self, ctx: Context);
    /// Returns the number of earlier deliveries.
    #[rpc(ack = "late")]
    async fn survive(&self, ctx: Context) -> u32;
}
