//! A subscriber that records every log line of this process, at every level.

use std::{
    fmt::{Debug, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tests::Log;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Records lines and spans, each with target, name and all fields.
#[derive(Clone, Default)]
pub(crate) struct Everything {
    lines: Log<String>,
    spans: Arc<AtomicU64>,
}

impl Everything {
    /// Records from now on, permanently.
    pub(crate) fn listen() -> Self {
        let everything = Self::default();
        tracing::subscriber::set_global_default(everything.clone()).expect("the first");
        everything
    }

    /// Adds other output, such as an error's text.
    pub(crate) fn note(&self, what: &str, shown: String) {
        self.lines.push(format!("{what} {shown}"));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.events()
    }

    fn hear(&self, metadata: &Metadata<'_>, fields: impl FnOnce(&mut dyn Visit)) {
        let mut line = Line(format!("{} {}:", metadata.target(), metadata.name()));
        fields(&mut line);
        self.lines.push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.hear(span.metadata(), |visit| span.record(visit));
        span::Id::from_u64(1 + self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut line = Line("a span:".to_owned());
        values.record(&mut line);
        self.lines.push(line.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.hear(event.metadata(), |visit| event.record(visit));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
