//! RabbitMQ through lapin: two connections, one to publish on and one to consume on, so that a broker which stops
//! taking messages does not stop acknowledgements and heartbeats.
//!
//! Only this module and those below it name lapin.

mod confirms;
mod consumer;
mod publisher;
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
    ErrorKind, ExchangeKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

pub(crate) use consumer::{Acker, Listener};

use self::{
    publisher::{Job, Publisher, SendQueue},
    supervisor::{Generations, Supervisor},
};
use super::{Address, Answer};
use crate::{
    TransportError, TransportErrorKind,
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
    /// What consumers and connections end by.
    closing: watch::Receiver<bool>,
}

impl Link {
    pub(crate) async fn connect(
        url: &TransportUrl,
        replies: Arc<Replies>,
        patience: Option<Duration>,
    ) -> Result<Self, TransportError> {
        let (close, close_requested) = watch::channel(false);
        let (end, closing) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let (publishing, publish_supervisor) =
            supervise(url, "publish", patience, &closing).await?;
        let (consuming, consume_supervisor) =
            match supervise(url, "consume", patience, &closing).await {
                Ok(consuming) => consuming,
                Err(error) => {
                    end.send_replace(true);
                    return Err(error);
                }
            };
        let queue = Arc::new(SendQueue::default());
        let (answerable, is_answerable) = watch::channel(false);
        let publisher = Publisher::new(
            Arc::clone(&queue),
            publishing.clone(),
            is_answerable,
            close_requested.clone(),
        );
        let publisher = tokio::spawn(publisher.run());
        let consumer =
            consumer::consume_replies(replies, consuming.clone(), answerable, closing.clone());
        let consumer = tokio::spawn(consumer);
        let tasks =
            Tasks { publisher, consumer, supervisors: [publish_supervisor, consume_supervisor] };
        tokio::spawn(tasks.end(close_requested, end, ending));
        Ok(Self {
            queue,
            publishing,
            consuming,
            closed: AtomicBool::new(false),
            close,
            ended,
            closing,
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

    pub(crate) async fn listen(&self, address: Address) -> Result<Listener, TransportError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(TransportError::closed());
        }
        Listener::bind(address, self.consuming.clone(), self.closing.clone()).await
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
) -> Result<(Generations, JoinHandle<()>), TransportError> {
    let (generations, current) = watch::channel(None);
    let (first, connected) = oneshot::channel();
    let supervisor =
        Supervisor { url: url.clone(), role, generations, closing: closing.clone(), patience };
    let task = tokio::spawn(supervisor.run(first));
    match connected.await {
        Ok(Ok(())) => Ok((current, task)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(TransportError::closed()),
    }
}

/// What a transport runs.
struct Tasks {
    publisher: JoinHandle<()>,
    consumer: JoinHandle<()>,
    supervisors: [JoinHandle<()>; 2],
}

impl Tasks {
    /// Waits for the transport to close, and ends the tasks in an order that loses nothing: first what is to be sent
    /// goes out, then the reply queue goes, then the connections.
    async fn end(
        self,
        mut close: watch::Receiver<bool>,
        end: watch::Sender<bool>,
        ending: watch::Sender<bool>,
    ) {
        told(&mut close).await;
        let _ = timeout(FLUSH_LIMIT, self.publisher).await;
        end.send_replace(true);
        for task in [self.consumer].into_iter().chain(self.supervisors) {
            let _ = timeout(FLUSH_LIMIT, task).await;
        }
        ending.send_replace(true);
    }
}

/// Waits until a signal is set, or nobody can set it any more.
async fn told(signal: &mut watch::Receiver<bool>) {
    let _ = signal.wait_for(|set| *set).await;
}

fn exchange_kind(kind: topology::Kind) -> ExchangeKind {
    match kind {
        topology::Kind::Topic => ExchangeKind::Topic,
        topology::Kind::Fanout => ExchangeKind::Fanout,
    }
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
