//! Servers that stop after the broker has gone.

use std::time::{Duration, Instant};

use rpc_runtime::{Context, Transport};
use tests::{
    World, eventually,
    proxy::{Proxy, Way},
    soon,
};

use crate::adder::{AdderServer, Slow, adder};

/// Stops a busy server whose broker is `gone`, and checks that it stops in time.
async fn stops_without_a_broker(gone: impl FnOnce(&Proxy), is_aborted: bool) {
    let Some(world) = World::rabbit() else { return };
    let proxy = Proxy::start(&world).await;
    let transport = Transport::connect(&proxy.url(&world)).await.expect("connected");
    let service = Slow { takes: Duration::from_secs(3600), ..Slow::default() };
    let server = world.serve(&transport, "h", AdderServer::new(service.clone())).await;
    let direct = world.transport().await;
    let call = tokio::spawn(world.client::<adder::Api>(&direct).add(&Context::new(), 1_u64, 2_u64));
    eventually("the method to begin", || service.ran.len() == 1).await;
    gone(&proxy);
    let begun = Instant::now();
    let limit = Duration::from_millis(if is_aborted { 3_600_000 } else { 500 });
    let hurry = server.abort_handle();
    let stopping = tokio::spawn(server.shutdown(limit));
    if is_aborted {
        hurry.abort();
    }
    let _ = soon("the shutdown", stopping).await.expect("no panic");
    // The limit, one second for what has to be sent, and time for a loaded machine.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    call.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stops_in_time_though_its_broker_is_gone() {
    stops_without_a_broker(Proxy::cut, false).await;
    stops_without_a_broker(Proxy::cut, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stops_in_time_though_its_broker_says_nothing() {
    stops_without_a_broker(|proxy: &Proxy| proxy.all().keep(Way::Down), false).await;
    stops_without_a_broker(|proxy: &Proxy| proxy.all().keep(Way::Down), true).await;
}
