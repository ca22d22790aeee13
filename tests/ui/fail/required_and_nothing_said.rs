use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(since = "2.1", required)] text: Option<String>);
}

fn main() {}
