//! What waits to be published: requests whose callers wait, replies that hold a server's slot.

#[cfg(test)]
mod model;

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use super::amqp::Fault;
use crate::{
    TransportError,
    caps::Retry,
    clock::Instant,
    excerpt::Excerpt,
    pending::{Outcome, Outgoing, Pending},
    quiet::Quiet,
    sync::{Mutex, MutexGuard},
    transport::{Answer, Owed, Tracked},
};

/// What waits to be published.
///
/// It needs no bound of its own: each request has a caller that waits for it, each reply a server's slot. What its
/// caller has given up is swept out as the queue grows, so that an outage piles up nothing.
#[derive(Default)]
pub(super) struct SendQueue {
    /// Whether a server wants to be done, and callers that are gone are not waited for any more.
    is_parting: AtomicBool,
    jobs: Mutex<Jobs>,
    pub(super) woken: Notify,
}

#[derive(Default)]
struct Jobs {
    /// Calls, which are not sent before their reply could be received.
    calls: VecDeque<Arc<Pending>>,
    others: VecDeque<Job>,
    /// Whose turn it is, so that neither starves the other.
    calls_turn: bool,
    /// The length at which to sweep next.
    sweep_at: usize,
    /// Why nobody sends any more.
    closed: Option<TransportError>,
    /// Why no call can be answered at the moment.
    calls_refused: Option<TransportError>,
    /// The reply queues that were left, and the one that calls are answered by now.
    left: Vec<Arc<str>>,
    reply_queue: Arc<str>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "most that lie here are replies, and a box would be one more allocation for each"
)]
pub(super) enum Job {
    Request(Arc<Pending>),
    Reply(ReplyJob),
}

/// A reply, and what becomes free when it is settled.
pub(super) struct ReplyJob {
    pub(super) message: Outgoing,
    pub(super) rest: ReplyRest,
}

/// What a reply holds until it is settled.
pub(super) struct ReplyRest {
    pub(super) until: Instant,
    pub(super) slot: Option<OwnedSemaphorePermit>,
    settled: Option<oneshot::Sender<()>>,
    owed: Owed,
    /// Whether it is never sent again.
    pub(super) once: bool,
    /// Whether it tries whether its queue is there again.
    pub(super) is_trial: bool,
    /// When its queue did not take it for the first time.
    pub(super) missed: Option<Instant>,
    _tracked: Option<Tracked>,
}

impl From<Answer> for Job {
    fn from(answer: Answer) -> Self {
        let Answer { message, until, slot, settled, tracked, once, owed } = answer;
        Self::Reply(ReplyJob {
            message,
            rest: ReplyRest {
                until,
                slot,
                settled,
                owed,
                once,
                is_trial: false,
                missed: None,
                _tracked: tracked,
            },
        })
    }
}

impl SendQueue {
    /// The shortest queue that is worth sweeping.
    const SWEEP: usize = 1024;
    /// How many reply queues that were left are remembered, for calls that were written long ago.
    const LEFT: usize = 16;

    /// Lets replies whose callers are gone wait for them no longer than a moment.
    pub(super) fn part(&self) {
        self.is_parting.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_parting(&self) -> bool {
        self.is_parting.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, job: Job) {
        let mut jobs = self.lock();
        if let Some(why) = jobs.refusal(&job) {
            drop(jobs);
            return job.fail(&why);
        }
        match job {
            Job::Request(call) if call.is_call => {
                if !jobs.left.is_empty() {
                    call.readdress(&jobs.left, &jobs.reply_queue);
                }
                jobs.calls.push_back(call);
            }
            other => jobs.others.push_back(other),
        }
        let is_long = jobs.len() >= jobs.sweep_at.max(Self::SWEEP);
        let gone = is_long.then(|| jobs.sweep());
        drop(jobs);
        self.woken.notify_one();
        // A reply that is dropped is logged, which needs the queue to be free.
        drop(gone);
    }

    /// Puts back what could not be sent, ahead of everything else.
    pub(super) fn push_front(&self, job: Job) {
        let mut jobs = self.lock();
        if let Some(why) = jobs.refusal(&job) {
            drop(jobs);
            return job.fail(&why);
        }
        match job {
            Job::Request(call) if call.is_call => jobs.calls.push_front(call),
            other => jobs.others.push_front(other),
        }
    }

    /// Takes out the next job: a call only if it can be answered.
    pub(super) fn pop(&self, answerable: bool) -> Option<Job> {
        let mut jobs = self.lock();
        jobs.calls_turn = !jobs.calls_turn;
        if jobs.calls_turn
            && answerable
            && let Some(call) = jobs.calls.pop_front()
        {
            return Some(Job::Request(call));
        }
        match jobs.others.pop_front() {
            None if answerable => jobs.calls.pop_front().map(Job::Request),
            other => other,
        }
    }

    /// Fails what is to be sent at once or not at all.
    pub(super) fn fail_hasty(&self, why: &TransportError) {
        let mut hasty = Vec::new();
        let mut is_patient = |request: &Arc<Pending>| {
            let is_hasty = request.retry == Retry::Never;
            if is_hasty {
                hasty.push(Arc::clone(request));
            }
            !is_hasty
        };
        let mut jobs = self.lock();
        jobs.calls.retain(&mut is_patient);
        jobs.others.retain(|job| match job {
            Job::Request(request) => is_patient(request),
            Job::Reply(_) => true,
        });
        drop(jobs);
        hasty.into_iter().for_each(|request| Job::Request(request).fail(why));
    }

    /// Fails the calls that wait, and those that come, since no reply can come by now.
    pub(super) fn refuse_calls(&self, why: &TransportError) {
        let mut jobs = self.lock();
        jobs.calls_refused = Some(why.clone());
        let calls = std::mem::take(&mut jobs.calls);
        drop(jobs);
        calls.into_iter().for_each(|call| Job::Request(call).fail(why));
    }

    /// Lets calls that have not left be answered by another queue.
    pub(super) fn readdress_calls(&self, left: Arc<str>, to: Arc<str>) {
        let mut jobs = self.lock();
        if jobs.left.len() == Self::LEFT {
            jobs.left.remove(0);
        }
        jobs.left.push(left);
        jobs.reply_queue = to;
        jobs.calls.iter().for_each(|call| call.readdress(&jobs.left, &jobs.reply_queue));
    }

    /// Lets calls be sent again.
    pub(super) fn allow_calls(&self) {
        self.lock().calls_refused = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Fails what waits, and whatever comes later.
    pub(super) fn close(&self) {
        self.close_over(TransportError::closed());
    }

    /// The same, and says why. The first who closes it says so for all.
    pub(super) fn close_over(&self, why: TransportError) {
        let (jobs, why) = {
            let mut jobs = self.lock();
            let why = jobs.closed.clone().unwrap_or(why);
            let closed = Jobs { closed: Some(why.clone()), ..Jobs::default() };
            (std::mem::replace(&mut *jobs, closed), why)
        };
        let waiting = jobs.calls.into_iter().map(Job::Request).chain(jobs.others);
        waiting.for_each(|job| job.fail(&why));
    }

    /// Why nobody sends any more, if that is so.
    pub(super) fn why_closed(&self) -> Option<TransportError> {
        self.lock().closed.clone()
    }
}

impl Jobs {
    /// Says why a job is not taken, if it is not.
    fn refusal(&self, job: &Job) -> Option<TransportError> {
        let of_calls = || match job {
            Job::Request(request) if request.is_call => self.calls_refused.clone(),
            _ => None,
        };
        self.closed.clone().or_else(of_calls)
    }

    fn len(&self) -> usize {
        self.calls.len() + self.others.len()
    }

    /// Takes out jobs whose callers have stopped waiting.
    fn sweep(&mut self) -> VecDeque<Job> {
        let now = Instant::now();
        self.calls.retain(|call| call.is_queued());
        let is_wanted = |job: &Job| match job {
            Job::Request(cast) => cast.is_queued(),
            Job::Reply(job) => job.rest.until > now || job.rest.is_trial,
        };
        let (wanted, gone) = std::mem::take(&mut self.others).into_iter().partition(is_wanted);
        self.others = wanted;
        self.sweep_at = 2 * self.len();
        gone
    }
}

impl Job {
    /// Whether it may be sent now: a call only if it can be answered.
    pub(super) fn may_be_sent(&self, answerable: bool) -> bool {
        answerable || !matches!(self, Self::Request(request) if request.is_call)
    }

    /// Says that it is not sent any more, and why.
    pub(super) fn fail(self, why: &TransportError) {
        match self {
            Self::Request(request) => {
                request.end(Outcome::Unsent(why.clone()));
            }
            Self::Reply(job) => job.rest.settle(),
        }
    }
}

impl ReplyJob {
    /// Gives up a reply that the broker refuses for what it is.
    pub(super) fn refused(self, why: &Fault) {
        static QUIET: Quiet = Quiet::new();
        self.rest.give_up();
        let (queue, why) = (self.message.route.routing_key, why.clone());
        QUIET.defer((), move |left_out| {
            let queue = Excerpt(&queue);
            tracing::warn!(%queue, %why, left_out, "dropped a reply: the broker refuses it");
        });
    }

    /// Gives up a reply whose caller has stopped waiting.
    pub(super) fn give_up(self) {
        static QUIET: Quiet = Quiet::new();
        self.rest.give_up();
        let queue = self.message.route.routing_key;
        QUIET.defer((), move |left_out| {
            let queue = Excerpt(&queue);
            tracing::warn!(%queue, left_out, "dropped a reply: its queue is gone");
        });
    }
}

impl ReplyRest {
    /// The broker has the reply.
    pub(super) fn delivered(mut self) {
        std::mem::take(&mut self.owed).pay();
        self.settle();
    }

    /// The caller does not get the reply, and a log line has said why.
    fn give_up(mut self) {
        std::mem::take(&mut self.owed).give_up();
        self.settle();
    }

    pub(super) fn settle(self) {
        if let Some(settled) = self.settled {
            let _ = settled.send(());
        }
    }
}
