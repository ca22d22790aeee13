//! Asks whether the broker permits queues that are neither durable nor exclusive.
//!
//! RabbitMQ deprecates them, and from 4.3 on its packages deny them: a declaration then ends the
//! whole connection (541). So the question is asked by a connection that serves nothing yet, and the
//! answer is kept for all queues of the transport. Servers of the original that the broker still
//! permits to declare such queues share them, so durable queues are not the default.

use std::sync::Arc;

use super::{
    amqp::{Connection, Fault},
    declare::{declare_queue, deny, is_denied},
    names::random,
    topology::{Argument, Layout, QueueDeclaration},
};
use crate::logging;

/// How long the broker keeps the queue of a question whose connection is lost, in milliseconds.
const EXPIRES: i32 = 10_000;

/// Whether a connection can be used after the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The broker permits such queues, or has not said.
    Usable,
    /// The broker denies them, and has closed the connection over the question.
    Closed,
}

/// Asks, if the layout has such queues and the broker has not been asked before.
///
/// # Errors
/// If the connection is lost for another reason.
pub(super) async fn ask(connection: &Arc<Connection>, layout: &Layout) -> Result<Asked, Fault> {
    if !layout.may_ask() {
        return Ok(Asked::Usable);
    }
    match try_one(connection).await {
        Ok(()) => layout.has_asked(),
        Err(fault) if is_denied(&fault) => {
            layout.has_asked();
            deny(layout);
            return Ok(Asked::Closed);
        }
        // A user may lack the right to declare, and a virtual host may have no room. A broker that
        // takes no messages is asked by the next connection.
        Err(fault) if !fault.is_of_connection() => layout.has_asked(),
        Err(fault) if connection.is_alive() => {
            logging::defer(move || tracing::debug!(%fault, "did not ask about transient queues"));
        }
        Err(fault) => return Err(fault),
    }
    Ok(Asked::Usable)
}

/// Declares such a queue, and deletes it. Its name is one that a reply queue may have, so that it
/// needs no other right.
async fn try_one(connection: &Arc<Connection>) -> Result<(), Fault> {
    let channel = connection.channel().await?;
    let queue = QueueDeclaration {
        name: random("reply"),
        durable: false,
        auto_delete: false,
        arguments: vec![("x-expires", Argument::Number(EXPIRES))],
    };
    declare_queue(&channel, &queue).await?;
    // A queue that cannot be deleted expires.
    let _ = channel.delete_queue(&queue.name).await;
    channel.close().await;
    Ok(())
}
