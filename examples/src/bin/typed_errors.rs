//! Declared errors cross the wire as types; any other error of a server arrives as a failure.

use std::time::Duration;

use examples::Report;
use rpc_runtime::{CallError, Context, Failure, RemoteError, Server, Transport, rpc_api};

/// The vault's errors, with the classes that Python callers see.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "vault.exception")]
enum VaultError {
    /// There is no such secret.
    #[error("secret {name} not found")]
    #[remote(class = "SecretNotFound")]
    NotFound {
        /// Its name.
        name: String,
    },
    /// The vault is sealed.
    #[error("the vault is sealed")]
    Sealed,
    /// Anything that this version of the interface does not know yet.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

/// Keeps secrets.
#[rpc_api(topic = "vault", version = "1.0")]
trait Vault {
    /// Reads a secret.
    async fn read(&self, ctx: Context, name: String) -> Result<String, VaultError>;
    /// Fails in a way that the interface does not declare.
    async fn break_down(&self, ctx: Context) -> u32;
}

struct Demo;

impl Vault for Demo {
    async fn read(&self, _: Context, name: String) -> Result<String, VaultError> {
        match name.as_str() {
            "answer" => Ok("42".to_owned()),
            "sealed" => Err(VaultError::Sealed),
            _ => Err(VaultError::NotFound { name }),
        }
    }

    async fn break_down(&self, _: Context) -> u32 {
        panic!("this panic fails one request, and nothing else")
    }
}

#[tokio::main]
async fn main() -> Result<(), Report> {
    let transport = Transport::connect("memory://typed_errors").await?;
    let server = Server::builder(&transport)
        .host("node-1")
        .serve(VaultServer::new(Demo))
        .bind()
        .await?
        .run();
    let (vault, ctx) = (VaultClient::new(&transport), Context::new());

    println!("answer: {}", vault.read(&ctx, "answer").await?);
    for name in ["sealed", "nonesuch"] {
        match vault.read(&ctx, name).await {
            Err(CallError::Method(VaultError::NotFound { name })) => {
                println!("there is no secret {name}")
            }
            Err(CallError::Method(VaultError::Sealed)) => println!("the vault is sealed"),
            other => return Err(format!("expected an error of the vault, not {other:?}").into()),
        }
    }
    match vault.break_down(&ctx).await {
        Err(error @ CallError::Failure(_)) => {
            println!("undeclared: {error}; may have run: {}", error.may_have_run())
        }
        other => return Err(format!("expected a failure, not {other:?}").into()),
    }
    println!("and the server still serves: {}", vault.read(&ctx, "answer").await?);
    server.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
