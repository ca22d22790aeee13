//! This library, with its defaults, but for how long queues outlive a process.

use std::{future::Future, pin::Pin, time::Duration};

use rpc_runtime::{
    Context, NotificationListener, Notifier, RabbitOptions, Server, Transport, notification,
    notify::Metadata, rpc_api,
};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    drive::{Clients, Counter, Found, Load, drive},
    item::{EXCHANGE, Item, Kind},
};

/// What is measured.
#[rpc_api(topic = "bench-ours", version = "1.0")]
pub(crate) trait Bench {
    /// Returns what it gets.
    async fn echo(&self, ctx: Context, item: Item) -> Item;

    /// The same; twice does no harm.
    #[rpc(idempotent)]
    async fn get(&self, ctx: Context, item: Item) -> Item;

    /// Takes it.
    async fn put(&self, ctx: Context, item: Item);

    /// Takes it, everywhere.
    #[rpc(fanout)]
    async fn tell(&self, ctx: Context, item: Item);
}

#[notification(event_type = "bench.item")]
#[derive(Clone, Deserialize, Serialize)]
struct Told(Item);

pub(crate) struct Counting(pub(crate) Counter);

impl Bench for Counting {
    async fn echo(&self, _: Context, item: Item) -> Item {
        self.0.add_one();
        item
    }

    async fn get(&self, _: Context, item: Item) -> Item {
        self.0.add_one();
        item
    }

    async fn put(&self, _: Context, _: Item) {
        self.0.add_one();
    }

    async fn tell(&self, _: Context, _: Item) {
        self.0.add_one();
    }
}

/// How long the queues of a server stay that was ended, so that the next round's fanout casts do not go to them, too.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

async fn connect(url: &str) -> Result<Transport> {
    let options = RabbitOptions::default().transient_queues_ttl(LEFT_BEHIND);
    Ok(Transport::builder(url).control_exchange(EXCHANGE).rabbit(options).connect().await?)
}

pub(crate) async fn serve(url: &str, kind: Kind, counter: &Counter) -> Result<Box<dyn Send>> {
    let transport = connect(url).await?;
    serve_on(&transport, kind, counter).await
}

async fn serve_on(transport: &Transport, kind: Kind, counter: &Counter) -> Result<Box<dyn Send>> {
    if kind == Kind::Notification {
        let counter = counter.clone();
        let listener = NotificationListener::builder(transport).topic("bench-ours").on(
            move |_: Metadata, _: Told| {
                counter.add_one();
                async {}
            },
        );
        return Ok(Box::new((listener.bind().await?.run(), transport.clone())));
    }
    let mut running = Vec::new();
    for number in 0..if kind == Kind::Fanout { Kind::FANOUT } else { 1 } {
        let server = Server::builder(transport)
            .host(format!("bench-{number}"))
            .serve(BenchServer::new(Counting(counter.clone())));
        running.push(server.bind().await?.run());
    }
    Ok(Box::new((running, transport.clone())))
}

#[derive(Clone)]
struct Ours {
    bench: BenchClient,
    notifier: Notifier,
    context: Context,
    item: Item,
}

/// A client, and its server if that is here, too.
struct OurClients(
    BenchClient,
    Notifier,
    #[expect(dead_code, reason = "it goes on")] Option<Box<dyn Send>>,
);

fn with(transport: &Transport, server: Option<Box<dyn Send>>) -> Box<dyn Clients> {
    let notifier = Notifier::builder(transport).topic("bench-ours").build();
    Box::new(OurClients(BenchClient::new(transport), notifier, server))
}

pub(crate) async fn clients(url: &str) -> Result<Box<dyn Clients>> {
    Ok(with(&connect(url).await?, None))
}

pub(crate) async fn in_memory() -> Result<Box<dyn Clients>> {
    let transport = connect("memory://bench").await?;
    let server = serve_on(&transport, Kind::Call, &Counter::default()).await?;
    Ok(with(&transport, Some(server)))
}

impl Clients for OurClients {
    fn drive(&self, load: Load) -> Pin<Box<dyn Future<Output = Result<Found>> + '_>> {
        let context = Context::new()
            .with("user_id", "user-1")
            .with("project_id", "project-1")
            .with("request_id", "req-1");
        let item = Item::of(load.body);
        let ours = Ours { bench: self.0.clone(), notifier: self.1.clone(), context, item };
        Box::pin(async move {
            match load.kind {
                Kind::Call => {
                    drive(load, &ours, |ours| async {
                        ours.bench.echo(&ours.context, ours.item.clone()).await?;
                        Ok(ours)
                    })
                    .await
                }
                Kind::IdempotentCall => {
                    drive(load, &ours, |ours| async {
                        ours.bench.get(&ours.context, ours.item.clone()).await?;
                        Ok(ours)
                    })
                    .await
                }
                Kind::Cast => {
                    drive(load, &ours, |ours| async {
                        ours.bench.put(&ours.context, ours.item.clone()).await?;
                        Ok(ours)
                    })
                    .await
                }
                Kind::Fanout => {
                    drive(load, &ours, |ours| async {
                        ours.bench.tell(&ours.context, ours.item.clone()).await?;
                        Ok(ours)
                    })
                    .await
                }
                Kind::Notification => {
                    drive(load, &ours, |ours| async {
                        ours.notifier.emit(&ours.context, &Told(ours.item.clone())).await?;
                        Ok(ours)
                    })
                    .await
                }
            }
        })
    }
}
