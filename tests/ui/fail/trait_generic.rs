use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.0")]
trait Api<T> {
    async fn fine(&self, ctx: Context);
}

fn main() {}
