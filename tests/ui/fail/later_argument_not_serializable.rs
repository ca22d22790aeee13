use rpc_runtime::{Context, rpc_api};

pub struct Opaque;

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(since = "1.1")] line: Option<Opaque>);
}

fn main() {}
