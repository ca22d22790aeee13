//! Behaviour of every transport: one file for each promise.

mod basics;
mod cancellation;
mod caps;
mod context;
mod deadlines;
mod delivery;
mod duplicates;
mod errors;
mod failures;
mod forms;
mod known_bugs;
mod language;
mod life;
mod limits;
mod majors;
mod mocks;
mod no_consumer;
mod objects;
mod observed;
mod outside;
mod overload;
mod panics;
mod pasted;
mod paused;
mod peers;
mod places;
mod redelivery;
mod refusals;
mod refused;
mod shutdown;
mod unanswered;
mod versions;

/// The interface that most of these tests use.
mod probe {
    use std::{sync::Arc, time::Duration};

    use rpc_runtime::{Context, Failure, RemoteError, rpc_api};
    use tests::Log;
    use tokio::sync::Notify;

    /// Errors of a probe.
    #[derive(Debug, PartialEq, thiserror::Error, RemoteError)]
    #[remote(module = "probe.errors")]
    pub(crate) enum ProbeError {
        /// With named fields.
        #[error("no {name} in {place}")]
        #[remote(class = "NotFound")]
        Missing { name: String, place: String },
        /// With a positional field, and the class of a Python exception.
        #[error("bad value {0}")]
        #[remote(module = "builtins", class = "ValueError")]
        Bad(u32),
        /// Without fields.
        #[error("not ready")]
        NotReady,
    }

    /// A server that behaves as asked, and records each run.
    #[rpc_api(topic = "probe", version = "1.4")]
    pub(crate) trait Probe {
        /// Returns its argument.
        async fn echo(&self, ctx: Context, text: String) -> String;
        /// Adds two numbers.
        async fn add(&self, ctx: Context, a: i64, b: i64) -> Result<i64, ProbeError>;
        /// Records a line. A cast.
        async fn note(&self, ctx: Context, line: String);
        /// Records a line on every server.
        #[rpc(fanout)]
        async fn note_everywhere(&self, ctx: Context, line: String);
        /// Returns the host of the server that runs it.
        async fn host(&self, ctx: Context) -> String;
        /// Fails as asked.
        async fn fail(&self, ctx: Context, how: String) -> Result<u32, ProbeError>;
        /// Fails with an error that the interface does not declare.
        async fn fail_undeclared(&self, ctx: Context) -> Result<(), Failure>;
        /// Panics.
        async fn panic(&self, ctx: Context) -> u32;
        /// Records its start, and returns once the test opens the gate.
        async fn hold(&self, ctx: Context, name: String) -> String;
        /// The same as `hold`, but acknowledged after it has run.
        #[rpc(ack = "late")]
        async fn hold_late(&self, ctx: Context, name: String) -> String;
        /// Never returns.
        async fn hang(&self, ctx: Context);
        /// The same as `hang`, but a call.
        async fn hang_call(&self, ctx: Context) -> ();
        /// Returns the milliseconds to the context's deadline.
        async fn time_left(&self, ctx: Context) -> Option<u64>;
        /// Added in 1.2.
        #[rpc(since = "1.2")]
        async fn newer(&self, ctx: Context) -> u32;
        /// Has one argument since 1.3 and one since 1.4.
        async fn grown(
            &self,
            ctx: Context,
            base: u32,
            #[arg(since = "1.3")] extra: Option<u32>,
            #[arg(since = "1.4", default = 7)] more: u32,
        ) -> (u32, Option<u32>, u32);
        /// May be repeated.
        #[rpc(idempotent)]
        async fn count(&self, ctx: Context, name: String) -> String;
    }

    /// The server of [`Probe`].
    #[derive(Clone, Default)]
    pub(crate) struct Recorder {
        pub(crate) host: String,
        pub(crate) log: Log<String>,
        pub(crate) gate: Arc<Notify>,
    }

    impl Recorder {
        pub(crate) fn on(host: &str) -> Self {
            Self { host: host.to_owned(), ..Self::default() }
        }
    }

    impl Probe for Recorder {
        async fn echo(&self, _: Context, text: String) -> String {
            text
        }

        async fn add(&self, _: Context, a: i64, b: i64) -> Result<i64, ProbeError> {
            Ok(a + b)
        }

        async fn note(&self, _: Context, line: String) {
            self.log.push(line);
        }

        async fn note_everywhere(&self, _: Context, line: String) {
            self.log.push(line);
        }

        async fn host(&self, _: Context) -> String {
            self.log.push("host".to_owned());
            self.host.clone()
        }

        async fn fail(&self, _: Context, how: String) -> Result<u32, ProbeError> {
            match how.as_str() {
                "missing" => {
                    Err(ProbeError::Missing { name: "vm-1".to_owned(), place: "cell-2".to_owned() })
                }
                "bad" => Err(ProbeError::Bad(3)),
                _ => Err(ProbeError::NotReady),
            }
        }

        async fn fail_undeclared(&self, _: Context) -> Result<(), Failure> {
            Err(Failure::of("no such luck", "elsewhere.errors", "Unlucky"))
        }

        async fn panic(&self, _: Context) -> u32 {
            panic!("a test asked for it")
        }

        async fn hold(&self, _: Context, name: String) -> String {
            self.log.push(name.clone());
            self.gate.notified().await;
            name
        }

        async fn hold_late(&self, ctx: Context, name: String) -> String {
            self.hold(ctx, name).await
        }

        async fn hang(&self, _: Context) {
            self.log.push("hang".to_owned());
            std::future::pending().await
        }

        async fn hang_call(&self, ctx: Context) {
            self.hang(ctx).await;
        }

        async fn time_left(&self, ctx: Context) -> Option<u64> {
            let left = ctx.deadline()?.saturating_duration_since(tokio::time::Instant::now());
            u64::try_from(left.min(Duration::from_secs(3600)).as_millis()).ok()
        }

        async fn newer(&self, _: Context) -> u32 {
            12
        }

        async fn grown(
            &self,
            _: Context,
            base: u32,
            extra: Option<u32>,
            more: u32,
        ) -> (u32, Option<u32>, u32) {
            (base, extra, more)
        }

        async fn count(&self, _: Context, name: String) -> String {
            self.log.push(name.clone());
            name
        }
    }
}
