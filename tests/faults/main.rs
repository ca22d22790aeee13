//! What a broker, a network and a peer can do to a client and a server: a test for each fault, named after its number in
//! `rpc-runtime/docs/reliability.md` and its promise. The nodes are the suite's own, because some are killed.

mod connecting;
mod losing;
mod proxied;

use std::{
    collections::HashMap,
    fmt::Debug,
    time::{Duration, Instant},
};

use rpc_runtime::{CallError, Context, RabbitOptions, Running, Transport, rpc_api};
use tests::{Log, World, proxy::Proxy};

/// How much later than its deadline a call may end here: machines are shared.
const SLACK: Duration = Duration::from_secs(5);

/// Adds, and notes what it ran.
#[rpc_api(topic = "adder", version = "1.0")]
trait Adder {
    /// Adds, after a while.
    async fn add(&self, ctx: Context, a: u64, b: u64) -> u64;
    /// The same, and may be repeated.
    #[rpc(idempotent)]
    async fn add_again(&self, ctx: Context, a: u64, b: u64) -> u64;
    /// Notes a number.
    async fn note(&self, ctx: Context, a: u64);
    /// Notes a number before it is acknowledged.
    #[rpc(ack = "late")]
    async fn note_late(&self, ctx: Context, a: u64);
}

/// See [`Adder`].
#[derive(Clone, Default)]
struct Slow {
    ran: Log<u64>,
    takes: Duration,
}

impl Adder for Slow {
    async fn add(&self, _: Context, a: u64, b: u64) -> u64 {
        self.ran.push(a);
        tokio::time::sleep(self.takes).await;
        a + b
    }

    async fn add_again(&self, ctx: Context, a: u64, b: u64) -> u64 {
        self.add(ctx, a, b).await
    }

    async fn note(&self, _: Context, a: u64) {
        self.ran.push(a);
    }

    async fn note_late(&self, _: Context, a: u64) {
        self.ran.push(a);
    }
}

impl Slow {
    fn taking(takes: Duration) -> Self {
        Self { takes, ..Self::default() }
    }

    /// How often each number ran.
    fn runs(&self) -> HashMap<u64, u64> {
        let mut runs = HashMap::new();
        self.ran.events().into_iter().for_each(|a| *runs.entry(a).or_default() += 1);
        runs
    }
}

/// Notices a silent peer as soon as the protocol can.
fn watchful() -> RabbitOptions {
    RabbitOptions::default().heartbeat(Duration::from_secs(2))
}

/// Connects through a proxy.
async fn through(proxy: &Proxy, world: &World, options: RabbitOptions) -> Transport {
    let connected = Transport::builder(&proxy.url(world)).rabbit(options).connect().await;
    connected.unwrap_or_else(|error| panic!("cannot connect: {error:?}"))
}

/// Starts a server that is not disturbed.
async fn undisturbed(world: &World, slow: &Slow) -> (Transport, Running) {
    let transport = world.transport().await;
    let server = world.server(&transport, "h").concurrency(100);
    let server = server.serve(AdderServer::new(slow.clone())).bind().await.expect("bound").run();
    (transport, server)
}

/// A call that has ended, for rule 0: it ends by its deadline, once, and what it says of having run is true.
struct Ended<T, E> {
    a: u64,
    took: Duration,
    outcome: Result<T, CallError<E>>,
}

/// Calls `add`, and takes the time.
async fn timed(
    client: &AdderClient,
    a: u64,
    timeout: Duration,
) -> Ended<u64, std::convert::Infallible> {
    let begun = Instant::now();
    let call = client.prepare().timeout(timeout).add(&Context::new(), a, 1);
    let outcome = tokio::time::timeout(timeout + SLACK, call).await;
    let outcome = outcome.unwrap_or_else(|_| panic!("call {a} has not ended by its deadline"));
    Ended { a, took: begun.elapsed(), outcome }
}

impl<E: Debug> Ended<u64, E> {
    /// Checks the outcome against what the server has run.
    fn check(&self, slow: &Slow) {
        let ran = slow.runs().get(&self.a).copied().unwrap_or_default();
        match &self.outcome {
            Ok(sum) => {
                assert_eq!(*sum, self.a + 1, "the answer to another call");
                assert_eq!(ran, 1, "call {} was answered", self.a);
            }
            Err(error) if !error.may_have_run() => assert_eq!(ran, 0, "call {}: {error:?}", self.a),
            Err(error) => assert!(ran <= 1, "call {} ran {ran} times: {error:?}", self.a),
        }
    }
}
