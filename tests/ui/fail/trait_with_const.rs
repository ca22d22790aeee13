use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    const LIMIT: u32 = 5;
    async fn fine(&self, ctx: Context);
}

fn main() {}
