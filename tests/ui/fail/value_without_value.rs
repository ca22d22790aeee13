use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(until = "1.2", value)] text: Option<String>);
}

fn main() {}
