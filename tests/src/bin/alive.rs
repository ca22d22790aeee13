//! A program that calls its own server continuously, while a test breaks its environment: `alive
//! URL TOPIC`.
//!
//! It logs to standard error. From standard input it reads orders: `call MILLISECONDS`, whose
//! outcome it prints, `state`, and `counts`. It exits at the end of its input.

use std::{
    io::BufRead as _,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rpc_runtime::{Context, Event, RabbitOptions, Server, Transport, rpc_api};
use tokio::sync::mpsc;

/// The deadline of the program's own calls.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much later than its deadline a call may end: the machine may be loaded.
const SLACK: Duration = Duration::from_secs(2);

/// Doubles.
#[rpc_api(topic = "alive", version = "1.0")]
trait Doubler {
    /// Doubles a number.
    #[rpc(idempotent)]
    async fn double(&self, ctx: Context, number: u64) -> u64;
}

struct Two;

impl Doubler for Two {
    async fn double(&self, _: Context, number: u64) -> u64 {
        number.wrapping_mul(2)
    }
}

/// Outcomes of the program's own calls.
#[derive(Default)]
struct Counts {
    good: AtomicU64,
    failed: AtomicU64,
    /// Calls that ended after their deadline, or with a wrong answer.
    wrong: AtomicU64,
}

/// Calls in a loop, and counts the outcomes.
async fn keep_calling(client: DoublerClient, counts: Arc<Counts>) {
    for number in 0.. {
        let begun = Instant::now();
        let called = client.prepare().timeout(TIMEOUT).double(&Context::new(), number).await;
        let count = match called {
            _ if begun.elapsed() > TIMEOUT + SLACK => &counts.wrong,
            Ok(twice) if twice == number * 2 => &counts.good,
            Ok(_) => &counts.wrong,
            Err(_) => &counts.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Keeps the text of the latest failure event.
async fn listen(transport: Transport, last: Arc<Mutex<String>>) {
    let mut events = transport.events();
    while let Some(event) = events.next().await {
        let text = match event {
            Event::ConnectFailed { error, .. } => error.to_string(),
            Event::RepliesRefused { error } => error.to_string(),
            _ => continue,
        };
        *last.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

async fn serve(url: &str, topic: &str, mut orders: mpsc::UnboundedReceiver<String>) -> bool {
    let options = RabbitOptions::default().heartbeat(Duration::from_secs(2));
    let options = options.retry_interval(Duration::from_millis(50), Duration::from_millis(500));
    let transport = match Transport::builder(url).rabbit(options).connect().await {
        Ok(transport) => transport,
        Err(error) => {
            println!("cannot connect: {error}");
            return false;
        }
    };
    let server =
        Server::builder(&transport).topic(topic).host("alive").serve(DoublerServer::new(Two));
    let _server = match server.bind().await {
        Ok(server) => server.run(),
        Err(error) => {
            println!("cannot bind: {error}");
            return false;
        }
    };
    let client = DoublerClient::new(&transport).prepare().topic(topic).client();
    let (counts, last) = (Arc::<Counts>::default(), Arc::<Mutex<String>>::default());
    tokio::spawn(keep_calling(client.clone(), Arc::clone(&counts)));
    tokio::spawn(listen(transport.clone(), Arc::clone(&last)));
    println!("ready");
    while let Some(order) = orders.recv().await {
        if let Some(millis) = order.strip_prefix("call ").and_then(|millis| millis.parse().ok()) {
            let timeout = Duration::from_millis(millis);
            match client.prepare().timeout(timeout).double(&Context::new(), 21).await {
                Ok(twice) => println!("{twice}"),
                Err(error) => println!("failed: {error}"),
            }
        } else if order == "state" {
            let state = transport.state();
            let event = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let up = if state.is_up() { "up" } else { "down" };
            println!("{up} | {state:?} | {}", event.replace('\n', " "));
        } else {
            let counts = [&counts.good, &counts.failed, &counts.wrong];
            let [good, failed, wrong] = counts.map(|count| count.load(Ordering::Relaxed));
            println!("{good} {failed} {wrong}");
        }
    }
    true
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(topic)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: alive URL TOPIC");
        return ExitCode::FAILURE;
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let Ok(runtime) = builder.worker_threads(2).enable_all().build() else {
        println!("no runtime");
        return ExitCode::FAILURE;
    };
    // A thread of its own: for each line, Tokio would use a thread of its blocking pool.
    let (order, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if order.send(line).is_err() {
                return;
            }
        }
    });
    match runtime.block_on(serve(&url, &topic, orders)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
