//! An expansion meets every lint that a careful crate denies.

#![deny(
    missing_debug_implementations,
    missing_docs,
    rust_2018_idioms,
    unreachable_pub,
    unsafe_code,
    unused,
    unused_qualifications,
    warnings,
    clippy::all,
    clippy::pedantic
)]

/// Public, as a library has it.
pub mod api {
    use std::time::Duration;

    use rpc_runtime::{Context, Failure, RemoteError, rpc_api};

    /// What goes wrong.
    #[derive(Debug, thiserror::Error, RemoteError)]
    #[remote(module = "notes.errors")]
    pub enum Refused {
        /// With keywords.
        #[error("no line {number}")]
        Missing {
            /// Which.
            number: u32,
            /// Why.
            #[remote(name = "type", default)]
            kind: Option<String>,
        },
        /// With a position.
        #[error("bad {0}")]
        #[remote(class = "ValueError", module = "builtins")]
        Bad(String, #[remote(default)] u32),
        /// With nothing.
        #[error("not ready")]
        NotReady,
        /// Everything else.
        #[error("{0}")]
        #[remote(other)]
        Other(Failure),
    }

    /// How long a count may take.
    pub const LIMIT: Duration = Duration::from_secs(5);

    /// Keeps notes.
    #[rpc_api(topic = "notes", version = "2.2", exchange = "desk", namespace = "desk")]
    pub trait Notes: std::fmt::Debug {
        /// Adds a line.
        async fn add(
            &self,
            ctx: Context,
            line: String,
            #[arg(since = "2.1")] colour: Option<String>,
            #[arg(since = "2.2", default = 3)] size: u32,
        ) -> Result<u32, Refused>;
        /// Counts them.
        #[rpc(since = "2.1", timeout = LIMIT, idempotent)]
        async fn count(&self, ctx: Context) -> u32;
        /// Has more arguments than clippy would like.
        #[rpc(ack = "late", timeout = "250ms")]
        #[allow(clippy::fn_params_excessive_bools)]
        async fn many(
            &self,
            ctx: Context,
            a: bool,
            b: bool,
            c: bool,
            d: bool,
            e: bool,
            f: bool,
            g: bool,
        );
        /// Forgets, on one host.
        #[rpc(host, cast)]
        async fn forget(&self, ctx: Context) -> Result<(), Refused>;
        /// Forgets, everywhere.
        #[rpc(fanout)]
        async fn forget_everywhere(&self, ctx: Context);
        /// Was a mistake.
        #[deprecated(note = "count")]
        async fn counted(&self, ctx: Context, #[arg(since = "2.2")] twice: Option<bool>) -> u32;
    }

    /// Is on its way out.
    #[rpc_api(topic = "old", version = "1.1")]
    #[deprecated(note = "Notes")]
    pub trait Old {
        /// Counts.
        async fn count(&self, ctx: Context, #[arg(since = "1.1")] of: Option<String>) -> u32;
    }

    /// Has no method yet.
    #[rpc_api(topic = "empty", version = "1.0")]
    pub trait Empty {}
}

/// Private, as a binary has it.
mod inner {
    use rpc_runtime::{Context, rpc_api};

    #[rpc_api(topic = "inner", version = "1.1")]
    pub(crate) trait Inner {
        async fn count(&self, ctx: Context, #[arg(since = "1.1")] of: Option<String>) -> u32;
    }

    #[rpc_api(topic = "innermost", version = "1.1")]
    pub(super) trait Innermost {
        async fn count(&self, ctx: Context) -> u32;
    }

    pub(crate) struct Desk;

    impl Inner for Desk {
        async fn count(&self, _: Context, of: Option<String>) -> u32 {
            of.map_or(0, |_| 1)
        }
    }

    impl Innermost for Desk {
        async fn count(&self, _: Context) -> u32 {
            1
        }
    }
}

/// Uses it.
pub fn main() {
    use inner::{Desk, InnerClient, InnerServer, InnermostClient, InnermostServer};
    let _ = (InnerServer::new(Desk), InnermostServer::new(Desk));
    let _ = |transport: &rpc_runtime::Transport, ctx: &rpc_runtime::Context| {
        drop(InnerClient::new(transport).count(ctx).of("all"));
        drop(InnermostClient::new(transport).count(ctx));
    };
}
