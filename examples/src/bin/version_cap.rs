//! Version caps: a request that an older peer does not understand fails to compile, or requires a
//! proof.

use std::time::Duration;

use examples::Report;
use rpc_runtime::{Context, Server, Transport, rpc_api};

/// Keeps notes. This is version 1.2 of its interface; servers of 1.0 are still deployed.
#[rpc_api(topic = "notes", version = "1.2")]
trait Notes {
    /// Adds a note; `colour` came with 1.1.
    async fn add(
        &self,
        ctx: Context,
        text: String,
        #[arg(since = "1.1")] colour: Option<String>,
    ) -> String;
    /// Counts the notes.
    #[rpc(since = "1.2")]
    async fn count(&self, ctx: Context) -> u32;
}

struct Demo;

impl Notes for Demo {
    async fn add(&self, _: Context, text: String, colour: Option<String>) -> String {
        format!("{text} ({})", colour.as_deref().unwrap_or("plain"))
    }

    async fn count(&self, _: Context) -> u32 {
        1
    }
}

#[tokio::main]
async fn main() -> Result<(), Report> {
    let transport = Transport::connect("memory://version_cap").await?;
    let server = Server::builder(&transport)
        .host("node-1")
        .serve(NotesServer::new(Demo))
        .bind()
        .await?
        .run();
    let (notes, ctx) = (NotesClient::new(&transport), Context::new());

    // Uncapped: everything is allowed, and each request carries the lowest version that has what it
    // uses.
    println!("{}", notes.add(&ctx, "milk").colour("red").await?);

    // Capped at compile time: `old.count(&ctx)` or `.colour("red")` would not compile.
    let old = notes.version_cap::<notes::V1_0>();
    println!("{}", old.add(&ctx, "bread").colour_or_drop("red").await?);

    // Capped at run time: anything newer than 1.0 requires a proof first.
    for cap in ["1.0", "1.2"] {
        let negotiated = notes.negotiated(cap.parse()?);
        match negotiated.narrow::<notes::V1_2>() {
            Some(notes) => println!("cap {cap}: {} note(s)", notes.count(&ctx).await?),
            None => println!("cap {cap}: this peer cannot count"),
        }
    }

    // Like the original library: everything compiles, and a request beyond the cap is never sent.
    let error = notes.unchecked("1.1".parse()?).count(&ctx).await.expect_err("1.1 has no `count`");
    println!("{error}; may have run: {}", error.may_have_run());
    server.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
