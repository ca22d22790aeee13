//! User code that panics in unusual places: in destructors, in serialization, in a log subscriber.
//! Each such request ends with an answer, frees its slot, and leaves the server running.

use std::{
    fmt,
    future::Future,
    panic::panic_any,
    pin::Pin,
    task::{Poll, Waker},
    time::Duration,
};

use rpc_runtime::{CallError, Context, Failure, RemoteError, Running, Transport, rpc_api};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tests::{
    World,
    bomb::{Bomb, Fuse},
    eventually, soon,
};
use tracing::{Event, Metadata, Subscriber, span};

/// The concurrency of servers in these tests.
const SLOTS: usize = 2;
/// More requests than slots.
const MORE: usize = 5;

/// A future that panics when it is dropped, even if it has completed.
struct Doomed {
    ends: bool,
}

impl Future for Doomed {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<u32> {
        if self.ends { Poll::Ready(1) } else { Poll::Pending }
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        drop(Bomb);
    }
}

#[derive(Debug)]
struct Unreadable;

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic_any(Fuse(1))
    }
}

impl Serialize for Unreadable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic_any(Fuse(1))
    }
}

/// An error that panics when it is displayed or turned into a failure.
#[derive(Debug)]
struct Unsayable {
    at_once: bool,
}

impl fmt::Display for Unsayable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic_any(Fuse(1))
    }
}

impl std::error::Error for Unsayable {}

impl RemoteError for Unsayable {
    fn to_failure(&self) -> Failure {
        match self.at_once {
            true => panic_any(Fuse(1)),
            false => Failure::of(self, "builtins", "ValueError"),
        }
    }

    fn from_failure(failure: Failure) -> Result<Self, Failure> {
        Err(failure)
    }
}

/// The server's interface.
#[rpc_api(topic = "bombs", version = "1.0")]
trait Bombs {
    async fn fine(&self, ctx: Context) -> u32;
    async fn payload(&self, ctx: Context) -> u32;
    #[rpc(ack = "late")]
    async fn late_payload(&self, ctx: Context) -> u32;
    async fn guard(&self, ctx: Context) -> u32;
    #[rpc(ack = "late")]
    async fn late_guard(&self, ctx: Context) -> u32;
    async fn future(&self, ctx: Context) -> u32;
    #[rpc(ack = "late")]
    async fn late_future(&self, ctx: Context) -> u32;
    #[rpc(ack = "late")]
    async fn late_future_that_ends(&self, ctx: Context) -> u32;
    #[rpc(ack = "late")]
    async fn argument(&self, ctx: Context, value: Unreadable) -> u32;
    #[rpc(ack = "late")]
    async fn result(&self, ctx: Context) -> Unreadable;
    #[rpc(ack = "late")]
    async fn error(&self, ctx: Context) -> Result<u32, Unsayable>;
    #[rpc(ack = "late")]
    async fn failure(&self, ctx: Context) -> Result<u32, Unsayable>;
    #[rpc(ack = "late")]
    async fn cast(&self, ctx: Context);
}

/// The same interface with harmless types, for the caller.
#[rpc_api(topic = "bombs", version = "1.0")]
trait Calm {
    async fn fine(&self, ctx: Context) -> u32;
    async fn payload(&self, ctx: Context) -> u32;
    async fn late_payload(&self, ctx: Context) -> u32;
    async fn guard(&self, ctx: Context) -> u32;
    async fn late_guard(&self, ctx: Context) -> u32;
    async fn future(&self, ctx: Context) -> u32;
    async fn late_future(&self, ctx: Context) -> u32;
    async fn late_future_that_ends(&self, ctx: Context) -> u32;
    async fn argument(&self, ctx: Context, value: u32) -> u32;
    async fn result(&self, ctx: Context) -> u32;
    async fn error(&self, ctx: Context) -> u32;
    async fn failure(&self, ctx: Context) -> u32;
    async fn cast(&self, ctx: Context);
    /// The server has no such method.
    async fn nonesuch(&self, ctx: Context);
}

struct Demolition;

impl Bombs for Demolition {
    async fn fine(&self, _: Context) -> u32 {
        7
    }

    async fn payload(&self, _: Context) -> u32 {
        panic_any(Fuse(2))
    }

    async fn late_payload(&self, _: Context) -> u32 {
        panic_any(Fuse(2))
    }

    async fn guard(&self, _: Context) -> u32 {
        let _bomb = Bomb;
        std::future::pending().await
    }

    async fn late_guard(&self, _: Context) -> u32 {
        let _bomb = Bomb;
        std::future::pending().await
    }

    fn future(&self, _: Context) -> impl Future<Output = u32> + Send {
        Doomed { ends: false }
    }

    fn late_future(&self, _: Context) -> impl Future<Output = u32> + Send {
        Doomed { ends: false }
    }

    fn late_future_that_ends(&self, _: Context) -> impl Future<Output = u32> + Send {
        Doomed { ends: true }
    }

    async fn argument(&self, _: Context, _: Unreadable) -> u32 {
        1
    }

    async fn result(&self, _: Context) -> Unreadable {
        Unreadable
    }

    async fn error(&self, _: Context) -> Result<u32, Unsayable> {
        Err(Unsayable { at_once: true })
    }

    async fn failure(&self, _: Context) -> Result<u32, Unsayable> {
        Err(Unsayable { at_once: false })
    }

    async fn cast(&self, _: Context) {
        panic_any(Fuse(2))
    }
}

async fn serve(world: &World, transport: &Transport) -> Running {
    let server = world.server(transport, "h").concurrency(SLOTS);
    let server = server.time_limit(Duration::from_millis(100)).serve(BombsServer::new(Demolition));
    server.bind().await.expect("bound").run()
}

/// Makes more calls than there are slots, and expects a failure of `class` for each.
async fn each_fails<C, E>(method: &str, class: &str, call: impl Fn() -> C)
where
    C: Future<Output = Result<u32, CallError<E>>>,
    E: fmt::Debug,
{
    let calls = futures_util::future::join_all((0..MORE).map(|_| call()));
    for ended in soon(method, calls).await {
        match ended {
            Err(CallError::Failure(failure)) => assert_eq!(failure.class(), class, "{method}"),
            other => panic!("expected a failure of {method}, not {other:?}"),
        }
    }
}

tests::on_every_transport! {
    async fn a_panic_in_a_destructor_ends_its_request_and_no_slot(world: World) {
        let (transport, ctx) = (world.transport().await, Context::new());
        let server = serve(&world, &transport).await;
        let client = world.client::<calm::Api>(&transport);
        each_fails("payload", "MethodPanicked", || client.payload(&ctx)).await;
        each_fails("late_payload", "MethodPanicked", || client.late_payload(&ctx)).await;
        each_fails("guard", "TimeLimitExceeded", || client.guard(&ctx)).await;
        each_fails("late_guard", "TimeLimitExceeded", || client.late_guard(&ctx)).await;
        each_fails("future", "TimeLimitExceeded", || client.future(&ctx)).await;
        each_fails("late_future", "TimeLimitExceeded", || client.late_future(&ctx)).await;
        each_fails("late_future_that_ends", "MethodPanicked", || client.late_future_that_ends(&ctx)).await;
        assert_eq!(soon("an answer", client.fine(&ctx)).await.expect("an answer"), 7);
        eventually("nothing to be in flight", || server.in_flight() == 0).await;
        let metrics = transport.metrics();
        assert_eq!((metrics.requests_panicked, metrics.requests_timed_out), (3 * 5, 4 * 5));
        assert_eq!(metrics.requests_broken, 0);
        server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    }

    async fn a_panic_of_a_value_ends_its_request_and_no_slot(world: World) {
        let (transport, ctx) = (world.transport().await, Context::new());
        let server = serve(&world, &transport).await;
        let client = world.client::<calm::Api>(&transport);
        each_fails("argument", "MethodPanicked", || client.argument(&ctx, 1_u32)).await;
        each_fails("result", "MethodPanicked", || client.result(&ctx)).await;
        each_fails("error", "MethodPanicked", || client.error(&ctx)).await;
        each_fails("failure", "MethodPanicked", || client.failure(&ctx)).await;
        for _ in 0..MORE {
            client.cast(&ctx).await.expect("confirmed");
        }
        assert_eq!(soon("an answer", client.fine(&ctx)).await.expect("an answer"), 7);
        eventually("the casts", || transport.metrics().requests_panicked == 5 * 5).await;
        server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    }
}

/// A subscriber that panics on each line of the server, and on its spans.
struct Angry;

impl Subscriber for Angry {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rpc_runtime::server")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        // Every third span panics on creation, the others on entry or exit.
        static SPANS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let id = SPANS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(!id.is_multiple_of(3), "new span {}", span.metadata().name());
        span::Id::from_u64(id)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {
        panic!("recorded")
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        panic!("said {}", event.metadata().name())
    }

    fn enter(&self, id: &span::Id) {
        assert!(!id.into_u64().is_multiple_of(2), "entered");
    }

    fn exit(&self, _: &span::Id) {
        panic!("left")
    }

    fn try_close(&self, _: span::Id) -> bool {
        panic!("closed")
    }
}

tests::on_every_transport_in_one_thread! {
    async fn a_subscriber_that_panics_costs_no_request(world: World) {
        let _guard = tracing::subscriber::set_default(Angry);
        let (transport, ctx) = (world.transport().await, Context::new());
        let server = serve(&world, &transport).await;
        let client = world.client::<calm::Api>(&transport);
        for _ in 0..MORE {
            assert_eq!(soon("an answer", client.fine(&ctx)).await.expect("an answer"), 7);
        }
        each_fails("payload", "MethodPanicked", || client.payload(&ctx)).await;
        each_fails("late_payload", "MethodPanicked", || client.late_payload(&ctx)).await;
        each_fails("late_guard", "TimeLimitExceeded", || client.late_guard(&ctx)).await;
        client.nonesuch(&ctx).await.expect("confirmed");
        assert_eq!(soon("an answer", client.fine(&ctx)).await.expect("an answer"), 7);
        eventually("nothing to be in flight", || server.in_flight() == 0).await;
        assert_eq!(transport.metrics().requests_broken, 0);
        server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
    }
}

#[tokio::test]
async fn an_implementation_in_place_of_a_broker_answers_although_its_destructors_panic() {
    let (transport, ctx) = (Transport::in_process(BombsServer::new(Demolition)), Context::new());
    let client = CalmClient::new(&transport);
    each_fails("payload", "MethodPanicked", || client.payload(&ctx)).await;
    each_fails("late_future_that_ends", "MethodPanicked", || client.late_future_that_ends(&ctx))
        .await;
    each_fails("failure", "MethodPanicked", || client.failure(&ctx)).await;
    assert_eq!(soon("an answer", client.fine(&ctx)).await.expect("an answer"), 7);
}

/// The chooser of a transport and the maker of an address run on the caller's stack, before
/// anything is sent, so their panic reaches the caller.
#[tokio::test]
async fn a_chooser_that_panics_leaves_no_call_behind() {
    let (transport, ctx) = (Transport::in_process(BombsServer::new(Demolition)), Context::new());
    let client = CalmClient::new(&transport);
    let chooses = client.prepare().transport_by(|_: &Context| panic_any(Fuse(1))).client();
    let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(chooses.fine(&Context::new()));
    }));
    assert!(called.is_err());
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(called)));
    let waiting = client.fine(&ctx);
    let mut waiting = std::pin::pin!(waiting);
    let polled = waiting.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
    assert!(polled.is_pending() && transport.pending_calls() == 1);
    assert_eq!(soon("an answer", waiting).await.expect("an answer"), 7);
}
