//! Section B: a cluster of three nodes with quorum queues, one of which stops or is partitioned.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rpc_runtime::{Context, RabbitOptions, Running, Transport};
use tests::{
    SOON, World, eventually,
    node::{Cluster, Node},
    soon,
};
use tokio::task::JoinHandle;

use crate::scene::{AdderClient, AdderServer, DRAIN, Slow, adder, figure, watchful};

fn replicated() -> RabbitOptions {
    watchful().quorum_queues(true).transient_quorum_queues(true)
}

async fn connect(world: &World) -> Transport {
    let patient = Transport::builder(world.url()).rabbit(replicated());
    let connected = patient.wait_for_broker(Duration::from_secs(60)).connect().await;
    connected.unwrap_or_else(|error| panic!("cannot connect: {error:?}"))
}

/// A server and a client on all nodes, and casts that continue throughout.
struct Casting {
    slow: Slow,
    client: AdderClient,
    confirmed: Arc<Mutex<BTreeSet<u64>>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
    _serving: (Transport, Running),
    _transport: Transport,
}

impl Casting {
    async fn start(world: &World) -> Self {
        let (serving, transport) = (connect(world).await, connect(world).await);
        let slow = Slow::default();
        let server = world.serve(&serving, "h", AdderServer::new(slow.clone())).await;
        let client = world.client::<adder::Api>(&transport);
        let (confirmed, stop) = (Arc::<Mutex<BTreeSet<u64>>>::default(), Arc::default());
        let (noted, stopped): (_, Arc<AtomicBool>) = (Arc::clone(&confirmed), Arc::clone(&stop));
        let casts = client.prepare().timeout(Duration::from_secs(20)).client();
        let task = tokio::spawn(async move {
            let mut next = 0;
            while !stopped.load(Ordering::Acquire) {
                let batch = (next..next + 10).map(|a| {
                    let cast = casts.note_late(&Context::new(), a);
                    async move { cast.await.is_ok().then_some(a) }
                });
                let batch = futures_util::future::join_all(batch).await;
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.extend(batch.into_iter().flatten());
                next += 10;
            }
        });
        Self {
            slow,
            client,
            confirmed,
            stop,
            task,
            _serving: (serving, server),
            _transport: transport,
        }
    }

    /// Calls until a call succeeds, despite errors, and returns how long that took.
    async fn good(&self, a: u64) -> Duration {
        let begun = Instant::now();
        let good = async {
            let client = self.client.prepare().timeout(Duration::from_secs(5)).client();
            while let Err(error) = client.add_again(&Context::new(), a, 1).await {
                println!("{a}, after {:.1?}: {error:?}", begun.elapsed());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        soon("an answer", good).await;
        begun.elapsed()
    }

    /// Stops the casts, and checks that each confirmed one has run.
    async fn all_ran(self, fault: &str) {
        self.stop.store(true, Ordering::Release);
        soon("the last casts", self.task).await.expect("no panic");
        let confirmed =
            std::mem::take(&mut *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner));
        figure(fault, "confirmed casts", confirmed.len());
        assert!(confirmed.len() > 100, "{}", confirmed.len());
        let missing = || {
            let runs = self.slow.runs();
            confirmed.iter().filter(|a| !runs.contains_key(a)).count()
        };
        eventually("every confirmed cast to have run", || missing() == 0).await;
    }
}

/// Waits until every quorum queue has all its members again, as an operator would between nodes.
async fn whole(node: &Node, world: &World) {
    let whole = async {
        loop {
            let list = ["list_queues", "--vhost", world.virtual_host()];
            let list = [&list[..], &["--no-table-headers", "type", "online"]].concat();
            let list = node.ctl(&list).await;
            let mut queues = list.lines().filter(|line| line.contains("quorum"));
            if queues.all(|line| line.matches("@localhost").count() == 3) {
                return;
            }
            println!("not on all nodes yet:\n{list}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    soon("every queue to be on all nodes", whole).await;
}

// RabbitMQ 3.10: after a node stops, the broker may permanently refuse messages on a channel that
// was open before. That happens about every second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b16_nodes_go_one_by_one_and_no_confirmed_cast_is_lost() {
    let Some(cluster) = Cluster::take().await else { return };
    let casting = Casting::start(&cluster.world()).await;
    casting.good(1_000_000).await;
    whole(&cluster.nodes[0], &cluster.world()).await;
    for (round, node) in (1_000_001..).zip(&cluster.nodes) {
        if round % 2 == 0 {
            node.stop().await
        } else {
            node.kill().await
        }
        let first = casting.good(round).await;
        figure("B16", "first good call after a node is gone", first);
        node.start().await;
        node.wait().await;
        whole(node, &cluster.world()).await;
    }
    let [paused, ..] = &cluster.nodes;
    paused.pause().await;
    let first = casting.good(2_000_000).await;
    figure("B16", "first good call while a node is paused", first);
    paused.resume().await;
    casting.good(2_000_001).await;
    casting.all_ran("B16").await;
}

/// Makes a node the leader of every quorum queue, as draining the other nodes does.
async fn lead(node: &Node, world: &World) {
    let name = node.name().await;
    let order = format!(
        "[rabbit_quorum_queue:transfer_leadership(Q, '{name}') || Q <- rabbit_amqqueue:list(<<\"{}\">>), \
         amqqueue:get_type(Q) =:= rabbit_quorum_queue].",
        world.virtual_host()
    );
    let led = async {
        loop {
            let list = ["list_queues", "--vhost", world.virtual_host()];
            let list = [&list[..], &["--no-table-headers", "type", "leader"]].concat();
            let list = node.ctl(&list).await;
            let mut queues = list.lines().filter(|line| line.contains("quorum"));
            if queues.all(|line| line.contains(&name)) {
                return;
            }
            println!("not led by {name} yet:\n{list}{}", node.ctl(&["eval", &order]).await);
        }
    };
    soon("every queue to be led by the node", led).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b20_no_confirmed_cast_is_lost_when_the_leaders_of_queues_move() {
    let Some(cluster) = Cluster::take().await else { return };
    let world = cluster.world_alone().await;
    let casting = Casting::start(&world).await;
    casting.good(1_000_000).await;
    whole(&cluster.nodes[0], &world).await;
    let nodes = cluster.nodes.iter().cycle().take(9);
    for (round, node) in (1_000_001..).zip(nodes) {
        lead(node, &world).await;
        let first = casting.good(round).await;
        figure("B20", "first good call after leaders have moved", first);
    }
    casting.all_ran("B20").await;
}

/// Partitions a node from all others, or heals the partition. All at once: a node that sees only
/// some of the others stops the whole cluster.
async fn part(alone: &Node, others: &[&Node], is_apart: bool) {
    let names = futures_util::future::join_all(others.iter().map(|node| node.name())).await;
    let names = format!("['{}']", names.join("','"));
    let cookie = if is_apart { "apart" } else { "erlang:get_cookie()" };
    let order = format!(
        "[erlang:set_cookie(Node, {cookie}) || Node <- {names}],\
         [erlang:disconnect_node(Node) || Node <- {names}], ok."
    );
    alone.ctl(&["eval", &order]).await;
}

// A node that sees no leader reports zero messages and zero consumers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c25_a_node_in_the_minority_ends_no_call_by_what_it_says_of_a_quorum_queue() {
    let Some(cluster) = Cluster::take().await else { return };
    let world = cluster.world();
    let [one, two, alone] = &cluster.nodes;
    let serving = connect(&world).await;
    let stopped = world.serve(&serving, "h", AdderServer::new(Slow::default())).await;
    whole(one, &world).await;
    stopped.shutdown(DRAIN).await.expect("nothing runs");
    let options = replicated().no_consumer_after(Duration::from_secs(6));
    let lonely = World::at(alone.url()).connect(|builder| builder.rabbit(options)).await;
    let client = world.client::<adder::Api>(&lonely).prepare().timeout(3 * SOON).client();
    let call = tokio::spawn(client.add_again(&Context::new(), 1, 1));
    // After the broker's first report that no consumer exists, and before the call gives up.
    eventually("the call to be under way", || lonely.pending_calls() == 1).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    part(alone, &[one, two], true).await;
    let majority = World::at(one.url());
    let serving = connect(&majority).await;
    let server = rpc_runtime::Server::builder(&serving).topic(world.topic()).host("h");
    let server = server.serve(AdderServer::new(Slow::default())).bind().await;
    let server = server.unwrap_or_else(|error| panic!("cannot bind: {error:?}")).run();
    tokio::time::sleep(Duration::from_secs(9)).await;
    let early = call.is_finished();
    part(alone, &[one, two], false).await;
    let ended = tokio::time::timeout(4 * SOON, call).await.expect("in time").expect("no panic");
    println!("before the minority was healed: {early}; {ended:?}");
    let is_wrong = matches!(&ended, Err(rpc_runtime::CallError::NoConsumer { .. }));
    assert!(!is_wrong, "a server has come back: {ended:?}");
    let _ = server.shutdown(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b17_a_node_in_the_minority_accepts_nothing_and_the_majority_goes_on() {
    let Some(cluster) = Cluster::take().await else { return };
    let world = cluster.world();
    let casting = Casting::start(&world).await;
    casting.good(1_000_000).await;
    let [one, two, alone] = &cluster.nodes;
    // A client that knows only the node that will be partitioned.
    let (path, topic) = (alone.url().to_owned(), world.topic().to_owned());
    let lonely = connect(&World::at(&path)).await;
    let lonely = world.client::<adder::Api>(&lonely).prepare().topic(topic.as_str()).client();
    lonely.note_late(&Context::new(), 2_000_000).await.expect("confirmed");
    part(alone, &[one, two], true).await;
    let mut accepted = Vec::new();
    for a in 2_000_001..2_000_020 {
        let cast =
            lonely.prepare().timeout(Duration::from_millis(700)).note_late(&Context::new(), a);
        if cast.await.is_ok() {
            accepted.push(a);
        }
    }
    let first = casting.good(1_000_001).await;
    figure("B17", "first good call of the majority", first);
    part(alone, &[one, two], false).await;
    eventually("every accepted cast to run", || {
        let runs = casting.slow.runs();
        accepted.iter().all(|a| runs.contains_key(a))
    })
    .await;
    figure("B17", "casts accepted of 19 in the minority, all of which ran", accepted.len());
    let back = async {
        while lonely.note_late(&Context::new(), 2_000_100).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the minority to accept again", back).await;
    casting.all_ran("B17").await;
}
