//! A server and a client under attack: they keep working, and use no more resources afterwards.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use rpc_runtime::{Context, RabbitOptions, Transport, TransportBuilder};
use serde_json::Value;
use tests::{
    Log, World, amount, eventually, held::Held, rabbitmqctl, raw::connections, soon, unique,
};

use crate::{
    messages::{Generator, Message, Places, heavy},
    process::{count_panics, panics},
    stranger::{Eavesdropper, Stranger, channel, consume, declare, inner},
    target::{Adder, TargetServer, target},
};

/// The number of messages between two checks.
const BATCH: usize = 1000;
/// How much memory may grow: allocators keep some, and duplicate windows fill up to their bounds.
const MORE_KIB: usize = 96 * 1024;

fn seed() -> u64 {
    let seed = std::env::var("RPC_RANDOM_SEED").ok();
    seed.map_or(1, |seed| seed.parse().expect("RPC_RANDOM_SEED is a number"))
}

/// The limits of the attacked server and client: they refuse every heavy message, and a small bomb
/// is enough.
fn wary(builder: TransportBuilder) -> TransportBuilder {
    let patience = Duration::from_secs(2);
    // RabbitMQ from 4.0 on accepts messages of at most 16 MiB.
    let builder = builder.message_limit(15 << 20).unpacked_limit(8 << 20);
    builder.rabbit(RabbitOptions::default().absent_caller_timeout(patience))
}

/// Reads the stranger's replies, and records each failure's class, or `result`.
async fn collect(world: &World, queue: &str, classes: Log<String>) {
    let channel = channel(world).await;
    declare(&channel, queue).await;
    let mut replies = consume(&channel, queue).await;
    tokio::spawn(async move {
        while let Some(Ok(reply)) = replies.next().await {
            // A reply repeats the request's id, even a number that is out of range.
            let class =
                inner(&reply.data).map_or_else(|| "odd id".to_owned(), |reply| class(&reply));
            classes.push(class);
        }
    });
}

fn class(reply: &Value) -> String {
    let Some(failure) = reply["failure"].as_str() else { return "result".to_owned() };
    let failure: Value = serde_json::from_str(failure).expect("an object");
    failure["class"].as_str().expect("a class").to_owned()
}

/// Returns the reply queues of transports that share their broker, or virtual host, with no other.
pub(crate) async fn reply_queues(world: &World, transports: &[&Transport]) -> Option<Vec<String>> {
    if !world.is_memory() {
        let host = world.virtual_host();
        let list = ["--quiet", "list_queues", "--vhost", host, "name", "--no-table-headers"];
        let names = rabbitmqctl(&list).await?;
        return Some(
            names.lines().filter(|name| name.starts_with("reply_")).map(str::to_owned).collect(),
        );
    }
    let mut requests = Eavesdropper::new(world, transports[0]).await;
    let mut queues = Vec::new();
    for transport in transports {
        let client = world.client::<target::Api>(transport);
        client.add(&Context::new(), 1_u64, 2_u64).await.expect("an answer");
        queues.push(requests.call().await.1);
    }
    Some(queues)
}

/// The stranger's messages, and their effects.
struct Report {
    begun: Instant,
    kinds: BTreeMap<&'static str, usize>,
    answers: BTreeMap<String, usize>,
    before: Held,
    /// Measured after each tenth of the messages.
    meanwhile: Vec<Held>,
    after: Held,
}

impl Report {
    fn show(&self) {
        let (sent, took) = (self.kinds.values().sum::<usize>(), self.begun.elapsed());
        eprintln!("{sent} messages in {:.1} s: {:?}", took.as_secs_f64(), self.kinds);
        eprintln!("answers: {:?}", self.answers);
        let meanwhile: Vec<_> = self.meanwhile.iter().map(|held| held.kib / 1024).collect();
        eprintln!("MiB after each part: {meanwhile:?}");
        eprintln!("held before: {:?}\nheld after:  {:?}", self.before, self.after);
    }

    fn check(&self) {
        let known = [
            "result",
            "TypeError",
            "NoSuchMethod",
            "UnsupportedVersion",
            "RequestTooLarge",
            "odd id",
        ];
        let odd: Vec<_> = self.answers.keys().filter(|class| !known.contains(&&***class)).collect();
        assert!(odd.is_empty(), "answers of no known class: {odd:?}");
        let (before, after) = (self.before, self.after);
        assert!(after.kib < before.kib + MORE_KIB, "{before:?} {after:?}");
        assert!(after.threads <= before.threads + 2, "{before:?} {after:?}");
        assert!(after.files <= before.files + 2, "{before:?} {after:?}");
        assert_eq!(panics(), 0, "nothing panics");
    }
}

/// The stranger's attack on a server and a client.
struct Fire {
    stranger: Stranger,
    generator: Generator,
    places: Places,
    /// The reply queues of the clients.
    replies: Vec<String>,
    /// Heavy messages to be sent first in a batch: to a server, to a client.
    heavies: [Vec<Message>; 2],
}

impl Fire {
    /// Publishes a batch, and counts its messages by kind.
    async fn batch(&mut self, kinds: &mut BTreeMap<&'static str, usize>) {
        let topic = self.places.topic.clone();
        let (host, fanout) = (format!("{topic}.h"), format!("{topic}_fanout"));
        for at in 0..BATCH {
            let is_reply = at % 2 == 1;
            let message = match self.heavies.get_mut(at).and_then(Vec::pop) {
                Some(heavy) => heavy,
                None if is_reply => self.generator.reply(),
                None => self.generator.request(),
            };
            *kinds.entry(message.kind).or_default() += 1;
            let (exchange, key) = match (is_reply, self.generator.below(8)) {
                (true, place) => ("", &self.replies[place % 2]),
                (false, 0) => (&*fanout, &topic),
                (false, 1) => ("openstack", &topic),
                (false, 2) => ("", &host),
                (false, _) => ("", &topic),
            };
            self.stranger.publish(exchange, key, message).await;
        }
        self.stranger.settle().await;
    }
}

/// Sends `batches` to a server and a client, and checks after each that both work.
async fn lay_siege(world: &World, batches: usize) -> Option<Report> {
    count_panics();
    let (served, called) = (world.connect(wary).await, world.connect(wary).await);
    let adder = Adder::default();
    let server = world.serve(&served, "h", TargetServer::new(adder.clone())).await;
    let (client, ctx) = (world.client::<target::Api>(&called), Context::new());
    let replies = reply_queues(world, &[&served, &called]).await?;
    assert_eq!(replies.len(), 2, "{replies:?}");
    let (classes, collector) = (Log::default(), unique("collector"));
    if !world.is_memory() {
        collect(world, &collector, classes.clone()).await;
    }
    let stranger = Stranger::new(world, &served).await;
    let before = kept(world).await;
    let places = Places { topic: world.topic().to_owned(), collector };
    let generator = Generator::new(seed(), places.clone());
    let mut fire = Fire { stranger, generator, places, replies, heavies: Default::default() };
    let mut report = Report {
        begun: Instant::now(),
        kinds: BTreeMap::new(),
        answers: BTreeMap::new(),
        before: Held::default(),
        meanwhile: Vec::new(),
        after: Held::default(),
    };
    for batch in 0..batches {
        if batch == 0 || batch % 100 == 50 {
            fire.heavies = [heavy(), heavy()];
        }
        let begun = adder.ran.len();
        let held = tokio::spawn(client.hold(&ctx));
        eventually("the call that is held", || adder.ran.len() > begun).await;
        fire.batch(&mut report.kinds).await;
        let well = soon("an answer", client.add(&ctx, 40_u64, 2_u64)).await;
        assert_eq!(well.expect("the server works"), 42, "after batch {batch}");
        adder.gate.notify_one();
        assert_eq!(soon("its reply", held).await.expect("no panic").expect("an answer"), 7);
        if batch == batches / 4 {
            report.before = Held::now();
        }
        if (batch + 1) % (batches / 10).max(1) == 0 {
            report.meanwhile.push(Held::now());
        }
        for class in classes.take() {
            *report.answers.entry(class).or_default() += 1;
        }
    }
    eventually("nothing to be in flight", || server.in_flight() == 0).await;
    assert_eq!((called.pending_calls(), served.pending_calls()), (0, 0));
    report.after = Held::now();
    assert_eq!(kept(world).await, before, "no connection was lost");
    server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    Some(report)
}

/// Returns the connections that have to stay.
async fn kept(world: &World) -> Vec<String> {
    if world.is_memory() { Vec::new() } else { connections(world).await }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_published_on_rabbit_stops_a_server_or_a_client() {
    let _alone = crate::alone().await;
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let Some(report) = lay_siege(&world, amount(20, 1000)).await else { return };
    report.show();
    report.check();
    assert!(report.answers.len() > 3, "the stranger is answered");
    let list = ["--quiet", "list_queues", "--vhost", world.virtual_host(), "name", "messages"];
    let list = rabbitmqctl(&list).await.expect("a broker to ask");
    let left = list.lines().filter(|line| line.contains(world.topic()) && !line.ends_with("\t0"));
    assert_eq!(left.count(), 0, "rejected messages are gone: {list}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_published_in_memory_stops_a_server_or_a_client() {
    let _alone = crate::alone().await;
    let report = lay_siege(&World::memory(), amount(7, 200)).await.expect("it needs no broker");
    report.show();
    report.check();
}
