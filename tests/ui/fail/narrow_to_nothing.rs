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

pub fn newer(notes: &NotesClient) -> bool {
    notes.narrow().is_some()
}

fn main() {}
