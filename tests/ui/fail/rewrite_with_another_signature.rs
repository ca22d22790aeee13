use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    #[rpc(before("2.2", rewrite = flat))]
    async fn add(&self, ctx: Context, text: String);
}

fn flat(request: rpc_runtime::Request, text: &u32) -> rpc_runtime::Request {
    request.arg("number", text)
}

fn main() {}
