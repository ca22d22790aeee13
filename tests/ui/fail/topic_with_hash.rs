use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "#", version = "1.2")]
pub trait Notes {
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
