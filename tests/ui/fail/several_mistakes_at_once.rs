use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1")]
trait Api {
    fn one(&self, ctx: Context);
    #[rpc(hots)]
    async fn two(&mut self, ctx: Context, a: &str);
    async fn three(&self);
    async fn prepare(&self, ctx: Context);
}

fn main() {}
