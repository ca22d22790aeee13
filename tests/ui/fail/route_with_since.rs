use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    #[rpc(host = "place")]
    async fn add(&self, ctx: Context, #[arg(route, since = "1.2")] place: Option<String>, text: String);
}

fn main() {}
