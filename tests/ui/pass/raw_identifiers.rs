//! Raw identifiers cross the wire without `r#`.

#![deny(warnings)]

use rpc_runtime::{Context, Server, Transport, rpc_api};

#[rpc_api(topic = "types", version = "1.1")]
trait r#Type {
    async fn r#match(&self, r#in: Context, r#type: String, #[arg(since = "1.1")] r#as: Option<String>) -> String;
    #[rpc(since = "1.1")]
    async fn r#loop(&self, ctx: Context) -> u32;
}

struct Desk;

impl r#Type for Desk {
    async fn r#match(&self, _: Context, r#type: String, r#as: Option<String>) -> String {
        r#type + &r#as.unwrap_or_default()
    }

    async fn r#loop(&self, _: Context) -> u32 {
        1
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let methods = type_api::INTERFACE.methods;
    assert_eq!(methods.iter().map(|method| method.name).collect::<Vec<_>>(), ["match", "loop"]);
    assert_eq!(type_api::INTERFACE.name, "Type");

    let transport = Transport::connect("memory://raw").await.expect("a transport");
    let server = Server::builder(&transport).host("node-1").serve(TypeServer::new(Desk));
    let _running = server.bind().await.expect("a server").run();
    let (types, ctx) = (TypeClient::new(&transport), Context::new());
    assert_eq!(types.r#match(&ctx, "a").r#as("b").await.expect("a text"), "ab");
    assert_eq!(types.r#match(&ctx, "a").as_or_drop("b").await.expect("a text"), "ab");
    assert_eq!(types.r#loop(&ctx).await.expect("a number"), 1);
}
