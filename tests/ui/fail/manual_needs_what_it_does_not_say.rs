use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    #[rpc(since = "2.3")]
    async fn list(&self, ctx: Context) -> u32;
    #[rpc(manual)]
    async fn twice(&self, ctx: &Context) -> u32 {
        2 * self.list(ctx).await.unwrap_or(0)
    }
}

fn main() {}
