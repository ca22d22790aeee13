use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = later, version = "2.4")]
pub trait Notes {
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
