use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(since = "1.3", before("1.2", name = "note"))] text: Option<String>);
}

fn main() {}
