use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    #[rpc(before("1.2"))]
    async fn add(&self, ctx: Context, text: String);
}

fn main() {}
