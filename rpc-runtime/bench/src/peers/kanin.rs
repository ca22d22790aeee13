//! A server of kanin's, with its defaults. It has no client, so the one of `bare` calls it.

use std::{io, time::Duration};

use kanin::{
    App, HandlerConfig,
    error::{FromError, HandlerError},
    extract::Msg,
};
use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
use tokio::time::{sleep, timeout};

use crate::{PATIENCE, Result, bare, item::Item};

/// The queue, and the key that it is bound to.
pub(crate) const QUEUE: &str = "bench-kanin";
/// What it is bound to.
pub(crate) const EXCHANGE: &str = HandlerConfig::DIRECT_EXCHANGE;

/// What kanin asks of every answer: it has none of its own for a request that cannot be read.
impl FromError<HandlerError> for Item {
    fn from_error(error: HandlerError) -> Self {
        eprintln!("a request failed: {error}");
        Self::default()
    }
}

async fn echo(Msg(item): Msg<Item>) -> Item {
    item
}

/// Starts it, and waits until it listens, which it tells nobody but the broker.
pub(crate) async fn serve(url: &str) -> Result<Box<dyn Send>> {
    let address = bare::address(url);
    let app = App::new(()).handler(QUEUE, echo);
    let mut running = tokio::spawn({
        let address = address.clone();
        async move { app.run(&address).await }
    });
    let connection = Connection::connect(&address, ConnectionProperties::default()).await?;
    tokio::select! {
        listens = timeout(PATIENCE, listens(&connection)) => listens??,
        ended = &mut running => {
            ended??;
            return Err(io::Error::other("kanin has ended").into());
        }
    }
    Ok(Box::new((running, connection)))
}

async fn listens(connection: &Connection) -> Result<()> {
    loop {
        // A queue that is not there yet ends the channel that asks.
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await;
        if queue.is_ok_and(|queue| queue.consumer_count() > 0) {
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
}
