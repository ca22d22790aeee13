//! tarpc, which needs no broker: within a process, and over TCP with JSON.

use std::{future::Future, pin::Pin};

use futures_util::StreamExt as _;
use tarpc::{
    ClientMessage, Response, Transport, client, context,
    serde_transport::tcp,
    server::{BaseChannel, Channel as _},
    tokio_serde::formats::Json,
    transport::channel,
};

use crate::{
    Result,
    drive::{Clients, Found, Load, drive},
    item::Item,
};

#[tarpc::service]
pub(crate) trait Echo {
    /// Returns what it gets.
    async fn echo(item: Item) -> Item;
}

#[derive(Clone)]
struct Echoing;

impl Echo for Echoing {
    async fn echo(self, _: context::Context, item: Item) -> Item {
        item
    }
}

/// Answers whatever comes by one connection.
async fn answer<T>(transport: T)
where
    T: Transport<Response<EchoResponse>, ClientMessage<EchoRequest>> + Send + 'static,
{
    let requests = BaseChannel::with_defaults(transport).execute(Echoing.serve());
    requests
        .for_each(|request| async {
            tokio::spawn(request);
        })
        .await;
}

/// Listens at an address.
pub(crate) async fn serve(address: &str) -> Result<Box<dyn Send>> {
    let mut incoming = tcp::listen(address, Json::default).await?;
    let listening = tokio::spawn(async move {
        while let Some(connection) = incoming.next().await {
            match connection {
                Ok(connection) => drop(tokio::spawn(answer(connection))),
                Err(error) => eprintln!("a connection failed: {error}"),
            }
        }
    });
    Ok(Box::new(listening))
}

pub(crate) async fn clients(address: &str) -> Result<Box<dyn Clients>> {
    let connection = tcp::connect(address, Json::default).await?;
    let client = EchoClient::new(client::Config::default(), connection).spawn();
    Ok(Box::new(TarpcClients(client)))
}

pub(crate) fn in_memory() -> Box<dyn Clients> {
    let (near, far) = channel::unbounded();
    tokio::spawn(answer(far));
    Box::new(TarpcClients(EchoClient::new(client::Config::default(), near).spawn()))
}

struct TarpcClients(EchoClient);

#[derive(Clone)]
struct Calling(EchoClient, Item);

impl Clients for TarpcClients {
    fn drive(&self, load: Load) -> Pin<Box<dyn Future<Output = Result<Found>> + '_>> {
        let calling = Calling(self.0.clone(), Item::of(load.body));
        Box::pin(async move {
            drive(load, &calling, |calling| async {
                calling.0.echo(context::current(), calling.1.clone()).await?;
                Ok(calling)
            })
            .await
        })
    }
}
