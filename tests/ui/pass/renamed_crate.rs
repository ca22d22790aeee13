//! The runtime under another name.

mod vendored {
    pub mod rpc {
        pub use ::rpc_runtime::*;
    }
}

use vendored::rpc::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.2", crate = crate::vendored::rpc)]
pub trait Renamed {
    async fn call(&self, ctx: Context, #[arg(since = "1.1")] a: Option<u8>) -> u8;
    #[rpc(since = "1.2")]
    async fn cast(&self, ctx: Context);
}

fn main() {
    let _ = renamed::INTERFACE;
}
