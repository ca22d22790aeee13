use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    #[rpc(since = "1.2")]
    async fn wrong(&self, ctx: Context, #[arg(since = "1.1")] a: Option<u8>);
}

fn main() {}
