//! Random interfaces, and for each of their versions a server cut down to that version. A server
//! has to accept what a client sends that is capped at its version, with the same meaning.
//!
//! `generate.rs` writes the interfaces when this test is built. `RPC_RANDOM_SEED=7 cargo test
//! --test random` selects others.

use rpc_runtime::{Api, Context, Dispatch, Service, Transport};
use serde_json::Value;

/// A server of any of the interfaces: each method returns its arguments under their newest names.
pub(crate) struct Echo;

/// Converts a number to the form that some arguments had before a version.
pub(crate) fn spelt(number: &u32) -> String {
    format!("n{number}")
}

/// Returns a transport to a server, and a context.
pub(crate) fn at<A: Api>(service: Service<A, Echo>) -> (Transport, Context)
where
    Service<A, Echo>: Dispatch<A>,
{
    (Transport::in_process(service), Context::new())
}

/// Checks what a server received.
pub(crate) fn assert_got<E: std::fmt::Debug>(what: &str, got: Result<Value, E>, wanted: Value) {
    match got {
        Ok(got) => assert_eq!(got, wanted, "{what}"),
        Err(error) => panic!("{what}: {error:?}"),
    }
}

include!(concat!(env!("OUT_DIR"), "/random.rs"));
