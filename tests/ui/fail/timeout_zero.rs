use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    #[rpc(timeout = "0s")]
    async fn wrong(&self, ctx: Context) -> u32;
}

fn main() {}
