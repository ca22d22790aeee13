use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    #[rpc(timeout = "5")]
    async fn wrong(&self, ctx: Context) -> u32;
}

fn main() {}
