use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(since = "2.1", default, required, or = "error", constant = 3)] size: u32);
}

fn main() {}
