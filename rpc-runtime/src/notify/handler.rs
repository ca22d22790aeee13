//! Who is told of notifications: functions of a type's events, and of whatever else comes.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::de::DeserializeOwned;

use super::{Filter, Notification, Priority};
use crate::{Context, json, wire};

/// What came with a notification, beside its payload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metadata {
    /// The context of what was done, without its secrets if the notifier left them out.
    pub context: Context,
    /// Who tells of it.
    pub publisher_id: Option<String>,
    /// What happened. Empty if nobody said, which matches no rule of a [`Filter`].
    pub event_type: String,
    /// Whether somebody said it.
    pub(super) has_event_type: bool,
    /// How much it matters.
    pub priority: Priority,
    /// The notification's id: all its copies have the same.
    pub message_id: Option<String>,
    /// When it was emitted, as the message has it, in UTC: `2026-11-21 10:15:00.250000`. See [`time`](Self::time).
    pub timestamp: Option<String>,
    /// How often it was delivered before, as far as is known. Whoever had it then may have done some of the work.
    pub redeliveries: u32,
}

impl Metadata {
    /// What happened, if somebody said it.
    pub(super) fn given_event_type(&self) -> Option<&str> {
        self.has_event_type.then_some(&self.event_type)
    }

    /// Returns when it was emitted. `None` if it does not say so in a form that is known.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        wire::datetime::parse(self.timestamp.as_deref()?)
    }
}

/// What is told, as it came. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns its JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Decodes it.
    ///
    /// # Errors
    /// If it is no `T`. The error quotes nothing of it.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        json::from_str(&self.0).map_err(json::unquoted)
    }
}

impl fmt::Debug for Payload {
    /// Leaves out the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

/// A handler cannot do its work now: the notification comes again, after a pause, until it is a
/// [dead letter](super::ListenerBuilder::delivery_limit).
///
/// Every error becomes one, so that `?` does.
#[derive(Debug)]
pub struct Requeue {
    reason: String,
}

impl Requeue {
    /// Says why, for the log.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// Returns why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl<E: std::error::Error> From<E> for Requeue {
    fn from(error: E) -> Self {
        Self { reason: error.to_string() }
    }
}

/// How a handler ends: with nothing, or with what may be an error and becomes a [`Requeue`].
pub trait Handled {
    /// Returns what it means for the notification.
    ///
    /// # Errors
    /// If it is to come again.
    fn into_result(self) -> Result<(), Requeue>;
}

impl Handled for () {
    fn into_result(self) -> Result<(), Requeue> {
        Ok(())
    }
}

impl<E: Into<Requeue>> Handled for Result<(), E> {
    fn into_result(self) -> Result<(), Requeue> {
        self.map_err(Into::into)
    }
}

/// How a handler of batches ends: with nothing, with one result for all, or with one for each, in order. What it says nothing of
/// comes again.
pub trait BatchHandled {
    /// Returns what it means for each of `count` notifications.
    fn into_results(self, count: usize) -> Vec<Result<(), Requeue>>;
}

impl BatchHandled for () {
    fn into_results(self, count: usize) -> Vec<Result<(), Requeue>> {
        (0..count).map(|_| Ok(())).collect()
    }
}

impl<E: Into<Requeue>> BatchHandled for Result<(), E> {
    fn into_results(self, count: usize) -> Vec<Result<(), Requeue>> {
        let reason = self.map_err(|error| error.into().reason);
        (0..count).map(|_| reason.clone().map_err(Requeue::because)).collect()
    }
}

impl<E: Into<Requeue>> BatchHandled for Vec<Result<(), E>> {
    fn into_results(self, _: usize) -> Vec<Result<(), Requeue>> {
        self.into_iter().map(|result| result.map_err(Into::into)).collect()
    }
}

/// A handler at work.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<(), Requeue>> + Send>>;

/// Begins the work on a notification. An error says that its payload is none of the handler's type.
type Begin = dyn Fn(Metadata, &Payload) -> Result<Work, serde_json::Error> + Send + Sync;

/// A handler, and what it is for.
pub(super) struct Handler {
    notifications: Notifications,
    begin: Box<Begin>,
}

/// What a handler is for.
enum Notifications {
    /// The events of a type.
    Of(&'static str, Priority),
    /// What matches.
    Matching(Box<Filter>),
    /// What no other handler is for.
    Rest,
}

impl Handler {
    pub(super) fn typed<E, F, W>(handler: F) -> Self
    where
        E: Notification + DeserializeOwned,
        F: Fn(Metadata, E) -> W + Send + Sync + 'static,
        W: Future<Output: Handled> + Send + 'static,
    {
        let begin = move |metadata: Metadata, payload: &Payload| {
            let work = handler(metadata, payload.decode()?);
            Ok::<Work, _>(Box::pin(async { work.await.into_result() }))
        };
        let notifications = Notifications::Of(E::EVENT_TYPE, E::PRIORITY);
        Self { notifications, begin: Box::new(begin) }
    }

    /// One for what matches a filter, or without any for what no other handler is for.
    pub(super) fn untyped<F, W>(filter: Option<Filter>, handler: F) -> Self
    where
        F: Fn(Metadata, Payload) -> W + Send + Sync + 'static,
        W: Future<Output: Handled> + Send + 'static,
    {
        let begin = move |metadata: Metadata, payload: &Payload| {
            let work = handler(metadata, payload.clone());
            Ok::<Work, _>(Box::pin(async { work.await.into_result() }))
        };
        let notifications =
            filter.map_or(Notifications::Rest, |filter| Notifications::Matching(filter.into()));
        Self { notifications, begin: Box::new(begin) }
    }

    /// The priority of its events, if it is for those of one type.
    pub(super) fn priority(&self) -> Option<Priority> {
        match self.notifications {
            Notifications::Of(_, priority) => Some(priority),
            Notifications::Matching(_) | Notifications::Rest => None,
        }
    }

    fn is_for(&self, metadata: &Metadata, payload: &Payload) -> bool {
        match &self.notifications {
            Notifications::Of(event_type, priority) => {
                *event_type == metadata.event_type && *priority == metadata.priority
            }
            Notifications::Matching(filter) => filter.matches(metadata, payload),
            Notifications::Rest => false,
        }
    }

    fn is_for_the_rest(&self) -> bool {
        matches!(self.notifications, Notifications::Rest)
    }

    pub(super) fn begin(
        &self,
        metadata: Metadata,
        payload: &Payload,
    ) -> Result<Work, serde_json::Error> {
        (self.begin)(metadata, payload)
    }
}

/// Who is told.
pub(super) enum Handlers {
    Each(Vec<Handler>),
    Batch(Batch),
}

/// Who is told of many at a time.
pub(super) struct Batch {
    /// How many, at most.
    pub(super) size: usize,
    /// How long the first of them may wait for others.
    pub(super) wait: Duration,
    begin: Box<BeginBatch>,
}

/// Begins the work on a batch.
type BeginBatch = dyn Fn(Vec<(Metadata, Payload)>) -> BatchWork + Send + Sync;

/// The work on a batch: what it means for each notification, in order.
type BatchWork = Pin<Box<dyn Future<Output = Vec<Result<(), Requeue>>> + Send>>;

impl Batch {
    pub(super) fn new<F, W>(size: usize, wait: Duration, handler: F) -> Self
    where
        F: Fn(Vec<(Metadata, Payload)>) -> W + Send + Sync + 'static,
        W: Future<Output: BatchHandled> + Send + 'static,
    {
        let begin = move |told: Vec<_>| {
            let count = told.len();
            let work = handler(told);
            Box::pin(async move { work.await.into_results(count) }) as BatchWork
        };
        Self { size: size.max(1), wait, begin: Box::new(begin) }
    }

    pub(super) fn begin(&self, told: Vec<(Metadata, Payload)>) -> BatchWork {
        (self.begin)(told)
    }
}

impl Handlers {
    /// Whether somebody is told of it.
    pub(super) fn are_for(&self, metadata: &Metadata, payload: &Payload) -> bool {
        match self {
            Self::Each(handlers) => handlers
                .iter()
                .any(|handler| handler.is_for_the_rest() || handler.is_for(metadata, payload)),
            Self::Batch(_) => true,
        }
    }
}

/// Returns the handlers that a notification is for, in the order in which they were given.
pub(super) fn chosen<'a>(
    handlers: &'a [Handler],
    metadata: &Metadata,
    payload: &Payload,
) -> Vec<&'a Handler> {
    let own: Vec<_> = handlers.iter().filter(|handler| handler.is_for(metadata, payload)).collect();
    match own.is_empty() {
        true => handlers.iter().filter(|handler| handler.is_for_the_rest()).collect(),
        false => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Event;

    impl Notification for Event {
        const EVENT_TYPE: &'static str = "volume.create.end";
        const PRIORITY: Priority = Priority::Info;
    }

    impl<'de> serde::Deserialize<'de> for Event {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    fn metadata(event_type: &str, priority: Priority) -> Metadata {
        Metadata {
            context: Context::new(),
            publisher_id: None,
            event_type: event_type.to_owned(),
            has_event_type: true,
            priority,
            message_id: None,
            timestamp: None,
            redeliveries: 0,
        }
    }

    #[test]
    fn a_handler_is_for_its_type_and_priority_and_the_other_for_the_rest() {
        let typed = || Handler::typed(|_, _: Event| async {});
        let untyped = || Handler::untyped(None, |_, _| async {});
        let own = metadata(Event::EVENT_TYPE, Event::PRIORITY);
        let others = [
            metadata(Event::EVENT_TYPE, Priority::Warn),
            metadata("volume.create.error", Event::PRIORITY),
        ];
        let alone = Handlers::Each(vec![typed()]);
        let payload = Payload::new("{}");
        assert!(alone.are_for(&own, &payload));
        assert!(!others.iter().any(|other| alone.are_for(other, &payload)));
        let both = [untyped(), typed(), untyped(), typed()];
        let places = |metadata: &Metadata| {
            let is = |one: &&Handler| both.iter().position(|other| std::ptr::eq(*one, other));
            chosen(&both, metadata, &payload).iter().filter_map(is).collect::<Vec<_>>()
        };
        assert_eq!(places(&own), [1, 3]);
        assert!(others.iter().all(|other| places(other) == [0, 2]));
        let both = Handlers::Each(both.into());
        let batch = Handlers::Batch(Batch::new(0, Duration::ZERO, |_| async {}));
        let all =
            |told: &Handlers| [&own, &others[0]].iter().all(|one| told.are_for(one, &payload));
        assert!(all(&both) && all(&batch));
    }

    #[test]
    fn what_a_handler_of_batches_says_is_said_of_each() {
        let reasons = |results: Vec<Result<(), Requeue>>| {
            let reason =
                |result: Result<(), Requeue>| result.err().map(|why| why.reason().to_owned());
            results.into_iter().map(reason).collect::<Vec<_>>()
        };
        let busy = || Some("busy".to_owned());
        assert_eq!(reasons(().into_results(2)), [None, None]);
        assert_eq!(reasons(Ok::<_, Requeue>(()).into_results(2)), [None, None]);
        assert_eq!(reasons(Err(Requeue::because("busy")).into_results(2)), [busy(), busy()]);
        let each = vec![Ok(()), Err(Requeue::because("busy"))];
        assert_eq!(reasons(each.into_results(3)), [None, busy()], "of the third it says nothing");
        let error = "5".parse::<bool>().expect_err("it is none");
        assert_eq!(Requeue::from(error.clone()).reason(), error.to_string());
    }
}
