//! Whatever a user names things, what the newer attributes expand to means its own.

#![deny(warnings)]
#![allow(dead_code, non_camel_case_types, clippy::all)]

mod core {}
mod std {}
mod serde {}
mod rpc_runtime {}

struct Result;
struct Option;
struct String;
struct Vec;
struct Box;
struct Arc;
struct Some;
struct None;
struct Ok;
struct Err;
struct Borrow;
struct Default;
struct FnMut;
struct Address;
struct AddressFn;
struct Mock;
struct Answer;
struct OldName;
struct OldForm;
struct Serialize;
struct Deserialize;
struct Serializer;
struct Read;
struct Written;

type Text = ::std::string::String;
type Perhaps = ::core::option::Option<u32>;
type Bytes = ::std::vec::Vec<u8>;
type Map = ::std::collections::BTreeMap<Text, u32>;

fn place(topic: &str, key: &str, _: ::rpc_runtime::Version) -> ::rpc_runtime::Address {
    ::rpc_runtime::Address::host(topic, key)
}

fn old(request: ::rpc_runtime::Request, value: &Text, constant: &Text) -> ::rpc_runtime::Request {
    request.arg("value", value).arg("constant", constant)
}

fn length(text: &Text) -> usize {
    text.len()
}

/// Everything has a name that the expansion might use.
#[::rpc_runtime::rpc_api(topic = "names", version = "2.2", previous(version = "1.1"), aliases(a = "1.1"), address = place, mock)]
trait Names {
    #[rpc(host = "request", before("1.1", name = "older"))]
    async fn forms(
        &self,
        ctx: ::rpc_runtime::Context,
        #[arg(route)] request: Text,
        #[arg(before("2.1", name = "b", with = length))] constant: Text,
        #[arg(with = ::rpc_runtime::wire::bytes)] serializer: Bytes,
        #[arg(until = "2.0", default, value = ::core::option::Option::Some(2))] value: Perhaps,
        #[arg(constant = 3, since = "1.1", default)] answer: u32,
        #[arg(since = "2.1", or = "drop")] address: ::core::option::Option<Text>,
    ) -> Text;
    #[rpc(before("2.0", rewrite = old), either)]
    async fn answers(&self, ctx: ::rpc_runtime::Context, value: Text, constant: Text) -> ();
    #[rpc(call)]
    async fn calls(&self, ctx: ::rpc_runtime::Context, #[arg(rest)] rest: Map);
    #[rpc(manual)]
    fn transport_of(&self) -> u32 {
        let constant = 1;
        constant
    }
}

fn main() {
    let _ = names::INTERFACE;
}
