//! Mocks, and implementations that replace a broker.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rpc_runtime::{CallError, Context, RemoteError, Transport, Version, rpc_api};
use tests::{eventually, soon};

use crate::probe::{ProbeClient, ProbeError, ProbeServer, Recorder};

/// The interface that callers are tested against.
#[rpc_api(topic = "store", version = "1.2", mock(all()))]
trait Store {
    async fn fetch(&self, ctx: Context, name: String) -> Result<u32, StoreError>;
    #[rpc(host = "place", name = "put_item")]
    async fn put(&self, ctx: Context, #[arg(route)] place: String, r#type: String, answer: u8);
    #[rpc(fanout)]
    async fn clear(&self, ctx: Context);
    #[rpc(since = "1.1")]
    async fn count(&self, ctx: Context, #[arg(since = "1.2")] kind: Option<String>) -> u64;
    #[rpc(host)]
    async fn ping(&self, ctx: Context) -> ();
}

#[derive(Debug, PartialEq, thiserror::Error, RemoteError)]
#[remote(module = "store.errors")]
enum StoreError {
    #[error("no {0}")]
    Missing(String),
}

/// An interface whose topic only the caller knows.
#[rpc_api(topic = runtime, version = "1.0", mock)]
trait Anywhere {
    async fn add(&self, ctx: Context, a: u32, b: u32) -> u32;
}

#[tokio::test]
async fn a_mock_answers_as_told_and_notes_what_it_was_asked() {
    let (store, ctx) = (StoreMock::new(), Context::new().with("user_id", "alice"));
    store.on_fetch(|ctx, name| {
        assert_eq!(ctx.user_id().as_deref(), Some("alice"));
        if name == "milk" { Ok(3) } else { Err(StoreError::Missing(name)) }
    });
    store.on_put(|_, _, _| {}).times(1);
    store.on_clear(|_| {}).times(1);
    store.on_count(|_, kind| kind.map_or(0, |kind| kind.len() as u64));
    store.on_ping(|_| {});
    let client = store.client();
    assert_eq!(client.fetch(&ctx, "milk").await.expect("there"), 3);
    let missing = client.fetch(&ctx, "eggs").await;
    assert!(matches!(missing, Err(CallError::Method(StoreError::Missing(name))) if name == "eggs"));
    client.put(&ctx, "shelf-2".to_owned(), "jar", 7).await.expect("taken");
    client.clear(&ctx).await.expect("taken");
    assert_eq!(client.count(&ctx).kind("sour").await.expect("an answer"), 4);
    client.prepare().server("anywhere").ping(&ctx).await.expect("topic and host have no effect");
    eventually("the casts", || store.calls().len() == 6).await;
    store.verify();

    let put = store.calls_of("put_item").remove(0);
    assert_eq!((put.routing_key.as_str(), put.is_call), ("store.shelf-2", false));
    assert_eq!(
        (put.arg::<String>("type").as_deref(), put.arg::<u8>("answer")),
        (Some("jar"), Some(7))
    );
    assert_eq!(put.arg_names().collect::<Vec<_>>(), ["type", "answer"]);
    let clear = store.calls_of("clear").remove(0);
    assert_eq!((clear.exchange.as_str(), clear.routing_key.as_str()), ("store_fanout", ""));
    assert_eq!(store.calls_of("count")[0].version, Some(Version::new(1, 2)));
}

#[tokio::test]
async fn a_cap_holds_on_a_mock_too() {
    let (store, ctx) = (StoreMock::new(), Context::new());
    store.on_count(|_, kind| u64::from(kind.is_some()));
    let client = store.client();
    assert_eq!(
        client.version_cap::<store::V1_1>().count(&ctx).kind_or_drop("a").await.ok(),
        Some(0)
    );
    let old = client.unchecked(Version::new(1, 0)).count(&ctx).await;
    assert!(matches!(old, Err(CallError::VersionCap { .. })), "{old:?}");
    assert_eq!(store.calls().len(), 1, "a refused call is not sent");
}

#[tokio::test]
async fn a_mock_reports_unmet_expectations() {
    let (store, ctx) = (StoreMock::new(), Context::new());
    store.on_clear(|_| {}).times(2);
    let client = store.client();
    client.clear(&ctx).await.expect("taken");
    let failure = match soon("the answer", client.count(&ctx).into_future()).await {
        Err(CallError::Failure(failure)) => failure,
        other => panic!("the mock has no answer for it: {other:?}"),
    };
    assert_eq!(
        (failure.class(), failure.message()),
        ("NoAnswer", "the mock has no answer for `count`")
    );
    eventually("the cast", || store.calls().len() == 2).await;
    let told = catch_unwind(AssertUnwindSafe(|| store.verify())).expect_err("two things are wrong");
    let told = told.downcast_ref::<String>().expect("a text");
    assert!(told.contains("`clear` was called 1 times, and expected 2 times"), "{told}");
    assert!(told.contains("`count` was called 1 times without an answer"), "{told}");
}

#[tokio::test]
async fn a_mock_of_a_topic_that_only_callers_know_has_a_client_too() {
    let mock = AnywhereMock::new();
    mock.on_add(|_, a, b| a + b).times(1);
    assert_eq!(mock.client().add(&Context::new(), 2_u32, 3_u32).await.expect("an answer"), 5);
    mock.verify();
}

#[tokio::test]
async fn an_implementation_serves_in_place_of_a_broker() {
    let recorder = Recorder::default();
    let transport = Transport::in_process(ProbeServer::new(recorder.clone()));
    let (client, ctx) = (ProbeClient::new(&transport), Context::new());
    assert_eq!(client.echo(&ctx, "x").await.expect("an answer"), "x");
    let missing = client.fail(&ctx, "missing").await;
    assert!(matches!(missing, Err(CallError::Method(ProbeError::Missing { .. }))), "{missing:?}");
    let panicked = client.panic(&ctx).await;
    assert!(
        matches!(&panicked, Err(CallError::Failure(failure)) if failure.class() == "MethodPanicked")
    );
    client.note_everywhere(&ctx, "n").await.expect("taken");
    eventually("it ran", || recorder.log.events() == ["n"]).await;
    let hasty = client.prepare().timeout(std::time::Duration::from_millis(200)).client();
    let late = soon("its deadline", hasty.hang_call(&ctx)).await;
    assert!(matches!(late, Err(CallError::DeadlineExceeded { sent: true, .. })), "{late:?}");
    assert!(
        client.time_left(&ctx).await.expect("an answer").is_some(),
        "the deadline is known there"
    );
    let unknown = client.request("nonesuch").call::<(), false>(&ctx).await;
    assert!(matches!(&unknown, Err(CallError::NoSuchMethod { method: "nonesuch" })), "{unknown:?}");
}
