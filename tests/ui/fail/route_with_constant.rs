use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    #[rpc(host = "place")]
    async fn add(&self, ctx: Context, #[arg(route, constant = "a")] place: String, text: String);
}

fn main() {}
