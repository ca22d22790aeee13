use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    #[rpc(since = "1.1", expected(NotFound))]
    async fn count(&self, ctx: Context) -> u32;
}

fn main() {}
