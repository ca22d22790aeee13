//! An interface may come out of a `macro_rules!`, piece by piece.

#![deny(warnings)]

use rpc_runtime::{Context, rpc_api};

macro_rules! interface {
    ($name:ident, $topic:literal, $version:literal, $since:literal, $wait:expr, $size:expr, $later:ty, $reply:ty) => {
        #[rpc_api(topic = $topic, version = $version)]
        pub trait $name {
            #[rpc(since = $since, timeout = $wait)]
            async fn count(
                &self,
                ctx: Context,
                args: String,
                #[arg(since = $version)] later: $later,
                #[arg(since = $version, default = $size)] size: u32,
            ) -> $reply;
        }
    };
}

interface!(Made, "made", "1.2", "1.1", "5s", 2 + 3, Option<u8>, Result<u32, rpc_runtime::Failure>);

fn main() {
    let method = made::INTERFACE.method("count").expect("it is there");
    let names: Vec<_> = method.parameters.iter().map(|parameter| parameter.name).collect();
    assert_eq!((made::INTERFACE.topic, method.since.minor()), (Some("made"), 1));
    assert_eq!(names, ["args", "later", "size"]);
    assert_eq!(method.parameters[1].type_name, "Option<u8>");
}
