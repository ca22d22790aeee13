use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    #[rpc(host = "note.")]
    async fn add(&self, ctx: Context, note: String);
}

fn main() {}
