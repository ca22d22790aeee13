//! Recovery time after outages, and the rate of attempts meanwhile.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rpc_runtime::{RabbitOptions, Transport};
use tests::{
    World, amount,
    node::{Node, Shared},
    proxy::{Proxy, Way},
    unique,
};

use super::table::{Table, Times};
use crate::scene::{AdderServer, Behind, DRAIN, Scene, Slow, adder, good, through};

/// How long a connection has to last to count as healthy at its next loss, with a margin.
const HEALTHY: Duration = Duration::from_secs(11);

/// Runs a client and a server through outages. Returns how long after each the first call
/// succeeded.
async fn outages(world: World, times: Vec<Duration>) -> Vec<Duration> {
    let options = RabbitOptions::default();
    let scene = Scene::with(world, Behind::Both, options, Slow::default()).await;
    let mut took = Vec::new();
    for (round, time) in (0..).zip(times) {
        if round > 0 {
            tokio::time::sleep(HEALTHY).await;
        }
        // Alternately, the port is closed, or each new connection is reset.
        if round % 2 == 0 {
            scene.proxy.refuse().await
        } else {
            scene.proxy.reset_new()
        }
        scene.proxy.present().reset();
        tokio::time::sleep(time).await;
        scene.proxy.open().await;
        took.push(scene.good(round).await);
    }
    scene.server.shutdown(DRAIN).await.expect("nothing runs");
    took
}

/// Does the same for several pairs of client and server at once.
async fn everywhere(
    node: &Node,
    places: usize,
    rounds: usize,
    time: impl Fn() -> Duration,
) -> Times {
    let times = || (0..rounds).map(|_| time()).collect();
    let all = (0..places).map(|_| outages(node.world(), times()));
    join_all(all).await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_good_call_comes_soon_after_an_outage() {
    let Some(shared) = Shared::take().await else { return };
    let mut table = Table::new("return");
    let between = |least, most| move || Duration::from_millis(fastrand::u64(least..=most));
    let (places, rounds) = amount((4, 1), (8, 8));
    let short = everywhere(&shared.node, places, rounds, between(300, 1000)).await;
    table.row("first good call after an outage of 0.3 to 1 s", &short);
    let (places, rounds, most) = amount((2, 1, 5000), (8, 3, 20_000));
    let long = everywhere(&shared.node, places, rounds, between(5000, most)).await;
    table.row("after one of 5 to 20 s", &long);
    if amount(false, true) {
        let longest = everywhere(&shared.node, 4, 1, between(60_000, 60_000)).await;
        table.row("after one of 60 s", longest);
    }
    table.print();
    assert!(short.share(0.5) < Duration::from_secs(5), "{short}");
    assert!(long.share(0.5) < Duration::from_secs(10), "{long}");
}

/// Counts new connections in each tenth of a second.
async fn count(proxy: &Proxy, time: Duration) -> Vec<u64> {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let (mut counts, mut before, begun) = (Vec::new(), proxy.attempts(), Instant::now());
    tick.tick().await;
    while begun.elapsed() < time {
        tick.tick().await;
        let now = proxy.attempts();
        counts.push(now - before);
        before = now;
    }
    counts
}

fn peak(counts: &[u64]) -> String {
    let peak = counts.iter().max().copied().unwrap_or_default();
    format!("{} in all, {peak} in the busiest tenth of a second", counts.iter().sum::<u64>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_spread_their_attempts_in_an_outage_and_after_it() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let proxy = Proxy::start(&world).await;
    let serving = world.transport().await;
    let _server = world.serve(&serving, "h", AdderServer::new(Slow::default())).await;
    let clients = amount(20, 200);
    let mut transports = Vec::new();
    for _ in 0..clients {
        transports.push(through(&proxy, &world, RabbitOptions::default()).await);
    }
    proxy.reset_new();
    proxy.present().reset();
    let lost = count(&proxy, Duration::from_secs(1)).await;
    let outage = count(&proxy, amount(Duration::from_secs(4), Duration::from_secs(10))).await;
    proxy.open().await;
    let back = async {
        let calls = transports.iter().zip(0..).map(|(transport, a)| {
            let client = world.client::<adder::Api>(transport);
            async move { good(&client, a).await }
        });
        join_all(calls).await.into_iter().collect::<Times>()
    };
    let (returned, took) = tokio::join!(count(&proxy, Duration::from_secs(3)), back);
    let mut table = Table::new("clients in one process, with two connections each");
    table.row("clients", clients);
    let five = lost.iter().chain(&outage[..40]).sum::<u64>();
    let each = five as f64 / (2 * clients) as f64;
    table.row("attempts of each connection in the first 5 s", format!("{each:.1}"));
    table.row("attempts in the second after the loss", peak(&lost));
    table.row(format!("in the next {:.0} s", outage.len() as f64 / 10.0), peak(&outage));
    table.row("in the 3 s after the return", peak(&returned));
    table.row("first good call of each after the return", took);
    table.print();
    let connections = 2 * clients;
    let five = lost.iter().chain(&outage[..40]).sum::<u64>();
    assert!(five > 4 * connections, "{five} attempts of {connections} connections in 5 s");
    assert!(five <= 8 * connections, "{five} attempts of {connections} connections in 5 s");
    // After the first half second, at most one attempt per connection falls into a tenth of a
    // second.
    let later = lost[5..].iter().chain(&outage).copied().max().unwrap_or_default();
    assert!(
        later <= connections,
        "{later} of {connections} connections try in one tenth of a second"
    );
}

/// A permanent refusal, as far as the client can tell.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    WrongPassword,
    MissingHost,
    MissingRight,
}

/// Sets up a refusal, and counts the attempts of a client to connect and to open channels.
async fn refuse(node: &Node, refusal: Refusal, time: Duration) -> (u64, u64) {
    let (user, place) = (unique("user"), unique("vhost"));
    node.ctl(&["add_user", &user, "first"]).await;
    node.ctl(&["add_vhost", &place]).await;
    node.ctl(&["set_permissions", "--vhost", &place, &user, ".*", ".*", ".*"]).await;
    let url = node.url().replacen("guest:guest", &format!("{user}:first"), 1);
    let world = World::at(&format!("{url}{place}"));
    let proxy = Proxy::start(&world).await;
    let transport: Transport = through(&proxy, &world, RabbitOptions::default()).await;
    match refusal {
        Refusal::WrongPassword => node.ctl(&["change_password", &user, "second"]).await,
        Refusal::MissingHost => node.ctl(&["delete_vhost", &place]).await,
        Refusal::MissingRight => {
            node.ctl(&["set_permissions", "--vhost", &place, &user, "", "", ""]).await
        }
    };
    proxy.present().reset();
    let (before, opened) = (proxy.attempts(), proxy.seen(Way::Up, "channel.open"));
    tokio::time::sleep(time).await;
    let counts = (proxy.attempts() - before, proxy.seen(Way::Up, "channel.open") - opened);
    transport.close().await;
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_good_is_tried_slowly() {
    let Some(shared) = Shared::take().await else { return };
    let time = amount(Duration::from_secs(3), Duration::from_mins(1));
    let refusals = [Refusal::WrongPassword, Refusal::MissingHost, Refusal::MissingRight];
    let counts = refusals.map(|refusal| refuse(&shared.node, refusal, time));
    let mut table = Table::new("refused for good");
    for (refusal, (connects, channels)) in refusals.iter().zip(join_all(counts).await) {
        let figure = format!("{connects} connections, {channels} channels");
        table.row(format!("{refusal:?}, tried in {time:?}"), figure);
        // A loop without pauses would make hundreds of attempts per second.
        let most = 15 * time.as_secs() + 30;
        assert!(connects < most && channels < most, "{refusal:?}: {connects}, {channels}");
        assert!(connects + channels > 1, "{refusal:?}: no attempt was made");
    }
    table.print();
}
