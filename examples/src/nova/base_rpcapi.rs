//! The interface that every service of Nova has beside its own, as `nova/baserpc.py` calls it.
//!
//! Its topic is that of the service: `BaseClient::on_topic(&transport, "compute")`. A server serves
//! it together with its own interface.

use rpc_runtime::{Context, rpc_api};
use serde::{Deserialize, Serialize};

use super::objects::Json;

/// The answer to a ping.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pong {
    /// The service that answers.
    pub service: String,
    /// The argument of the ping.
    pub arg: Json,
}

/// Shows that a service is alive.
#[rpc_api(topic = runtime, version = "1.1", namespace = "baseapi")]
pub trait Base {
    /// Returns its argument. A caller that cannot wait long sets a timeout:
    /// `client.prepare().timeout(…)`.
    async fn ping(&self, ctx: Context, arg: Json) -> Pong;

    /// Returns the port of a host's debugging backdoor, if it has one.
    #[rpc(since = "1.1", host = "host")]
    async fn get_backdoor_port(&self, ctx: Context, #[arg(route)] host: String) -> Option<u16>;
}
