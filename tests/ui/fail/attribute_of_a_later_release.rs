use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2", aliases(wallaby = "1.0"))]
pub trait Notes {
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
