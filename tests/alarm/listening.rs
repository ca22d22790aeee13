//! A listener works while the broker blocks publishers: the messages that it consumes may be those
//! that fill the broker's memory.

use std::{future::pending, time::Duration};

use rpc_runtime::{
    Context, NotificationListener, Notifier, RabbitOptions, Transport,
    notify::{ListenerBuilder, Metadata, Payload, Requeue},
};
use tests::{Doomed, Log, SOON, World, eventually, proxy::Proxy, soon};

use crate::{ALONE, Alarm};

/// The number of notifications that a crashed listener left unacknowledged.
const LEFT: usize = 12;

fn listens(world: &World, transport: &Transport) -> ListenerBuilder {
    NotificationListener::builder(transport).topic(world.topic())
}

/// Leaves redelivered notifications on a classic queue, which does not count deliveries.
async fn left_behind(world: &World, transport: &Transport) {
    let notifier = Notifier::builder(transport).topic(world.topic()).build();
    for number in 0..LEFT {
        notifier.info(&Context::new(), "left.behind", &number);
    }
    soon("all confirms", notifier.flush()).await;
    let (doomed, proxy) = (Doomed::start(), Proxy::start(world).await);
    let (place, url, log) = (world.clone(), proxy.url(world), Log::default());
    let noted = log.clone();
    let serving = doomed.run(async move {
        let options = RabbitOptions::default().prefetch(100);
        let transport = Transport::builder(&url).rabbit(options).connect().await;
        let transport = transport.expect("connected");
        let listener =
            listens(&place, &transport).concurrency(LEFT).otherwise(move |_, payload| {
                noted.push(payload);
                pending::<()>()
            });
        // Dropping it would shut it down in order.
        std::mem::forget(listener.bind().await.expect("bound").run());
        transport
    });
    let serving = serving.await;
    eventually("all notifications to be delivered", || log.len() == LEFT).await;
    doomed.crash();
    proxy.refuse().await;
    proxy.cut();
    std::mem::forget(serving);
}

fn number(payload: &Payload) -> usize {
    payload.decode().expect("a number")
}

/// Returns the numbers in the log, sorted and without duplicates.
fn told(log: &Log<usize>) -> Vec<usize> {
    let mut told = log.events();
    told.sort_unstable();
    told.dedup();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_works_on_what_comes_again_and_stops_while_the_broker_takes_nothing() {
    let Some(world) = World::rabbit() else { return };
    let _alone = ALONE.lock().await;
    let transport = world.transport().await;
    left_behind(&world, &transport).await;
    let Some(alarm) = Alarm::raise().await else { return };
    let log = Log::default();
    let noted = log.clone();
    let listener = listens(&world, &transport).concurrency(1).otherwise(move |_, payload| {
        noted.push(number(&payload));
        async {}
    });
    let listener = listener.bind().await.expect("bound").run();
    eventually("all notifications", || told(&log) == (0..LEFT).collect::<Vec<_>>()).await;
    eventually("nothing to be in flight", || listener.in_flight() == 0).await;
    soon("its end", listener.shutdown(SOON)).await.expect("nothing runs");
    alarm.lift().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_of_batches_works_and_stops_while_the_broker_takes_nothing() {
    let Some(world) = World::rabbit() else { return };
    let _alone = ALONE.lock().await;
    let transport = world.transport().await;
    left_behind(&world, &transport).await;
    let Some(alarm) = Alarm::raise().await else { return };
    let log = Log::default();
    let noted = log.clone();
    let batches = listens(&world, &transport).batches(4, SOON, move |batch: Vec<(Metadata, _)>| {
        batch.iter().for_each(|(_, payload)| noted.push(number(payload)));
        async {}
    });
    let listener = batches.bind().await.expect("bound").run();
    eventually("all notifications", || told(&log) == (0..LEFT).collect::<Vec<_>>()).await;
    soon("its end", listener.shutdown(SOON)).await.expect("nothing runs");
    alarm.lift().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_rejected_while_the_broker_is_blocked_is_not_lost_and_delays_no_other() {
    let Some(world) = World::rabbit() else { return };
    let _alone = ALONE.lock().await;
    let transport = world.transport().await;
    left_behind(&world, &transport).await;
    let Some(alarm) = Alarm::raise().await else { return };
    let (log, refused) = (Log::default(), Log::default());
    let (noted, tried) = (log.clone(), refused.clone());
    let listener = listens(&world, &transport)
        .concurrency(1)
        .requeue_delay(Duration::from_millis(5))
        .otherwise(move |_, payload| {
            let number = number(&payload);
            let is_refused = number == 0;
            if is_refused { &tried } else { &noted }.push(number);
            async move {
                match is_refused {
                    true => Err(Requeue::because("never")),
                    false => Ok(()),
                }
            }
        });
    let listener = listener.delivery_limit(3).bind().await.expect("bound").run();
    eventually("the others", || told(&log) == (1..LEFT).collect::<Vec<_>>()).await;
    eventually("the handler to run again", || refused.len() > 3).await;
    assert_eq!(transport.metrics().notifications_dead, 0, "no dead letter can be published");
    alarm.lift().await;
    eventually("the dead letter", || transport.metrics().notifications_dead == 1).await;
    soon("its end", listener.shutdown(SOON)).await.expect("nothing runs");
}
