use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(before("1.2", with = flat))] text: String);
}

fn flat(number: &u32) -> u32 {
    *number
}
fn main() {}
