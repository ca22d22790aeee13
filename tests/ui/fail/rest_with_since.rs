use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(rest, since = "2.1")] more: std::collections::BTreeMap<String, u32>);
}

fn main() {}
