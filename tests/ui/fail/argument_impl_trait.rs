use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    async fn wrong(&self, ctx: Context, name: impl Into<String>);
}

fn main() {}
