use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(before("1.2", with = 5))] text: String);
}

fn main() {}
