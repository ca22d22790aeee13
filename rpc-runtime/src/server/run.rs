//! A method while it runs: under its span, until it returns, panics or is given up.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use rpc_idl::Method;
use tracing::{
    Instrument as _, Span,
    field::{DisplayValue, display},
};

use super::{
    Shared,
    request::{Cause, Parts},
};
use crate::{
    Args, Failure,
    clock::{Instant, sleep_until},
    context::Standing,
    dispatch::{AnyService, Caught, Panicked, Reply},
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
    let mut method = Caught(service.run(Args::new(name, args, &request.context, standing)));
    let run = async {
        // Many methods do not wait for anything. What the others may have to be stopped for is prepared only then.
        let at_once = poll_fn(|cx| match Pin::new(&mut method).poll(cx) {
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
        Some(match result {
            Ok(result) => result.map_err(Failure::of_a_method),
            Err(Panicked) => Err(Failure::internal("MethodPanicked", "the method panicked")),
        })
    };
    run.instrument(span(parts)).await
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

/// Returns the span of a request, named as OpenTelemetry names such things.
fn span(parts: &Parts<'_>) -> Span {
    tracing::info_span!(
        "rpc.server",
        otel.kind = if parts.caller.is_some() { "server" } else { "consumer" },
        rpc.system = "oslo.messaging",
        rpc.method = parts.name(),
        messaging.message.id = shown(parts.id.as_deref()),
        traceparent = shown(parts.request.traceparent().as_deref()),
    )
}

/// A peer's text as a span has it.
fn shown(text: Option<&str>) -> Option<DisplayValue<Excerpt<'_>>> {
    text.map(|text| display(Excerpt(text)))
}

/// Logs a failure: quietly if it is part of the interface, or a caller's mistake that the caller is told of. Where a
/// method says which errors it expects, others of its own are loud, too.
pub(super) fn report(
    shared: &Shared,
    name: &str,
    method: Option<&Method<'static>>,
    result: &Result<Reply, Failure>,
) {
    let Err(failure) = result else { return };
    let expected = method.map_or(&[][..], |method| method.expected);
    let is_expected =
        expected.is_empty() || expected.contains(&failure.class()) || failure.is_refusal();
    let own = method.map_or("", |method| method.name);
    let method = Excerpt(name);
    if failure.is_internal() && !failure.is_refusal() || !is_expected {
        shared.quiet.say(Cause::Failed(own, failure.class().to_owned()), |left_out| {
            tracing::error!(%method, %failure, left_out, "a request failed");
        });
    } else {
        tracing::debug!(%method, %failure, "a request failed");
    }
}
