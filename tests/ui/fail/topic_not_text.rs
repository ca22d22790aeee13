use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = 5, version = "1.0")]
trait Api {
    async fn fine(&self, ctx: Context);
}

fn main() {}
