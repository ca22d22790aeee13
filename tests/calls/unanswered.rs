//! Messages that end without an answer: each is counted and logged.

use std::time::Duration;

use rpc_runtime::{
    Context, NotificationListener, Notifier, notification,
    notify::{Filter, Metadata, Payload},
};
use serde::{Deserialize, Serialize};
use tests::{SOON, World, eventually, heard::Heard};

use crate::probe::{ProbeServer, Recorder, probe};

/// An event that the listener of these tests handles.
#[notification(event_type = "wanted")]
#[derive(Deserialize, Serialize)]
struct Wanted {}

fn lines(heard: &Heard, level: &str, what: &str) -> usize {
    let lines = heard.lines();
    lines.iter().filter(|line| line.starts_with(level) && line.contains(what)).count()
}

tests::on_every_transport_in_one_thread! {
    async fn a_reply_to_a_caller_that_is_gone_is_counted_and_logged(world: World) {
        let heard = Heard::default();
        let _guard = heard.listen();
        let (transport, serving) = (world.transport().await, world.transport().await);
        let recorder = Recorder::default();
        let server = world.serve(&serving, "h", ProbeServer::new(recorder.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let client = client.prepare().timeout(Duration::from_secs(3)).client();
        let waiting = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to run", || !recorder.log.is_empty()).await;
        transport.close().await;
        waiting.await.expect("no panic").expect_err("no reply comes");
        recorder.gate.notify_one();
        eventually("the reply to be dropped", || serving.metrics().replies_dropped == 1).await;
        eventually("the line", || lines(&heard, "WARN", "dropped a reply") == 1).await;
        server.shutdown(SOON).await.expect("nothing runs");
        assert_eq!(serving.metrics().replies_dropped, 1);
    }

    async fn a_notification_that_no_handler_is_for_is_counted(world: World) {
        let heard = Heard::default();
        let _guard = heard.listen();
        let transport = world.transport().await;
        let listener = NotificationListener::builder(&transport)
            .topic(world.topic())
            .filter(Filter::new().event_type("wanted|neither").expect("a filter"))
            .on(|_: Metadata, _: Wanted| async {})
            .bind()
            .await
            .expect("bound")
            .run();
        let notifier = Notifier::builder(&transport).topic(world.topic()).build();
        let ctx = Context::new();
        notifier.info(&ctx, "filtered", &1);
        notifier.info(&ctx, "neither", &1);
        notifier.emit(&ctx, &Wanted {});
        eventually("all notifications to arrive", || transport.metrics().notifications_received == 3).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        assert_eq!(transport.metrics().notifications_unwanted, 2);
        eventually("the lines", || lines(&heard, "DEBUG", "forgot a notification") == 2).await;
        listener.shutdown(SOON).await.expect("nothing runs");
    }
}

/// A batch handler takes every event. Notifications that the filters exclude are counted all the
/// same.
#[tokio::test]
async fn what_the_filters_of_a_listener_of_batches_leave_out_is_counted() {
    let world = World::memory();
    let transport = world.transport().await;
    let listener = NotificationListener::builder(&transport)
        .topic(world.topic())
        .filter(Filter::new().event_type("wanted").expect("a filter"))
        .batches(2, Duration::from_millis(10), |_: Vec<(Metadata, Payload)>| async {})
        .bind()
        .await
        .expect("bound")
        .run();
    let notifier = Notifier::builder(&transport).topic(world.topic()).build();
    notifier.info(&Context::new(), "filtered", &1);
    eventually("it to be counted", || transport.metrics().notifications_unwanted == 1).await;
    listener.shutdown(SOON).await.expect("nothing runs");
}
