use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    #[rpc(expected = "NotFound")]
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}
