use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4", address = backend)]
pub trait Notes {
    #[rpc(host)]
    async fn list(&self, ctx: Context) -> u32;
}

fn backend(key: &str) -> String {
    key.to_owned()
}

fn main() {}
