//! A process that calls its own server through a broker. Tests measure its resources and how it
//! exits.
//!
//! Arguments: a URL and a topic. The process prints `ready`, then reads orders: `run COUNT` makes
//! requests and prints `ran WELL FAILED` at their end; `hold` begins a call that lasts very long,
//! and prints `holding` once the method runs. At SIGTERM, or at the end of its input, the process
//! shuts down and prints `ended`.

use std::{
    io::Write as _,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rpc_runtime::{Context, RabbitOptions, Running, Server, Transport, TransportError, rpc_api};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

/// How long methods may take to finish after a signal to stop.
const LIMIT: Duration = Duration::from_secs(2);
/// How long the whole shutdown may take.
const BUDGET: Duration = Duration::from_millis(2900);
/// How long the queues outlive the process.
const QUEUES: Duration = Duration::from_secs(5);

/// The interface of this process.
#[rpc_api(topic = "steady", version = "1.0")]
trait Steady {
    /// Adds.
    #[rpc(idempotent)]
    async fn add(&self, ctx: Context, a: u64, b: u64) -> u64;
    /// Takes a very long time.
    async fn hold(&self, ctx: Context);
    /// Does nothing, and is run at least once.
    #[rpc(ack = "late")]
    async fn note(&self, ctx: Context, a: u64);
}

struct Quiet;

impl Steady for Quiet {
    async fn add(&self, _: Context, a: u64, b: u64) -> u64 {
        a + b
    }

    async fn hold(&self, _: Context) {
        say("holding");
        std::future::pending().await
    }

    async fn note(&self, _: Context, _: u64) {}
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    // A closed pipe means that the test has ended.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Makes `count` requests, 64 at once, and returns the number that failed.
async fn requests(client: &SteadyClient, count: u64) -> u64 {
    let (next, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..64 {
        let (client, next, failed) = (client.clone(), Arc::clone(&next), Arc::clone(&failed));
        workers.spawn(async move {
            loop {
                let a = next.fetch_add(1, Ordering::Relaxed);
                if a >= count {
                    return;
                }
                let ctx = Context::new();
                let well = match a % 4 {
                    0 => client.note(&ctx, a).await.is_ok(),
                    _ => client.add(&ctx, a, 1).await.is_ok_and(|sum| sum == a + 1),
                };
                failed.fetch_add(u64::from(!well), Ordering::Relaxed);
            }
        });
    }
    while workers.join_next().await.is_some() {}
    failed.load(Ordering::Relaxed)
}

async fn obey(client: &SteadyClient, order: &str) {
    match order.split_once(' ') {
        Some(("run", count)) => {
            let count = count.parse().unwrap_or_default();
            let failed = requests(client, count).await;
            say(&format!("ran {} {failed}", count - failed));
        }
        None if order == "hold" => _ = tokio::spawn(client.hold(&Context::new())),
        _ => say("what?"),
    }
}

async fn start(url: &str, topic: &str) -> Result<(Transport, Running), TransportError> {
    let options = RabbitOptions::default().transient_queues_ttl(QUEUES);
    let transport = Transport::builder(url).rabbit(options).connect().await?;
    let server = Server::builder(&transport).topic(topic).host("steady").concurrency(64);
    let server = server.serve(SteadyServer::new(Quiet)).bind().await?.run();
    Ok((transport, server))
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(topic)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: steady URL TOPIC");
        return ExitCode::FAILURE;
    };
    let started = start(&url, &topic).await;
    let (Ok((transport, server)), Ok(mut told)) = (started, signal(SignalKind::terminate())) else {
        eprintln!("it cannot serve");
        return ExitCode::FAILURE;
    };
    let client = SteadyClient::new(&transport).prepare().topic(topic.as_str()).client();
    say("ready");
    let orders = async {
        let mut orders = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(order)) = orders.next_line().await {
            obey(&client, &order).await;
        }
    };
    tokio::select! {
        () = orders => {}
        _ = told.recv() => {}
    }
    let begun = Instant::now();
    // Cancels methods that still run.
    let _ = server.shutdown(LIMIT).await;
    transport.close_within(BUDGET.saturating_sub(begun.elapsed())).await;
    say("ended");
    // One of Tokio's threads still blocks on standard input, so returning would wait for it.
    std::process::exit(0)
}
