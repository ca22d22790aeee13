use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.0")]
trait Api
where
    Self: Sized,
{
    async fn fine(&self, ctx: Context);
}

fn main() {}
