//! The queues that calls wait on without a sign of life, and whether the broker says that something
//! consumes them.
//!
//! A plain table, one for each transport. It never asks the broker: one task of the driver takes
//! [questions](Unconsumed::questions), and brings back [answers](Unconsumed::answered). A call is
//! in the table only once it has waited for [`PATIENCE`], so that calls which are answered sooner
//! cost nothing.
//!
//! A call ends only if its request surely waits in a queue that nothing consumes. A server that
//! stops cancels its consumers before it has finished what runs, so a request that a server may
//! have taken is not such a request: one that was published while the queue had consumers, or whose
//! queue was found empty afterwards. A quorum queue without a leader also reports no messages and
//! no consumers, which shows nothing either.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    clock::{Instant, sleep_until},
    hash::Keyed,
    pending::{Outcome, Pending},
    sync::{Mutex, MutexGuard},
};

/// How long a call waits before the broker is asked about its queue.
pub(crate) const PATIENCE: Duration = Duration::from_millis(200);
/// How often the broker is asked about one queue at most.
const EVERY: Duration = Duration::from_secs(1);
/// How often, if no call can end by the answer.
const RARELY: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct Unconsumed {
    table: Mutex<Table>,
    /// Told when a call comes.
    woken: Notify,
    /// How far apart the first and the last answer are that end a call. Zero: nothing is asked.
    limit: Duration,
}

#[derive(Debug, Default)]
struct Table {
    queues: HashMap<Arc<str>, Queue, Keyed>,
    next: u64,
    /// Whether a task asks the questions, where that is started when needed.
    is_asking: bool,
}

#[derive(Debug, Default)]
struct Queue {
    calls: BTreeMap<u64, Call>,
    /// When the broker was last asked.
    asked: Option<Instant>,
    /// Since when all answers have been that messages wait, and that nothing consumes them.
    since: Option<Instant>,
    /// Whether the broker has refused to answer. It is not asked again by this connection.
    is_refused: bool,
}

#[derive(Debug)]
struct Call {
    pending: Arc<Pending>,
    /// Whether its request was in the queue when the broker was last asked.
    is_queued: bool,
    /// Whether a server may have its request.
    may_be_taken: bool,
    /// Whether the last answer was that nothing consumes the queue.
    is_unconsumed: bool,
}

/// The broker's answer about a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// How many messages wait, and how many consumers there are.
    Counts { messages: u32, consumers: u32 },
    /// It does not say.
    Refused,
}

/// The next thing to do.
enum Due {
    Ask(Vec<Arc<str>>),
    /// Nothing before that time, or before another call comes.
    Wait(Option<Instant>),
}

impl Unconsumed {
    /// Makes a table that ends calls once answers have been the same for `limit`. Zero turns it
    /// off.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { table: Mutex::default(), woken: Notify::new(), limit }
    }

    /// Whether nothing is asked.
    pub(crate) fn is_off(&self) -> bool {
        self.limit.is_zero()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call waits for something to consume `queue`, until the returned value is
    /// dropped.
    pub(crate) fn wait(self: &Arc<Self>, queue: Arc<str>, pending: &Arc<Pending>) -> Waits {
        let call = Call {
            pending: Arc::clone(pending),
            is_queued: false,
            may_be_taken: false,
            is_unconsumed: false,
        };
        let number = {
            let mut table = self.lock();
            let number = table.next;
            table.next += 1;
            table.queues.entry(Arc::clone(&queue)).or_default().calls.insert(number, call);
            number
        };
        self.woken.notify_one();
        Waits { all: Arc::clone(self), queue, number }
    }

    /// Waits until there are queues to ask about, and returns them. One task may do so at a time.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    #[cfg(feature = "rabbit")]
    pub(crate) async fn questions(&self) -> Vec<Arc<str>> {
        loop {
            let due = self.lock().due(Instant::now());
            match due {
                Due::Ask(queues) => return queues,
                Due::Wait(until) => self.until(until).await,
            }
        }
    }

    async fn until(&self, until: Option<Instant>) {
        tokio::select! {
            () = self.woken.notified() => {}
            () = sleep_until(until) => {}
        }
    }

    /// Lets one task ask the questions, unless another does.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Asking> {
        let was_asking = std::mem::replace(&mut self.lock().is_asking, true);
        (!was_asking).then(|| Asking { all: Arc::clone(self), is_held: true })
    }

    /// Takes an answer of the broker. It is to a question that was returned before.
    pub(crate) fn answered(&self, queue: &Arc<str>, answer: Answer) {
        let (ended, observed) = {
            let mut table = self.lock();
            let Some(of) = table.queues.get_mut(queue) else { return };
            (of.answered(answer, self.limit), of.observed())
        };
        // A caller that is woken may come back to the table.
        for call in ended {
            call.end_if_silent(Outcome::Unconsumed { queue: Arc::clone(queue), observed });
        }
    }

    /// Begins anew, by another connection: what was observed by the last one counts no more.
    pub(crate) fn reset(&self) {
        for queue in self.lock().queues.values_mut() {
            (queue.since, queue.is_refused) = (None, false);
            queue.calls.values_mut().for_each(|call| call.is_unconsumed = false);
        }
        self.woken.notify_one();
    }
}

impl Table {
    /// Returns the queues to ask about now, and forgets those that no call waits for.
    fn due(&mut self, now: Instant) -> Due {
        let is_recent = |asked: &Option<Instant>| asked.is_some_and(|asked| now < asked + EVERY);
        self.queues.retain(|_, queue| {
            !queue.calls.is_empty() || queue.is_refused || is_recent(&queue.asked)
        });
        let (mut queues, mut next) = (Vec::new(), None);
        for (name, queue) in &mut self.queues {
            let Some(at) = queue.due(now) else { continue };
            if at <= now {
                queue.ask(now);
                queues.push(Arc::clone(name));
            } else {
                next = Some(next.map_or(at, |next: Instant| next.min(at)));
            }
        }
        if queues.is_empty() { Due::Wait(next) } else { Due::Ask(queues) }
    }
}

impl Queue {
    /// Returns when the broker is to be asked, or when the queue can be forgotten. `None`: not
    /// before something changes.
    fn due(&self, now: Instant) -> Option<Instant> {
        if self.is_refused {
            return None;
        }
        let may_end = self.calls.values().any(|call| !call.may_be_taken);
        let every = if may_end || self.calls.is_empty() { EVERY } else { RARELY };
        let at = self.asked.map_or(now, |asked| asked + every);
        // A request that is not in the queue yet is looked at again later.
        Some(if at > now || self.waits() { at } else { now + EVERY })
    }

    /// Whether the request of a call is in the queue, as far as is known, and nothing has come
    /// back.
    fn waits(&self) -> bool {
        self.calls.values().any(|call| call.pending.is_silent())
    }

    fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
        for call in self.calls.values_mut() {
            call.is_queued = call.pending.is_silent();
        }
    }

    /// Takes an answer, and returns the calls that end by it.
    fn answered(&mut self, answer: Answer, limit: Duration) -> Vec<Arc<Pending>> {
        let Answer::Counts { messages, consumers } = answer else {
            (self.is_refused, self.since) = (true, None);
            return Vec::new();
        };
        for call in self.calls.values_mut().filter(|call| call.is_queued) {
            call.is_unconsumed = consumers == 0;
            call.may_be_taken |= consumers > 0 || messages == 0;
        }
        if consumers > 0 {
            self.since = None;
        } else if messages > 0 {
            self.since = self.since.or(self.asked);
        }
        if consumers > 0 || messages == 0 || self.since.is_none() || self.observed() < limit {
            return Vec::new();
        }
        let ended = self.calls.values().filter(|call| call.is_queued && !call.may_be_taken);
        ended.map(|call| Arc::clone(&call.pending)).collect()
    }

    /// How long answers have been that nothing consumes the queue.
    fn observed(&self) -> Duration {
        let times = self.asked.zip(self.since);
        times.map_or(Duration::ZERO, |(asked, since)| asked.saturating_duration_since(since))
    }
}

/// A call that waits for something to consume its queue, as long as it lives.
#[derive(Debug)]
pub(crate) struct Waits {
    all: Arc<Unconsumed>,
    queue: Arc<str>,
    number: u64,
}

impl Waits {
    /// Returns the queue, if the last answer was that nothing consumes it.
    pub(crate) fn unconsumed(&self) -> Option<Arc<str>> {
        let table = self.all.lock();
        let call = table.queues.get(&self.queue)?.calls.get(&self.number)?;
        call.is_unconsumed.then(|| Arc::clone(&self.queue))
    }

    /// Notes that a server has answered the call: something has consumed the queue since it was
    /// last asked about.
    pub(crate) fn was_consumed(&self) {
        if let Some(queue) = self.all.lock().queues.get_mut(&self.queue) {
            queue.since = None;
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut table = self.all.lock();
        let call = table.queues.get_mut(&self.queue).and_then(|of| of.calls.remove(&self.number));
        drop(table);
        // The request may go with it, and is not dropped under the lock.
        drop(call);
    }
}

/// The right of one task to ask the questions, as long as it lives.
#[derive(Debug)]
pub(crate) struct Asking {
    all: Arc<Unconsumed>,
    is_held: bool,
}

impl Asking {
    /// As [`Unconsumed::questions`]. `None` once no call waits: then the task is to end.
    pub(crate) async fn questions(&mut self) -> Option<Vec<Arc<str>>> {
        loop {
            let due = {
                let mut table = self.all.lock();
                let due = table.due(Instant::now());
                if table.queues.is_empty() {
                    (table.is_asking, self.is_held) = (false, false);
                    return None;
                }
                due
            };
            match due {
                Due::Ask(queues) => return Some(queues),
                Due::Wait(until) => self.all.until(until).await,
            }
        }
    }

    /// As [`Unconsumed::answered`].
    pub(crate) fn answered(&self, queue: &Arc<str>, answer: Answer) {
        self.all.answered(queue, answer);
    }

    /// As [`Unconsumed::reset`].
    pub(crate) fn reset(&self) {
        self.all.reset();
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.is_held {
            self.all.lock().is_asking = false;
        }
    }
}

#[cfg(test)]
mod tests;
