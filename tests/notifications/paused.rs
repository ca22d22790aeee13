//! Tokio's paused time: the pauses and limits of notifiers and listeners follow it.

use std::time::Duration;

use rpc_runtime::{
    Context, NotifyError,
    notify::{Metadata, Payload, Requeue},
};
use tests::{Log, World};
use tokio::time::{Instant, timeout};

use crate::{VolumeCreated, created, emits, listens};

const HOUR: Duration = Duration::from_secs(3600);
/// Timers have millisecond precision.
const TICK: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn what_a_handler_refuses_comes_again_after_hours_and_is_a_dead_letter_in_the_end() {
    let world = World::memory();
    let (transport, begun) = (world.transport().await, Instant::now());
    let (true_time, tries) = (std::time::Instant::now(), Log::default());
    let noted = tries.clone();
    let listener = listens(&world, &transport).requeue_delay(HOUR).delivery_limit(4);
    let listener = listener.on(move |_: Metadata, _: VolumeCreated| {
        noted.push(begun.elapsed());
        async { Err::<(), _>(Requeue::because("not yet")) }
    });
    let _listener = listener.bind().await.expect("bound").run();
    let notifier = emits(&world, &transport).build();
    notifier.emit(&Context::new(), &created(1)).await.expect("sent");
    let broker = transport.memory().expect("embedded");
    let dead = format!("{}.info.dead_letter", world.topic());
    let is_dead = async {
        while broker.queued(&dead) == 0 {
            tokio::time::sleep(HOUR / 60).await;
        }
    };
    let ended = timeout(48 * HOUR, is_dead).await;
    let tries = tries.events();
    assert!(ended.is_ok(), "no dead letter after {tries:?}");
    assert_eq!(tries.len(), 4, "{tries:?}");
    let pauses: Vec<_> = tries.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses.iter().all(|pause| *pause >= HOUR && *pause < HOUR + TICK), "{pauses:?}");
    assert!(true_time.elapsed() < HOUR / 120, "it waited by another clock");
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_given_up_after_hours() {
    let world = World::memory();
    let transport = world.transport().await;
    let notifier = emits(&world, &transport).give_up_after(6 * HOUR).build();
    transport.memory().expect("embedded").disconnect();
    let begun = Instant::now();
    let error =
        notifier.emit(&Context::new(), &created(1)).await.expect_err("there is no connection");
    assert!(matches!(error, NotifyError::Expired { waited } if waited >= 6 * HOUR), "{error:?}");
    assert!(begun.elapsed() < 6 * HOUR + TICK, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_handed_over_and_a_handler_given_up_after_hours() {
    let world = World::memory();
    let (transport, log) = (world.transport().await, Log::default());
    let (noted, begun) = (log.clone(), Instant::now());
    let listener = listens(&world, &transport).time_limit(2 * HOUR).requeue_delay(3 * HOUR);
    let listener = listener.batches(1000, HOUR, move |batch: Vec<(Metadata, Payload)>| {
        noted.push((batch.len(), begun.elapsed()));
        std::future::pending::<()>()
    });
    let listener = listener.bind().await.expect("bound").run();
    let notifier = emits(&world, &transport).build();
    for size in 0..3 {
        notifier.emit(&Context::new(), &created(size)).await.expect("sent");
    }
    let twice = async {
        while log.len() < 2 {
            tokio::time::sleep(HOUR / 60).await;
        }
    };
    assert!(timeout(24 * HOUR, twice).await.is_ok(), "{:?}", log.events());
    let [(first, at), (second, again)] = log.events()[..] else { panic!("{:?}", log.events()) };
    assert_eq!((first, second), (3, 3));
    assert!(at >= HOUR && at < HOUR + TICK, "{at:?}");
    // The handler's limit, the pause, and the wait for a full batch.
    assert!(again >= at + 5 * HOUR && again < at + 6 * HOUR + TICK, "{again:?}");
    let stopping = Instant::now();
    assert!(listener.shutdown(HOUR / 2).await.is_err());
    assert!(stopping.elapsed() < HOUR / 2 + Duration::from_secs(2), "{:?}", stopping.elapsed());
}
