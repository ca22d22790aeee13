use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4", previous(version = "1.9"))]
pub trait Notes {
    #[rpc(since = "2.0")]
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}

fn with(client: &NotesClient<notes::V1_9>) {
    let _ = client.list(&Context::new());
}
