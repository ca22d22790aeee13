//! A program that serves and calls, for tests that stop or kill a whole process: `peer URL TOPIC`.
//!
//! It prints each method that it runs (`ran 7`). From standard input it reads orders: `call TOPIC
//! NUMBER MILLISECONDS`, whose outcome it prints. It exits at the end of its input.
//! `RPC_PEER_HEARTBEAT` replaces the heartbeat of 2 seconds.

use std::{process::ExitCode, time::Duration};

use rpc_runtime::{Context, RabbitOptions, Server, Transport, rpc_api};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// The interface of the fault tests.
#[rpc_api(topic = "adder", version = "1.0")]
trait Adder {
    /// Adds.
    async fn add(&self, ctx: Context, a: u64, b: u64) -> u64;
    /// Adds, and may be repeated.
    #[rpc(idempotent)]
    async fn add_again(&self, ctx: Context, a: u64, b: u64) -> u64;
    /// Prints a number, and is acknowledged afterwards.
    #[rpc(ack = "late")]
    async fn note_late(&self, ctx: Context, a: u64);
    /// Takes a long time.
    async fn dawdle(&self, ctx: Context, a: u64);
}

struct Speaking;

impl Adder for Speaking {
    async fn add(&self, _: Context, a: u64, b: u64) -> u64 {
        println!("ran {a}");
        a + b
    }

    async fn add_again(&self, ctx: Context, a: u64, b: u64) -> u64 {
        self.add(ctx, a, b).await
    }

    async fn note_late(&self, _: Context, a: u64) {
        println!("ran {a}");
    }

    async fn dawdle(&self, _: Context, _: u64) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn call(transport: &Transport, order: &str) -> Option<String> {
    let mut words = order.split(' ').skip(1);
    let topic = words.next()?;
    let (a, millis) = (words.next()?.parse::<u64>().ok()?, words.next()?.parse::<u64>().ok()?);
    let client = AdderClient::new(transport).prepare().topic(topic);
    let ended = client.timeout(Duration::from_millis(millis)).add(&Context::new(), a, 1).await;
    Some(match ended {
        Ok(sum) => format!("{a} is {sum}"),
        Err(error) if error.may_have_run() => format!("{a} late, may have run"),
        Err(_) => format!("{a} late, has not run"),
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(topic)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: peer URL TOPIC");
        return ExitCode::FAILURE;
    };
    // A panic in any thread ends the process, so that the test notices.
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        std::process::abort();
    }));
    let heartbeat = std::env::var("RPC_PEER_HEARTBEAT").ok().and_then(|secs| secs.parse().ok());
    let options = RabbitOptions::default().heartbeat(Duration::from_secs(heartbeat.unwrap_or(2)));
    // Short intervals: some tests cut the connections many times.
    let options = options.retry_interval(Duration::from_millis(50), Duration::from_millis(200));
    let transport = match Transport::builder(&url).rabbit(options).connect().await {
        Ok(transport) => transport,
        Err(error) => {
            eprintln!("cannot connect: {error:?}");
            return ExitCode::FAILURE;
        }
    };
    let server = Server::builder(&transport).topic(topic).host("peer");
    let server = match server.serve(AdderServer::new(Speaking)).bind().await {
        Ok(server) => server.run(),
        Err(error) => {
            eprintln!("cannot bind: {error:?}");
            return ExitCode::FAILURE;
        }
    };
    println!("ready");
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(order)) = orders.next_line().await {
        println!("{}", call(&transport, &order).await.unwrap_or_else(|| "what?".to_owned()));
    }
    drop(server);
    ExitCode::SUCCESS
}
