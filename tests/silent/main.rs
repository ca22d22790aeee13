//! A broker that accepts connections and never answers. The test has its own process, whose threads
//! it counts.

use std::fs;

use rpc_runtime::{Transport, TransportErrorKind};
use tests::{eventually, soon};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

/// Returns how many threads of this process belong to connections. Zero without `/proc`.
fn threads() -> usize {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return 0 };
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("lapin")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_times_out_leaves_neither_thread_nor_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let ended = tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.expect("a connection");
        let mut bytes = Vec::new();
        // The stream ends with the attempt.
        peer.read_to_end(&mut bytes).await.map(|_| bytes)
    });
    let url = format!("amqp://guest:guest@127.0.0.1:{port}/");
    let error = soon("its end", Transport::connect(&url)).await.expect_err("the broker is silent");
    assert_eq!(error.kind(), TransportErrorKind::Unreachable, "{error}");
    let said = soon("the end of the connection", ended).await.expect("whole");
    assert_eq!(said.expect("an orderly end"), b"AMQP\0\0\x09\x01");
    eventually("no thread to be left", || threads() == 0).await;
}
