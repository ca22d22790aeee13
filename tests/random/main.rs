//! Random interfaces, and for each of their versions a server of the same interface cut down to that version: what a client
//! sends that is capped there, the server takes, and gets what was meant.
//!
//! The interfaces are written by `generate.rs` when this is built. `RPC_RANDOM_SEED=7 cargo test --test random` has others.

use rpc_runtime::{Api, Context, Dispatch, Service, Transport};
use serde_json::Value;

/// A server of any interface here: each method returns its arguments, by the names that they have today.
pub(crate) struct Echo;

/// What some arguments were before a version.
pub(crate) fn spelt(number: &u32) -> String {
    format!("n{number}")
}

/// Makes a transport to a server, and a context.
pub(crate) fn at<A: Api>(service: Service<A, Echo>) -> (Transport, Context)
where
    Service<A, Echo>: Dispatch<A>,
{
    (Transport::in_process(service), Context::new())
}

/// Checks what a server got.
pub(crate) fn assert_got<E: std::fmt::Debug>(what: &str, got: Result<Value, E>, wanted: Value) {
    match got {
        Ok(got) => assert_eq!(got, wanted, "{what}"),
        Err(error) => panic!("{what}: {error:?}"),
    }
}

include!(concat!(env!("OUT_DIR"), "/random.rs"));
