use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(since = "2.1", required, or = "error")] text: Option<String>);
}

fn main() {}

fn with(client: &NotesClient) {
    let _ = client.add(&Context::new());
}
