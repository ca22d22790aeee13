use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    notes!();
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
