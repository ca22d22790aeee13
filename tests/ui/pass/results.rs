//! A call or a cast, a value or a `Result`: the type decides, not how it is spelled.

#![deny(warnings)]

use rpc_runtime::{CallError, Context, Failure, RemoteError, Server, Transport, rpc_api};

#[derive(Debug, PartialEq, thiserror::Error, RemoteError)]
#[remote(module = "notes.errors")]
enum Refused {
    #[error("no line {number}")]
    Missing { number: u32 },
}

type Answer<T> = Result<T, Refused>;
type Nothing = Answer<()>;

/// Not a `Result`, whatever its name says.
mod own {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub struct Result {
        pub lines: u32,
    }
}

#[rpc_api(topic = "notes", version = "1.0")]
trait Notes {
    async fn line(&self, ctx: Context, number: u32) -> Answer<String>;
    async fn remove(&self, ctx: Context, number: u32) -> Nothing;
    async fn result(&self, ctx: Context) -> own::Result;
    async fn results(&self, ctx: Context) -> Vec<Result<u32, String>>;
    async fn done(&self, ctx: Context) -> ();
    #[rpc(cast)]
    async fn forget(&self, ctx: Context) -> Nothing;
    async fn any(&self, ctx: Context) -> Result<u32, Failure>;
}

struct Desk;

impl Notes for Desk {
    async fn line(&self, _: Context, number: u32) -> Answer<String> {
        if number == 0 { Ok("milk".into()) } else { Err(Refused::Missing { number }) }
    }

    async fn remove(&self, _: Context, number: u32) -> Nothing {
        Err(Refused::Missing { number })
    }

    async fn result(&self, _: Context) -> own::Result {
        own::Result { lines: 1 }
    }

    async fn results(&self, _: Context) -> Vec<Result<u32, String>> {
        vec![Ok(1), Err("no".into())]
    }

    async fn done(&self, _: Context) {}

    async fn forget(&self, _: Context) -> Nothing {
        Ok(())
    }

    async fn any(&self, _: Context) -> Result<u32, Failure> {
        Ok(1)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let transport = Transport::connect("memory://alias").await.expect("a transport");
    let server = Server::builder(&transport).host("node-1").serve(NotesServer::new(Desk));
    let _running = server.bind().await.expect("a server").run();
    let (notes, ctx) = (NotesClient::new(&transport), Context::new());
    assert_eq!(notes.line(&ctx, 0).await.expect("a line"), "milk");
    let missing = notes.line(&ctx, 7).await.expect_err("there is none");
    assert!(matches!(missing, CallError::Method(Refused::Missing { number: 7 })), "{missing:?}");
    let missing = notes.remove(&ctx, 7).await.expect_err("there is none");
    assert!(matches!(missing, CallError::Method(Refused::Missing { number: 7 })), "{missing:?}");
    assert_eq!(notes.result(&ctx).await.expect("a value"), own::Result { lines: 1 });
    assert_eq!(notes.results(&ctx).await.expect("a value"), [Ok(1), Err("no".into())]);
    notes.done(&ctx).await.expect("it has run");
    notes.forget(&ctx).await.expect("it has left");
    assert_eq!(notes.any(&ctx).await.expect("a value"), 1);
}
