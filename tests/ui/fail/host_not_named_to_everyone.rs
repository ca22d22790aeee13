use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn add(&self, ctx: Context, line: String, #[arg(since = "1.1")] colour: Option<String>) -> u32;
    #[rpc(since = "1.2")]
    async fn count(&self, ctx: Context) -> u32;
    #[rpc(host)]
    async fn forget(&self, ctx: Context);
    #[rpc(fanout)]
    async fn forget_everywhere(&self, ctx: Context);
}

pub async fn forget(notes: &NotesClient, ctx: &Context) {
    let _ = notes.prepare().fanout().forget(ctx).await;
}

fn main() {}
