//! The README's first screen: a trait, a service, a call.

// README: start
use rpc_runtime::{Context, Server, Transport, rpc_api};

/// Greets.
#[rpc_api(topic = "greeter", version = "1.0")]
trait Greeter {
    /// Greets `name`.
    async fn hello(&self, ctx: Context, name: String) -> String;
}

struct Polite;

impl Greeter for Polite {
    async fn hello(&self, _: Context, name: String) -> String {
        format!("Hello, {name}!")
    }
}

async fn greet() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::connect("memory://demo").await?; // or "rabbit://guest:guest@localhost:5672/"
    let server = Server::builder(&transport)
        .host("node-1")
        .serve(GreeterServer::new(Polite))
        .bind()
        .await?
        .run();
    println!("{}", GreeterClient::new(&transport).hello(&Context::new(), "world").await?);
    server.shutdown(std::time::Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::main]
async fn main() {
    if let Err(error) = greet().await {
        eprintln!("{error}"); // what failed, and why
        std::process::exit(1);
    }
}
// README: end
