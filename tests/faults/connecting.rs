//! Section A: connections that do not come about.

use std::time::{Duration, Instant};

use rpc_runtime::{Transport, TransportErrorKind};
use tests::{node::Shared, proxy::Proxy, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a01_a_refused_connection_is_an_error_at_once_or_waited_for() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let proxy = Proxy::start(&world).await;
    proxy.refuse().await;
    let begun = Instant::now();
    let error = soon("an error", Transport::connect(&proxy.url(&world))).await;
    assert_eq!(error.expect_err("nobody listens").kind(), TransportErrorKind::Unreachable);
    assert!(begun.elapsed() < Duration::from_secs(5), "at once, not {:?}", begun.elapsed());

    let patient = Transport::builder(&proxy.url(&world)).wait_for_broker(tests::SOON);
    let patient = tokio::spawn(patient.connect());
    // A moment in which it would have failed.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!patient.is_finished(), "it has time left");
    proxy.open().await;
    soon("a connection", patient).await.expect("no panic").expect("connected");
}
