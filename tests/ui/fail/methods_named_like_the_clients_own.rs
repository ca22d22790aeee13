use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn new(&self, ctx: Context);
    async fn prepare(&self, ctx: Context);
    async fn version_cap(&self, ctx: Context);
    async fn negotiated(&self, ctx: Context);
    async fn narrow(&self, ctx: Context);
    async fn unchecked(&self, ctx: Context);
    async fn can_send_version(&self, ctx: Context);
    async fn clone(&self, ctx: Context);
    async fn deref(&self, ctx: Context);
}

fn main() {}
