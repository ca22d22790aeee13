use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn add(&self, ctx: Context, line: &str) -> u32;
}

pub struct Desk;

impl Notes for Desk {
    async fn add(&self, _: Context, _: &str) -> u32 {
        0
    }
}

pub async fn add(notes: &NotesClient, ctx: &Context) {
    let _ = notes.add(ctx, "milk").await;
}

fn main() {}
