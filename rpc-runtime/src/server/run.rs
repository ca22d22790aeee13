//! A method while it runs: under its span, until it returns, panics or is given up.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tracing::{
    Span,
    field::{DisplayValue, Empty, display},
};

use super::{Shared, request::Parts, verdict::Verdict};
use crate::{
    Args, Failure,
    clock::{Instant, sleep_until},
    contain::InSpan,
    context::Standing,
    dispatch::{self, AnyService, Reply},
    excerpt::Excerpt,
};

/// Runs a method. `None` if the server stops before the method ends.
pub(super) async fn run(
    shared: &Shared,
    service: &dyn AnyService,
    parts: &Parts<'_>,
    standing: Standing,
) -> Option<Result<Reply, Failure>> {
    let (name, request) = (parts.name(), &parts.request);
    let args = match request.args() {
        Ok(args) => args,
        Err(error) => {
            let what = format!("{name}() got arguments that are not an object: {error}");
            return Some(Err(Failure::bad_arguments(&what)));
        }
    };
    let limit = standing.limit;
    let method = dispatch::run(service, Args::new(name, args, &request.context, standing));
    let run = pin!(async {
        let mut method = pin!(method);
        // Many methods do not wait for anything. What the others may have to be stopped for is prepared only then.
        let at_once = poll_fn(|cx| match method.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Poll::Ready(None),
        });
        let result = match at_once.await {
            Some(result) => result,
            None => match Box::pin(unless_stopped(shared, method, limit)).await {
                Ok(result) => result,
                Err(stopped) => return stopped,
            },
        };
        Some(result.map_err(Failure::of_a_method))
    });
    let interface = service.interface().name;
    let mut run = InSpan::new(|| span(shared, interface, parts), run);
    let result = (&mut run).await;
    run.record("outcome", outcome(&result));
    result
}

/// Says in a word how a method ended.
fn outcome(result: &Option<Result<Reply, Failure>>) -> &'static str {
    match result {
        Some(Ok(_)) => "ok",
        Some(Err(failure)) => Verdict::of(failure).name(),
        None => Verdict::Stopped.name(),
    }
}

/// Goes on with a method. The error is what comes of it if it does not end by itself.
async fn unless_stopped<M: Future>(
    shared: &Shared,
    method: M,
    limit: Option<Instant>,
) -> Result<M::Output, Option<Result<Reply, Failure>>> {
    let mut stopped = shared.abort.subscribe();
    tokio::select! {
        result = method => Ok(result),
        _ = stopped.wait_for(|stopped| *stopped) => Err(None),
        () = sleep_until(limit) => {
            let what = "the method took longer than its server allows";
            Err(Some(Err(Failure::internal("TimeLimitExceeded", what))))
        }
    }
}

/// Returns what a method may know of its request.
pub(super) fn standing(shared: &Shared, deadline: Option<Instant>, redeliveries: u32) -> Standing {
    let limit = shared.time_limit.and_then(|limit| Instant::now().checked_add(limit));
    // Where methods are given up, they are when their callers have gone.
    let limit = limit.map(|limit| deadline.map_or(limit, |deadline| deadline.min(limit)));
    Standing { deadline, limit, given_up: Some(Arc::clone(&shared.abort)), redeliveries }
}

/// Returns the span of a request, named as OpenTelemetry names such things. `outcome` follows when
/// the method has ended.
fn span(shared: &Shared, interface: &str, parts: &Parts<'_>) -> Span {
    let (is_call, request) = (parts.caller.is_some(), &parts.request);
    tracing::info_span!(
        "rpc.server",
        otel.kind = if is_call { "server" } else { "consumer" },
        rpc.system = "oslo.messaging",
        rpc.service = interface,
        rpc.method = parts.name(),
        rpc.version = shown(request.version().as_deref()),
        rpc.kind = parts.kind(),
        host = &*shared.host,
        request_id = shown(request.request_id().as_deref()),
        messaging.message.id = shown(parts.id.as_deref()),
        traceparent = shown(request.traceparent().as_deref()),
        outcome = Empty,
    )
}

/// A peer's text as a span has it.
fn shown(text: Option<&str>) -> Option<DisplayValue<Excerpt<'_>>> {
    text.map(|text| display(Excerpt(text)))
}
