use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "0.0")]
pub trait Notes {
    #[rpc(since = "0.1")]
    async fn count(&self, ctx: Context) -> u32;
}

fn main() {}
