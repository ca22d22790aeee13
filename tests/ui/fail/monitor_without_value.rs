use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    #[rpc(monitor)]
    async fn count(&self, ctx: Context) -> u32;
}

fn main() {}
