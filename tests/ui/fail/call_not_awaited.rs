#![deny(unused_must_use)]

use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn add(&self, ctx: Context, line: String) -> u32;
}

pub fn add(notes: &NotesClient, ctx: &Context) {
    notes.add(ctx, "milk");
}

fn main() {}
