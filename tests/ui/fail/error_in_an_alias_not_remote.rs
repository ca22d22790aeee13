use rpc_runtime::{Context, rpc_api};

#[derive(Debug)]
pub struct Opaque;

pub type Answer<T> = Result<T, Opaque>;

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    async fn last(&self, ctx: Context) -> Answer<u32>;
}

fn main() {}
