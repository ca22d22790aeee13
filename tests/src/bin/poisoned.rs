//! A server that crashes on some requests, for tests that restart it.
//!
//! Arguments: a URL, a topic, and the maximum number of deliveries. The server prints `bound` once
//! it consumes, and `boom N` before it crashes, where N is the number of earlier deliveries of that
//! request.

use std::io::Write as _;

use rpc_runtime::{Context, Server, Transport};
use tests::poison::{Poison, PoisonServer};

struct Bomb;

impl Bomb {
    fn explode(ctx: &Context) -> ! {
        say(&format!("boom {}", ctx.redeliveries()));
        std::process::abort()
    }
}

impl Poison for Bomb {
    async fn explode(&self, ctx: Context) {
        Self::explode(&ctx)
    }

    async fn explode_alone(&self, ctx: Context) {
        Self::explode(&ctx)
    }

    async fn survive(&self, ctx: Context) -> u32 {
        ctx.redeliveries()
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    // A closed pipe means that the test has ended.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("URL, topic and limit are missing");
    let transport = Transport::connect(&argument()?).await?;
    let server = Server::builder(&transport).topic(argument()?).host("bomb");
    let server = server.delivery_limit(argument()?.parse()?).serve(PoisonServer::new(Bomb));
    let bound = server.bind().await?;
    say("bound");
    bound.run().wait().await;
    Ok(())
}
