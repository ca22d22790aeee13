//! Drops runtimes while they connect, bind, serve, call or stop, each at another moment.
//!
//! Arguments: a URL and a topic. The program prints `ended` and the longest time that a runtime
//! took to end. It fails if anything panics or a runtime takes longer than the limit.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rpc_runtime::{Context, Server, Transport};
use tests::poison::{Poison, PoisonClient, PoisonServer};

/// How long a runtime may take to end.
const LIMIT: Duration = Duration::from_secs(10);

static PANICKED: AtomicBool = AtomicBool::new(false);

struct Busy;

impl Poison for Busy {
    async fn explode(&self, _: Context) {
        std::future::pending().await
    }

    async fn explode_alone(&self, _: Context) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    async fn survive(&self, ctx: Context) -> u32 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        ctx.redeliveries()
    }
}

/// Connects, serves, calls and stops, until it is dropped.
async fn everything(
    url: String,
    topic: String,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    loop {
        let transport = Transport::connect(&url).await?;
        let server =
            Server::builder(&transport).topic(topic.as_str()).host("h").limit("explode", 2);
        let server = server.concurrency(8).serve(PoisonServer::new(Busy)).bind().await?.run();
        let client = PoisonClient::new(&transport).prepare().topic(topic.as_str()).client();
        let watched = client.prepare().monitor(Duration::from_secs(2)).client();
        for _ in 0..4 {
            tokio::spawn(watched.explode(&Context::new()));
        }
        for _ in 0..20 {
            let calls: Vec<_> =
                (0..8).map(|_| tokio::spawn(client.survive(&Context::new()))).collect();
            client.explode_alone(&Context::new()).await?;
            for call in calls {
                call.await??;
            }
        }
        let _ = server.shutdown(Duration::from_millis(20)).await;
        transport.close().await;
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(topic)) = (arguments.next(), arguments.next()) else {
        return ExitCode::FAILURE;
    };
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICKED.store(true, Ordering::Relaxed);
        default(panic);
    }));
    let mut longest = Duration::ZERO;
    for round in 0..40_u64 {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let Ok(runtime) = builder.worker_threads(2).enable_all().build() else {
            return ExitCode::FAILURE;
        };
        let (url, topic) = (url.clone(), topic.clone());
        runtime.spawn(async move {
            if let Err(error) = everything(url, topic).await {
                eprintln!("{error:?}");
            }
        });
        std::thread::sleep(Duration::from_millis(7 * round));
        let begun = Instant::now();
        // A process that drops its runtime at the end of `main` waits as long.
        drop(runtime);
        longest = longest.max(begun.elapsed());
    }
    println!("ended within {longest:?}");
    match PANICKED.load(Ordering::Relaxed) || longest > LIMIT {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
