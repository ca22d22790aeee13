//! Resources of a process over many operations, at its end, and after its death.

use std::time::{Duration, Instant};

use tests::{
    World, amount, eventually,
    held::Held,
    node::{Alone, Node},
    proxy::{Proxy, Way},
};

use super::table::Table;
use crate::{program::Program, scene::figure};

/// The connections, channels and queues of a process at rest.
///
/// The five channels publish, declare exchanges, consume replies, consume requests, and check
/// exchanges. The queues are those of topic, host, fanout and replies.
const AT_REST: [usize; 3] = [2, 5, 4];
/// How much memory may grow, in KiB: duplicate windows fill up to their bounds.
const MORE: usize = 64 * 1024;

/// Starts a process that calls its own server: see `tests/src/bin/steady.rs`.
async fn steady(url: &str, topic: &str) -> Program {
    Program::start(env!("CARGO_BIN_EXE_steady"), url, topic).await
}

/// Makes a process send requests until all succeed, and returns its resources.
async fn settled(steady: &mut Program) -> Held {
    steady.say("run 100").await;
    assert_eq!(steady.hear().await, "ran 100 0", "all requests succeed");
    steady.held()
}

/// Sends SIGTERM to a process, and returns how long it takes to exit.
async fn terminate(mut steady: Program) -> Duration {
    let begun = Instant::now();
    steady.signal("TERM").await;
    assert_eq!(steady.hear().await, "ended");
    assert!(steady.ended().await);
    begun.elapsed()
}

/// Counts the connections, channels and queues of a virtual host.
async fn on_broker(node: &Node, world: &World) -> [usize; 3] {
    let host = world.virtual_host();
    let connections = node.ctl(&["list_connections", "vhost", "--no-table-headers"]).await;
    let channels = node.ctl(&["list_channels", "vhost", "--no-table-headers"]).await;
    let of = |list: &str| list.lines().filter(|line| line.trim() == host).count();
    let queues = ["list_queues", "--vhost", host, "name", "--no-table-headers"];
    let queues = node.ctl(&queues).await.lines().filter(|line| !line.is_empty()).count();
    [of(&connections), of(&channels), queues]
}

/// Waits until the broker has the expected connections, channels and queues of a virtual host.
async fn broker_has(node: &Node, world: &World, expected: [usize; 3]) {
    let reached = async {
        while on_broker(node, world).await != expected {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(2 * tests::SOON, reached).await.is_err() {
        let found = on_broker(node, world).await;
        panic!("connections, channels, queues: {found:?}, not {expected:?}");
    }
}

/// Makes requests while connections are closed now and then. Returns how many failed, and how many
/// cuts there were.
async fn under_fire(node: &Node, world: &World, steady: &mut Program, requests: u64) -> (u64, u64) {
    steady.say(&format!("run {requests}")).await;
    let mut cuts = 0;
    loop {
        let pause = Duration::from_secs(amount(3, 10));
        if let Ok(line) = tokio::time::timeout(pause, steady.hear_whenever()).await {
            let failed = line.rsplit(' ').next().and_then(|failed| failed.parse().ok());
            return (failed.expect("a number"), cuts);
        }
        let close = ["close_all_connections", "--vhost", world.virtual_host(), "a fault"];
        node.ctl(&close).await;
        cuts += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_holds_no_more_after_many_operations_and_leaves_nothing() {
    let Some(alone) = Alone::take().await else { return };
    let (node, begun) = (&alone.node, Instant::now());
    let world = node.world_alone().await;
    let mut steady = steady(world.url(), world.topic()).await;
    let mut table = Table::new("flat: memory, files, threads; connections, channels, queues");
    let (requests, parts) = (amount(30_000, 1_000_000), 4);
    let [mut failed, mut cuts] = [0, 0];
    settled(&mut steady).await;
    let mut held = Vec::new();
    for part in 0..=parts {
        if part > 0 {
            let fired = under_fire(node, &world, &mut steady, requests / parts).await;
            (failed, cuts) = (failed + fired.0, cuts + fired.1);
        }
        let now = settled(&mut steady).await;
        held.push(now);
        broker_has(node, &world, AT_REST).await;
        let figure = format!("{} MiB, {}, {}; {AT_REST:?}", now.kib / 1024, now.files, now.threads);
        table.row(format!("after {}", part * requests / parts), figure);
    }
    table.row("failed, connections closed, time", {
        format!("{failed}, {cuts} times, {:.0} s", begun.elapsed().as_secs_f64())
    });
    let took = terminate(steady).await;
    let left = on_broker(node, &world).await;
    table.row("after its end", format!("{left:?}, which took {took:.1?}"));
    table.print();
    let (first, last) = (held[1], held[held.len() - 1]);
    assert!(last.kib < first.kib + MORE, "memory grows: {held:?}");
    let is_flat = last.files <= first.files + 4 && last.threads <= first.threads + 4;
    assert!(is_flat, "files, threads: {held:?}");
    assert_eq!((left[0], left[1]), (0, 0), "connections and channels are closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_leaves_on_the_broker_expires() {
    let Some(alone) = Alone::take().await else { return };
    let world = alone.node.world_alone().await;
    let mut steady = steady(world.url(), world.topic()).await;
    settled(&mut steady).await;
    let [_, _, queues] = on_broker(&alone.node, &world).await;
    steady.signal("KILL").await;
    assert!(!steady.ended().await);
    let begun = Instant::now();
    // The queues of topic and host remain, for other servers of that name.
    broker_has(&alone.node, &world, [0, 0, 2]).await;
    figure("I7", &format!("{queues} queues of a killed process, 2 after"), begun.elapsed());
    assert!(queues > 2, "there was something to expire");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_told_to_stop_in_an_outage_or_an_alarm_ends_in_time() {
    let Some(alone) = Alone::take().await else { return };
    let world = alone.node.world_alone().await;
    let proxy = Proxy::start(&world).await;
    for outage in ["refused", "silent", "alarm"] {
        let mut steady = steady(&proxy.url(&world), world.topic()).await;
        steady.say("hold").await;
        assert_eq!(steady.hear().await, "holding");
        match outage {
            "refused" => proxy.cut(),
            "silent" => proxy.all().keep(Way::Both),
            _ => _ = alone.node.ctl(&["set_vm_memory_high_watermark", "0.0000001"]).await,
        }
        steady.say("run 100000").await;
        let took = terminate(steady).await;
        figure("D4", &format!("ended after SIGTERM, {outage}"), took);
        proxy.present().reset();
        proxy.mend().await;
        alone.node.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
        // The drain takes up to 2 s, all else up to 0.9 s. The rest is for loaded machines.
        assert!(took < Duration::from_secs(5), "{outage}: {took:?}");
        eventually("no connection to be left", || proxy.present().is_empty()).await;
    }
}
