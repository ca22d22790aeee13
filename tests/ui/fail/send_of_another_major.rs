use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4", send = "2.0")]
pub trait Notes {
    async fn add(&self, ctx: Context, text: String);
}

fn main() {}
