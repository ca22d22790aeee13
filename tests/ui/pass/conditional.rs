//! A method that is configured away leaves nothing behind, not even a need for its types.

#![deny(warnings)]
#![allow(unexpected_cfgs)]

use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.1")]
pub trait Notes {
    /// Stays.
    #[cfg(not(nowhere))]
    async fn count(&self, ctx: Context) -> u32;
    /// Goes, with its request and its setters.
    #[cfg(nowhere)]
    async fn add(&self, ctx: Context, line: DoesNotExist, #[arg(since = "1.1")] colour: Option<NorDoesThis>) -> Nor;
    /// One of two.
    #[cfg(nowhere)]
    async fn last(&self, ctx: Context) -> DoesNotExist;
    /// The other of two.
    #[cfg(not(nowhere))]
    async fn last(&self, ctx: Context) -> String;
    /// Goes, too.
    #[cfg(all(nowhere, not(nowhere)))]
    #[rpc(fanout)]
    async fn clear(&self, ctx: Context);
}

pub struct Desk;

impl Notes for Desk {
    async fn count(&self, _: Context) -> u32 {
        0
    }

    async fn last(&self, _: Context) -> String {
        String::new()
    }
}

fn main() {
    let names: Vec<_> = notes::INTERFACE.methods.iter().map(|method| method.name).collect();
    assert_eq!(names, ["count", "last"]);
}
