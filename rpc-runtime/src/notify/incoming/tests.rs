//! What becomes of a notification that cannot be finished, on a clock that goes on when nothing else does.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::{
    NotificationListener, Notifier, Transport, clock::Instant, memory::Broker,
    notify::ListenerBuilder, pending::Pending,
};

/// Longer than anything takes, on that clock.
const LONG: Duration = Duration::from_secs(60);
/// How often is looked.
const TICK: Duration = Duration::from_millis(10);

async fn connect() -> (Transport, Broker) {
    let url = format!("memory://incoming-{}", uuid::Uuid::new_v4());
    let transport = Transport::connect(&url).await.expect("it is embedded");
    let broker = transport.memory().expect("it is embedded");
    (transport, broker)
}

/// What a handler was told: how often it came before, and after how many seconds.
type Told = UnboundedReceiver<(u32, u64)>;

/// Listens with a handler that refuses so many times.
fn refuses(transport: &Transport, times: u32) -> (ListenerBuilder, Told) {
    let (told, heard) = unbounded_channel();
    let start = Instant::now();
    let builder = NotificationListener::builder(transport).otherwise(move |metadata, _| {
        let _ = told.send((metadata.redeliveries, start.elapsed().as_secs()));
        let is_refused = metadata.redeliveries < times;
        async move { if is_refused { Err(Requeue::because("not yet")) } else { Ok(()) } }
    });
    (builder, heard)
}

/// Waits for the next message that is published, and decides its end.
async fn decide(broker: &Broker, outcome: Outcome) -> Outgoing {
    let given = async {
        loop {
            if let Some(pending) = broker.hold().pop() {
                return pending;
            }
            tokio::time::sleep(TICK).await;
        }
    };
    let pending: Arc<Pending> =
        tokio::time::timeout(LONG, given).await.expect("something is published");
    let message = pending.take().expect("it is wanted");
    pending.end(outcome);
    message
}

async fn hear(heard: &mut Told) -> (u32, u64) {
    let told = tokio::time::timeout(LONG, heard.recv()).await.expect("it comes again");
    told.expect("the listener listens")
}

async fn emit(transport: &Transport) {
    Notifier::builder(transport).build().info(&Context::new(), "e", &1).await.expect("sent");
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_a_notification_comes_as_often_as_it_takes_after_pauses_that_grow() {
    let (transport, _) = connect().await;
    let (builder, mut heard) = refuses(&transport, 30);
    let _listener = builder.delivery_limit(0).bind().await.expect("bound").run();
    emit(&transport).await;
    let mut seconds = 0;
    for redeliveries in 0..=30 {
        let told = hear(&mut heard).await;
        assert_eq!(told, (redeliveries, seconds));
        seconds += 30.min(1 << redeliveries.min(16));
    }
    let metrics = transport.metrics();
    assert_eq!((metrics.notifications_requeued, metrics.notifications_dead), (30, 0));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_anew_waits_and_goes_back_to_its_queue() {
    let (transport, broker) = connect().await;
    let (builder, mut heard) = refuses(&transport, 1);
    let delay = Duration::from_secs(10);
    let listener = builder.requeue_delay(delay).bind().await.expect("bound").run();
    emit(&transport).await;
    broker.hold();
    assert_eq!(hear(&mut heard).await, (0, 0));
    decide(&broker, Outcome::Refused).await;
    assert_eq!(hear(&mut heard).await, (1, 11), "a second later");
    listener.shutdown(LONG).await.expect("nothing runs");
    assert_eq!(broker.queued("notifications.info"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_published_anew_is_acknowledged_at_once() {
    let (transport, broker) = connect().await;
    let (builder, mut heard) = refuses(&transport, 1);
    let listener = builder.bind().await.expect("bound").run();
    emit(&transport).await;
    broker.hold();
    assert_eq!(hear(&mut heard).await, (0, 0));
    let copy = decide(&broker, Outcome::Confirmed).await;
    assert!(copy.headers.contains(&(REDELIVERIES, Header::Number(1))), "{:?}", copy.headers);
    let since = Instant::now();
    listener.shutdown(LONG).await.expect("nothing runs");
    assert!(since.elapsed() < PAUSE, "it waits for nothing");
    assert_eq!(broker.queued("notifications.info"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_put_aside_comes_again_until_it_can() {
    let (transport, broker) = connect().await;
    let (builder, mut heard) = refuses(&transport, u32::MAX);
    let listener = builder.delivery_limit(1).bind().await.expect("bound").run();
    emit(&transport).await;
    broker.hold();
    assert_eq!(hear(&mut heard).await, (0, 0));
    decide(&broker, Outcome::Refused).await;
    let letter = decide(&broker, Outcome::Confirmed).await;
    assert_eq!(
        *letter.route.routing_key,
        *format!("notifications.info{}", ServerBuilder::DEAD_LETTERS)
    );
    listener.shutdown(LONG).await.expect("nothing runs");
    assert_eq!(transport.metrics().notifications_dead, 1);
    assert!(heard.recv().await.is_none(), "it was delivered as often as it may be");
    assert_eq!(broker.queued("notifications.info"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_listeners_gave_up_as_often_as_it_may_be_delivered_is_a_dead_letter() {
    let (transport, _) = connect().await;
    emit(&transport).await;
    for redeliveries in 0..3 {
        let (told, mut heard) = unbounded_channel();
        let builder = NotificationListener::builder(&transport).otherwise(move |metadata, _| {
            let _ = told.send((metadata.redeliveries, 0));
            std::future::pending::<()>()
        });
        let listener = builder.delivery_limit(2).bind().await.expect("bound").run();
        if redeliveries < 2 {
            assert_eq!(hear(&mut heard).await, (redeliveries, 0));
            let error = listener.shutdown(Duration::from_secs(1)).await.expect_err("it hangs");
            assert_eq!(error.unfinished, 1);
            continue;
        }
        let is_dead = async {
            while transport.metrics().notifications_dead == 0 {
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::time::timeout(LONG, is_dead).await.expect("it is put aside");
        listener.shutdown(LONG).await.expect("nothing runs");
        assert!(heard.recv().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_may_be_made_of_as_many_values_as_a_transport_takes() {
    let (transport, broker) = connect().await;
    let mut published = broker.observe();
    emit(&transport).await;
    let body = published.try_recv().expect("one was emitted").body;
    let text = envelope::open(&body).expect("an envelope");
    let values = Notice::parse_within(&text, usize::MAX).expect("a notification").values;
    for (limit, is_heard) in [(values, true), (values + 1, true), (values - 1, false)] {
        let url = format!("memory://incoming-{}", uuid::Uuid::new_v4());
        let transport = Transport::builder(&url).value_limit(limit).connect().await;
        let transport = transport.expect("it is embedded");
        let (builder, mut heard) = refuses(&transport, 0);
        let listener = builder.bind().await.expect("bound").run();
        emit(&transport).await;
        let came = async {
            while transport.metrics().notifications_malformed == 0 && heard.try_recv().is_err() {
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::time::timeout(LONG, came).await.expect("it comes");
        let malformed = transport.metrics().notifications_malformed;
        assert_eq!(malformed, u64::from(!is_heard), "{limit} of {values}");
        listener.shutdown(LONG).await.expect("nothing runs");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_wait_for_ever() {
    let (transport, _) = connect().await;
    let (told, mut heard) = unbounded_channel();
    let builder =
        NotificationListener::builder(&transport).batches(2, Duration::MAX, move |batch| {
            let _ = told.send((0, batch.len() as u64));
            async {}
        });
    let _listener = builder.bind().await.expect("bound").run();
    emit(&transport).await;
    tokio::time::sleep(100 * LONG).await;
    assert!(heard.try_recv().is_err(), "it is not full");
    emit(&transport).await;
    assert_eq!(hear(&mut heard).await, (0, 2));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_of_a_listener_waits_until_its_transport_is_closed() {
    let (transport, _) = connect().await;
    let (builder, _heard) = refuses(&transport, 0);
    let mut listener = builder.bind().await.expect("bound").run();
    let early = tokio::time::timeout(LONG, listener.wait()).await;
    assert!(early.is_err(), "it listens");
    transport.close().await;
    for _ in 0..2 {
        tokio::time::timeout(LONG, listener.wait()).await.expect("it has ended");
    }
    listener.shutdown(LONG).await.expect("nothing runs");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_has_nothing_to_do_stops_however_little_time_it_has() {
    let (transport, _) = connect().await;
    let (builder, _heard) = refuses(&transport, 0);
    let listener = builder.bind().await.expect("bound").run();
    listener.shutdown(Duration::ZERO).await.expect("nothing runs");
}
