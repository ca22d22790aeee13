use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "4.4", previous(version = "1.9"))]
pub trait Notes {
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
