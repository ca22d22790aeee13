use rpc_runtime::{Context, Object, rpc_api};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Volume {
    pub id: String,
}

#[rpc_api(topic = "volumes", version = "1.0")]
pub trait Volumes {
    async fn create(&self, ctx: Context, volume: Object<Volume>);
}

fn main() {}
