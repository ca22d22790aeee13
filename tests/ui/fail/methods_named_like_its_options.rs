use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn server(&self, ctx: Context);
    async fn fanout(&self, ctx: Context);
    async fn timeout(&self, ctx: Context);
    async fn exchange(&self, ctx: Context);
    async fn topic(&self, ctx: Context);
    async fn namespace(&self, ctx: Context);
    async fn retry(&self, ctx: Context);
    async fn unversioned(&self, ctx: Context);
}

fn main() {}
