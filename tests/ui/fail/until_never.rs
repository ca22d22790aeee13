use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    #[rpc(since = "1.2")]
    async fn add(&self, ctx: Context, #[arg(until = "1.1")] text: Option<String>);
}

fn main() {}
