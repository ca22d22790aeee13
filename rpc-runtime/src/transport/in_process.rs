//! An implementation in place of a broker: whatever is sent runs here.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use uuid::Uuid;

use crate::{
    Args, Failure, TransportError,
    clock::Instant,
    contain::{Caught, Panicked},
    context::Standing,
    dispatch::{self, AnyService, Reply},
    envelope::{self, EnvelopeError, ReplyWriter, Request},
    excerpt::Excerpt,
    observe::Observer,
    pending::{Outcome, Outgoing, Pending, Route},
    quiet::Quiet,
    refusal::Mark,
    replies::Replies,
    server::Verdict,
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
    watch: Arc<Watch>,
    closed: AtomicBool,
}

/// Counts requests without a result, and logs those whose callers learn nothing.
struct Watch {
    observer: Arc<Observer>,
    quiet: Quiet<Line>,
}

/// The cause of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    NoRequest,
    Cast(Verdict),
    Broken,
}

impl Link {
    pub(crate) fn new(
        service: Arc<dyn AnyService>,
        witness: Option<Arc<dyn Witness>>,
        replies: Arc<Replies>,
        observer: Arc<Observer>,
    ) -> Self {
        replies.set_queue("in-process");
        let watch = Arc::new(Watch { observer, quiet: Quiet::new() });
        Self { service, witness, replies, watch, closed: AtomicBool::new(false) }
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
        let Some(message) = pending.take_to_run() else { return };
        pending.confirm();
        if pending.is_notification {
            // Nobody listens here.
            self.watch.observer.counts.notifications_unwanted.add_one();
            return;
        }
        let (service, replies) = (Arc::clone(&self.service), Arc::clone(&self.replies));
        let (witness, watch) = (self.witness.clone(), Arc::clone(&self.watch));
        tokio::spawn(async move {
            let answering = pin!(answer(&*service, witness.as_deref(), &watch, &message));
            let answered = Caught::new(answering).await;
            match answered.unwrap_or_else(|Panicked| Ok(watch.broken(&message))) {
                // This process has written it.
                Ok(Some((reply, mark))) => replies.receive(&reply, None, mark),
                Ok(None) => {}
                Err(error) => watch.no_request(&error),
            }
        });
    }
}

impl Watch {
    fn no_request(&self, error: &EnvelopeError) {
        self.observer.counts.requests_malformed.add_one();
        self.quiet.say(Line::NoRequest, |left_out| {
            tracing::warn!(%error, left_out, "rejected a message that cannot be read as a request");
        });
    }

    /// Counts a request without a result. A cast's caller learns nothing of it, so it is logged.
    fn failed(&self, request: &Request<'_>, failure: &Failure) {
        let verdict = Verdict::of(failure);
        verdict.count(&self.observer.counts).add_one();
        if request.caller().is_some() {
            return;
        }
        self.quiet.say(Line::Cast(verdict), |left_out| {
            let (method, failure) = (request.method().unwrap_or_default(), failure.to_string());
            let what = "a cast failed in process: its caller is not told";
            tracing::warn!(method = %Excerpt(&method), why = %Excerpt(&failure), left_out, "{what}");
        });
    }

    /// Returns the reply to a request whose task has panicked by a bug of this library.
    fn broken(&self, message: &Outgoing) -> Option<Answered> {
        self.observer.counts.requests_broken.add_one();
        self.quiet.say(Line::Broken, |left_out| {
            tracing::error!(left_out, "a request failed by a bug of this library");
        });
        let text = envelope::open(&message.body).ok()?;
        let request = Request::parse(&text).ok()?;
        let what = "the request failed in process, by a bug of this library; it may have run";
        let writer = ReplyWriter::failure(&Failure::internal("ServerFailed", what));
        request
            .caller()
            .map(|(msg_id, _)| (writer.finish(msg_id, Uuid::new_v4()), Some(Mark::of(None))))
    }
}

/// A reply, and what marks a failure.
type Answered = (Vec<u8>, Option<Mark>);

/// Runs a request. Returns the reply, if its caller waits for one.
async fn answer(
    service: &dyn AnyService,
    witness: Option<&dyn Witness>,
    watch: &Watch,
    message: &Outgoing,
) -> Result<Option<Answered>, EnvelopeError> {
    let text = envelope::open(&message.body)?;
    let request = Request::parse(&text)?;
    watch.observer.counts.requests_received.add_one();
    if let Some(witness) = witness {
        witness.hear(&message.route, &request);
    }
    let deadline = message.expires.as_ref().map(|expires| expires.deadline);
    let (writer, mark) = match run(service, &request, deadline).await {
        Ok(Reply(writer)) => (writer, None),
        Err(failure) => {
            watch.failed(&request, &failure);
            (ReplyWriter::failure(&failure), Some(Mark::of(failure.refusal())))
        }
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
    dispatch::run(service, args).await
}
