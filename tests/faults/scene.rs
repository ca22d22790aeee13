//! The usual scene of these tests: a client and a server, one or both of them behind a proxy.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt::Debug,
    time::{Duration, Instant},
};

use rpc_runtime::{CallError, Context, RabbitOptions, Running, Transport, rpc_api};
use tests::{Log, SOON, World, proxy::Proxy};
use tokio::task::JoinHandle;

/// How much later than its deadline a call may end: the machine may be loaded.
pub(crate) const SLACK: Duration = Duration::from_secs(5);
/// The limit for shutting down a server.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);

/// Adds, and records each run.
#[rpc_api(topic = "adder", version = "1.0")]
pub(crate) trait Adder {
    /// Adds, after a while.
    async fn add(&self, ctx: Context, a: u64, b: u64) -> u64;
    /// The same, and may be repeated.
    #[rpc(idempotent)]
    async fn add_again(&self, ctx: Context, a: u64, b: u64) -> u64;
    /// Blocks its thread for `millis` milliseconds.
    async fn block(&self, ctx: Context, millis: u64) -> u64;
    /// Records a number.
    async fn note(&self, ctx: Context, a: u64);
    /// Records a number, and is acknowledged afterwards.
    #[rpc(ack = "late")]
    async fn note_late(&self, ctx: Context, a: u64);
}

/// The server of [`Adder`].
#[derive(Clone, Default)]
pub(crate) struct Slow {
    pub(crate) ran: Log<u64>,
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

    async fn block(&self, _: Context, millis: u64) -> u64 {
        self.ran.push(millis);
        std::thread::sleep(Duration::from_millis(millis));
        millis
    }

    async fn note(&self, _: Context, a: u64) {
        self.ran.push(a);
    }

    async fn note_late(&self, _: Context, a: u64) {
        self.ran.push(a);
    }
}

impl Slow {
    pub(crate) fn taking(takes: Duration) -> Self {
        Self { takes, ..Self::default() }
    }

    /// Returns how often each number ran.
    pub(crate) fn runs(&self) -> HashMap<u64, u64> {
        let mut runs = HashMap::new();
        self.ran.events().into_iter().for_each(|a| *runs.entry(a).or_default() += 1);
        runs
    }
}

/// Returns options that detect a silent peer as soon as the protocol can.
pub(crate) fn watchful() -> RabbitOptions {
    RabbitOptions::default().heartbeat(Duration::from_secs(2))
}

/// Connects through a proxy.
pub(crate) async fn through(proxy: &Proxy, world: &World, options: RabbitOptions) -> Transport {
    let connected = Transport::builder(&proxy.url(world)).rabbit(options).connect().await;
    connected.unwrap_or_else(|error| panic!("cannot connect: {error:?}"))
}

/// Which side is behind the proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    Client,
    Server,
    Both,
}

/// A scene.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) proxy: Proxy,
    pub(crate) slow: Slow,
    /// The server's transport.
    pub(crate) serving: Transport,
    pub(crate) server: Running,
    pub(crate) transport: Transport,
    pub(crate) client: AdderClient,
}

impl Scene {
    pub(crate) async fn start(world: World, behind: Behind) -> Self {
        Self::with(world, behind, watchful(), Slow::default()).await
    }

    pub(crate) async fn with(
        world: World,
        behind: Behind,
        options: RabbitOptions,
        slow: Slow,
    ) -> Self {
        let proxy = Proxy::start(&world).await;
        let direct = || world.connect(|builder| builder.rabbit(options.clone()));
        let serving = match behind {
            Behind::Client => direct().await,
            _ => through(&proxy, &world, options.clone()).await,
        };
        let server = world.server(&serving, "h").concurrency(100);
        let server = server.serve(AdderServer::new(slow.clone())).bind().await;
        let server = server.unwrap_or_else(|error| panic!("cannot bind: {error:?}")).run();
        let transport = match behind {
            Behind::Server => direct().await,
            _ => through(&proxy, &world, options.clone()).await,
        };
        let client = world.client::<adder::Api>(&transport);
        let scene = Self { world, proxy, slow, serving, server, transport, client };
        scene.good(u64::MAX - 1).await;
        scene
    }

    /// Calls until a call succeeds, and returns how long that took. Calls may be unroutable until
    /// then.
    pub(crate) async fn good(&self, a: u64) -> Duration {
        good(&self.client, a).await
    }

    /// Makes calls at once, each with its own number.
    pub(crate) fn calls(&self, numbers: std::ops::Range<u64>, timeout: Duration) -> Calls {
        let call = |a| {
            let client = self.client.clone();
            tokio::spawn(async move { timed(&client, a, timeout).await })
        };
        Calls(numbers.map(call).collect())
    }

    /// Waits for the end of all calls, and checks each against the server's runs. Returns the
    /// number that succeeded.
    pub(crate) async fn settle(&self, calls: Calls) -> usize {
        let ended = calls.ended().await;
        ended.iter().for_each(|ended| ended.check(&self.slow));
        ended.iter().filter(|ended| ended.outcome.is_ok()).count()
    }
}

/// Pending calls.
pub(crate) struct Calls(Vec<JoinHandle<Ended>>);

impl Calls {
    /// Waits for the end of all calls.
    pub(crate) async fn ended(self) -> Vec<Ended> {
        let mut ended = Vec::new();
        for call in self.0 {
            ended.push(call.await.expect("a call ends by its deadline"));
        }
        ended
    }
}

/// Calls until a call succeeds, and returns how long that took.
pub(crate) async fn good(client: &AdderClient, a: u64) -> Duration {
    good_within(client, a, SOON).await
}

/// Does the same as [`good`], with another limit.
pub(crate) async fn good_within(client: &AdderClient, a: u64, limit: Duration) -> Duration {
    let begun = Instant::now();
    let call = async {
        loop {
            let call = client.prepare().timeout(limit).add_again(&Context::new(), a, 1);
            match call.await {
                Ok(sum) => break assert_eq!(sum, a + 1, "the answer to another call"),
                Err(CallError::Unroutable { .. }) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("call {a}: {error:?}"),
            }
        }
    };
    let answered = tokio::time::timeout(limit, call).await;
    assert!(answered.is_ok(), "no answer within {limit:?}");
    begun.elapsed()
}

/// A call that has ended. The main rule: a call ends by its deadline, once, and its error tells the
/// truth about whether the method may have run.
pub(crate) struct Ended {
    pub(crate) a: u64,
    pub(crate) took: Duration,
    pub(crate) outcome: Result<u64, CallError<Infallible>>,
}

/// Calls `add`, and measures the time.
pub(crate) async fn timed(client: &AdderClient, a: u64, timeout: Duration) -> Ended {
    let begun = Instant::now();
    let call = client.prepare().timeout(timeout).add(&Context::new(), a, 1);
    let outcome = tokio::time::timeout(timeout + SLACK, call).await;
    let outcome = outcome.unwrap_or_else(|_| panic!("call {a} has not ended by its deadline"));
    Ended { a, took: begun.elapsed(), outcome }
}

impl Ended {
    /// Checks the outcome against the server's runs.
    pub(crate) fn check(&self, slow: &Slow) {
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

/// Prints a measurement, for the table of `rpc-runtime/docs/reliability.md`.
pub(crate) fn figure(fault: &str, what: &str, value: impl Debug) {
    println!("figure {fault}: {what} {value:.3?}");
}
