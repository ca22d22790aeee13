use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn add(&self, ctx: Context, line: String) -> u32;
}

pub struct Desk;

impl Notes for Desk {}

fn main() {}
