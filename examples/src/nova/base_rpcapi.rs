//! The interface that every service of Nova has besides its own, as `nova/baserpc.py` calls it.
//!
//! Its topic is that of the service: `BaseClient::on_topic(&transport, "compute")`. A server adds it to its own
//! interface.

use rpc_runtime::{Context, rpc_api};
use serde::{Deserialize, Serialize};

use super::objects::Json;

/// The answer to a ping.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pong {
    /// The service that answers.
    pub service: String,
    /// What it was sent.
    pub arg: Json,
}

/// Says that a service is there.
#[rpc_api(topic = runtime, version = "1.1", namespace = "baseapi")]
pub trait Base {
    /// Sends something back. Who cannot wait long says so: `client.prepare().timeout(…)`.
    async fn ping(&self, ctx: Context, arg: Json) -> Pong;

    /// Returns the port at which a host's service can be looked into, if it has one.
    #[rpc(since = "1.1", host = "host")]
    async fn get_backdoor_port(&self, ctx: Context, #[arg(route)] host: String) -> Option<u16>;
}
