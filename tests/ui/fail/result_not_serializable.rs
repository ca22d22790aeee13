use rpc_runtime::{Context, rpc_api};

struct Opaque;

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    async fn wrong(&self, ctx: Context) -> Opaque;
}

fn main() {}
