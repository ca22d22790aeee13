use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn note(&self, #[arg(since = "1.1")] ctx: Context, line: String);
}

fn main() {}
