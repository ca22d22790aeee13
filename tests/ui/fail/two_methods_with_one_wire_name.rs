use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    async fn create(&self, ctx: Context);
    #[rpc(name = "create")]
    async fn make(&self, ctx: Context);
}

fn main() {}
