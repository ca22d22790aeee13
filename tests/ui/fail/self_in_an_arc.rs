use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn count(self: std::sync::Arc<Self>, ctx: Context) -> u32;
}

fn main() {}
