//! The reply to a request: how it is written, and what goes with it until the broker has it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    Shared,
    request::{Cause, Parts},
};
use crate::{
    Failure,
    clock::Instant,
    dispatch::Reply,
    envelope::{ReplyWriter, is_reply_queue},
    excerpt::Excerpt,
    ids::new_id,
    limits::TooLarge,
    refusal::Mark,
    transport::{Answer, ReplyMessage, Tracked},
};

/// What a request holds on the server until it has its answer.
pub(super) struct Held {
    pub(super) slot: OwnedSemaphorePermit,
    pub(super) tracked: Tracked,
    /// When nobody waits for the answer any more.
    pub(super) until: Instant,
}

/// Writes the reply, if somebody waits for one.
pub(super) fn reply(
    shared: &Shared,
    parts: &Parts<'_>,
    result: Result<Reply, Failure>,
) -> Option<ReplyMessage> {
    let (msg_id, queue) = parts.caller.as_ref()?;
    if !is_reply_queue(queue) {
        shared.counts().replies_misaddressed.add_one();
        shared.quiet.say(Cause::NoReplyQueue, |left_out| {
            let what = "dropped a reply to what cannot be a reply queue";
            tracing::warn!(queue = %Excerpt(queue), left_out, "{what}");
        });
        return None;
    }
    let (queue, unique_id): (Arc<str>, _) = (Arc::from(&**queue), new_id());
    let message = |writer: ReplyWriter, mark: Option<Mark>| {
        let body = writer.finish(msg_id, unique_id);
        let reply = shared.transport.reply(Arc::clone(&queue), body, unique_id)?;
        Ok(ReplyMessage { mark, ..reply })
    };
    let (writer, mark) = match result {
        Ok(Reply(writer)) => (writer, None),
        Err(failure) => (ReplyWriter::failure(&failure), Some(Mark::of(failure.refusal()))),
    };
    message(writer, mark)
        .or_else(|size: TooLarge| {
            shared.counts().replies_too_large.add_one();
            shared.quiet.say(Cause::ReplyTooLarge, |left_out| {
                tracing::error!(%size, left_out, "a reply is larger than it may be: its caller is told");
            });
            let failure = ReplyWriter::failure(&Failure::reply_too_large(size));
            message(failure, Some(Mark::MayHaveBegun))
        })
        .ok()
}

/// Sends a reply. Returns what tells when that is settled, if somebody `waits` for it.
pub(super) fn send(
    shared: &Shared,
    reply: ReplyMessage,
    held: Held,
    waits: bool,
) -> Option<oneshot::Receiver<()>> {
    let (settled, receiver) = waits.then(oneshot::channel).unzip();
    let mut answer = Answer::new(reply, held.until);
    answer.slot = Some(held.slot);
    answer.settled = settled;
    answer.tracked = Some(held.tracked);
    shared.transport.answer(answer);
    receiver
}
