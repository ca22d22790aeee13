use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.0")]
struct Api;

fn main() {}
