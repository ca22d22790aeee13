use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    #[rpc(since = "1.9")]
    async fn count(&self, ctx: Context) -> u32;
}

pub struct Desk;

impl Notes for Desk {
    async fn count(&self, _: Context) -> u32 {
        0
    }
}

pub async fn count(notes: &NotesClient, ctx: &Context) {
    let _ = notes.count(ctx).await;
}

fn main() {}
