//! RabbitMQ through lapin: two connections, one to publish on and one to consume on, so that a broker which stops
//! taking messages does not stop acknowledgements and heartbeats.
//!
//! Only this module and those below it name lapin.

mod absent;
mod confirms;
mod consumer;
mod declare;
mod guard;
mod names;
mod publisher;
mod queue;
mod reply_queue;
mod session;
mod socket;
mod stream;
mod supervisor;
mod topology;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

pub(crate) use consumer::{Acker, Listener};

use self::{
    publisher::Publisher,
    queue::{Job, SendQueue},
    reply_queue::ReplyTask,
    supervisor::{Generations, Supervisor},
    topology::Layout,
};
use super::{Answer, ListenAddress, Tracker};
use crate::{
    RabbitOptions, TransportError, TransportErrorKind,
    caps::Retry,
    pending::{Outcome, Pending},
    replies::Replies,
    url::TransportUrl,
};

/// How long the broker may take for one operation before the connection counts as stuck.
const OPERATION_LIMIT: Duration = Duration::from_secs(10);
/// How long what has been handed over may take to leave when the transport is closed.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// One transport's end of a RabbitMQ.
pub(crate) struct Link {
    queue: Arc<SendQueue>,
    publishing: Generations,
    consuming: Generations,
    closed: AtomicBool,
    /// Told that nothing new comes.
    close: watch::Sender<bool>,
    /// Whether the connections are closed.
    ended: watch::Receiver<bool>,
    /// What consumers end by.
    closing: watch::Receiver<bool>,
    /// Counts the servers' consumers, whose farewell the connections wait for.
    listeners: Tracker,
    layout: Arc<Layout>,
}

impl Link {
    pub(crate) async fn connect(
        url: &TransportUrl,
        replies: Arc<Replies>,
        patience: Option<Duration>,
        options: RabbitOptions,
    ) -> Result<Self, TransportError> {
        let (close, close_requested) = watch::channel(false);
        let (end, closing) = watch::channel(false);
        let (hang_up, hung_up) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let (publishing, publish_supervisor) =
            supervise(url, "publish", patience, &hung_up, &options).await?;
        let (consuming, consume_supervisor) =
            match supervise(url, "consume", patience, &hung_up, &options).await {
                Ok(consuming) => consuming,
                Err(error) => {
                    hang_up.send_replace(true);
                    return Err(error);
                }
            };
        let queue = Arc::new(SendQueue::default());
        let layout = Arc::new(Layout::new(options));
        let (answerable, is_answerable) = watch::channel(false);
        let consumer = ReplyTask::new(
            replies,
            consuming.clone(),
            answerable,
            closing.clone(),
            Arc::clone(&layout),
        );
        let consumer = match consumer.await {
            Ok(consumer) => consumer,
            Err(error) => {
                hang_up.send_replace(true);
                return Err(error);
            }
        };
        let publisher = Publisher::new(
            Arc::clone(&queue),
            publishing.clone(),
            is_answerable,
            close_requested.clone(),
            Arc::clone(&layout),
        );
        let publisher = tokio::spawn(publisher.run());
        let consumer = tokio::spawn(consumer.run());
        let listeners = Tracker::default();
        let tasks = Tasks {
            queue: Arc::clone(&queue),
            publisher,
            consumer,
            listeners: listeners.clone(),
            supervisors: [publish_supervisor, consume_supervisor],
        };
        let signals = Signals { end, hang_up, ended: ending };
        tokio::spawn(tasks.end(close_requested, signals));
        Ok(Self {
            queue,
            publishing,
            consuming,
            closed: AtomicBool::new(false),
            close,
            ended,
            closing,
            listeners,
            layout,
        })
    }

    pub(crate) fn send(&self, request: Arc<Pending>) {
        if self.closed.load(Ordering::Acquire) {
            return request.end(Outcome::Unsent(TransportError::closed()));
        }
        if request.retry == Retry::Never && self.publishing.borrow().is_none() {
            return request.end(Outcome::Unsent(super::disconnected()));
        }
        self.queue.push(Job::Request(request));
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.queue.push(answer.into());
    }

    pub(crate) async fn listen(
        &self,
        mut address: ListenAddress,
    ) -> Result<Listener, TransportError> {
        address.prefetch = self.layout.options.prefetch.unwrap_or(address.prefetch);
        if self.closed.load(Ordering::Acquire) {
            return Err(TransportError::closed());
        }
        let tracked = self.listeners.track();
        let (consuming, closing) = (self.consuming.clone(), self.closing.clone());
        Listener::bind(address, Arc::clone(&self.layout), consuming, closing, tracked).await
    }

    pub(crate) async fn close(&self) {
        self.begin_close();
        told(&mut self.ended.clone()).await;
    }

    fn begin_close(&self) {
        self.closed.store(true, Ordering::Release);
        self.close.send_replace(true);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.begin_close();
    }
}

/// Starts to keep a connection up. Returns once there is one.
async fn supervise(
    url: &TransportUrl,
    role: &'static str,
    patience: Option<Duration>,
    closing: &watch::Receiver<bool>,
    options: &RabbitOptions,
) -> Result<(Generations, JoinHandle<()>), TransportError> {
    let (generations, current) = watch::channel(None);
    let (first, connected) = oneshot::channel();
    let supervisor = Supervisor {
        url: url.clone(),
        role,
        generations,
        closing: closing.clone(),
        patience,
        options: options.clone(),
        next: 0,
    };
    let task = tokio::spawn(supervisor.run(first));
    match connected.await {
        Ok(Ok(())) => Ok((current, task)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(TransportError::closed()),
    }
}

/// What a transport runs.
struct Tasks {
    queue: Arc<SendQueue>,
    publisher: JoinHandle<()>,
    consumer: JoinHandle<()>,
    listeners: Tracker,
    supervisors: [JoinHandle<()>; 2],
}

/// What tells them to end, in this order.
struct Signals {
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
    async fn end(self, mut close: watch::Receiver<bool>, signals: Signals) {
        told(&mut close).await;
        finish(self.publisher).await;
        self.queue.close();
        signals.end.send_replace(true);
        finish(self.consumer).await;
        let _ = timeout(FLUSH_LIMIT, self.listeners.idle()).await;
        signals.hang_up.send_replace(true);
        for supervisor in self.supervisors {
            finish(supervisor).await;
        }
        signals.ended.send_replace(true);
    }
}

/// Lets a task end by itself, but not for ever.
async fn finish(mut task: JoinHandle<()>) {
    if timeout(FLUSH_LIMIT, &mut task).await.is_err() {
        task.abort();
    }
}

/// Waits until a signal is set, or nobody can set it any more.
async fn told(signal: &mut watch::Receiver<bool>) {
    let _ = signal.wait_for(|set| *set).await;
}

/// Says what the broker would not do. Its own text names what exists and what was wanted.
fn broker_error(what: &str, error: &lapin::Error) -> TransportError {
    let kind = match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => TransportErrorKind::Mismatch,
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => TransportErrorKind::Refused,
            _ => TransportErrorKind::Disconnected,
        },
        _ => TransportErrorKind::Disconnected,
    };
    TransportError::caused(kind, format!("cannot {what}"), error.clone())
}
