//! Asks the broker whether something consumes the queues that calls wait on.
//!
//! One task asks for all calls of a transport, on a channel of its own: a refusal closes that. The
//! channel belongs to the connection that consumes, which a broker that takes no messages leaves
//! alone, and is open only while calls wait.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use super::{
    amqp::{Channel, Connection, Fault},
    supervisor::{Generations, connected, replaced},
    told,
};
use crate::{
    logging,
    unconsumed::{Answer, Unconsumed},
};

/// How long the channel stays open without a question.
const IDLE: Duration = Duration::from_secs(5);

/// Asks by one connection after the other, until the transport closes.
pub(super) async fn run(
    unconsumed: Arc<Unconsumed>,
    mut generations: Generations,
    mut closing: watch::Receiver<bool>,
) {
    if unconsumed.is_off() {
        return;
    }
    let asking = async {
        while let Some(connection) = connected(&mut generations).await {
            unconsumed.reset();
            let mut others = generations.clone();
            tokio::select! {
                () = ask(&unconsumed, &connection) => {}
                () = replaced(&mut others, &connection) => {}
            }
            replaced(&mut generations, &connection).await;
        }
    };
    tokio::select! {
        () = asking => {}
        () = told(&mut closing) => {}
    }
}

/// Asks until the connection is not good any more.
async fn ask(unconsumed: &Unconsumed, connection: &Arc<Connection>) {
    let mut channel: Option<Channel> = None;
    loop {
        let queues = match &channel {
            None => unconsumed.questions().await,
            Some(open) => match timeout(IDLE, unconsumed.questions()).await {
                Ok(queues) => queues,
                Err(_) => {
                    open.close().await;
                    channel = None;
                    continue;
                }
            },
        };
        for queue in queues {
            let answer = match count(connection, &mut channel, &queue).await {
                Ok((messages, consumers)) => Answer::Counts { messages, consumers },
                Err(fault) if fault.is_of_connection() => return,
                Err(fault) => {
                    let (queue, what) =
                        (Arc::clone(&queue), "the broker refused to count a queue's consumers");
                    logging::defer(move || tracing::debug!(%queue, %fault, "{what}"));
                    Answer::Refused
                }
            };
            unconsumed.answered(&queue, answer);
        }
    }
}

async fn count(
    connection: &Arc<Connection>,
    channel: &mut Option<Channel>,
    queue: &str,
) -> Result<(u32, u32), Fault> {
    let open = connection.side_channel(channel.take()).await?;
    channel.insert(open).count(queue).await
}
