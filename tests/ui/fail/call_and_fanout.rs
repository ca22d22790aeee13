use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    #[rpc(call, fanout)]
    async fn clear(&self, ctx: Context);
}

fn main() {}
