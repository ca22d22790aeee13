use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2")]
trait Api {
    async extern "C" fn wrong(&self, ctx: Context);
}

fn main() {}
