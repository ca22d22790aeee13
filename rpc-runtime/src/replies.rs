//! The calls of one transport that still wait for their reply.
//!
//! A plain table: message id to waiting call. It never touches the broker or the clock.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, PoisonError, RwLock},
};

use uuid::Uuid;

use crate::{
    compression,
    envelope::{self, EnvelopeError, Reply},
    excerpt::Excerpt,
    hash::Keyed,
    limits::{Limits, TooLarge},
    logging,
    observe::Observer,
    pending::{Outcome, Pending},
    quiet::Quiet,
    refusal::Mark,
    sync::{Mutex, MutexGuard},
};

/// The calls by their ids.
type Waiting = HashMap<Id, Arc<Pending>, Keyed>;

/// An id, which is hashed as one number, and needs no room to be aligned like one.
#[derive(Debug, PartialEq, Eq)]
struct Id(Uuid);

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.0.as_u128());
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Replies {
    /// Named once there is a connection. Calls that were made before it changed are answered by
    /// the old one.
    queue: RwLock<Arc<str>>,
    observer: Arc<Observer>,
    waiting: Mutex<Waiting>,
    limits: Limits,
    quiet: Quiet,
}

impl Replies {
    /// Makes a table that takes replies of these sizes.
    pub(crate) fn new(observer: Arc<Observer>, limits: Limits) -> Self {
        let quiet = Quiet::new();
        Self { queue: RwLock::new("".into()), observer, waiting: Mutex::default(), limits, quiet }
    }

    /// Names the queue for the calls to come.
    pub(crate) fn set_queue(&self, name: &str) {
        *self.queue.write().unwrap_or_else(PoisonError::into_inner) = name.into();
    }

    /// The sizes of replies that are taken.
    #[cfg(feature = "rabbit")]
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// The queue that calls are answered by. Its name lasts as long as the broker lets this
    /// transport consume it: a reply that is sent while the client is away is there when it comes
    /// back.
    pub(crate) fn queue(&self) -> Arc<str> {
        Arc::clone(&self.queue.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the ids of the calls that wait.
    #[cfg(feature = "rabbit")]
    pub(crate) fn waiting(&self) -> Vec<Uuid> {
        self.lock().keys().map(|Id(id)| *id).collect()
    }

    /// Whether one of these calls waits.
    #[cfg(feature = "rabbit")]
    pub(crate) fn has_any(&self, calls: &[Uuid]) -> bool {
        let waiting = self.lock();
        calls.iter().any(|call| waiting.contains_key(&Id(*call)))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, msg_id: Uuid, call: Arc<Pending>) {
        self.lock().insert(Id(msg_id), call);
    }

    pub(crate) fn remove(&self, msg_id: Uuid) {
        self.lock().remove(&Id(msg_id));
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
    /// `mark` is its header's mark of a failure.
    pub(crate) fn receive(&self, body: &[u8], compression: Option<&str>, mark: Option<Mark>) {
        let counts = &self.observer.counts;
        match self.hand_over(body, compression, mark) {
            Ok(true) => counts.replies_received.add_one(),
            Ok(false) => counts.replies_late.add_one(),
            Err(error) => {
                counts.replies_malformed.add_one();
                self.quiet.defer((), move |left_out| {
                    let what = "dropped a message on the reply queue that is not a reply";
                    tracing::warn!(%error, left_out, "{what}");
                });
            }
        }
    }

    /// Returns whether somebody waited for the reply.
    fn hand_over(
        &self,
        body: &[u8],
        compression: Option<&str>,
        mark: Option<Mark>,
    ) -> Result<bool, EnvelopeError> {
        if body.len() > self.limits.message {
            let size = TooLarge { size: body.len(), limit: self.limits.message };
            return Err(EnvelopeError::TooLarge(size));
        }
        let body = compression::unpack(body, compression, self.limits.unpacked)?;
        let text = envelope::open(&body)?.into_owned();
        let mut reply = Reply::parse_within(text, self.limits.values)?;
        reply.mark = mark;
        let call =
            Uuid::try_parse(&reply.msg_id()).ok().and_then(|id| self.lock().get(&Id(id)).cloned());
        let Some(call) = call else {
            if logging::wants_debug() {
                let id = reply.msg_id().into_owned();
                let what = "dropped a reply whose caller has stopped waiting";
                logging::defer(move || tracing::debug!(msg_id = %Excerpt(&id), "{what}"));
            }
            return Ok(false);
        };
        call.reply(reply);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::{Compression, Failure, envelope::ReplyWriter, pending::Outcome};

    fn table() -> Replies {
        Replies::new(Arc::new(Observer::new()), Limits::default())
    }

    fn call() -> Arc<Pending> {
        Arc::new(Pending::of_nothing(true))
    }

    fn result(call: &Pending) -> Option<String> {
        match call.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Outcome::Answered(reply)) => Some(reply.result().to_owned()),
            Poll::Ready(other) => panic!("{other:?}"),
            Poll::Pending => None,
        }
    }

    fn body(msg_id: &str, result: u8) -> Vec<u8> {
        ReplyWriter::result(&result).expect("JSON").finish(msg_id, Uuid::nil())
    }

    #[test]
    fn a_reply_ends_the_call_that_it_names_and_no_other() {
        let (replies, ids) = (table(), [1, 2].map(Uuid::from_u128));
        let calls = [(); 2].map(|()| call());
        ids.iter().zip(&calls).for_each(|(id, call)| replies.insert(*id, Arc::clone(call)));
        let msg_id = format!("\"{}\"", ids[1].simple());
        assert!(replies.hand_over(&body(&msg_id, 7), None, None).expect("a reply"));
        assert_eq!((result(&calls[0]), result(&calls[1]).as_deref()), (None, Some("7")));
        let packed = Compression::Gzip.pack(&body(&format!("\"{}\"", ids[0].simple()), 8));
        assert!(replies.hand_over(&packed, Some("gzip"), None).expect("a reply"));
        assert_eq!(result(&calls[0]).as_deref(), Some("8"));
    }

    #[test]
    fn a_reply_that_nobody_waits_for_is_dropped() {
        let (replies, call) = (table(), call());
        replies.insert(Uuid::from_u128(1), Arc::clone(&call));
        assert_eq!(replies.len(), 1);
        replies.remove(Uuid::from_u128(2));
        assert_eq!(replies.len(), 1);
        replies.remove(Uuid::from_u128(1));
        assert_eq!(replies.len(), 0);
        for msg_id in [format!("\"{}\"", Uuid::from_u128(1).simple()), "\"no id of ours\"".into()] {
            assert!(!replies.hand_over(&body(&msg_id, 7), None, None).expect("a reply"));
        }
        assert_eq!(result(&call), None);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let replies = table();
        let failure = ReplyWriter::failure(&Failure::of("m", "a", "B"));
        let numbered = failure.finish("5", Uuid::nil());
        for (body, compression) in
            [(&b"{}"[..], None), (b"[", None), (&numbered, None), (b"zzzz", Some("gzip"))]
        {
            assert!(replies.hand_over(body, compression, None).is_err(), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn a_reply_may_be_as_large_as_the_limit_and_no_larger() {
        let id = Uuid::from_u128(1);
        let body = body(&format!("\"{}\"", id.simple()), 7);
        for (message, is_taken) in [(body.len() - 1, false), (body.len(), true), (usize::MAX, true)]
        {
            let limits = Limits { message, ..Limits::default() };
            let replies = Replies::new(Arc::new(Observer::new()), limits);
            #[cfg(feature = "rabbit")]
            assert_eq!(replies.limits().message, message);
            replies.insert(id, call());
            let taken = replies.hand_over(&body, None, None);
            assert_eq!(taken.is_ok(), is_taken, "{message}");
            assert_eq!(matches!(taken, Err(EnvelopeError::TooLarge(_))), !is_taken);
        }
    }

    #[test]
    fn each_message_on_the_reply_queue_is_counted_as_what_it_was() {
        let observer = Arc::new(Observer::new());
        let (replies, id) = (Replies::new(Arc::clone(&observer), Limits::default()), 1);
        replies.insert(Uuid::from_u128(id), call());
        let own = body(&format!("\"{}\"", Uuid::from_u128(id).simple()), 7);
        let other = body(&format!("\"{}\"", Uuid::from_u128(2).simple()), 7);
        [&own, &other, &other].into_iter().for_each(|body| replies.receive(body, None, None));
        (0..3).for_each(|_| replies.receive(b"[", None, None));
        let counts = observer.metrics();
        let counts = [counts.replies_received, counts.replies_late, counts.replies_malformed];
        assert_eq!(counts, [1, 2, 3]);
    }

    #[test]
    fn calls_that_wait_when_it_closes_are_interrupted() {
        let (replies, call) = (table(), call());
        replies.insert(Uuid::from_u128(1), Arc::clone(&call));
        replies.close();
        let ended = call.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(ended, Poll::Ready(Outcome::Interrupted)), "{ended:?}");
        assert_eq!(replies.len(), 0);
    }

    #[cfg(feature = "rabbit")]
    #[test]
    fn a_call_is_known_while_it_waits_whatever_the_queue_is_called() {
        let (replies, ids) = (table(), [1, 2].map(Uuid::from_u128));
        assert_eq!(&*replies.queue(), "");
        replies.set_queue("reply_1");
        replies.insert(ids[0], call());
        assert_eq!((&*replies.queue(), replies.waiting()), ("reply_1", vec![ids[0]]));
        replies.set_queue("reply_2");
        assert_eq!(&*replies.queue(), "reply_2");
        assert!(replies.has_any(&ids) && !replies.has_any(&ids[1..]));
        replies.remove(ids[0]);
        assert!(!replies.has_any(&ids));
    }
}
