//! RabbitMQ through lapin: two connections, one to publish on and one to consume on, so that a broker which stops
//! taking messages does not stop acknowledgements and heartbeats.
//!
//! Only this module and those below it name lapin.

mod absent;
mod acks;
mod adopt;
mod amqp;
mod claim;
mod closing;
mod confirms;
mod consumer;
mod consumer_count;
mod declare;
mod gate;
mod guard;
mod homeless;
mod hush;
mod lookout;
#[cfg(any(rpc_bench, test))]
pub(crate) mod measured;
mod names;
mod place;
mod publisher;
mod queue;
mod redelivery;
mod reply_codes;
mod reply_queue;
mod runtime;
mod session;
mod socket;
mod standstill;
mod stay;
mod stream;
mod supervisor;
mod suspects;
mod tcp;
mod thread;
mod topology;
mod transient;
mod trust;
mod vital;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{timeout, timeout_at},
};

pub(crate) use consumer::{Acker, Listener};
#[cfg(all(any(fuzzing, test), feature = "config"))]
pub(crate) use guard::promises as guard_promises;

use self::{
    amqp::Connection,
    closing::{Closing, Step},
    consumer::Consuming,
    declare::declare_all,
    lookout::Lookout,
    publisher::Publisher,
    queue::{Job, SendQueue},
    reply_queue::ReplyTask,
    runtime::spawn,
    supervisor::{Generations, Hosts, Supervisor, fraction},
    topology::Layout,
    trust::Trust,
    vital::Vital,
};
use super::{Answer, Subscription, Tracker};
use crate::{
    Event, RabbitOptions, Role, TransportError, TransportErrorKind,
    caps::Retry,
    clock::Instant,
    logging,
    observe::Observer,
    pending::{Outcome, Pending},
    quiet::Quiet,
    replies::Replies,
    unconsumed::Unconsumed,
    url::TransportUrl,
};

/// How long one step of closing may take, such as sending what has been handed over.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);
/// How long a publisher may take to say what became of its messages, once their connection has been
/// given up.
const GIVEN_UP_LIMIT: Duration = Duration::from_millis(200);

/// How long closing waits for a log subscriber that is slow.
const LAST_LINES: Duration = Duration::from_millis(250);

/// One transport's end of a RabbitMQ.
pub(crate) struct Link {
    queue: Arc<SendQueue>,
    publishing: Generations,
    closed: AtomicBool,
    closing: Closing,
    /// Told that nothing new comes.
    close: watch::Sender<bool>,
    /// Whether the connections are closed.
    ended: watch::Receiver<bool>,
    /// Counts the servers' consumers, whose farewell the connections wait for.
    listeners: Tracker,
    consuming: Consuming,
}

impl Link {
    pub(crate) async fn connect(
        url: &TransportUrl,
        replies: Arc<Replies>,
        patience: Option<Duration>,
        options: RabbitOptions,
        observer: Arc<Observer>,
        unconsumed: Arc<Unconsumed>,
    ) -> Result<Self, TransportError> {
        let (runtime, largest) = (runtime::handle()?, replies.limits().message);
        let (close, close_requested) = watch::channel(false);
        let (end, closing) = watch::channel(false);
        let (hang_up, hung_up) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let vital = Vital::new();
        let trust = Trust::new(url, &options);
        let layout = Arc::new(Layout::new(options).trusting(trust));
        let guide = Guide {
            url,
            patience,
            layout: &layout,
            observer: &observer,
            runtime: &runtime,
            largest,
            vital: &vital,
        };
        // If one cannot be made, the other is given up with `hang_up`.
        let ((publishing, publish_supervisor), (consuming, consume_supervisor)) =
            guide.supervise_both(&hung_up).await?;
        let queue = Arc::new(SendQueue::default());
        let (answerable, is_answerable) = watch::channel(false);
        let consumer = ReplyTask::new(reply_queue::Parts {
            replies: Arc::clone(&replies),
            generations: consuming.clone(),
            answerable,
            closing: closing.clone(),
            layout: Arc::clone(&layout),
            sending: Arc::clone(&queue),
            observer: Arc::clone(&observer),
            runtime: runtime.clone(),
            vital: vital.clone(),
        });
        let consumer = consumer.await?;
        let publisher = Publisher::new(
            Arc::clone(&queue),
            publishing.clone(),
            is_answerable,
            close_requested.clone(),
            Arc::clone(&layout),
            Arc::clone(&observer),
        );
        let listeners = Tracker::default();
        let tasks = Tasks {
            queue: Arc::clone(&queue),
            replies: Arc::clone(&replies),
            connections: [publishing.clone(), consuming.clone()],
            publisher: vital.spawn(&runtime, "publishing", publisher.run()),
            consumer: vital.spawn(&runtime, "consuming replies", consumer.run()),
            listeners: listeners.clone(),
            supervisors: [publish_supervisor, consume_supervisor],
            observer: Arc::clone(&observer),
            vital: vital.clone(),
        };
        let until = Closing::new();
        let signals = Signals { close: close.clone(), end, hang_up, ended: ending };
        spawn(&runtime, tasks.end(close_requested, signals, until.clone()));
        let counting = consumer_count::run(unconsumed, consuming.clone(), closing.clone());
        vital.spawn(&runtime, "counting consumers", counting);
        let (generations, lookout) = (consuming, Arc::new(Lookout::new()));
        let looking = Arc::clone(&lookout).run(
            layout.options.check_exchanges,
            generations.clone(),
            closing.clone(),
        );
        vital.spawn(&runtime, "looking after exchanges", looking);
        let consuming =
            Consuming { layout, generations, closing, observer, lookout, runtime, vital };
        Ok(Self {
            queue,
            publishing,
            closed: AtomicBool::new(false),
            closing: until,
            close,
            ended,
            listeners,
            consuming,
        })
    }

    pub(crate) fn send(&self, request: Arc<Pending>) {
        if self.closed.load(Ordering::Acquire) {
            request.end(Outcome::Unsent(self.why_closed()));
            return;
        }
        let is_hasty = request.retry == Retry::Never;
        if is_hasty && let Some(why) = self.hindrance() {
            request.end(Outcome::Unsent(why));
            return;
        }
        self.queue.push(Job::Request(request));
        // Whoever fails what waits may have been there just before.
        if is_hasty && let Some(why) = self.hindrance() {
            self.queue.fail_hasty(&why);
        }
    }

    /// Why nothing can be sent at once.
    fn hindrance(&self) -> Option<TransportError> {
        match self.publishing.borrow().as_deref() {
            None => Some(super::disconnected(&self.consuming.observer)),
            Some(connection) => connection.is_blocked().then(session::blocked),
        }
    }

    /// A server wants to be done: callers that are gone are not waited for any more.
    pub(crate) fn part(&self) {
        self.queue.part();
    }

    /// How many requests and replies wait to be published.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.queue.push(answer.into());
    }

    pub(crate) async fn listen(
        &self,
        mut subscription: Subscription,
    ) -> Result<Listener, TransportError> {
        if let Some(prefetch) = self.consuming.layout.options.prefetch {
            match &mut subscription {
                Subscription::Server(address) => address.prefetch = prefetch,
                Subscription::Notifications(sources) => sources.prefetch = prefetch,
            }
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(self.why_closed());
        }
        Listener::bind(subscription, self.consuming.clone(), self.listeners.track()).await
    }

    /// Declares a durable queue that nobody consumes, on the connection that a broker which takes no messages leaves alone.
    /// One that exists is good as it is.
    pub(crate) async fn keep_queue(
        &self,
        queue: &str,
        most: Option<u32>,
    ) -> Result<(), TransportError> {
        let Consuming { layout, generations, observer, .. } = &self.consuming;
        let Some(connection) = generations.borrow().clone() else {
            return Err(super::disconnected(observer));
        };
        let steps = vec![topology::Step::Queue(topology::kept(queue.to_owned(), most, layout))];
        match declare_all(&connection, steps, layout).await {
            Err(error) if error.kind() == TransportErrorKind::Mismatch => Ok(()),
            declared => declared,
        }
    }

    /// Why nothing is sent any more.
    fn why_closed(&self) -> TransportError {
        self.queue.why_closed().unwrap_or_else(TransportError::closed)
    }

    /// Closes, and returns by the limit in any case.
    pub(crate) async fn close_within(&self, limit: Duration) {
        let until = self.begin_close(limit);
        // Steps that are not over by then end in the background.
        let _ = timeout_at(until, told(&mut self.ended.clone())).await;
        // A process that ends next would take the last lines along.
        let left = until.saturating_duration_since(Instant::now());
        logging::flush(LAST_LINES.min(left)).await;
    }

    /// Begins to close, and returns when that has to be over.
    fn begin_close(&self, limit: Duration) -> Instant {
        let until = self.closing.within(limit);
        self.closed.store(true, Ordering::Release);
        self.close.send_replace(true);
        until
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.begin_close(super::CLOSE_LIMIT);
    }
}

/// What both connections are made by.
struct Guide<'a> {
    url: &'a TransportUrl,
    patience: Option<Duration>,
    layout: &'a Arc<Layout>,
    observer: &'a Arc<Observer>,
    runtime: &'a Handle,
    /// The largest message that is let through, in bytes.
    largest: usize,
    vital: &'a Vital,
}

impl Guide<'_> {
    /// Starts to keep both connections up, until `closing` is set or dropped. Returns once there
    /// are both. They are made at the same time, so that a silent host costs its limit once.
    async fn supervise_both(
        &self,
        closing: &watch::Receiver<bool>,
    ) -> Result<(Supervised, Supervised), TransportError> {
        let (publishing, consuming) = (watch::channel(None), watch::channel(None));
        let phase = fraction();
        let publish = Attempts { other: consuming.1.clone(), phase };
        // They take turns while no broker answers.
        let consume = Attempts { other: publishing.1.clone(), phase: (phase + 0.5) % 1.0 };
        tokio::try_join!(
            self.supervise(Role::Publishing, publishing, publish, closing),
            self.supervise(Role::Consuming, consuming, consume, closing),
        )
    }

    async fn supervise(
        &self,
        role: Role,
        (generations, current): (watch::Sender<Option<Arc<Connection>>>, Generations),
        Attempts { other, phase }: Attempts,
        closing: &watch::Receiver<bool>,
    ) -> Result<Supervised, TransportError> {
        let (first, connected) = oneshot::channel();
        let names = self.url.hosts().iter().map(ToString::to_string);
        let hosts = Hosts::new(names, self.layout.options.retry_interval, phase, Instant::now());
        let supervisor = Supervisor {
            url: self.url.clone(),
            role,
            generations,
            other,
            hosts,
            closing: closing.clone(),
            patience: self.patience,
            layout: Arc::clone(self.layout),
            observer: Arc::clone(self.observer),
            quiet: Quiet::new(),
            largest: self.largest,
        };
        let task = self.vital.spawn(self.runtime, "connecting", supervisor.run(first));
        match connected.await {
            Ok(Ok(())) => Ok((current, task)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(TransportError::closed()),
        }
    }
}

/// The receiver of a connection's generations, and the task that keeps it up.
type Supervised = (Generations, JoinHandle<()>);

/// How a connection's attempts in an outage fit those of the transport's other one.
struct Attempts {
    other: Generations,
    phase: f64,
}

/// What a transport runs.
struct Tasks {
    queue: Arc<SendQueue>,
    replies: Arc<Replies>,
    /// The one to publish on, and the one to consume on.
    connections: [Generations; 2],
    publisher: JoinHandle<()>,
    consumer: JoinHandle<()>,
    listeners: Tracker,
    supervisors: [JoinHandle<()>; 2],
    observer: Arc<Observer>,
    vital: Vital,
}

/// What tells them to end, in this order.
struct Signals {
    /// Nothing new comes.
    close: watch::Sender<bool>,
    /// Consumers say farewell.
    end: watch::Sender<bool>,
    /// Connections close.
    hang_up: watch::Sender<bool>,
    /// It is over.
    ended: watch::Sender<bool>,
}

impl Tasks {
    /// Waits for the transport to close, and ends the tasks in an order that loses nothing: what is to be sent goes
    /// out, then the queues of this transport's own go, then the connections.
    async fn end(self, mut close: watch::Receiver<bool>, signals: Signals, closing: Closing) {
        tokio::select! {
            () = told(&mut close) => {}
            task = self.vital.died() => self.fail(task, &signals),
        }
        closing.within(super::CLOSE_LIMIT);
        let mut publisher = self.publisher;
        if closing.wait(Step::Sending, FLUSH_LIMIT, &mut publisher).await.is_none() {
            // What is on its way ends with its connection, and what waits with the queue.
            self.queue.close();
            if let Some(connection) = self.connections[0].borrow().as_deref() {
                connection.give_up("sending what was left");
            }
            if timeout(GIVEN_UP_LIMIT, &mut publisher).await.is_err() {
                publisher.abort();
            }
        }
        self.queue.close();
        signals.end.send_replace(true);
        finish(&closing, Step::Leaving, self.consumer).await;
        self.replies.close();
        let _ = closing.wait(Step::Leaving, FLUSH_LIMIT, self.listeners.idle()).await;
        let connections = self.connections.map(|connection| connection.borrow().clone());
        signals.hang_up.send_replace(true);
        for (supervisor, connection) in self.supervisors.into_iter().zip(connections) {
            let is_over = finish(&closing, Step::HangingUp, supervisor).await;
            if let Some(connection) = connection.filter(|_| !is_over) {
                connection.give_up("closing");
            }
        }
        self.observer.note(Event::Closed);
        signals.ended.send_replace(true);
    }

    /// Closes the transport, because one of its tasks has died by a bug: a call that is told so is better than one that
    /// nobody looks after.
    fn fail(&self, task: &'static str, signals: &Signals) {
        let reason = format!("a task of the transport has died by a bug: {task}");
        self.queue.close_over(TransportError::new(TransportErrorKind::Closed, reason.clone()));
        self.observer.note(Event::Failed { reason: reason.clone() });
        signals.close.send_replace(true);
        logging::defer(move || tracing::error!(%reason, "closing the transport"));
    }
}

/// Lets a task end by itself, but not for longer than a step of closing may take. Returns whether
/// it did.
async fn finish(closing: &Closing, step: Step, mut task: JoinHandle<()>) -> bool {
    let is_over = closing.wait(step, FLUSH_LIMIT, &mut task).await.is_some();
    if !is_over {
        task.abort();
    }
    is_over
}

/// Waits until a signal is set, or nobody can set it any more.
async fn told(signal: &mut watch::Receiver<bool>) {
    let _ = signal.wait_for(|set| *set).await;
}
