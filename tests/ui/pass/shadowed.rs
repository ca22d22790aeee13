//! Whatever a user names things, the expansion means its own.

#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

mod core {}
mod std {}
mod rpc_runtime {}

struct Result;
struct Option;
struct String;
struct Ok;
struct Some;
struct Send;
struct Sync;
struct Clone;
struct Debug;
struct Future;
struct Version;
struct Interface;
struct Kind;
struct Method;
struct Parameter;
struct Pinned;
struct Client;
struct Request;

type Text = ::std::string::String;
type Perhaps = ::core::option::Option<u32>;

/// Everything has a name that the expansion might use.
#[::rpc_runtime::rpc_api(topic = "names", version = "1.1")]
trait Names {
    /// The names of our locals and fields.
    async fn locals(
        &self,
        args: ::rpc_runtime::Context,
        ctx: Text,
        method: Text,
        client: Text,
        self_: Text,
        request: Text,
        returned: Text,
        value: Text,
        #[arg(since = "1.1", default)] service: Perhaps,
    ) -> ::core::result::Result<Text, ::rpc_runtime::Failure>;
    /// A context of the same name as a local of ours, and arguments in the order of theirs.
    async fn more(&self, method: ::rpc_runtime::Context, args: Text, transport: Text) -> Text;
    /// A default that is called as an argument before it, and arguments called nearly as our locals.
    async fn pages(&self, ctx: ::rpc_runtime::Context, page: u32, args: u32, args_: u32, #[arg(default = page())] size: u32) -> u32;
    /// Names beyond ASCII, in the request's name, too.
    async fn übung(&self, ctx: ::rpc_runtime::Context, #[arg(since = "1.1", default)] größe: Perhaps) -> u32;
    /// Methods of the server and of the interface's trait.
    async fn dispatch(&self, ctx: ::rpc_runtime::Context);
    async fn send(&self, ctx: ::rpc_runtime::Context);
    async fn finish(&self, ctx: ::rpc_runtime::Context);
}

fn page() -> u32 {
    4
}

struct Desk;

impl Names for Desk {
    async fn locals(
        &self,
        _: ::rpc_runtime::Context,
        ctx: Text,
        method: Text,
        _: Text,
        _: Text,
        _: Text,
        _: Text,
        _: Text,
        _: Perhaps,
    ) -> ::core::result::Result<Text, ::rpc_runtime::Failure> {
        ::core::result::Result::Ok(ctx + &method)
    }

    async fn more(&self, _: ::rpc_runtime::Context, args: Text, transport: Text) -> Text {
        args + &transport
    }

    async fn pages(&self, _: ::rpc_runtime::Context, page: u32, args: u32, args_: u32, size: u32) -> u32 {
        page * 1000 + args * 100 + args_ * 10 + size
    }

    async fn übung(&self, _: ::rpc_runtime::Context, größe: Perhaps) -> u32 {
        größe.unwrap_or(0)
    }

    async fn dispatch(&self, _: ::rpc_runtime::Context) {}

    async fn send(&self, _: ::rpc_runtime::Context) {}

    async fn finish(&self, _: ::rpc_runtime::Context) {}
}

#[::tokio::main(flavor = "current_thread")]
async fn main() {
    let transport = ::rpc_runtime::Transport::connect("memory://hygiene").await.expect("a transport");
    let server = ::rpc_runtime::Server::builder(&transport).host("node-1").serve(NamesServer::new(Desk));
    let running = server.bind().await.expect("a server").run();
    let (names, ctx) = (NamesClient::new(&transport), ::rpc_runtime::Context::new());
    let text = names.locals(&ctx, "a", "b", "c", "d", "e", "f", "g").service(1).await;
    assert_eq!(text.expect("a text"), "ab");
    assert_eq!(names.more(&ctx, "c", "d").await.expect("a text"), "cd");
    assert_eq!(names.pages(&ctx, 1, 2, 3, 4).await.expect("a number"), 1234);
    assert_eq!(names.übung(&ctx).größe(5).await.expect("a number"), 5);
    names.dispatch(&ctx).await.expect("it leaves");
    running.shutdown(::std::time::Duration::from_secs(5)).await.expect("it ends");
}
