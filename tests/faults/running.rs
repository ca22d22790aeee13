//! Sections G, H and I: processes short of resources, and what remains after many faults.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rpc_runtime::{CallError, Context, Event};
use tests::{SOON, eventually, heard::Heard, node::Shared, proxy::Proxy, soon};
use tokio::process::Command;

use crate::{
    channels::until,
    program::Program,
    scene::{AdderServer, Behind, DRAIN, Scene, Slow, adder, figure, good, timed},
    surroundings::{Cause, Patient, is_root},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_g14_clients_and_servers_start_and_stop_in_any_order() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let calling = world.transport().await;
    let client = world.client::<adder::Api>(&calling);
    let early = timed(&client, 1, SOON).await.outcome;
    assert!(matches!(early, Err(CallError::Unroutable { .. })), "{early:?}");
    let serving = world.transport().await;
    let slow = Slow::default();
    for round in 10..13 {
        // The server binds while the client calls; neither waits for the other.
        let (waiting, server) = tokio::join!(
            good(&client, round),
            world.serve(&serving, "h", AdderServer::new(slow.clone()))
        );
        figure("G14", "a client that was first was answered after", waiting);
        server.shutdown(DRAIN).await.expect("nothing runs");
        // The queue still exists, without a consumer.
        let late = timed(&client, round + 100, Duration::from_secs(1)).await;
        late.check(&slow);
        let ended = late.outcome.expect_err("no server is running");
        assert!(matches!(ended, CallError::DeadlineExceeded { sent: true, .. }), "{ended:?}");
    }
    let _server = world.serve(&serving, "h", AdderServer::new(slow.clone())).await;
    good(&world.client::<adder::Api>(&world.transport().await), 20).await;
    assert!(!slow.runs().keys().any(|a| (110..113).contains(a)), "{:?}", slow.runs());
}

/// Breaks one part of a program's environment while its connections are lost, and repairs it.
/// Returns how long the next call took.
async fn breaks(fault: &str, cause: Cause) {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let proxy = Proxy::start(&world).await;
    let mut patient = Patient::start(&proxy.url(&world), world.topic()).await;
    patient.well().await;
    patient.begin(cause, &mut fastrand::Rng::new()).await;
    for _ in 0..3 {
        proxy.present().reset();
        match cause.words() {
            Some(words) => patient.names(words).await,
            None => _ = patient.well().await,
        }
    }
    patient.end(cause).await;
    figure(fault, "a call after that was answered within", patient.well().await);
    let [good, _, wrong] = patient.counts().await;
    assert!(good > 0 && wrong == 0, "{good} were answered, {wrong} late or wrong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_g15_without_threads_a_process_says_so_and_comes_back_once_there_are_some() {
    breaks("G15", Cause::Threads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_g15_without_threads_a_process_does_not_start_and_says_why() {
    let Some(shared) = Shared::take().await else { return };
    if !is_root() {
        eprintln!("SKIPPED: only root can give a program a user whose threads are limited");
        return;
    }
    let world = shared.node.world();
    let words = Patient::starts_without_threads(world.url(), world.topic()).await;
    assert!(words.starts_with("cannot connect: cannot start a thread"), "{words}");
    assert!(words.contains("Resource temporarily unavailable"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_g16_a_log_whose_reader_has_gone_stops_nothing() {
    breaks("G16", Cause::Log).await;
}

/// Sets the number of files that a process may open.
async fn limit_files(process: u32, files: usize) {
    let (process, files) = (process.to_string(), format!("{files}:1024"));
    let mut command = Command::new("prlimit");
    let done = command.args(["--pid", &process, &format!("--nofile={files}")]).status().await;
    assert!(done.expect("`prlimit` is there").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_g15_without_file_descriptors_a_process_comes_back_once_there_are_some() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    let proxy = Proxy::start(&scene.world).await;
    let url = proxy.url(&scene.world);
    let mut peer = Program::peer(&url, &tests::unique("unused")).await;
    let topic = scene.world.topic();
    let call = |number: u32| format!("call {topic} {number} 2000");
    limit_files(peer.process(), 3).await;
    proxy.present().reset();
    eventually("its connections to be closed", || proxy.present().is_empty()).await;
    peer.say(&call(1)).await;
    assert_eq!(peer.hear().await, "1 late, has not run");
    let before = proxy.attempts();
    limit_files(peer.process(), 1024).await;
    let begun = Instant::now();
    peer.say(&format!("call {topic} 2 25000")).await;
    assert_eq!(peer.hear().await, "2 is 3");
    figure("G15", "answered after there were descriptors again", begun.elapsed());
    assert!(proxy.attempts() >= before + 2);
    // At startup the same limit is a typed error.
    let program = env!("CARGO_BIN_EXE_peer");
    let shell = format!("ulimit -n 9; exec '{program}' '{url}' unused");
    let mut command = Command::new("sh");
    command.args(["-c", &shell]).stdin(Stdio::null()).kill_on_drop(true);
    let output = soon("its end", command.output()).await.expect("it ran");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !said.contains("panicked"), "{said}");
    assert!(said.contains("cannot connect") && said.contains("Too many open files"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h07_requests_to_nobody_are_sent_once_each() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    let nobody = scene.client.prepare().topic(tests::unique("nobody")).client();
    let before = scene.transport.metrics().requests_sent;
    let calls = (0..1000).map(|a| {
        let client = nobody.clone();
        tokio::spawn(async move { timed(&client, a, SOON).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.expect("no panic").outcome.expect_err("no server is running");
        assert!(matches!(error, CallError::Unroutable { .. }), "{error:?}");
    }
    assert_eq!(scene.transport.metrics().requests_sent - before, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h09_two_hundred_lost_connections_leave_no_file_thread_or_queue_behind() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world_alone().await;
    let proxy = Proxy::start(&world).await;
    let mut peer = Program::peer(&proxy.url(&world), world.topic()).await;
    let call = format!("call {} 1 25000", world.topic());
    let measure = async |peer: &mut Program| {
        peer.say(&call).await;
        assert_eq!(peer.hear().await, "ran 1");
        assert_eq!(peer.hear().await, "1 is 2");
        // A connection's files and threads are released shortly after it.
        let (mut files_now, mut threads_now) = (usize::MAX, usize::MAX);
        for _ in 0..100 {
            let held = peer.held();
            files_now = files_now.min(held.files);
            threads_now = threads_now.min(held.threads);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (files_now, threads_now)
    };
    let lose = async |times: u64| {
        for _ in 0..times {
            let attempts = proxy.attempts();
            proxy.present().reset();
            let both = || proxy.attempts() >= attempts + 2 && proxy.present().len() == 2;
            eventually("both connections to come back", both).await;
        }
    };
    // The first loss creates some resources that remain for good.
    lose(2).await;
    let before = measure(&mut peer).await;
    let begun = Instant::now();
    lose(100).await;
    figure("H9", "200 lost connections took", begun.elapsed());
    let after = measure(&mut peer).await;
    figure("H9", "files and threads before and after", (before, after));
    assert!(after.0 <= before.0 + 2 && after.1 <= before.1 + 2, "{before:?} {after:?}");
    let queues = crate::stranger::queues(&shared.node, &world, "").await;
    assert_eq!(
        queues.len(),
        4,
        "the topic's, the host's, for fanout casts, for replies: {queues:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_h12_replies_to_two_clients_of_one_process_do_not_cross() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Server).await;
    let other = scene.world.transport().await;
    let second = scene.world.client::<adder::Api>(&other);
    let calls = scene.calls(0..200, SOON);
    let others = (1000..1200).map(|a| {
        let client = second.clone();
        tokio::spawn(async move { timed(&client, a, SOON).await })
    });
    let others: Vec<_> = others.collect();
    assert_eq!(scene.settle(calls).await, 200);
    for call in others {
        let ended = call.await.expect("no panic");
        ended.check(&scene.slow);
        assert!(ended.outcome.is_ok(), "{:?}", ended.outcome);
    }
    let late = [&scene.transport, &other].map(|transport| transport.metrics().replies_late);
    assert_eq!(late, [0, 0], "no reply reached the wrong client");
}

#[tokio::test]
async fn fault_i02_an_outage_of_twenty_seconds_makes_few_lines() {
    let Some(shared) = Shared::take().await else { return };
    let heard = Heard::default();
    let _guard = heard.listen();
    let scene = Scene::start(shared.node.world(), Behind::Both).await;
    let mut events = scene.transport.events();
    let before = heard.lines().len();
    scene.proxy.refuse().await;
    scene.proxy.present().reset();
    until(&mut events, "the loss", |event| matches!(event, Event::Lost { .. })).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        let cast = scene.client.prepare().timeout(Duration::from_millis(50));
        let _ = cast.note(&Context::new(), 1).await;
    }
    let is_loud = |line: &String| line.starts_with("WARN") || line.starts_with("ERROR");
    let lines = heard.lines().split_off(before);
    let loud: Vec<_> = lines.iter().filter(|line| is_loud(line)).collect();
    figure("I2", "warnings of four connections in an outage of 20 s", loud.len());
    // One line per second for each connection, one for the loss, and two for a slow machine.
    assert!(!loud.is_empty() && loud.len() <= 4 * (20 + 3), "{loud:?}");
    scene.proxy.open().await;
    scene.good(1).await;
}

/// Returns the files of a folder and its subfolders.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file"));
    let of = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(|entry| of(entry.path())).collect()
}

#[test]
fn fault_h04_nobody_asks_the_wall_clock_but_for_what_is_written_on_the_wire() {
    let asking = files(|text| text.contains("SystemTime::now"));
    // When a call began, when a notification was emitted, when a message was set aside, and from
    // when on a stream is read.
    let known = ["age.rs", "notify/notifier.rs", "transport/kept.rs", "transport/rabbit/stream.rs"];
    assert_eq!(asking, known.map(PathBuf::from), "deadlines, pauses and limits are `Instant`s");
}

#[test]
fn fault_h04_the_runtime_has_one_clock_and_that_is_tokios() {
    let imports = |text: &str| {
        let uses = text.split("use std").skip(1).filter_map(|rest| rest.split(';').next());
        uses.map(str::to_owned).any(|import| import.contains("Instant"))
    };
    let asking = files(|text| text.contains("std::time::Instant") || imports(text));
    // A trait of lapin's requires that type in a signature.
    assert_eq!(asking, ["transport/rabbit/socket.rs"].map(PathBuf::from));
    const TIMERS: [&str; 4] = ["thread::sleep", "recv_timeout", "wait_timeout", "park_timeout"];
    let waiting = files(|text| TIMERS.iter().any(|timer| text.contains(timer)));
    // The scheduler of model tests, and tests that block a thread.
    let known = ["sync/model.rs", "transport/rabbit/standstill.rs"];
    assert_eq!(waiting, known.map(PathBuf::from));
}

/// Returns the files of the runtime whose text satisfies a predicate, sorted.
fn files(is_such: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rpc-runtime/src");
    let mut files: Vec<_> = sources(&source)
        .into_iter()
        .filter(|file| is_such(&std::fs::read_to_string(file).expect("text")))
        .map(|file| file.strip_prefix(&source).expect("below").to_owned())
        .collect();
    files.sort_unstable();
    files
}
