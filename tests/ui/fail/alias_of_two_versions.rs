use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4", aliases(zed = "2.1", zed = "2.2"))]
pub trait Notes {
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
