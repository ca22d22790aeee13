use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn add(&self, ctx: Context, line: String, times: u32, #[arg(since = "1.1")] colour: Option<String>) -> u32;
}

pub async fn add(notes: &NotesClient, ctx: &Context) {
    let _ = notes.add(ctx, "milk", 3).colour(5).await;
}

fn main() {}
