use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn line(&self, ctx: Context) -> &str;
}

fn main() {}
