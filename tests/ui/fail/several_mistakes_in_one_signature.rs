use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.2")]
pub trait Notes {
    fn count<T>(self, line: &str, ctxt: T) -> impl Sized {
        0
    }
}

fn main() {}
