use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "t", version = "1.0")]
trait Api {
    async fn fine(&self, ctx: Context);
}

struct Other;

fn serve(transport: &rpc_runtime::Transport) {
    let _ = rpc_runtime::Server::builder(transport).serve(ApiServer::new(Other));
}

fn main() {}
