use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    #[rpc(since = "2.3")]
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}

fn with(client: &NotesClient, cap: &rpc_runtime::SharedCap<notes::Api>) {
    let _ = client.capped_by(cap).list(&Context::new());
}
