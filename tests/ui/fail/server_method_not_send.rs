use rpc_runtime::{Context, rpc_api};

use std::rc::Rc;

#[rpc_api(topic = "t", version = "1.0")]
trait Api {
    async fn wrong(&self, ctx: Context);
}

struct Server;

impl Api for Server {
    async fn wrong(&self, _: Context) {
        let local = Rc::new(5);
        std::future::ready(()).await;
        drop(local);
    }
}

fn main() {}
