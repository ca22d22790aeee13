use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    async fn list(&self, ctx: Context) -> u32;
}

#[rpc_api(topic = "others", version = "2.4")]
pub trait Others {
    async fn list(&self, ctx: Context) -> u32;
}

fn main() {}

fn with(client: &NotesClient, cap: &rpc_runtime::SharedCap<others::Api>) {
    let _ = client.capped_by(cap);
}
