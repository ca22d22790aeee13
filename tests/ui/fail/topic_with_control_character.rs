use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes\u{7}", version = "1.2")]
pub trait Notes {
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
