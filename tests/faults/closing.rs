//! Section G: a transport that closes within a limit, whatever the broker does.

use std::time::{Duration, Instant};

use rpc_runtime::Context;
use tests::{eventually, node::Shared, proxy::Way, soon};

use crate::scene::{Behind, SLACK, Scene, figure};

/// How long closing may take.
const LIMIT: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_g07_a_transport_closes_within_its_limit_whatever_the_broker_does() {
    let Some(shared) = Shared::take().await else { return };
    for fault in ["silent", "deaf", "mute", "half-open", "gone"] {
        let scene = Scene::start(shared.node.world(), Behind::Both).await;
        match fault {
            "silent" => scene.proxy.all().keep(Way::Both),
            "deaf" => scene.proxy.all().swallow(Way::Up),
            "mute" => scene.proxy.all().swallow(Way::Down),
            "half-open" => scene.proxy.present().zombie(),
            _ => scene.proxy.cut(),
        }
        // Pending calls give the close something to send and something to wait for.
        let calls = scene.calls(0..20, Duration::from_secs(20));
        eventually("the calls to be under way", || scene.transport.pending_calls() == 20).await;
        for (transport, of) in [(&scene.transport, "client"), (&scene.serving, "server")] {
            let begun = Instant::now();
            soon("the close", transport.close_within(LIMIT)).await;
            let took = begun.elapsed();
            figure("G7", &format!("closing within 1 s, {of}, {fault}"), took);
            assert!(took < LIMIT + SLACK / 2, "{fault}, {of}: {took:?}");
        }
        // The calls end with the transport, before their deadline.
        scene.settle(calls).await;
        scene.proxy.present().reset();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_g07_what_was_handed_over_is_sent_before_the_limit() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    scene.proxy.all().keep(Way::Both);
    let sent = scene.transport.metrics().requests_sent;
    let casts: Vec<_> = (0..200)
        .map(|a| {
            let client = scene.client.prepare().timeout(Duration::from_secs(20)).client();
            tokio::spawn(async move { client.note(&Context::new(), a).await })
        })
        .collect();
    eventually("casts to be published", || {
        let metrics = scene.transport.metrics();
        metrics.requests_sent - sent + metrics.queued >= 200
    })
    .await;
    let closing = scene.transport.close_within(Duration::from_secs(10));
    let heal = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        scene.proxy.all().heal();
    };
    let begun = Instant::now();
    soon("the close", futures_util::future::join(closing, heal)).await;
    let took = begun.elapsed();
    for cast in casts {
        cast.await.expect("no panic").expect("it was sent before the connection closed");
    }
    eventually("all to run", || scene.slow.ran.len() >= 200).await;
    assert!(took < Duration::from_secs(9), "it does not wait for the limit: {took:?}");
}
