use rpc_runtime::{Context, rpc_api};

#[derive(serde::Serialize)]
pub struct Written;

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn add(&self, ctx: Context, line: Written);
}

fn main() {}
