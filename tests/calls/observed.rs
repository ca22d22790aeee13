//! What operators see: spans with names that their tools know, and no secret anywhere.

use rpc_runtime::{Context, Transport};
use tests::{World, eventually, heard::Heard};

use crate::probe::{ProbeServer, Recorder, probe};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Makes a call and a cast on one thread, and returns what was logged.
async fn observe(world: &World, url: &str) -> Vec<String> {
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = Transport::connect(url).await.expect("connected");
    let recorder = Recorder::default();
    let server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
    let client = world.client::<probe::Api>(&transport);
    let ctx = Context::new().with_traceparent(TRACE).with("auth_token", "canary-token");
    assert_eq!(client.echo(&ctx, "canary-text").await.expect("an answer"), "canary-text");
    client.fail(&ctx, "missing").await.expect_err("it fails as asked");
    client.panic(&ctx).await.expect_err("it panics as asked");
    client.note(&ctx, "canary-line").await.expect("confirmed");
    eventually("the note", || !recorder.log.is_empty()).await;
    server.shutdown(std::time::Duration::from_secs(10)).await.expect("nothing runs");
    transport.close().await;
    heard.lines()
}

fn assert_observed(lines: &[String]) {
    let one = |parts: &[&str]| {
        let found = lines.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
        assert_eq!(found.count(), 1, "{parts:?} in {lines:#?}");
    };
    one(&["rpc.client", "otel.kind=\"client\"", "rpc.method=\"echo\""]);
    one(&["rpc.server", "otel.kind=\"server\"", "rpc.method=\"echo\"", TRACE]);
    one(&["rpc.client", "otel.kind=\"producer\"", "rpc.method=\"note\""]);
    one(&["rpc.server", "otel.kind=\"consumer\"", "rpc.method=\"note\"", TRACE]);
    one(&["ERROR", "MethodPanicked"]);
    assert!(!lines.iter().any(|line| line.contains("canary")), "{lines:#?}");
}

#[tokio::test]
async fn spans_tell_of_calls_and_nothing_tells_secrets_in_memory() {
    let world = World::memory();
    assert_observed(&observe(&world, world.url()).await);
}

#[tokio::test]
async fn spans_tell_of_calls_and_nothing_tells_secrets_on_rabbit() {
    let Some(world) = World::rabbit() else { return };
    assert_observed(&observe(&world, world.url()).await);
    // A host that does not answer, with a password that nobody is to see.
    let url = world.url().replacen("://", "://user:canary-password@127.0.0.1:1,", 1);
    assert_observed(&observe(&world, &url).await);
}
