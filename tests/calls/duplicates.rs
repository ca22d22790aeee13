//! Duplicate requests: the window of known ones, whose size users set, and which ends with its
//! server.

use rpc_runtime::{Context, DuplicateWindow};
use tests::{SOON, World, eventually, soon};

use crate::probe::{ProbeServer, Recorder, probe};

/// Only the embedded broker can duplicate every request.
async fn log_of_doubled_requests(window: DuplicateWindow, requests: usize) -> Vec<String> {
    let world = World::memory();
    let transport = world.transport().await;
    let recorder = Recorder::default();
    let server = world.server(&transport, "h").duplicate_window(window);
    let server =
        server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
    let client = world.client::<probe::Api>(&transport);
    for n in 0..requests {
        transport.memory().expect("embedded").repeat_next(1);
        let name = n.to_string();
        assert_eq!(client.count(&Context::new(), &name).await.expect("an answer"), name);
    }
    server.shutdown(SOON).await.expect("nothing runs");
    let (runs, metrics) = (recorder.log.events(), transport.metrics());
    assert_eq!(metrics.requests_received, 2 * requests as u64);
    assert_eq!(metrics.requests_duplicate, (2 * requests - runs.len()) as u64);
    runs
}

#[tokio::test]
async fn a_copy_is_run_where_the_window_is_off_and_not_otherwise() {
    assert_eq!(log_of_doubled_requests(DuplicateWindow::new(), 2).await, ["0", "1"]);
    assert_eq!(log_of_doubled_requests(DuplicateWindow::new().requests(1), 2).await, ["0", "1"]);
    assert_eq!(log_of_doubled_requests(DuplicateWindow::off(), 2).await, ["0", "0", "1", "1"]);
}

#[tokio::test]
async fn a_copy_is_answered_with_the_first_reply_while_that_is_kept() {
    for (bytes, is_kept) in [(DuplicateWindow::REPLY_BYTES, true), (0, false)] {
        let world = World::memory();
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let window = DuplicateWindow::new().reply_bytes(bytes);
        let server = world.server(&transport, "h").concurrency(1).duplicate_window(window);
        let server = server.serve(ProbeServer::new(recorder.clone()));
        let _server = server.bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let broker = transport.memory().expect("embedded");
        let mut published = broker.observe();
        broker.repeat_next(1);
        let held = tokio::spawn(client.hold(&Context::new(), "once"));
        eventually("the first to begin", || recorder.log.len() == 1).await;
        recorder.gate.notify_one();
        soon("the answer", held).await.expect("no panic").expect("an answer");
        // The server has one slot, so it has handled both copies before this call runs.
        client.echo(&Context::new(), "behind").await.expect("an answer");
        assert_eq!(recorder.log.events(), ["once"]);
        let mut replies = 0;
        while let Ok(message) = published.try_recv() {
            replies +=
                usize::from(String::from_utf8_lossy(&message.body).contains(r#"\"once\", "#));
        }
        assert_eq!(replies, 1 + usize::from(is_kept));
    }
}

#[tokio::test]
async fn a_copy_that_comes_to_the_next_server_of_a_host_runs_again() {
    let world = World::memory();
    let transport = world.transport().await;
    let recorder = Recorder::default();
    let server = world.server(&transport, "h").concurrency(1);
    let server =
        server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
    let client = world.client::<probe::Api>(&transport);
    transport.memory().expect("embedded").repeat_next(1);
    let held = tokio::spawn(client.hold(&Context::new(), "twice"));
    eventually("the first to begin", || recorder.log.len() == 1).await;
    let stopping = tokio::spawn(server.shutdown(SOON));
    // A stopping server accepts nothing more, even though its method still runs.
    eventually("the copy to stay in the queue", || {
        transport.memory().expect("embedded").queued(world.topic()) == 1
    })
    .await;
    let next = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
    eventually("the copy to begin", || recorder.log.len() == 2).await;
    recorder.gate.notify_waiters();
    assert_eq!(soon("the answer", held).await.expect("no panic").expect("an answer"), "twice");
    soon("the shutdown", stopping).await.expect("no panic").expect("it has ended");
    next.shutdown(SOON).await.expect("it has ended, too");
}

/// Starts two servers of a topic, with one slot each. Returns which of them ran a request that was
/// published twice.
async fn who_runs_what_is_doubled(to_one_host: bool) -> Vec<String> {
    let world = World::memory();
    let transport = world.transport().await;
    let recorders = ["h", "i"].map(Recorder::on);
    let mut servers = Vec::new();
    for recorder in &recorders {
        let server = world.server(&transport, &recorder.host).concurrency(1);
        let server = server.serve(ProbeServer::new(recorder.clone()));
        servers.push(server.bind().await.expect("bound").run());
    }
    let client = world.client::<probe::Api>(&transport);
    let ran = || recorders.iter().filter(|on| !on.log.is_empty());
    let held = match to_one_host {
        true => client.prepare().server("h").hold(&Context::new(), "doubled"),
        false => client.hold(&Context::new(), "doubled"),
    };
    let broker = transport.memory().expect("embedded");
    broker.repeat_next(1);
    let held = tokio::spawn(held);
    // While one server runs the request, the copy reaches the other, or waits for the same one.
    let copy = || to_one_host && broker.queued(&format!("{}.h", world.topic())) == 1;
    eventually("both copies to run or wait", || ran().count() == 2 || copy()).await;
    recorders.iter().for_each(|recorder| recorder.gate.notify_one());
    assert_eq!(soon("the answer", held).await.expect("no panic").expect("an answer"), "doubled");
    for server in servers {
        server.shutdown(SOON).await.expect("nothing runs");
    }
    let runs = recorders.iter().flat_map(|on| on.log.events().into_iter().map(|_| on.host.clone()));
    runs.collect()
}

#[tokio::test]
async fn a_copy_may_run_on_a_second_server_and_runs_once_where_a_host_is_named() {
    assert_eq!(who_runs_what_is_doubled(false).await, ["h", "i"]);
    assert_eq!(who_runs_what_is_doubled(true).await, ["h"]);
}
