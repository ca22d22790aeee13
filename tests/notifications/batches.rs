//! Notifications in batches, and filters.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rpc_runtime::{
    Context, RabbitOptions, TransportErrorKind,
    notify::{Filter, Metadata, Payload, Requeue},
};
use tests::{Log, SOON, World, eventually, on_every_transport, soon};

use crate::{Heard, VolumeCreated, VolumeFailed, created, emits, listens};

/// Returns the size in the payload of a created volume.
fn size(payload: &Payload) -> u64 {
    payload.decode::<VolumeCreated>().expect("a volume").size
}

on_every_transport! {
    async fn batches_come_in_order_and_none_is_larger_than_it_may_be(world: World) {
        let transport = world.transport().await;
        let notifier = emits(&world, &transport).build();
        for size in 0..25 {
            notifier.emit(&Context::new(), &created(size));
        }
        soon("all confirms", notifier.flush()).await;
        let log = Log::default();
        let noted = log.clone();
        let listener = listens(&world, &transport).batches(10, Duration::from_millis(300), move |batch| {
            noted.push(batch.iter().map(|(_, payload)| size(payload)).collect::<Vec<_>>());
            async {}
        });
        let listener = listener.bind().await.expect("bound").run();
        let seen = || log.events().concat();
        eventually("all notifications", || seen().len() == 25).await;
        assert!(seen().into_iter().eq(0..25));
        assert!(log.len() >= 3 && log.events().iter().all(|batch| (1..=10).contains(&batch.len())));
        notifier.error(&Context::new(), "alone", &created(99));
        eventually("a batch of one", || seen().last() == Some(&99)).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        listener.shutdown(SOON).await.expect("nothing runs");
    }

    async fn of_a_batch_only_what_was_refused_comes_again(world: World) {
        let transport = world.transport().await;
        let log = Log::default();
        let noted = log.clone();
        let panicked = AtomicBool::new(false);
        let listener = listens(&world, &transport)
            .requeue_delay(Duration::from_millis(10))
            .batches(4, Duration::from_millis(50), move |batch: Vec<(Metadata, Payload)>| {
                assert!(panicked.swap(true, Ordering::Relaxed), "panics the first time, as intended");
                let mut results = Vec::new();
                for (metadata, payload) in &batch {
                    let size = size(payload);
                    noted.push((size, metadata.redeliveries));
                    let is_refused = size % 2 == 1 && metadata.redeliveries < 2;
                    results.push(if is_refused { Err(Requeue::because("odd")) } else { Ok(()) });
                }
                async { results }
            });
        let listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in 0..8 {
            notifier.emit(&Context::new(), &created(size));
        }
        let ends = || {
            let mut ends: Vec<_> = log.events();
            ends.retain(|(size, redeliveries)| size % 2 == 0 || *redeliveries >= 2);
            ends.sort_unstable();
            ends.into_iter().map(|(size, _)| size).collect::<Vec<_>>()
        };
        eventually("all notifications to be handled", || ends() == (0..8).collect::<Vec<_>>()).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        assert_eq!(transport.metrics().notifications_dead, 0);
        listener.shutdown(SOON).await.expect("nothing runs");
    }

    async fn a_batch_that_takes_too_long_is_given_up_and_comes_again(world: World) {
        let transport = world.transport().await;
        let log = Log::default();
        let noted = log.clone();
        let listener = listens(&world, &transport)
            .time_limit(Duration::from_millis(100))
            .requeue_delay(Duration::from_millis(5))
            .batches(2, Duration::from_secs(3600), move |batch: Vec<(Metadata, Payload)>| {
                let is_first = batch.iter().all(|(metadata, _)| metadata.redeliveries == 0);
                noted.push(batch.len());
                async move {
                    if is_first {
                        std::future::pending::<()>().await;
                    }
                }
            });
        let listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in 0..2 {
            notifier.emit(&Context::new(), &created(size));
        }
        eventually("the redelivery", || log.events() == [2, 2]).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        listener.shutdown(SOON).await.expect("nothing runs");
    }

    async fn a_batch_that_is_not_full_goes_back_when_its_listener_stops(world: World) {
        let transport = world.transport().await;
        let log = Log::default();
        let noted = log.clone();
        let never = listens(&world, &transport).batches(100, Duration::from_secs(3600), move |batch| {
            noted.push(batch.len());
            async {}
        });
        let listener = never.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in 0..5 {
            notifier.emit(&Context::new(), &created(size));
        }
        eventually("all notifications to wait", || listener.in_flight() == 5).await;
        soon("its end", listener.shutdown(SOON)).await.expect("nothing runs");
        assert!(log.is_empty(), "it was not full");
        let heard = Heard::default();
        let _next = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
        eventually("all notifications", || heard.sorted() == [0, 1, 2, 3, 4]).await;
    }

    async fn notifications_that_match_no_filter_reach_no_handler(world: World) {
        let transport = world.transport().await;
        let heard = Heard::default();
        let filter = |pattern: &str| Filter::new().payload("volume_id", pattern).expect("a rule");
        let listener = heard.all(listens(&world, &transport)).filter(filter("v1$")).filter(filter("v[3-5]$"));
        let listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in 0..10 {
            notifier.emit(&Context::new(), &created(size));
        }
        eventually("all notifications", || transport.metrics().notifications_received == 10).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        assert_eq!(heard.sorted(), [1, 3, 4, 5]);
        listener.shutdown(SOON).await.expect("nothing runs");
        let rest = Heard::default();
        let _next = rest.all(listens(&world, &transport)).bind().await.expect("bound").run();
        soon("the confirm", notifier.emit(&Context::new(), &created(11))).await.expect("sent");
        eventually("the next", || rest.sizes() == [11]).await;
    }

    async fn a_handler_is_told_what_its_filter_matches_and_the_rest_is_what_no_handler_is_for(world: World) {
        let transport = world.transport().await;
        let (heard, matched) = (Heard::default(), Log::default());
        let noted = matched.clone();
        let ids = Filter::new().payload("volume_id", "v[3-5]$").expect("a rule");
        let listener = heard.all(listens(&world, &transport)).matching(ids, move |metadata, payload| {
            let id = payload.decode::<VolumeFailed>().expect("a volume").volume_id;
            noted.push(format!("{} {id}", metadata.event_type));
            async {}
        });
        let listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in [2, 3] {
            notifier.emit(&Context::new(), &created(size));
        }
        for id in ["v4", "v6"] {
            notifier.emit(&Context::new(), &VolumeFailed { volume_id: id.to_owned() });
        }
        eventually("all notifications", || transport.metrics().notifications_received == 4).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        assert_eq!(heard.sorted(), [2, 3]);
        let mut matched = matched.events();
        matched.sort_unstable();
        assert_eq!(matched, ["volume.create.end v3", "volume.create.error v4"]);
        let rest = heard.others.events();
        assert_eq!(rest.len(), 1);
        assert!(rest[0].1.text().contains("v6"));
    }

    async fn batches_have_a_listener_to_themselves(world: World) {
        let transport = world.transport().await;
        let both = Heard::default().all(listens(&world, &transport));
        let both = both.batches(2, Duration::ZERO, |_| async {}).bind().await;
        assert_eq!(both.expect_err("it has other handlers").kind(), TransportErrorKind::Configuration);
    }
}

/// The embedded broker has no prefetch.
#[tokio::test]
async fn a_batch_is_handed_over_when_no_more_can_come_before() {
    let Some(world) = World::rabbit() else { return };
    let options = RabbitOptions::default().prefetch(10);
    let transport = world.connect(|builder| builder.rabbit(options)).await;
    let log = Log::default();
    let noted = log.clone();
    let hour = Duration::from_secs(3600);
    let listener = listens(&world, &transport).requeue_delay(hour).batches(
        1000,
        hour,
        move |batch: Vec<(Metadata, Payload)>| {
            let sizes: Vec<_> = batch.iter().map(|(_, payload)| size(payload)).collect();
            noted.push(sizes.len());
            let refused =
                |size: &u64| if *size < 4 { Err(Requeue::because("not yet")) } else { Ok(()) };
            std::future::ready(sizes.iter().map(refused).collect::<Vec<_>>())
        },
    );
    let listener = listener.bind().await.expect("bound").run();
    let notifier = emits(&world, &transport).build();
    for size in 0..22 {
        notifier.emit(&Context::new(), &created(size));
    }
    // Four of the first ten wait for an hour.
    eventually("all notifications", || log.events() == [10, 6, 6]).await;
    soon("its end", listener.shutdown(SOON)).await.expect("nothing runs");
}

#[tokio::test]
async fn a_batch_may_wait_for_ever() {
    let world = World::memory();
    let transport = world.transport().await;
    let log = Log::default();
    let noted = log.clone();
    let listener = listens(&world, &transport).batches(2, Duration::MAX, move |batch| {
        noted.push(batch.len());
        async {}
    });
    let listener = listener.bind().await.expect("bound").run();
    let notifier = emits(&world, &transport).build();
    for size in 0..2 {
        notifier.emit(&Context::new(), &created(size));
    }
    eventually("a full batch", || log.events() == [2]).await;
    soon("its end", listener.shutdown(SOON)).await.expect("nothing runs");
}
