//! One request on a server: read it, acknowledge it, run its method, answer it.

use std::{
    borrow::Cow,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rpc_idl::Ack;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

use super::{Services, Shared};
use crate::{
    Args, Failure,
    dispatch::{self, AnyService, Reply},
    envelope::{self, ReplyWriter, Request},
    pending::{Exchange, Outgoing, Route},
    transport::{Acker, Answer, Delivery, Tracked},
};

/// How long a reply is worth sending to a caller that did not say how long it waits.
const REPLY_LIFETIME: Duration = Duration::from_secs(60);

/// A request that has been given a slot.
pub(super) struct Incoming {
    pub(super) shared: Arc<Shared>,
    pub(super) services: Services,
    pub(super) tracked: Tracked,
}

impl Incoming {
    pub(super) async fn handle(self, delivery: Delivery, slot: OwnedSemaphorePermit) {
        let Delivery { body, is_json, expires, acker } = delivery;
        let text = match envelope::open(&body) {
            Ok(text) if is_json => text,
            Ok(_) => return refuse(acker, &"its content type is not `application/json`").await,
            Err(error) => return refuse(acker, &error).await,
        };
        let request = match Request::parse(&text) {
            Ok(request) => request,
            Err(error) => return refuse(acker, &error).await,
        };
        if expires.is_some_and(|expires| expires <= Instant::now()) {
            tracing::debug!("dropped a request whose caller has stopped waiting");
            acker.ack().await;
            return;
        }
        let method = request.method();
        let name = method.as_deref().unwrap_or("");
        let found = self.find(&request, method.as_deref());
        let late = found.as_ref().is_ok_and(|service| is_late(&**service, name));
        let mut acker = Some(acker);
        if !late {
            let Some(acker) = acker.take() else { return };
            if !self.begin(&request, acker).await {
                return;
            }
        }
        let result = match found {
            Ok(service) => self.run(&*service, name, &request, expires).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &result {
            tracing::debug!(method = %name.escape_debug(), %failure, "a request failed");
        }
        let settled = self.answer(&request, result, expires, slot);
        if let Some(acker) = acker {
            if let Some(settled) = settled {
                // Given up or confirmed: either way there is nothing more to do for this request.
                let _ = settled.await;
            }
            acker.ack().await;
        }
    }

    fn find(
        &self,
        request: &Request<'_>,
        method: Option<&str>,
    ) -> Result<Arc<dyn AnyService>, Failure> {
        let Some(method) = method else {
            return Err(Failure::bad_arguments("attribute name must be string"));
        };
        let interfaces = self.services.iter().map(|service| service.interface());
        let namespace = request.namespace();
        let at = dispatch::find(interfaces, namespace.as_deref(), request.version(), method)?;
        Ok(Arc::clone(&self.services[at]))
    }

    /// Acknowledges a request before it runs, so that it runs at most once. Returns whether it may run: not if this
    /// is a second copy, nor if the acknowledgement did not leave, because then a second copy comes.
    async fn begin(&self, request: &Request<'_>, acker: Acker) -> bool {
        if !acker.ack().await {
            return false;
        }
        let Some(id) = request.unique_id() else { return true };
        let mut known = self.shared.duplicates.lock().unwrap_or_else(PoisonError::into_inner);
        let repeated = known.saw(&id, Instant::now());
        if repeated {
            tracing::debug!(unique_id = %id.escape_debug(), "dropped a second copy of a request");
        }
        !repeated
    }

    async fn run(
        &self,
        service: &dyn AnyService,
        method: &str,
        request: &Request<'_>,
        expires: Option<Instant>,
    ) -> Result<Reply, Failure> {
        let args = request.args().map_err(|error| {
            Failure::bad_arguments(&format!(
                "{method}() got arguments that are not an object: {error}"
            ))
        })?;
        let args = Args::new(method, args, &request.context, expires);
        let mut abort = self.shared.abort.subscribe();
        tokio::select! {
            result = Caught(service.run(args)) => result.unwrap_or_else(|Panicked| {
                tracing::error!(method = %method.escape_debug(), "a method panicked");
                Err(Failure::internal("MethodPanicked", "the method panicked"))
            }),
            _ = abort.wait_for(|abort| *abort) => {
                Err(Failure::internal("ServerStopped", "the server stopped before the method ended"))
            }
        }
    }

    /// Sends the reply, if somebody waits for one. Returns what tells when that is settled.
    fn answer(
        self,
        request: &Request<'_>,
        result: Result<Reply, Failure>,
        expires: Option<Instant>,
        slot: OwnedSemaphorePermit,
    ) -> Option<oneshot::Receiver<()>> {
        let (msg_id, queue) = request.caller()?;
        if !is_queue(&queue) {
            tracing::warn!(queue = %queue.escape_debug(), "dropped a reply to what cannot be a reply queue");
            return None;
        }
        let writer =
            result.map_or_else(|failure| ReplyWriter::failure(&failure), |Reply(writer)| writer);
        let unique_id = Uuid::new_v4();
        let route = Route {
            exchange: Exchange::Default,
            routing_key: Cow::into_owned(queue).into(),
            mandatory: true,
        };
        let message =
            Outgoing { route, body: writer.finish(&msg_id, unique_id), expires: None, unique_id };
        let until = expires.unwrap_or_else(|| Instant::now() + REPLY_LIFETIME);
        let (settled, receiver) = oneshot::channel();
        let answer = Answer {
            message,
            until,
            slot: Some(slot),
            settled: Some(settled),
            tracked: self.tracked,
        };
        self.shared.transport.answer(answer);
        Some(receiver)
    }
}

fn is_late(service: &dyn AnyService, method: &str) -> bool {
    service.interface().method(method).is_some_and(|method| method.ack == Ack::Late)
}

/// Whether a reply can be sent to `name` without harm: AMQP has room for 255 bytes, and the broker's own names are
/// nobody's to be answered at.
fn is_queue(name: &str) -> bool {
    name.len() <= 255 && !name.starts_with("amq.") && !name.contains('\0')
}

async fn refuse(acker: Acker, why: &(dyn std::fmt::Display + Sync)) {
    tracing::warn!(%why, "refused a message that is no request");
    acker.reject().await;
}

/// The future of a method, whose panic is a result like any other.
struct Caught<F>(F);

struct Panicked;

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The future is not polled again after a panic, and what it shares with others is the user's own.
        match std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}
