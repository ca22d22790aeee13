//! How this library grows: many servers on one transport, and clients that go round them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rpc_runtime::{Context, RabbitOptions, Server, ServerBuilder, Transport};
use tokio::{
    io::{BufReader, Lines, Stdin},
    sync::Barrier,
};

use crate::{
    Result, await_count,
    drive::{Counter, Found, Load, drive},
    item::{Item, Kind},
    ours::{BenchClient, BenchServer, Counting},
};

/// What there are many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Many {
    /// Servers of one topic, each called by its host.
    Hosts,
    /// Topics with one server each.
    Topics,
}

impl Many {
    fn of(name: &str) -> Result<Self> {
        Ok(match name {
            "hosts" => Self::Hosts,
            "topics" => Self::Topics,
            _ => return Err(format!("nothing is called `{name}`").into()),
        })
    }

    /// Returns the topic and the host of one of them.
    fn place(self, name: &str, number: usize) -> (String, String) {
        match self {
            Self::Hosts => (name.to_owned(), format!("host-{number}")),
            Self::Topics => (format!("{name}-{number}"), "host".to_owned()),
        }
    }
}

/// How many servers are bound at a time.
const AT_ONCE: usize = 16;
/// How long a call may take: with very many in flight each of them takes as long as all before it.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How long queues for replies and fanout casts are kept.
const GONE: Duration = Duration::from_secs(1);

/// Connects. All queues go with their users, so that what is measured next has the broker for itself.
async fn connect(url: &str, name: &str) -> Result<Transport> {
    let options = RabbitOptions::default().auto_delete(true).transient_queues_ttl(GONE);
    let builder = Transport::builder(url).control_exchange(name).rabbit(options);
    Ok(builder.timeout(TIMEOUT).connect().await?)
}

/// Obeys `bind hosts 100` and `await 1000`. Topics begin with `name`.
pub(crate) async fn serve(url: &str, name: &str, mut lines: Lines<BufReader<Stdin>>) -> Result<()> {
    let transport = connect(url, name).await?;
    let (counter, mut running) = (Counter::default(), Vec::new());
    println!("ready");
    while let Some(line) = lines.next_line().await? {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["bind", many, count] => {
                let (many, count) = (Many::of(many)?, count.parse()?);
                let begun = Instant::now();
                let binding = (0..count).map(|number| {
                    let (topic, host) = many.place(name, number);
                    let service = BenchServer::new(Counting(counter.clone()));
                    Server::builder(&transport).topic(topic).host(host).serve(service).bind()
                });
                let bound = stream::iter(binding).buffer_unordered(AT_ONCE);
                match bound.try_collect::<Vec<_>>().await {
                    Ok(bound) => {
                        running.extend(bound.into_iter().map(|server| server.run()));
                        println!(
                            "bound seconds={:.6} prefetch={}",
                            begun.elapsed().as_secs_f64(),
                            ServerBuilder::CONCURRENCY
                        );
                    }
                    Err(error) => println!("failed: {error}"),
                }
            }
            ["await", wanted] => println!("count {}", await_count(&counter, wanted.parse()?).await),
            _ => return Err(format!("not an order: {line}").into()),
        }
    }
    Ok(())
}

/// A client that goes round its servers, and what it sends.
struct Round<C> {
    clients: Arc<[C]>,
    next: Arc<AtomicUsize>,
    context: Context,
    item: Item,
}

// Whoever clones it need not have a client that can be cloned.
impl<C> Clone for Round<C> {
    fn clone(&self) -> Self {
        let (clients, next) = (Arc::clone(&self.clients), Arc::clone(&self.next));
        Self { clients, next, context: self.context.clone(), item: self.item.clone() }
    }
}

impl<C> Round<C> {
    fn new(body: usize, clients: impl Iterator<Item = C>) -> Self {
        let context = Context::new().with("user_id", "user-1").with("request_id", "req-1");
        let (clients, next) = (clients.collect(), Arc::default());
        Self { clients, next, context, item: Item::of(body) }
    }

    fn client(&self) -> &C {
        &self.clients[self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len()]
    }
}

/// Obeys `call hosts 100 64 4096 2` (of what how many, how many calls at once, the bytes of a body, seconds), `fanout` with
/// the same words, and `hold 1000 4096`, which keeps so many tasks that call nobody.
pub(crate) async fn load(url: &str, name: &str, mut lines: Lines<BufReader<Stdin>>) -> Result<()> {
    let transport = connect(url, name).await?;
    println!("ready");
    while let Some(line) = lines.next_line().await? {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["hold", tasks, body] => {
                hold(&transport, tasks.parse()?, body.parse()?).await;
                println!("held");
            }
            [operation, many, count, in_flight, body, seconds] => {
                let kind: Kind = operation.parse()?;
                let load = Load {
                    kind,
                    in_flight: in_flight.parse()?,
                    body: body.parse()?,
                    time: Duration::from_secs_f64(seconds.parse()?),
                };
                match operate(&transport, name, load, Many::of(many)?, count.parse()?).await {
                    Ok(found) => println!("{found}"),
                    Err(error) => println!("failed: {error}"),
                }
            }
            _ => return Err(format!("not an order: {line}").into()),
        }
    }
    Ok(())
}

async fn operate(
    transport: &Transport,
    name: &str,
    load: Load,
    many: Many,
    count: usize,
) -> Result<Found> {
    let client = BenchClient::new(transport);
    let on = |number| client.prepare().topic(many.place(name, number).0).client();
    match (load.kind, many) {
        (Kind::Fanout, _) => {
            let clients = std::iter::once(on(0).prepare().fanout().client());
            drive(load, &Round::new(load.body, clients), |round| async {
                round.client().tell(&round.context, round.item.clone()).await?;
                Ok(round)
            })
            .await
        }
        (_, Many::Hosts) => {
            let client = on(0);
            let clients = (0..count)
                .map(|number| client.prepare().server(many.place(name, number).1).client());
            drive(load, &Round::new(load.body, clients), |round| async {
                round.client().echo(&round.context, round.item.clone()).await?;
                Ok(round)
            })
            .await
        }
        (_, Many::Topics) => {
            let round = Round::new(load.body, (0..count).map(on));
            drive(load, &round, |round| async {
                round.client().echo(&round.context, round.item.clone()).await?;
                Ok(round)
            })
            .await
        }
    }
}

/// Keeps tasks that have all that a caller has, and do not call, until all of them are there.
async fn hold(transport: &Transport, tasks: usize, body: usize) {
    let round = Round::new(body, std::iter::once(BenchClient::new(transport)));
    // Whoever passes knows that all are there.
    let all = Arc::new(Barrier::new(tasks + 1));
    for _ in 0..tasks {
        let (round, all) = (round.clone(), Arc::clone(&all));
        tokio::spawn(async move {
            let times: Vec<u32> = Vec::with_capacity(4);
            all.wait().await;
            drop((round, times));
        });
    }
    all.wait().await;
}
