//! An implementation in place of a broker: whatever is sent runs here.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use uuid::Uuid;

use crate::{
    Args, Failure, TransportError,
    clock::Instant,
    context::Standing,
    dispatch::{self, AnyService, Caught, Panicked, Reply},
    envelope::{self, EnvelopeError, ReplyWriter, Request},
    pending::{Outcome, Outgoing, Pending, Route},
    refusal::Mark,
    replies::Replies,
};

/// What hears of requests before they run.
pub(crate) trait Witness: Send + Sync {
    /// A request is about to run.
    fn hear(&self, route: &Route, request: &Request<'_>);
}

/// The one place where requests go.
pub(crate) struct Link {
    service: Arc<dyn AnyService>,
    witness: Option<Arc<dyn Witness>>,
    replies: Arc<Replies>,
    closed: AtomicBool,
}

impl Link {
    pub(crate) fn new(
        service: Arc<dyn AnyService>,
        witness: Option<Arc<dyn Witness>>,
        replies: Arc<Replies>,
    ) -> Self {
        replies.set_queue("in-process");
        Self { service, witness, replies, closed: AtomicBool::new(false) }
    }

    /// Runs nothing from now on. What runs already is answered.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Runs a request on a task of its own, as a server would. Topic and host count for nothing. Notifications go nowhere.
    pub(crate) fn send(&self, pending: &Pending) {
        if self.closed.load(Ordering::Acquire) {
            pending.end(Outcome::Unsent(TransportError::closed()));
            return;
        }
        let Some(message) = pending.take() else { return };
        pending.confirm();
        if pending.is_notification {
            // Nobody listens here.
            return;
        }
        let (service, replies) = (Arc::clone(&self.service), Arc::clone(&self.replies));
        let witness = self.witness.clone();
        tokio::spawn(async move {
            match answer(&*service, witness.as_deref(), &message).await {
                Ok(Some((reply, mark))) => replies.receive(&reply, None, mark),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "refused a message that is no request"),
            }
        });
    }
}

/// Runs a request. Returns the reply to a call, and the mark of a failure.
async fn answer(
    service: &dyn AnyService,
    witness: Option<&dyn Witness>,
    message: &Outgoing,
) -> Result<Option<(Vec<u8>, Option<Mark>)>, EnvelopeError> {
    let text = envelope::open(&message.body)?;
    let request = Request::parse(&text)?;
    if let Some(witness) = witness {
        witness.hear(&message.route, &request);
    }
    let deadline = message.expires.as_ref().map(|expires| expires.deadline);
    let (writer, mark) = match run(service, &request, deadline).await {
        Ok(Reply(writer)) => (writer, None),
        Err(failure) => (ReplyWriter::failure(&failure), Some(Mark::of(failure.refusal()))),
    };
    Ok(request.caller().map(|(msg_id, _)| (writer.finish(msg_id, Uuid::new_v4()), mark)))
}

/// Runs the method that a request is for, and returns what it answers.
pub(crate) async fn run(
    service: &dyn AnyService,
    request: &Request<'_>,
    deadline: Option<Instant>,
) -> Result<Reply, Failure> {
    let method = request.method().unwrap_or_default();
    let namespace = request.namespace();
    let interfaces = std::iter::once(service.interface());
    dispatch::find(interfaces, namespace.as_deref(), request.version(), &method)?;
    let args = request.args().map_err(|error| Failure::bad_arguments(&error.to_string()))?;
    let standing = Standing { deadline, ..Standing::default() };
    let args = Args::new(&method, args, &request.context, standing);
    Caught(service.run(args))
        .await
        .unwrap_or_else(|Panicked| Err(Failure::internal("MethodPanicked", "the method panicked")))
}
