use rpc_runtime::{Context, rpc_api};

const LIMIT: u32 = 5;

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    #[rpc(timeout = LIMIT)]
    async fn wrong(&self, ctx: Context) -> u32;
}

fn main() {}
