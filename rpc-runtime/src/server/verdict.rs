//! The end of a request: counted, sent as an event, and logged if its caller does not learn of it.

use std::sync::atomic::Ordering;

use rpc_idl::{Method, Version};

use super::{
    Place, Shared,
    request::{Cause, Parts},
};
use crate::{
    Event, Failure, RefusalKind,
    dispatch::Reply,
    excerpt::Excerpt,
    logging::guarded,
    observe::{Count, Counts},
};

/// Why a request has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Refused(RefusalKind),
    /// The method's own error.
    Failed,
    Panicked,
    TimedOut,
    /// The method ran, and its result cannot be written as JSON.
    Unanswerable,
    /// The server stopped before the method ended.
    Stopped,
}

impl Verdict {
    pub(crate) fn of(failure: &Failure) -> Self {
        if failure.is_of_a_method() {
            return Self::Failed;
        }
        match (failure.module(), failure.class()) {
            ("oslo_messaging.rpc.dispatcher", "NoSuchMethod") => {
                Self::Refused(RefusalKind::NoSuchMethod)
            }
            ("oslo_messaging.rpc.dispatcher", _) => Self::Refused(RefusalKind::UnsupportedVersion),
            ("builtins", "TypeError") => Self::Refused(RefusalKind::BadArguments),
            ("oslo_versionedobjects.exception", _) => {
                Self::Refused(RefusalKind::IncompatibleObject)
            }
            ("rpc_runtime", "RequestTooLarge") => Self::Refused(RefusalKind::TooManyValues),
            ("rpc_runtime", "MethodPanicked") => Self::Panicked,
            ("rpc_runtime", "TimeLimitExceeded") => Self::TimedOut,
            ("rpc_runtime", "ResultNotSerializable") => Self::Unanswerable,
            ("rpc_runtime", "ServerStopped") => Self::Stopped,
            _ => Self::Failed,
        }
    }

    /// The field `outcome` of a request's span.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused(kind) => kind.name(),
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed out",
            Self::Unanswerable => "result not serializable",
            Self::Stopped => "stopped",
        }
    }

    pub(crate) fn count(self, counts: &Counts) -> &Count {
        match self {
            Self::Refused(kind) => kind.count(counts),
            Self::Failed => &counts.requests_failed,
            Self::Panicked => &counts.requests_panicked,
            Self::TimedOut => &counts.requests_timed_out,
            Self::Unanswerable => &counts.requests_unanswerable,
            Self::Stopped => &counts.requests_stopped,
        }
    }
}

/// Counts and logs a failure: quietly if it is part of the interface, or a caller's mistake that
/// the caller learns of. Where a method says which errors it expects, its other errors are loud,
/// too. Returns why the request was refused, if it was, and was not for another service.
pub(super) fn report(
    shared: &Shared,
    place: &Place,
    parts: &Parts<'_>,
    method: Option<&'static Method<'static>>,
    result: &Result<Reply, Failure>,
) -> Option<RefusalKind> {
    let failure = result.as_ref().err()?;
    match Verdict::of(failure) {
        Verdict::Refused(kind) if parts.is_fanout && is_of_a_neighbour(place, parts, kind) => {
            shared.counts().requests_foreign.add_one();
            warn_of_neighbours(shared, parts);
            None
        }
        Verdict::Refused(kind) => {
            refused(shared, place, parts, (kind, method), failure);
            Some(kind)
        }
        verdict => {
            failed(shared, parts, (verdict, method), failure);
            None
        }
    }
}

fn refused(
    shared: &Shared,
    place: &Place,
    parts: &Parts<'_>,
    (kind, own): (RefusalKind, Option<&Method<'static>>),
    failure: &Failure,
) {
    let is_cast = parts.caller.is_none();
    kind.count(shared.counts()).add_one();
    let observer = shared.transport.observer();
    observer.refused(kind, |left_out| Event::Refused {
        kind,
        topic: place.topic.to_string(),
        method: Excerpt(parts.name()).to_string(),
        is_cast,
        left_out,
    });
    let (request, name) = (&parts.request, parts.name());
    let (version, request_id) = (request.version(), request.request_id());
    if !is_cast {
        return guarded(|| {
            let (method, failure) = (Excerpt(name), failure.to_string());
            tracing::debug!(%method, failure = %Excerpt(&failure), "refused a call");
        });
    }
    let shown = |text: Option<&str>| Excerpt(text.unwrap_or_default()).to_string();
    shared.quiet.say(Cause::Refused(own.map_or("", |own| own.name), kind), |left_out| {
        let what = match parts.is_fanout {
            true => "refused a fanout cast: its caller is not told",
            false => "refused a cast: its caller is not told",
        };
        tracing::warn!(
            method = %Excerpt(name),
            version = shown(version.as_deref()),
            request_id = shown(request_id.as_deref()),
            unique_id = shown(parts.id.as_deref()),
            topic = &*place.topic,
            why = %Excerpt(failure.message()),
            left_out,
            "{what}"
        );
    });
}

/// Whether a refused fanout cast is likely to be for another service. A fanout exchange has only
/// the topic in its name, so services of one topic share it, whatever their control exchanges. A
/// cast of a method that is known here, in a newer minor version than is served, is for this
/// service.
fn is_of_a_neighbour(place: &Place, parts: &Parts<'_>, kind: RefusalKind) -> bool {
    let has_method = || {
        let version = parts.request.version().and_then(|version| version.parse().ok());
        let namespace = parts.request.namespace();
        place.services.iter().map(|service| service.interface()).any(|interface| {
            interface.takes_namespace(namespace.as_deref())
                && interface.method(parts.name()).is_some()
                && version
                    .is_some_and(|version: Version| version.major() == interface.version.major())
        })
    };
    match kind {
        RefusalKind::NoSuchMethod => true,
        RefusalKind::UnsupportedVersion => !has_method(),
        _ => false,
    }
}

/// Says once that fanout casts come which this server does not know.
fn warn_of_neighbours(shared: &Shared, parts: &Parts<'_>) {
    if shared.crossed.swap(true, Ordering::Relaxed) {
        return;
    }
    guarded(|| {
        tracing::warn!(
            method = %Excerpt(parts.name()),
            "a fanout cast came that this server does not know: if its caller is no newer version, another service has \
             the same topic, and needs a virtual host of its own"
        );
    });
}

fn failed(
    shared: &Shared,
    parts: &Parts<'_>,
    (verdict, own): (Verdict, Option<&Method<'static>>),
    failure: &Failure,
) {
    verdict.count(shared.counts()).add_one();
    let expected = own.map_or(&[][..], |method| method.expected);
    let is_expected = expected.is_empty() || expected.contains(&failure.class());
    let (own, method) = (own.map_or("", |own| own.name), Excerpt(parts.name()));
    if failure.is_internal() || !is_expected {
        shared.quiet.say(Cause::Failed(own, failure.class().to_owned()), |left_out| {
            let failure = failure.to_string();
            tracing::error!(%method, failure = %Excerpt(&failure), left_out, "a request failed");
        });
    } else {
        guarded(|| {
            tracing::debug!(%method, failure = %Excerpt(&failure.to_string()), "a request failed");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_methods_own_is_no_refusal_whatever_its_class() {
        for (failure, kind) in [
            (Failure::bad_arguments("m() got"), RefusalKind::BadArguments),
            (Failure::no_such_method("m"), RefusalKind::NoSuchMethod),
            (Failure::unsupported_version("2.0", "m", None), RefusalKind::UnsupportedVersion),
            (Failure::too_many_values(2, 1), RefusalKind::TooManyValues),
            (
                Failure::of("c", "oslo_versionedobjects.exception", "UnsupportedObjectError"),
                RefusalKind::IncompatibleObject,
            ),
        ] {
            assert_eq!(Verdict::of(&failure), Verdict::Refused(kind));
            assert_eq!(Verdict::of(&failure.returned_by_a_method()), Verdict::Failed);
        }
        let internal = |class| Verdict::of(&Failure::internal(class, "m"));
        assert_eq!(internal("MethodPanicked"), Verdict::Panicked);
        assert_eq!(internal("TimeLimitExceeded"), Verdict::TimedOut);
        assert_eq!(internal("ResultNotSerializable"), Verdict::Unanswerable);
        assert_eq!(Verdict::of(&Failure::server_stopped()), Verdict::Stopped);
        assert_eq!(internal("Nonesuch"), Verdict::Failed);
    }
}
