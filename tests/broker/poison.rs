//! A request that crashes its server's process, on a real broker.

use std::{process::Stdio, sync::Arc, time::Duration};

use lapin::{
    BasicProperties,
    message::BasicGetMessage,
    options::{BasicGetOptions, QueuePurgeOptions},
    types::{AMQPValue, FieldTable},
};
use rpc_runtime::{CallError, Context, RabbitOptions, Transport, rpc_api};
use tests::{
    Doomed, Log, World, eventually,
    poison::poison,
    proxy::{Action, Frames, Proxy, Way},
    soon,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::Notify,
};

use crate::stranger;

/// A process that some requests crash.
struct Bomb {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Bomb {
    async fn start(url: &str, topic: &str, limit: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poisoned"));
        command.args([url, topic, limit]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.kill_on_drop(true).spawn().expect("a process");
        let out = process.stdout.take().expect("it is piped");
        let mut bomb = Self { process, lines: BufReader::new(out).lines() };
        assert_eq!(bomb.says().await.as_deref(), Some("bound"));
        bomb
    }

    /// Returns the next line, or `None` after the end of the output.
    async fn says(&mut self) -> Option<String> {
        soon("a line", self.lines.next_line()).await.expect("text")
    }
}

/// Restarts a server until it no longer crashes. Returns what its processes printed.
async fn restart_until_it_stays(
    world: &World,
    url: &str,
    limit: &str,
    mut is_over: impl AsyncFnMut() -> bool,
) -> (Vec<String>, Bomb) {
    let mut said = Vec::new();
    loop {
        let mut bomb = Bomb::start(url, world.topic(), limit).await;
        let line = tokio::select! {
            line = bomb.says() => line,
            () = async { while !is_over().await { tokio::task::yield_now().await } } => return (said, bomb),
        };
        said.extend(line);
        assert!(!soon("its end", bomb.process.wait()).await.expect("a status").success());
        assert!(said.len() < 50, "it never ends: {said:?}");
    }
}

/// A method that may have ended before its request was acknowledged.
#[rpc_api(topic = "ended", version = "1.0")]
trait Ended {
    /// Records how often the request was delivered before, and returns that number once the test
    /// opens the gate.
    #[rpc(ack = "late")]
    async fn end(&self, ctx: Context) -> u32;
}

#[derive(Clone, Default)]
struct Ending {
    log: Log<u32>,
    gate: Arc<Notify>,
}

impl Ended for Ending {
    async fn end(&self, ctx: Context) -> u32 {
        self.log.push(ctx.redeliveries());
        self.gate.notified().await;
        ctx.redeliveries()
    }
}

/// Starts a server on a runtime that can end as abruptly as a process.
async fn doomed(world: &World, url: String, service: &Ending) -> Doomed {
    let doomed = Doomed::start();
    let (world, service) = (world.clone(), service.clone());
    let serve = async move {
        let transport = Transport::connect(&url).await.expect("connected");
        let server = world.serve(&transport, "doomed", EndedServer::new(service)).await;
        // Dropping either would shut it down in order.
        std::mem::forget((server, transport));
    };
    doomed.run(serve).await;
    doomed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_answered_and_not_acknowledged_runs_again_after_a_crash() {
    let Some(world) = World::rabbit() else { return };
    let proxy = Proxy::start(&world).await;
    let service = Ending::default();
    let doomed = doomed(&world, proxy.url(&world), &service).await;
    let transport = world.transport().await;
    let client = world.client::<ended::Api>(&transport);
    let call = tokio::spawn(client.end(&Context::new()));
    eventually("the method to begin", || service.log.len() == 1).await;
    // The broker receives the reply, but its confirm is withheld.
    proxy.all().keep(Way::Down);
    service.gate.notify_one();
    assert_eq!(soon("the answer", call).await.expect("no panic").expect("an answer"), 0);
    let _next = world.serve(&transport, "next", EndedServer::new(service.clone())).await;
    doomed.crash();
    proxy.cut();
    eventually("the method to begin again", || service.log.len() == 2).await;
    service.gate.notify_one();
    assert_eq!(service.log.events(), [0, 1]);
}

/// Returns an integer header of a publish, from the bytes of its frames.
fn number(frames: &[u8], name: &str) -> Option<i64> {
    let at = frames.windows(name.len()).position(|window| window == name.as_bytes())?;
    // The type of a 64-bit integer follows the name.
    let value = frames[at + name.len()..].strip_prefix(b"l")?.first_chunk()?;
    Some(i64::from_be_bytes(*value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_counts_deliveries_says_when_the_original_call_began() {
    let Some(world) = World::rabbit() else { return };
    let proxy = Proxy::start(&world).await;
    let published = Log::default();
    let seen = published.clone();
    let calls = Frames::up("basic.publish").containing("x-rpc-began").always();
    let looking = proxy.rule(
        calls.that(move |frames| {
            let names = ["x-rpc-began", "x-rpc-caller", "x-rpc-timeout", "x-rpc-redeliveries"];
            seen.push(names.map(|name| number(frames, name)));
            true
        }),
        Action::Pass,
    );
    let service = Ending::default();
    let doomed = doomed(&world, world.url().to_owned(), &service).await;
    let transport = Transport::connect(&proxy.url(&world)).await.expect("connected");
    let client = world.client::<ended::Api>(&transport);
    let call = client.prepare().timeout(Duration::from_secs(50)).end(&Context::new());
    let call = tokio::spawn(call);
    eventually("the method to begin", || service.log.len() == 1).await;
    doomed.crash();
    let _next = world.serve(&transport, "next", EndedServer::new(service.clone())).await;
    eventually("the method to begin again", || service.log.len() == 2).await;
    service.gate.notify_waiters();
    assert_eq!(soon("the answer", call).await.expect("no panic").expect("an answer"), 1);
    let published = published.events();
    let [[began, caller, timeout, None], [again, same, Some(50_000), Some(1)]] = published[..]
    else {
        panic!("{published:?}")
    };
    assert!(began.is_some() && caller.is_some());
    // The caller includes it only if the message's expiration is shorter, because some time has
    // passed.
    assert!(matches!(timeout, None | Some(50_000)), "{timeout:?}");
    assert_eq!((began, caller), (again, same));
    looking.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_queues_count_is_trusted_even_if_the_options_ask_for_classic() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let quorum = RabbitOptions::default().quorum_queues(true);
    let maker = world.connect(|builder| builder.rabbit(quorum)).await;
    let made = world.serve(&maker, "doomed", EndedServer::new(Ending::default())).await;
    made.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    let proxy = Proxy::start(&world).await;
    let copies = Log::default();
    let seen = copies.clone();
    let looking = proxy.rule(
        Frames::up("basic.publish").always().that(move |frames| {
            number(frames, "x-rpc-redeliveries").into_iter().for_each(|count| seen.push(count));
            true
        }),
        Action::Pass,
    );
    let service = Ending::default();
    let doomed = doomed(&world, proxy.url(&world), &service).await;
    let transport = Transport::connect(&proxy.url(&world)).await.expect("connected");
    let call = tokio::spawn(world.client::<ended::Api>(&transport).end(&Context::new()));
    eventually("the method to begin", || service.log.len() == 1).await;
    doomed.crash();
    let _next = world.serve(&transport, "next", EndedServer::new(service.clone())).await;
    eventually("the method to begin again", || service.log.len() == 2).await;
    service.gate.notify_waiters();
    assert_eq!(soon("the answer", call).await.expect("no panic").expect("an answer"), 1);
    assert_eq!(copies.events(), [0; 0], "the queue counts deliveries, so no copy is published");
    looking.end();
}

/// Removes a message from a queue that exists only with its first message. Asking earlier closes
/// the channel.
async fn get(world: &World, queue: &str) -> Option<BasicGetMessage> {
    let channel = stranger(world).await;
    channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.ok().flatten()
}

async fn a_poison_request_stops(options: RabbitOptions, query: &str, is_call: bool) {
    let Some(world) = World::rabbit() else { return };
    let url = format!("{}{query}", world.url());
    let transport = world.connect(|builder| builder.rabbit(options)).await;
    let client = world.client::<poison::Api>(&transport);
    let channel = stranger(&world).await;
    let dead = format!("{}.dead_letter", world.topic());
    // The first process binds the queue.
    let mut first = Bomb::start(&url, world.topic(), "3").await;
    let call = is_call.then(|| tokio::spawn(client.explode(&Context::new())));
    if !is_call {
        client.explode_alone(&Context::new()).await.expect("confirmed");
    }
    let mut said = vec![first.says().await.expect("it explodes")];
    soon("its end", first.process.wait()).await.expect("a status");
    let mut letter = None;
    let (rest, mut last) = restart_until_it_stays(&world, &url, "3", async || {
        letter = get(&world, &dead).await;
        letter.is_some()
    })
    .await;
    said.extend(rest);
    assert_eq!(said, ["boom 0", "boom 1", "boom 2"]);
    let letter = letter.expect("a dead letter");
    assert_headers(&letter.properties, &world);
    if let Some(call) = call {
        match soon("the answer", call).await.expect("no panic") {
            Err(CallError::Failure(failure)) => {
                assert_eq!(failure.class(), "DeliveryLimitExceeded")
            }
            other => panic!("expected a failure, not {other:?}"),
        }
    }
    // The server runs, and the request is gone.
    assert_eq!(soon("an answer", client.survive(&Context::new())).await.expect("an answer"), 0);
    assert!(last.process.try_wait().expect("a status").is_none());
    let left = channel.queue_purge(world.topic().into(), QueuePurgeOptions::default()).await;
    assert_eq!(left.expect("the queue is there"), 0);
}

fn text(headers: Option<&FieldTable>, name: &str) -> String {
    match headers.and_then(|headers| headers.inner().get(name)) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

fn assert_headers(properties: &BasicProperties, world: &World) {
    let headers: &FieldTable = properties.headers().as_ref().expect("headers");
    let text = |name: &str| text(Some(headers), name);
    assert_eq!(text("x-rpc-dead-reason"), "delivery_limit");
    assert_eq!(text("x-rpc-dead-queue"), world.topic());
    assert_eq!(text("x-rpc-dead-host"), "bomb");
    assert!(text("x-rpc-dead-method").starts_with("explode"));
    assert_eq!(headers.inner().get("x-rpc-dead-deliveries"), Some(&AMQPValue::LongLongInt(3)));
    assert!(matches!(headers.inner().get("x-rpc-dead-time"), Some(AMQPValue::LongLongInt(1..))));
    assert!(
        !headers.contains_key("x-rpc-redeliveries"),
        "after a move back, it would be a dead letter again at once"
    );
    assert_eq!(
        properties.content_type().as_ref().map(|kind| kind.as_str()),
        Some("application/json")
    );
    assert!(properties.expiration().is_none(), "a dead letter waits for an operator");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_poison_requests_stop_and_no_other_request_is_lost() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let client = world.client::<poison::Api>(&transport);
    let mut bomb = Bomb::start(world.url(), world.topic(), "10").await;
    for _ in 0..5 {
        client.explode_alone(&Context::new()).await.expect("confirmed");
    }
    let innocent: Vec<_> = (0..20).map(|_| tokio::spawn(client.survive(&Context::new()))).collect();
    let place = world.clone();
    let letters = Log::default();
    let (written, dead) = (letters.clone(), format!("{}.dead_letter", world.topic()));
    let reader = tokio::spawn(async move {
        loop {
            if let Some(letter) = get(&place, &dead).await {
                written.push(text(letter.properties.headers().as_ref(), "x-rpc-dead-method"));
            }
        }
    });
    let count = |method: &str| letters.events().iter().filter(|dead| *dead == method).count();
    let mut lives = 1;
    loop {
        tokio::select! {
            line = bomb.says() => if line.is_none() {
                lives += 1;
                assert!(lives < 200, "it never ends");
                bomb = Bomb::start(world.url(), world.topic(), "10").await;
            },
            () = eventually("the dead letters", || count("explode_alone") >= 5) => break,
        }
    }
    let mut told = 0;
    for call in innocent {
        match soon("an end", call).await.expect("no panic") {
            Ok(_) => {}
            // It was unacknowledged each time that another request crashed the process, so it might
            // have been the cause.
            Err(CallError::Failure(failure)) => {
                assert_eq!(failure.class(), "DeliveryLimitExceeded");
                told += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    eventually("the dead letters of those calls", || count("survive") >= told).await;
    reader.abort();
    assert_eq!(soon("an answer", client.survive(&Context::new())).await.expect("an answer"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_ends_its_server_each_time_stops_on_classic_queues() {
    a_poison_request_stops(RabbitOptions::default(), "", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cast_that_ends_its_server_each_time_stops_on_classic_queues() {
    a_poison_request_stops(RabbitOptions::default(), "", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_ends_its_server_each_time_stops_on_quorum_queues() {
    let options = RabbitOptions::default().quorum_queues(true);
    a_poison_request_stops(options, "?rabbit_quorum_queue=true", true).await;
}
