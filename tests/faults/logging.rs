//! Fault G16: log subscribers that panic, that block, and that record everything.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tests::{SOON, eventually, node::Shared};
use tracing::{Dispatch, Event, Metadata, Subscriber, span};

use crate::scene::{Behind, Scene, Slow, watchful};

/// A second subscriber, so that tracing does not cache one thread's answer for all threads.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Sink::new(|| ())));

/// A subscriber that records every line at every level, and runs a function for each.
#[derive(Clone)]
struct Sink {
    lines: Arc<AtomicUsize>,
    of_lapin: Arc<AtomicUsize>,
    spans: Arc<AtomicUsize>,
    hear: fn(),
    /// Runs when a span of the library is created, recorded, entered or exited.
    span: fn(),
}

impl Sink {
    fn new(hear: fn()) -> Self {
        Self {
            lines: Arc::default(),
            of_lapin: Arc::default(),
            spans: Arc::default(),
            hear,
            span: || (),
        }
    }

    /// Subscribes on this thread, which has to be the only one of the test's runtime.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        LazyLock::force(&SECOND);
        tracing::subscriber::set_default(self.clone())
    }

    /// Waits for lines: the thread that writes them may first write those of other tests.
    async fn heard(&self, lines: usize) {
        eventually("lines to be written", || self.lines.load(Ordering::Relaxed) >= lines).await;
    }
}

impl Subscriber for Sink {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        // For every second span only: a span whose creation panics is never entered.
        let spans = self.spans.fetch_add(1, Ordering::Relaxed);
        if span.metadata().target().starts_with("rpc_runtime") && spans.is_multiple_of(2) {
            (self.span)();
        }
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {
        (self.span)();
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        let target = event.metadata().target();
        if ["lapin", "amq_protocol", "async_rs"].iter().any(|library| target.starts_with(library)) {
            self.of_lapin.fetch_add(1, Ordering::Relaxed);
        }
        if target.starts_with("rpc_runtime") {
            (self.hear)();
        }
    }

    fn enter(&self, _: &span::Id) {
        (self.span)();
    }

    fn exit(&self, _: &span::Id) {
        (self.span)();
    }
}

/// Cuts every connection of a client and a server `rounds` times, with pending calls, and returns
/// the lines of the sink.
async fn under_resets(shared: &Shared, sink: &Sink, rounds: u64) {
    let _guard = sink.listen();
    let slow = Slow::taking(Duration::from_millis(50));
    let scene = Scene::with(shared.node.world(), Behind::Both, watchful(), slow).await;
    let mut events = scene.transport.events();
    for round in 0..rounds {
        let calls = scene.calls(round * 100..round * 100 + 20, SOON);
        eventually("a call to run", || {
            scene.slow.runs().len() > usize::try_from(round).unwrap_or(0)
        })
        .await;
        scene.proxy.present().reset();
        // The event shows the loss, even if its log line fails.
        let lost = async {
            while !matches!(events.next().await, Some(rpc_runtime::Event::Lost { .. })) {}
        };
        tests::soon("the event of the loss", lost).await;
        scene.settle(calls).await;
        scene.good(1_000_000 + round).await;
        assert!(scene.transport.state().is_up(), "{:?}", scene.transport.state());
    }
    assert_eq!(scene.transport.pending_calls(), 0);
    scene.transport.close().await;
    scene.server.shutdown(Duration::from_secs(20)).await.expect("nothing runs");
    scene.serving.close().await;
}

#[tokio::test]
async fn fault_g16_a_log_subscriber_that_panics_on_every_line_stops_nothing() {
    let Some(shared) = Shared::take().await else { return };
    let bug = || panic!("a subscriber's bug");
    let sink = Sink { span: bug, ..Sink::new(bug) };
    under_resets(&shared, &sink, 5).await;
    sink.heard(5).await;
}

#[tokio::test]
async fn fault_g16_a_log_subscriber_that_blocks_for_a_second_delays_and_loses_nothing() {
    let Some(shared) = Shared::take().await else { return };
    let sink = Sink::new(|| std::thread::sleep(Duration::from_secs(1)));
    under_resets(&shared, &sink, 3).await;
    sink.heard(3).await;
}

#[tokio::test]
async fn no_line_of_the_amqp_library_is_heard_at_any_level_on_any_thread() {
    let Some(shared) = Shared::take().await else { return };
    let sink = Sink::new(|| ());
    under_resets(&shared, &sink, 3).await;
    sink.heard(3).await;
    assert_eq!(sink.of_lapin.load(Ordering::Relaxed), 0);
}
