//! Names that a user may take: ours do not meet them.

#![deny(missing_docs, warnings, clippy::pedantic)]

use rpc_runtime::{Context, rpc_api};

/// Shadows the prelude.
#[allow(missing_docs)]
pub mod shadowed {
    use super::{Context, rpc_api};

    pub struct Result;
    pub struct Option;
    pub struct Some;
    pub struct Ok;
    pub struct Err;
    pub struct None;
    pub struct String;
    pub struct Vec;
    pub struct Box;
    pub struct Send;
    pub struct Sync;
    pub struct Clone;
    pub struct Default;
    pub struct Future;
    pub mod core {}
    pub mod std {}
    pub mod rpc_runtime {}

    #[rpc_api(topic = "t", version = "1.1")]
    pub trait Shadowed {
        async fn call(&self, ctx: Context, #[arg(since = "1.1", default)] a: u8) -> u8;
        async fn cast(&self, ctx: Context);
    }
}

/// Arguments with the names of our locals.
#[rpc_api(topic = "t", version = "1.1")]
pub trait Names {
    /// As many as there are.
    async fn many(&self, context: Context, args: u8, method: u8, ctx: u8, client: u8, this: u8);
    /// Raw identifiers lose their prefix on the wire.
    async fn r#match(&self, ctx: Context, r#type: String, #[arg(since = "1.1")] r#final: Option<u8>) -> u8;
}

/// A `Result` by another name.
type Outcome<T> = Result<T, rpc_runtime::Failure>;

/// Return types are asked of the compiler, not read.
#[rpc_api(topic = "t", version = "1.0")]
pub trait Aliases {
    /// Awaits to a `u8` or the failure.
    async fn alias(&self, ctx: Context) -> Outcome<u8>;
}

/// Methods that are not there.
#[rpc_api(topic = "t", version = "1.0")]
pub trait Conditional {
    /// Never compiled.
    #[cfg(any())]
    async fn never(&self, ctx: Context, value: Nonesuch, #[arg(since = "1.0")] later: Option<Nonesuch>) -> Nonesuch;
    /// Compiled.
    #[cfg(all())]
    async fn always(&self, ctx: Context);
    /// Called by those who must.
    #[deprecated = "use `always`"]
    async fn old(&self, ctx: Context);
}

/// Nothing in it yet.
#[rpc_api(topic = "t", version = "1.0")]
pub trait Empty {}

async fn typed(client: &AliasesClient, ctx: &Context) {
    let ended: Result<u8, rpc_runtime::CallError<rpc_runtime::Failure>> = client.alias(ctx).await;
    drop(ended);
}

fn main() {
    let _ = typed;
    assert_eq!(names::INTERFACE.methods[1].name, "match");
    assert_eq!(conditional::INTERFACE.methods.len(), 2);
    assert!(conditional::INTERFACE.methods[1].deprecated);
    // An interface may stand in a function, too.
    #[rpc_api(topic = "t", version = "1.0")]
    trait Local {
        async fn fine(&self, ctx: Context) -> u8;
    }
    struct Server;
    impl Local for Server {
        async fn fine(&self, _: Context) -> u8 {
            1
        }
    }
    let _ = (LocalServer::new(Server), LocalClient::new, local::INTERFACE);
}
