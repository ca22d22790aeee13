//! A method while it runs: under its span, until it returns, panics or is given up.

use std::time::Instant;

use rpc_idl::Method;
use tracing::{
    Instrument as _, Span,
    field::{DisplayValue, display},
};

use super::{Shared, request::Cause};
use crate::{
    Args, Failure,
    context::Standing,
    dispatch::{AnyService, Caught, Panicked, Reply},
    envelope::Request,
    excerpt::Excerpt,
    until::until,
};

/// Runs a method. `None` if the server stops before the method ends.
pub(super) async fn run(
    shared: &Shared,
    service: &dyn AnyService,
    request: &Request<'_>,
    standing: Standing,
) -> Option<Result<Reply, Failure>> {
    let name = request.method();
    let name = name.as_deref().unwrap_or("");
    let args = match request.args() {
        Ok(args) => args,
        Err(error) => {
            let what = format!("{name}() got arguments that are not an object: {error}");
            return Some(Err(Failure::bad_arguments(&what)));
        }
    };
    let mut stopped = shared.abort.subscribe();
    let limit = standing.limit;
    let args = Args::new(name, args, &request.context, standing);
    let run = async {
        tokio::select! {
            result = Caught(service.run(args)) => Some(match result {
                Ok(result) => result.map_err(Failure::of_a_method),
                Err(Panicked) => Err(Failure::internal("MethodPanicked", "the method panicked")),
            }),
            _ = stopped.wait_for(|stopped| *stopped) => None,
            () = until(limit) => {
                let what = "the method took longer than its server allows";
                Some(Err(Failure::internal("TimeLimitExceeded", what)))
            }
        }
    };
    run.instrument(span(name, request)).await
}

/// Returns what a method may know of its request.
pub(super) fn standing(shared: &Shared, deadline: Option<Instant>, redeliveries: u32) -> Standing {
    let limit = shared.time_limit.and_then(|limit| Instant::now().checked_add(limit));
    // Where methods are given up, they are when their callers have gone.
    let limit = limit.map(|limit| deadline.map_or(limit, |deadline| deadline.min(limit)));
    Standing { deadline, limit, given_up: Some(shared.abort.subscribe()), redeliveries }
}

/// Returns the span of a request, named as OpenTelemetry names such things.
fn span(method: &str, request: &Request<'_>) -> Span {
    let (id, parent) = (request.unique_id(), request.traceparent());
    tracing::info_span!(
        "rpc.server",
        otel.kind = if request.caller().is_some() { "server" } else { "consumer" },
        rpc.system = "oslo.messaging",
        rpc.method = method,
        messaging.message.id = shown(id.as_deref()),
        traceparent = shown(parent.as_deref()),
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
            let failure = failure.to_string();
            tracing::error!(%method, failure = %Excerpt(&failure), left_out, "a request failed");
        });
    } else {
        tracing::debug!(%method, failure = %Excerpt(&failure.to_string()), "a request failed");
    }
}
