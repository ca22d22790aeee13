use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    #[rpc(topic_since = "2.1")]
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
