//! The claim of a stable name whose queue is, or may be, a quorum queue.
//!
//! A name is claimed by consuming its queue exclusively. RabbitMQ ignores that wish for quorum
//! queues, so two processes of one name would share a queue, and each would get half of the other's
//! messages. There an exclusive queue stands for the name: RabbitMQ lets no other connection
//! declare it, and deletes it with the connection. An exclusive consumer of that queue keeps others
//! on the same connection away.

use lapin::{options::QueueDeclareOptions, types::FieldTable};

use super::{
    amqp::{Channel, Consumer, Fault},
    names::OwnQueue,
    topology::Layout,
};

/// The tag of the consumer that has the claim.
const TAG: &str = "claim";

/// Whether consuming a queue does not claim its name.
fn is_needed(queue: &OwnQueue, layout: &Layout) -> bool {
    queue.is_stable() && layout.may_be_quorum(queue.name())
}

/// A claim, until it is dropped.
pub(super) struct Claim(#[expect(dead_code, reason = "it is held")] Option<Consumer>);

/// Claims a queue's name on the channel on which the queue is consumed next.
pub(super) async fn claim(
    channel: &Channel,
    queue: &OwnQueue,
    layout: &Layout,
) -> Result<Claim, Fault> {
    if !is_needed(queue, layout) {
        return Ok(Claim(None));
    }
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let (name, none) = (queue.claim_name(), FieldTable::default());
    channel.declare_queue(&name, options, none.clone()).await?;
    channel.consume(&name, TAG, true, none).await.map(|consumer| Claim(Some(consumer)))
}

/// Lets another connection claim the name: this one may go on for a while.
pub(super) async fn release(channel: &Channel, queue: &OwnQueue, layout: &Layout) {
    if is_needed(queue, layout) {
        // A connection that is gone has released it.
        let _ = channel.delete_queue(&queue.claim_name()).await;
    }
}
