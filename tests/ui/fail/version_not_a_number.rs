use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "one.two")]
trait Api {
    async fn fine(&self, ctx: Context);
}

fn main() {}
