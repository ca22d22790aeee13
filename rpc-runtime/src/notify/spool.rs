//! Notifications on their way to the broker: as many as there is room for, until it has them.
//!
//! The transport keeps what it cannot send, in order. What is kept here is the count, and what is to be sent again. No task
//! waits for a notification: whoever ends it wakes it, and it looks after itself.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, Weak},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, task::AbortHandle};
use uuid::Uuid;

use super::{NotifyError, emission::Progress};
use crate::{
    Compression, Transport, TransportError, TransportErrorKind,
    caps::Retry,
    clock::Instant,
    excerpt::{Causes, Excerpt},
    pending::{Outcome, Outgoing, Pending, Route},
    quiet::Quiet,
    sync::{Mutex, MutexGuard},
    transport::Body,
};

/// How long a notification waits that the broker has refused.
const AGAIN: Duration = Duration::from_secs(1);

/// How much a notifier keeps while the broker takes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// What a log line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Dropped,
    Refused,
}

/// See the module.
pub(super) struct Spool {
    transport: Transport,
    room: Room,
    give_up_after: Option<Duration>,
    kept: Mutex<Kept>,
    /// Told when nothing is kept any more.
    emptied: Notify,
    quiet: Quiet<Cause>,
    /// The runtime of its tasks, or why there is none.
    runtime: Result<Handle, TransportError>,
    aging: Arc<Aging>,
    /// What gives them up.
    ager: Option<AbortHandle>,
}

/// How much has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Kept {
    messages: usize,
    bytes: usize,
}

/// Notifications by their age: those that are to be given up.
#[derive(Default)]
struct Aging {
    waiting: Mutex<VecDeque<(Instant, Weak<Spooled>)>>,
    woken: Notify,
}

/// One copy of a notification, for one queue.
pub(super) struct Spooled {
    spool: Arc<Spool>,
    progress: Arc<Progress>,
    event_type: Arc<str>,
    route: Route,
    body: Arc<Vec<u8>>,
    compression: Option<Compression>,
    unique_id: Uuid,
    since: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the transport has of it. `None` once it has ended, and during a pause.
    pending: Option<Arc<Pending>>,
    has_ended: bool,
}

/// One copy that is to be sent.
pub(super) struct Draft {
    pub(super) event_type: Arc<str>,
    pub(super) route: Route,
    pub(super) body: Vec<u8>,
    pub(super) unique_id: Uuid,
}

impl Spool {
    pub(super) fn new(
        transport: Transport,
        room: Room,
        give_up_after: Option<Duration>,
        runtime: Result<Handle, TransportError>,
    ) -> Arc<Self> {
        let aging = Arc::new(Aging::default());
        let ages = give_up_after.is_some_and(|after| !after.is_zero());
        let ager = runtime.as_ref().ok().filter(|_| ages);
        let ager = ager.map(|runtime| runtime.spawn(give_up(Arc::clone(&aging))).abort_handle());
        Arc::new(Self {
            transport,
            room,
            give_up_after,
            kept: Mutex::default(),
            emptied: Notify::new(),
            quiet: Quiet::new(),
            runtime,
            aging,
            ager,
        })
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// How many notifications wait for the broker.
    pub(super) fn len(&self) -> usize {
        self.kept().messages
    }

    /// Waits until none does.
    pub(super) async fn idle(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Sends a copy, if there is room.
    pub(super) fn send(self: &Arc<Self>, draft: Draft, progress: &Arc<Progress>) {
        let Draft { event_type, route, body, unique_id } = draft;
        progress.begin();
        let (body, compression) = match self.admit(&route, body) {
            Ok(admitted) => admitted,
            Err(error) => {
                self.dropped(&event_type, &error);
                return progress.end(Err(error));
            }
        };
        let spooled = Arc::new(Spooled {
            spool: Arc::clone(self),
            progress: Arc::clone(progress),
            event_type,
            route,
            body,
            compression,
            unique_id,
            since: Instant::now(),
            state: Mutex::default(),
        });
        if self.ager.is_some()
            && let Some(due) = self.give_up_after.and_then(|after| spooled.since.checked_add(after))
        {
            self.aging.add(due, &spooled, self.len());
        }
        spooled.send();
    }

    /// Makes room for a copy, if there is some.
    fn admit(
        &self,
        route: &Route,
        body: Vec<u8>,
    ) -> Result<(Arc<Vec<u8>>, Option<Compression>), NotifyError> {
        self.runtime.as_ref().map_err(TransportError::clone)?;
        route.check()?;
        let (body, compression) = self.transport.pack(body).map_err(|too_large| {
            NotifyError::TooLarge { size: too_large.size, limit: too_large.limit }
        })?;
        let mut kept = self.kept();
        let with_it = Kept { messages: kept.messages + 1, bytes: kept.bytes + body.len() };
        let is_too_much = kept.bytes > 0 && with_it.bytes > self.room.bytes;
        if is_too_much || with_it.messages > self.room.messages {
            return Err(NotifyError::SpoolFull);
        }
        *kept = with_it;
        drop(kept);
        Ok((Arc::new(body), compression))
    }

    /// Forgets one of so many bytes, which has ended.
    fn release(&self, bytes: usize) {
        let mut kept = self.kept();
        kept.messages -= 1;
        kept.bytes -= bytes;
        let is_empty = kept.messages == 0;
        drop(kept);
        if is_empty {
            self.emptied.notify_waiters();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a notification that nobody gets.
    pub(super) fn dropped(&self, event_type: &str, error: &(dyn std::error::Error + 'static)) {
        self.transport.observer().counts.notifications_dropped.add_one();
        // The broker's answer may come to the thread of its connection.
        let (event_type, error) = (event_type.to_owned(), Causes(error).to_string());
        self.quiet.defer(Cause::Dropped, move |left_out| {
            let event_type = Excerpt(&event_type);
            tracing::warn!(%event_type, %error, left_out, "dropped a notification");
        });
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Some(ager) = &self.ager {
            ager.abort();
        }
    }
}

impl Aging {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Weak<Spooled>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, of so many that have not ended. What has ended is swept out as the queue grows.
    fn add(&self, due: Instant, spooled: &Arc<Spooled>, not_ended: usize) {
        let mut waiting = self.lock();
        if waiting.len() > 2 * not_ended {
            waiting.retain(|(_, spooled)| spooled.strong_count() > 0);
        }
        waiting.push_back((due, Arc::downgrade(spooled)));
        drop(waiting);
        self.woken.notify_one();
    }

    /// Takes what is too old, and returns when to look again.
    fn take(&self, now: Instant) -> (Vec<Arc<Spooled>>, Option<Instant>) {
        let mut waiting = self.lock();
        let mut old = Vec::new();
        while let Some((due, spooled)) = waiting.front() {
            if *due > now {
                return (old, Some(*due));
            }
            old.extend(spooled.upgrade());
            waiting.pop_front();
        }
        (old, None)
    }
}

/// Gives up what is too old.
async fn give_up(aging: Arc<Aging>) {
    loop {
        let (old, due) = aging.take(Instant::now());
        old.into_iter().for_each(|spooled| spooled.give_up());
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => aging.woken.notified().await,
        }
    }
}

impl Spooled {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands it over to the transport.
    fn send(self: &Arc<Self>) {
        let retry = match self.spool.give_up_after {
            Some(Duration::ZERO) => Retry::Never,
            // A listener knows a second copy by its id.
            _ => Retry::Ambiguous,
        };
        let message = Outgoing {
            route: self.route.clone(),
            body: Body::Shared(Arc::clone(&self.body)),
            compression: self.compression,
            expires: None,
            headers: Vec::new(),
            unique_id: self.unique_id,
        };
        let pending = Arc::new(Pending::new(message, false, retry));
        {
            let mut state = self.lock();
            if state.has_ended {
                // It was given up meanwhile.
                return;
            }
            state.pending = Some(Arc::clone(&pending));
        }
        // It is to know its end before it can have one.
        self.look();
        self.spool.transport.send(pending);
    }

    /// Looks whether it has ended.
    fn look(self: &Arc<Self>) {
        let Some(pending) = self.lock().pending.clone() else { return };
        let waker = Waker::from(Arc::clone(self));
        if let Poll::Ready(outcome) = pending.poll(&mut Context::from_waker(&waker)) {
            self.settle(outcome);
        }
    }

    fn settle(self: &Arc<Self>, outcome: Outcome) {
        match outcome {
            Outcome::Confirmed | Outcome::Answered(_) => self.end(Ok(())),
            Outcome::Unsent(error) => self.end(Err(NotifyError::Unavailable(error))),
            // It was to be sent once.
            Outcome::Interrupted => {
                let what = "the connection was lost with the notification on its way";
                let lost = TransportError::new(TransportErrorKind::Disconnected, what);
                self.end(Err(lost.into()));
            }
            // Only a call ends as unconsumed.
            Outcome::Refused | Outcome::Unroutable(_) | Outcome::Unconsumed { .. } => self.again(),
        }
    }

    /// Sends it again after a pause, unless it was to be sent at once or not at all.
    fn again(self: &Arc<Self>) {
        if self.spool.give_up_after.is_some_and(|after| self.since.elapsed() >= after) {
            return self.end(Err(NotifyError::Refused));
        }
        self.lock().pending = None;
        let queue = Arc::clone(&self.route.routing_key);
        self.spool.quiet.defer(Cause::Refused, move |left_out| {
            let what = "the broker refused a notification; publishing it again";
            tracing::warn!(%queue, left_out, "{what}");
        });
        let this = Arc::clone(self);
        if let Ok(runtime) = &self.spool.runtime {
            runtime.spawn(async move {
                tokio::time::sleep(AGAIN).await;
                this.send();
            });
        }
    }

    /// It has waited for too long. What has left may arrive all the same.
    fn give_up(self: &Arc<Self>) {
        let waited = self.since.elapsed();
        self.end(Err(NotifyError::Expired { waited }));
    }

    fn end(&self, result: Result<(), NotifyError>) {
        let pending = {
            let mut state = self.lock();
            // Once.
            if std::mem::replace(&mut state.has_ended, true) {
                return;
            }
            state.pending.take()
        };
        if let Some(pending) = pending {
            // It is not to leave after its end.
            pending.abandon();
        }
        match &result {
            Ok(()) => self.spool.transport.observer().counts.notifications_sent.add_one(),
            Err(error) => self.spool.dropped(&self.event_type, error),
        }
        self.spool.release(self.body.len());
        self.progress.end(result);
    }
}

impl Drop for Spooled {
    /// Nobody sends it any more: the runtime has ended that was to do it.
    fn drop(&mut self) {
        self.end(Err(TransportError::closed().into()));
    }
}

impl Wake for Spooled {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TransportErrorKind, notify::Emission, pending::Exchange};

    #[tokio::test(start_paused = true)]
    async fn a_notification_whose_runtime_ends_in_its_pause_ends_with_it() {
        let transport = Transport::connect(&format!("memory://spool-{}", Uuid::new_v4())).await;
        let transport = transport.expect("it is embedded");
        let broker = transport.memory().expect("it is embedded");
        broker.hold();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let room = Room { messages: 1, bytes: 1 };
        let spool = Spool::new(transport, room, None, Ok(runtime.handle().clone()));
        let progress = Arc::new(Progress::default());
        let exchange = Exchange::Notifications("openstack".into());
        let route = Route { exchange, routing_key: "q".into(), mandatory: true };
        let unique_id = Uuid::new_v4();
        let draft = Draft { event_type: "e".into(), route, body: vec![7; 9], unique_id };
        spool.send(draft, &progress);
        broker.hold().iter().for_each(|pending| _ = pending.end(Outcome::Refused));
        assert_eq!(spool.len(), 1, "it pauses");
        runtime.shutdown_background();
        let end = tokio::time::timeout(Duration::from_secs(60), Emission::new(progress)).await;
        let error = end.expect("its end").expect_err("nobody sends it");
        assert!(
            matches!(&error, NotifyError::Unavailable(error) if error.kind() == TransportErrorKind::Closed),
            "{error:?}"
        );
        assert_eq!(*spool.kept(), Kept::default());
    }
}
