#![deny(unused_must_use)]

use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn clear(&self, ctx: Context);
    async fn add(&self, ctx: Context, #[arg(since = "1.1")] line: Option<String>);
}

pub fn clear(notes: &NotesClient, ctx: &Context) {
    notes.clear(ctx);
    notes.add(ctx).line("milk");
}

fn main() {}
