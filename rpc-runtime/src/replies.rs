//! The calls of one transport that still wait for their reply.
//!
//! A plain table: message id to waiting call. It never touches the broker or the clock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use uuid::Uuid;

use crate::{
    compression,
    envelope::{self, EnvelopeError, Reply},
    excerpt::Excerpt,
    limits::{Limits, TooLarge},
    observe::Observer,
    pending::{Outcome, Pending},
    quiet::Quiet,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Replies {
    /// Named once there is a connection.
    queue: OnceLock<String>,
    observer: Arc<Observer>,
    waiting: Mutex<HashMap<Uuid, Arc<Pending>>>,
    limits: Limits,
    quiet: Quiet,
}

impl Replies {
    /// Makes a table that takes replies of these sizes.
    pub(crate) fn new(observer: Arc<Observer>, limits: Limits) -> Self {
        let quiet = Quiet::new();
        Self { queue: OnceLock::new(), observer, waiting: Mutex::default(), limits, quiet }
    }

    /// Names the queue. The first name stays.
    pub(crate) fn set_queue(&self, name: &str) {
        let _ = self.queue.set(name.to_owned());
    }

    /// The sizes of replies that are taken.
    #[cfg(feature = "rabbit")]
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether the queue has its name.
    #[cfg(feature = "rabbit")]
    pub(crate) fn has_queue(&self) -> bool {
        self.queue.get().is_some()
    }

    /// The queue that replies come to. It keeps its name for the transport's life, so that a reply which is sent
    /// while the client is away is there when it comes back.
    pub(crate) fn queue(&self) -> &str {
        self.queue.get().map_or("", String::as_str)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Pending>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, msg_id: Uuid, call: Arc<Pending>) {
        self.lock().insert(msg_id, call);
    }

    pub(crate) fn remove(&self, msg_id: Uuid) {
        self.lock().remove(&msg_id);
    }

    /// Ends the calls that still wait: no reply comes any more.
    pub(crate) fn close(&self) {
        let waiting = std::mem::take(&mut *self.lock());
        waiting.into_values().for_each(|call| _ = call.end(Outcome::Interrupted));
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Takes what came by the reply queue, and hands it to the call that it answers. A reply that nobody waits for is
    /// dropped: it is late, or a repetition, or not ours.
    pub(crate) fn receive(&self, body: &[u8], compression: Option<&str>) {
        let counts = &self.observer.counts;
        match self.hand_over(body, compression) {
            Ok(true) => counts.replies_received.add_one(),
            Ok(false) => counts.replies_late.add_one(),
            Err(error) => {
                counts.replies_malformed.add_one();
                self.quiet.say((), |left_out| {
                    let what = "dropped a message on the reply queue that is not a reply";
                    tracing::warn!(%error, left_out, "{what}");
                });
            }
        }
    }

    /// Returns whether somebody waited for the reply.
    fn hand_over(&self, body: &[u8], compression: Option<&str>) -> Result<bool, EnvelopeError> {
        if body.len() > self.limits.message {
            let size = TooLarge { size: body.len(), limit: self.limits.message };
            return Err(EnvelopeError::TooLarge(size));
        }
        let body = compression::unpack(body, compression, self.limits.unpacked)?;
        let text = envelope::open(&body)?.into_owned();
        let reply = Reply::parse_within(text, self.limits.values)?;
        let call =
            Uuid::try_parse(reply.msg_id()).ok().and_then(|id| self.lock().get(&id).cloned());
        let Some(call) = call else {
            tracing::debug!(msg_id = %Excerpt(reply.msg_id()), "nobody waits for this reply");
            return Ok(false);
        };
        call.reply(reply);
        Ok(true)
    }
}
