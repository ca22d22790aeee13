//! Calls and casts while the broker restarts or dies, connections are lost, and the network
//! partitions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rpc_runtime::{Event, RabbitOptions, Role, Running, Transport};
use tests::{Log, amount, eventually, node::Alone, node::Node, proxy::Proxy, proxy::Way};
use tokio::{sync::watch, task::JoinSet};

use super::{
    besieged::{BesiegedClient, BesiegedServer, Ended, Runs, Sort, besieged, request},
    table::{Table, Times},
};
use crate::scene::{DRAIN, watchful};

/// The number of concurrent requests of one kind.
const AT_ONCE: usize = 64;

/// A fault that affects all clients and servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Restart,
    Kill,
    /// Connections are reset or closed, in one of several ways.
    Cut(u64),
    Partition(Duration),
}

/// Returns the blows in the order that the seed determines.
fn blows(random: &mut fastrand::Rng) -> Vec<Blow> {
    let (restarts, cuts, partitions) = amount((2, 4, 2), (20, 50, 20));
    let mut blows = Vec::new();
    blows.extend((0..restarts).map(|n| if n % 2 == 0 { Blow::Restart } else { Blow::Kill }));
    blows.extend((0..cuts).map(Blow::Cut));
    let longest = amount(2500, 5000);
    let partition = |_| Blow::Partition(Duration::from_millis(random.u64(1000..=longest)));
    blows.extend((0..partitions).map(partition).collect::<Vec<_>>());
    random.shuffle(&mut blows);
    blows
}

/// The number of requests that have ended.
struct Progress(watch::Sender<u64>);

impl Progress {
    fn note(&self) {
        self.0.send_modify(|ended| *ended += 1);
    }

    async fn reaches(&self, count: u64) {
        // Cannot fail: `self` holds the sender.
        let _ = self.0.subscribe().wait_for(|ended| *ended >= count).await;
    }
}

/// The state of a siege.
struct Siege {
    node: Node,
    proxy: Proxy,
    /// The client's.
    transport: Transport,
    progress: Progress,
    /// When the test reset connections of the client's transport.
    resets: Log<Instant>,
    /// When the broker was killed.
    kills: Log<Instant>,
    noticed: Log<Instant>,
    ended: Mutex<Vec<Ended>>,
}

impl Siege {
    async fn strike(&self, blow: Blow) {
        match blow {
            Blow::Restart => {
                self.node.stop().await;
                self.node.start().await;
                self.node.wait().await;
            }
            Blow::Kill => {
                self.node.kill().await;
                self.kills.push(Instant::now());
                self.node.start().await;
                self.node.wait().await;
            }
            Blow::Cut(way) if way % 5 == 4 => {
                let close = ["close_all_connections", "--vhost", "/", "a blow"];
                self.node.ctl(&close).await;
            }
            Blow::Cut(way) => {
                let links = match way % 5 {
                    0 | 1 => self.proxy.present(),
                    2 => self.proxy.named("publish"),
                    _ => self.proxy.named("consume"),
                };
                // All ways but one affect the client's publishing connection.
                if way % 5 != 3 && self.transport.state().is_up() {
                    self.resets.push(Instant::now());
                }
                if way % 2 == 0 { links.reset() } else { links.close() }
            }
            Blow::Partition(time) => {
                self.proxy.all().keep(Way::Both);
                tokio::time::sleep(time).await;
                self.proxy.all().heal();
            }
        }
    }

    /// Strikes at intervals, until all requests have ended.
    async fn lay(&self, blows: Vec<Blow>, requests: u64) {
        let count = u64::try_from(blows.len()).expect("few") + 1;
        for (blow, at) in blows.into_iter().zip(1..) {
            // Requests have to succeed again between two blows.
            let next = *self.progress.0.borrow() + 50;
            self.progress.reaches(next.max(requests * at / count).min(requests)).await;
            self.strike(blow).await;
        }
    }

    /// Records when the transport loses its publishing connection.
    async fn watch(&self) {
        let mut events = self.transport.events();
        while let Some(event) = events.next().await {
            if matches!(event, Event::Lost { role: Role::Publishing, .. }) {
                self.noticed.push(Instant::now());
            }
        }
    }

    /// Makes one request after the other, until the numbers run out.
    async fn requests(
        self: Arc<Self>,
        client: BesiegedClient,
        next: Arc<AtomicU64>,
        end: u64,
        calls: bool,
        mut random: fastrand::Rng,
    ) {
        loop {
            let number = next.fetch_add(1, Ordering::AcqRel);
            if number >= end {
                return;
            }
            let sort = if calls { Sort::call(number) } else { Sort::LateCast };
            let timeout = Duration::from_millis(match random.u8(0..8) {
                0 => 400,
                1..4 => random.u64(1000..5000),
                _ => random.u64(5000..40_000),
            });
            let ended = request(&client, sort, number, timeout).await;
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
            self.progress.note();
        }
    }
}

/// Starts two servers, each with a transport of its own.
async fn serve(siege: &Siege, world: &tests::World, runs: &Runs) -> Vec<(Transport, Running)> {
    let mut servers = Vec::new();
    for (host, runs) in [("one", runs.clone()), ("two", runs.second())] {
        let transport = connect(&siege.proxy, world).await;
        let server = world.server(&transport, host).concurrency(AT_ONCE);
        let server = server.serve(BesiegedServer::new(runs)).bind().await;
        servers.push((transport, server.unwrap_or_else(|error| panic!("{error:?}")).run()));
    }
    servers
}

fn durable() -> RabbitOptions {
    watchful().durable_queues(true)
}

async fn connect(proxy: &Proxy, world: &tests::World) -> Transport {
    let builder = Transport::builder(&proxy.url(world)).rabbit(durable());
    // Other tests declare the default control exchange, which is not durable.
    let connected = builder.control_exchange("siege").connect().await;
    connected.unwrap_or_else(|error| panic!("cannot connect: {error:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_siege_loses_no_confirmed_cast_and_no_call_ends_wrong() {
    let Some(alone) = Alone::take().await else { return };
    let (calls, casts) = amount((2000, 2000), (100_000, 100_000));
    let seed = std::env::var("RPC_FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("RPC_FAULT_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (world, begun) = (alone.node.world(), Instant::now());
    let proxy = Proxy::start(&world).await;
    let transport = connect(&proxy, &world).await;
    let siege = Arc::new(Siege {
        node: alone.node.clone(),
        proxy,
        transport: transport.clone(),
        progress: Progress(watch::Sender::new(0)),
        resets: Log::default(),
        kills: Log::default(),
        noticed: Log::default(),
        ended: Mutex::default(),
    });
    let runs = Runs::of(calls + casts);
    let servers = serve(&siege, &world, &runs).await;
    let client = world.client::<besieged::Api>(&transport);
    let watched = Arc::clone(&siege);
    let watcher = tokio::spawn(async move { watched.watch().await });
    let mut workers = JoinSet::new();
    for (first, end) in [(0, calls), (calls, calls + casts)] {
        let next = Arc::new(AtomicU64::new(first));
        for _ in 0..AT_ONCE {
            let (siege, client, next) = (Arc::clone(&siege), client.clone(), Arc::clone(&next));
            workers.spawn(siege.requests(client, next, end, first == 0, random.fork()));
        }
    }
    siege.lay(blows(&mut random), calls + casts).await;
    while let Some(worker) = workers.join_next().await {
        worker.expect("no panic");
    }
    let took = begun.elapsed();
    let ended = std::mem::take(&mut *siege.ended.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(ended.len() as u64, calls + casts, "each ends once");
    assert_eq!(transport.pending_calls(), 0);
    let is_lost = |cast: &&Ended| {
        !cast.sort.is_call() && cast.error.is_none() && runs.count(cast.number) == 0
    };
    eventually("every confirmed cast to run", || !ended.iter().any(|cast| is_lost(&cast))).await;
    for (transport, server) in servers {
        server.shutdown(DRAIN).await.expect("nothing runs");
        transport.close().await;
    }
    transport.close().await;
    watcher.await.expect("no panic");
    let mut table = Table::new("siege");
    table.row("seed, time", format!("{seed}, {:.0} s", took.as_secs_f64()));
    report(&mut table, &siege, &ended, &runs);
    table.print();
    check(&ended, &runs, &siege.kills.events());
}

/// Whether an error wrongly claims that the method has not run.
fn is_wrong(ended: &Ended, runs: &Runs) -> bool {
    let says_no = ended.error.as_ref().is_some_and(|error| !error.may_have_run());
    says_no && runs.count(ended.number) > 0
}

/// Counts requests that may run at most once and ran again: in total, and those whose runs were
/// before and after a kill of the broker. A killed broker forgets acknowledgements that it had
/// received, and delivers those requests again.
fn repeated(runs: &Runs, kills: &[Instant]) -> [usize; 2] {
    let mut counts = [0; 2];
    for runs in runs.repeated().values() {
        let (first, last) = (runs[0], runs[runs.len() - 1]);
        let is_killed = kills.iter().any(|kill| first.1 <= *kill && *kill <= last.1);
        counts[0] += 1;
        counts[1] += usize::from(is_killed);
    }
    counts
}

fn check(ended: &[Ended], runs: &Runs, kills: &[Instant]) {
    let [all, forgotten] = repeated(runs, kills);
    assert_eq!(all, forgotten, "a request that is acknowledged early ran twice");
    for ended in ended {
        let (number, kind) = (ended.number, ended.kind());
        assert!(!is_wrong(ended, runs), "{:?} {number} ran, but: {kind}", ended.sort);
        let never_ran = ended.error.is_none() && runs.count(number) == 0;
        assert!(!never_ran, "{:?} {number} ended well, and never ran", ended.sort);
    }
}

/// Returns how long after the latest of `causes` something happened, if within 3 s. A request may
/// learn of a cause slightly before this test does.
fn since(causes: &[Instant], at: Instant) -> Option<Duration> {
    if causes.iter().any(|cause| at < *cause && *cause < at + Duration::from_millis(50)) {
        return Some(Duration::ZERO);
    }
    let cause = causes.iter().rev().find(|cause| **cause <= at)?;
    Some(at - *cause).filter(|time| *time < Duration::from_secs(3))
}

fn report(table: &mut Table, siege: &Siege, ended: &[Ended], runs: &Runs) {
    for calls in [true, false] {
        let mut kinds = BTreeMap::<_, u32>::new();
        let own = || ended.iter().filter(|ended| ended.sort.is_call() == calls);
        own().for_each(|ended| *kinds.entry(ended.kind()).or_default() += 1);
        let name = if calls { "calls" } else { "casts" };
        let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        table.row(format!("{name} by their end"), kinds.join("; "));
        let late = own().filter(|ended| ended.kind().starts_with("Deadline")).map(Ended::lateness);
        table.row(format!("{name}: later than their deadline"), late.collect::<Times>());
    }
    let count = |is: &dyn Fn(&Ended) -> bool| ended.iter().filter(|ended| is(ended)).count();
    let ran = |ended: &Ended| runs.count(ended.number);
    let lost = |ended: &Ended| ended.error.is_none() && ran(ended) == 0;
    table.row("confirmed casts lost, answered calls that never ran", count(&lost));
    // Such an answer would have failed the test.
    table.row("answers to another call", 0);
    let once = count(&|ended| ended.sort.is_once());
    let [all, forgotten] = repeated(runs, &siege.kills.events());
    table.row(format!("of {once} calls acknowledged early and not idempotent: run twice"), all);
    table.row("of those, before and after the broker was killed", forgotten);
    table.row("`may_have_run()` false of what ran", count(&|e| is_wrong(e, runs)));
    let again = |ended: &Ended| !ended.sort.is_once() && ran(ended) > 1;
    table.row("others run more than once, as they may", count(&again));
    let resets = siege.resets.events();
    let noticed = siege.noticed.events();
    let first = |reset: &Instant| noticed.iter().find(|at| *at >= reset).map(|at| *at - *reset);
    let seen = resets.iter().filter_map(first).collect::<Times>();
    table.row("the client's transport knows of a lost connection after", seen);
    let after = |name: &str, of: &dyn Fn(Sort) -> bool| {
        let of = |ended: &&Ended| of(ended.sort) && ended.kind() == "Interrupted";
        let after = ended.iter().filter(of).filter_map(|ended| since(&noticed, ended.at));
        (format!("{name} end `Interrupted` after the loss is known"), after.collect::<Times>())
    };
    let early = |sort| sort == Sort::Early;
    let rows = [
        after("other calls", &|sort: Sort| sort.is_call() && !early(sort)),
        after("casts", &|sort: Sort| !sort.is_call()),
        // If their server's connection was lost, these calls wait a second for a redelivery.
        after("calls that are acknowledged early", &early),
    ];
    rows.into_iter().for_each(|(name, times)| table.row(name, times));
}
