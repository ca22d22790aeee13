//! A rolling restart of servers under continuous calls.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use rpc_runtime::{Running, Transport};
use tests::{Log, World, amount, eventually, node::Shared};
use tokio::task::JoinSet;

use super::{
    besieged::{BesiegedClient, BesiegedServer, Runs, Sort, besieged, request},
    table::{Table, Times},
};
use crate::scene::DRAIN;

/// The number of concurrent requests.
const AT_ONCE: usize = 32;
/// More numbers than the campaign has time for.
const NUMBERS: u64 = 8_000_000;

/// Workers that make requests until the campaign stops them.
struct Crowd {
    client: BesiegedClient,
    next: AtomicU64,
    stop: AtomicBool,
    /// The requests that failed, and how.
    failed: Log<(Sort, u64, &'static str)>,
}

fn sort(number: u64) -> Sort {
    match number % 6 {
        0 => Sort::Cast,
        1 => Sort::LateCast,
        _ => Sort::call(number / 6),
    }
}

impl Crowd {
    async fn requests(self: Arc<Self>) {
        while !self.stop.load(Ordering::Acquire) {
            let number = self.next.fetch_add(1, Ordering::AcqRel);
            assert!(number < NUMBERS, "there are more requests than numbers");
            let ended = request(&self.client, sort(number), number, DRAIN).await;
            if ended.error.is_some() {
                self.failed.push((ended.sort, number, ended.kind()));
            }
        }
    }
}

/// Starts a server with a transport of its own, as a separate process would have.
async fn start(world: &World, runs: &Runs, host: &str) -> (Transport, Running) {
    let transport = world.transport().await;
    let server = world.server(&transport, host).concurrency(16);
    let server = server.serve(BesiegedServer::new(runs.clone())).bind().await;
    (transport, server.unwrap_or_else(|error| panic!("cannot bind: {error:?}")).run())
}

/// The hosts of the servers.
const HOSTS: [&str; 3] = ["one", "two", "three"];

/// Replaces one server after the other, and returns how long each took to stop.
async fn roll(
    world: &World,
    runs: &Runs,
    crowd: &Crowd,
    servers: &mut VecDeque<(Transport, Running)>,
    restarts: usize,
) -> Times {
    let mut took = Vec::new();
    for host in HOSTS.iter().cycle().take(restarts) {
        let goal = crowd.next.load(Ordering::Acquire) + 20;
        eventually("requests", || crowd.next.load(Ordering::Acquire) >= goal).await;
        let begun = Instant::now();
        let (transport, server) = servers.pop_front().expect("three servers");
        server.shutdown(DRAIN).await.expect("what has begun ends in time");
        took.push(begun.elapsed());
        transport.close().await;
        servers.push_back(start(world, runs, host).await);
    }
    took.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restarts_of_servers_lose_no_request_and_fail_no_call() {
    let Some(shared) = Shared::take().await else { return };
    let (world, begun) = (shared.node.world(), Instant::now());
    let (runs, transport) = (Runs::of(NUMBERS), world.transport().await);
    let mut servers = VecDeque::new();
    for host in HOSTS {
        servers.push_back(start(&world, &runs, host).await);
    }
    let crowd = Arc::new(Crowd {
        client: world.client::<besieged::Api>(&transport),
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        failed: Log::default(),
    });
    let mut workers = JoinSet::new();
    (0..AT_ONCE).for_each(|_| _ = workers.spawn(Arc::clone(&crowd).requests()));
    let restarts = amount(15, 1000);
    let rolled = roll(&world, &runs, &crowd, &mut servers, restarts).await;
    crowd.stop.store(true, Ordering::Release);
    while let Some(worker) = workers.join_next().await {
        worker.expect("no panic");
    }
    let requests = crowd.next.load(Ordering::Acquire);
    let lost = || (0..requests).filter(|number| runs.count(*number) == 0).count();
    eventually("every request to run", || lost() == 0).await;
    for (_, server) in servers {
        server.shutdown(DRAIN).await.expect("nothing runs");
    }
    let failed = crowd.failed.events();
    let mut table = Table::new("drain");
    table.row("restarts, time", format!("{restarts}, {:.0} s", begun.elapsed().as_secs_f64()));
    table.row("requests, failed, lost", format!("{requests}, {}, {}", failed.len(), lost()));
    let again = |late: bool| {
        let own = (0..requests).filter(|number| is_late(sort(*number)) == late);
        own.filter(|number| runs.count(*number) > 1).count()
    };
    table.row("acknowledged late, run twice", again(true));
    table.row("acknowledged early, run twice", again(false));
    table.row("a server stops within", rolled);
    table.print();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(again(false), 0, "a request that is acknowledged early runs once");
}

fn is_late(sort: Sort) -> bool {
    matches!(sort, Sort::Late | Sort::LateAgain | Sort::LateCast)
}
