use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.100000")]
trait Api {
    async fn fine(&self, ctx: Context);
}

fn main() {}
