use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn lines(&self, ctx: Context) -> impl Iterator<Item = String>;
}

fn main() {}
