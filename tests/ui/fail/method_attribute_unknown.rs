use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    #[rpc(sinc = "1.1")]
    async fn wrong(&self, ctx: Context);
}

fn main() {}
