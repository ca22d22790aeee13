//! A subscriber for tests: it wants every line, and does one thing with each.

use std::sync::Arc;

use tracing::{Event, Metadata, Subscriber, span};

#[derive(Clone)]
pub(crate) struct Sink(Arc<dyn Fn() + Send + Sync>);

impl Sink {
    pub(crate) fn new(hear: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl Subscriber for Sink {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        (self.0)();
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
