//! Every attribute there is, under every lint that a careful crate denies.

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
    use std::{collections::BTreeMap, time::Duration};

    use rpc_runtime::{Address, Context, Failure, Request, Version, rpc_api, wire};

    /// How long it may take.
    #[must_use]
    pub fn limit() -> Duration {
        Duration::from_secs(5)
    }

    /// Where things are.
    #[must_use]
    pub fn shelf(topic: &str, key: &str, cap: Version) -> Address {
        if cap.minor() > 2 {
            Address::host(format!("{topic}.{key}"), key)
        } else {
            Address::topic(topic)
        }
    }

    /// What it took before.
    pub fn flat(request: Request, name: &str, size: &u64) -> Request {
        request.arg("flat", format!("{name}{size}"))
    }

    /// What a kind was before.
    #[must_use]
    pub fn number(kind: &str) -> usize {
        kind.len()
    }

    /// Keeps things.
    #[rpc_api(
        topic = "shelves",
        version = "6.3",
        since = "5.1",
        exchange = "things",
        namespace = "keeping",
        legacy_namespaces = ["old", None],
        send = "6.0",
        previous(version = "5.4", send = "5.0"),
        aliases(spring = "5.4", "2026.1" = "6.1"),
        address = shelf,
        mock
    )]
    pub trait Shelves {
        /// Is found by an argument, and was called otherwise.
        #[rpc(
            since = "5.1",
            send = "6.1",
            name = "put_away",
            before("5.3", name = "put", send = "5.1"),
            before("6.0", send = "5.2"),
            alias = ["stow", "keep"],
            host = "place",
            timeout = limit(),
            monitor = "2s",
            expected(Missing, "Conflict"),
            extra = "ignore",
            idempotent,
            ack = "late"
        )]
        async fn put_away(
            &self,
            ctx: Context,
            #[arg(route)] place: String,
            #[arg(before("5.2", name = "title"), before("6.1", name = "name_of_thing"))]
            name: String,
            #[arg(before("6.0", with = number))] kind: String,
            #[arg(until = "6.0", value = Some(1))] weight: Option<u32>,
            #[arg(until = "6.2")] height: Option<u32>,
            #[arg(constant = true, since = "5.3", default)] is_object: bool,
            #[arg(with = wire::bytes, default)] seal: Vec<u8>,
            #[arg(since = "5.2", or = "drop", default = 4)] r#type: u32,
            #[arg(since = "6.1", or = "error", before("6.3", name = "hue"))] colour: Option<String>,
        ) -> Result<u64, Failure>;

        /// Takes other arguments before 6.2.
        #[rpc(before("6.2", rewrite = flat), either, topic = "shelves-alt", topic_since = "6.1")]
        async fn take(&self, ctx: Context, name: String, size: u64) -> ();

        /// Is waited for.
        #[rpc(call)]
        async fn settle(&self, ctx: Context, #[arg(rest)] more: BTreeMap<String, u32>);

        /// Goes to all of one shelf.
        #[rpc(fanout, host = "place")]
        async fn dust(&self, ctx: Context, #[arg(route)] place: String);

        /// Is going to go.
        #[deprecated(note = "use `take`")]
        #[rpc(host, cast)]
        async fn drop_it(&self, ctx: Context) -> Result<(), Failure>;

        /// Puts several things away.
        ///
        /// # Errors
        /// If one of them cannot be put away.
        #[rpc(manual, since = "5.2")]
        async fn put_all(
            &self,
            ctx: &Context,
            names: &[&str],
        ) -> rpc_runtime::CallResult<usize, Failure> {
            let mut done = 0;
            for name in names {
                let put = self.prepare().put_away(
                    ctx,
                    "a".to_owned(),
                    *name,
                    "k".to_owned(),
                    None::<u32>,
                    Vec::new(),
                );
                put.r#type(3_u32).await?;
                done += 1;
            }
            Ok(done)
        }
    }

    /// Is wherever its callers say.
    #[rpc_api(topic = runtime, version = "1.0", mock(test))]
    pub trait Pushes {
        /// Says something.
        async fn push(&self, ctx: Context, line: String);
    }
}

/// Uses it.
///
/// # Panics
/// If something of it is not there.
pub fn main() {
    let interface = api::shelves::INTERFACE;
    assert_eq!(interface.pin("2026.1").map(|version| version.to_string()), Ok("6.1".to_owned()));
    assert!(interface.method("stow").is_some_and(|method| method.parameters.len() == 8));
    assert!(api::pushes::INTERFACE.topic.is_none());
}
