//! Log lines and spans of one thread, recorded for a test.

use std::{
    fmt::Write as _,
    sync::{LazyLock, Mutex},
};

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

use crate::Log;

/// Records nothing, and is never dropped. With only one subscriber in the process, tracing asks the
/// current thread's subscriber about each new event, and caches the answer for all threads. Threads
/// of other tests have no subscriber, so the recording thread would miss that event from then on.
/// With two subscribers, tracing asks both.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Heard::default()));

/// Collects events and new spans of the library, each as one line: level, name, fields.
#[derive(Clone, Debug, Default)]
pub struct Heard(Log<String>);

impl Heard {
    /// Records on this thread until the guard is dropped. The test needs a runtime with only this
    /// thread.
    #[must_use]
    pub fn listen(&self) -> DefaultGuard {
        LazyLock::force(&SECOND);
        tracing::subscriber::set_default(self.clone())
    }

    /// Returns what was recorded so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.events()
    }

    fn hear(&self, metadata: &Metadata<'_>, fields: impl FnOnce(&mut dyn Visit)) {
        let text = Mutex::new(format!("{} {}:", metadata.level(), metadata.name()));
        fields(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            let _ = write!(text.lock().expect("one thread"), " {field}={value:?}");
        });
        self.0.push(text.into_inner().expect("one thread"));
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rpc_runtime")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.hear(span.metadata(), |visit| span.record(visit));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let text = Mutex::new("recorded:".to_owned());
        values.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            let _ = write!(text.lock().expect("one thread"), " {field}={value:?}");
        });
        self.0.push(text.into_inner().expect("one thread"));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.hear(event.metadata(), |visit| event.record(visit));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
