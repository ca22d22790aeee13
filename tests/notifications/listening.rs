//! A listener finishes a notification or has it redelivered, up to a limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rpc_runtime::{
    Compression, Context, DuplicateWindow, Notification, RabbitOptions, ServerBuilder, Transport,
    TransportErrorKind, notification,
    notify::{Filter, Format, Metadata, Payload, Priority, Requeue},
};
use serde::{Deserialize, Serialize};
use tests::{Doomed, Log, SOON, World, eventually, on_every_transport, proxy::Proxy, soon};

use crate::{Heard, VolumeCreated, VolumeFailed, created, emits, listens};

/// The events of [`VolumeCreated`], as another service defines them.
#[notification(event_type = "volume.create.end")]
#[derive(Debug, Deserialize, Serialize)]
struct CreatedOtherwise {
    name: String,
}

/// Reads the dead letters of the `info` queue.
async fn dead_letters(world: &World, transport: &Transport) -> Log<Payload> {
    // The queue of dead letters is itself a queue of notifications, which a pool of its name reads.
    let log = Log::default();
    let noted = log.clone();
    let listener = rpc_runtime::NotificationListener::builder(transport)
        .topic(format!("{}-none", world.topic()))
        .pool(format!("{}.info{}", world.topic(), ServerBuilder::DEAD_LETTERS))
        .otherwise(move |_, payload| {
            noted.push(payload);
            async {}
        });
    drop(listener.bind().await.map(rpc_runtime::NotificationListener::run));
    log
}

on_every_transport! {
    async fn an_event_comes_to_the_handlers_of_its_type_and_the_rest_to_the_other(world: World) {
        let transport = world.transport().await;
        let (heard, failed, twice) = (Heard::default(), Log::default(), Log::default());
        let (noted, again) = (failed.clone(), twice.clone());
        let listener = heard.all(listens(&world, &transport))
            .on(move |_, event: VolumeFailed| {
                noted.push(event.volume_id);
                async {}
            })
            .on(move |_, event: VolumeCreated| {
                again.push(event.size);
                async {}
            });
        let _listener = listener.bind().await.expect("bound").run();
        let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
        notifier.emit(&ctx, &created(1));
        notifier.emit(&ctx, &VolumeFailed { volume_id: "v2".to_owned() });
        // The priority has to match, too.
        notifier.warn(&ctx, "volume.create.end", &created(3));
        notifier.info(&ctx, "volume.delete.end", &created(4));
        eventually("all notifications", || heard.events.len() + failed.len() + heard.others.len() + twice.len() == 5).await;
        assert_eq!((heard.sizes(), twice.events(), failed.events()), (vec![1], vec![1], vec!["v2".to_owned()]));
        let mut others: Vec<_> = heard.others.events().into_iter().map(|(metadata, _)| (metadata.priority, metadata.event_type)).collect();
        others.sort();
        let expected = [(Priority::Info, "volume.delete.end"), (Priority::Warn, "volume.create.end")];
        assert_eq!(others, expected.map(|(priority, event_type)| (priority, event_type.to_owned())));
    }

    async fn a_listener_takes_only_the_queues_that_its_handlers_need(world: World) {
        let transport = world.transport().await;
        let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
        let log = Log::default();
        let noted = log.clone();
        let errors = listens(&world, &transport).on(move |_, event: VolumeFailed| {
            noted.push(event.volume_id);
            async {}
        });
        let errors = errors.bind().await.expect("bound").run();
        notifier.emit(&ctx, &created(1));
        soon("the confirm", notifier.emit(&ctx, &VolumeFailed { volume_id: "v".to_owned() })).await.expect("sent");
        eventually("the failure", || log.events() == ["v"]).await;
        errors.shutdown(SOON).await.expect("nothing runs");
        let heard = Heard::default();
        let listener = heard.all(listens(&world, &transport)).priority(Priority::Info);
        let _listener = listener.bind().await.expect("bound").run();
        eventually("the other", || heard.sizes() == [1]).await;
        assert!(heard.others.is_empty());
    }

    async fn a_priority_that_is_asked_for_is_heard_beside_those_of_events(world: World) {
        let transport = world.transport().await;
        let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
        let heard = Heard::default();
        let listener = heard.all(listens(&world, &transport)).priority(Priority::Error);
        let _listener = listener.bind().await.expect("bound").run();
        soon("the confirm", notifier.warn(&ctx, "nobody.listens", &1)).await.expect("sent");
        notifier.emit(&ctx, &created(1));
        notifier.error(&ctx, "asked.for", &2);
        eventually("both", || heard.sizes() == [1] && !heard.others.is_empty()).await;
        let others: Vec<_> = heard.others.events().into_iter().map(|(metadata, _)| metadata.event_type).collect();
        assert_eq!(others, ["asked.for"]);
    }

    async fn a_busy_listener_leaves_notifications_to_others(world: World) {
        let transport = world.transport().await;
        let notifier = emits(&world, &transport).build();
        for size in 0..100 {
            notifier.emit(&Context::new(), &created(size));
        }
        soon("all confirms", notifier.flush()).await;
        let begun = Log::default();
        let noted = begun.clone();
        let busy = listens(&world, &transport).concurrency(1).on(move |_, event: VolumeCreated| {
            noted.push(event.size);
            std::future::pending::<()>()
        });
        let busy = busy.bind().await.expect("bound").run();
        eventually("one to begin", || begun.len() == 1).await;
        let idle = Heard::default();
        let _idle = idle.all(listens(&world, &transport)).bind().await.expect("bound").run();
        eventually("most of them", || idle.events.len() >= 80).await;
        soon("its end", busy.shutdown(Duration::from_millis(50))).await.expect_err("one hangs");
        eventually("the rest", || idle.sorted() == (0..100).collect::<Vec<_>>()).await;
    }

    async fn where_deliveries_are_not_counted_their_order_is_kept(world: World) {
        let transport = world.transport().await;
        let notifier = emits(&world, &transport).build();
        for size in 0..30 {
            notifier.emit(&Context::new(), &created(size));
        }
        soon("all confirms", notifier.flush()).await;
        let begun = Log::default();
        let noted = begun.clone();
        let first = listens(&world, &transport).concurrency(1).delivery_limit(0);
        let first = first.on(move |_, event: VolumeCreated| {
            noted.push(event.size);
            std::future::pending::<()>()
        });
        let first = first.bind().await.expect("bound").run();
        eventually("one to begin", || begun.len() == 1).await;
        soon("its end", first.shutdown(Duration::from_millis(50))).await.expect_err("one hangs");
        let heard = Heard::default();
        let next = heard.all(listens(&world, &transport)).concurrency(1).delivery_limit(0);
        let _next = next.bind().await.expect("bound").run();
        eventually("all notifications", || heard.events.len() == 30).await;
        assert!(heard.sizes().into_iter().eq(0..30), "{:?}", heard.sizes());
    }

    async fn listeners_share_and_pools_get_a_copy_each(world: World) {
        let transport = world.transport().await;
        let (one, two, pooled) = (Heard::default(), Heard::default(), Heard::default());
        let pool = format!("{}-pool", world.topic());
        let mut running = Vec::new();
        for (heard, pool) in [(&one, None), (&two, None), (&pooled, Some(&pool)), (&pooled, Some(&pool))] {
            let builder = heard.all(listens(&world, &transport));
            let builder = match pool {
                Some(pool) => builder.pool(pool.as_str()),
                None => builder,
            };
            running.push(builder.bind().await.expect("bound").run());
        }
        let notifier = emits(&world, &transport).build();
        for size in 0..200 {
            notifier.emit(&Context::new(), &created(size));
        }
        let all: Vec<_> = (0..200).collect();
        eventually("each pool to have all", || {
            let mut shared = [one.sizes(), two.sizes()].concat();
            shared.sort_unstable();
            shared == all && pooled.sorted() == all
        })
        .await;
        assert!(!one.events.is_empty() && !two.events.is_empty(), "they share");
    }

    async fn a_rejected_notification_is_redelivered_and_delays_no_other(world: World) {
        let transport = world.transport().await;
        let (log, tries) = (Log::default(), Arc::new(AtomicU64::new(0)));
        let (noted, tried) = (log.clone(), Arc::clone(&tries));
        let listener = listens(&world, &transport)
            .concurrency(1)
            .requeue_delay(Duration::from_millis(20))
            .on(move |metadata: Metadata, event: VolumeCreated| {
                let is_refused = event.size == 0 && tried.fetch_add(1, Ordering::Relaxed) < 3;
                noted.push((event.size, metadata.redeliveries));
                async move {
                    match is_refused {
                        true => Err(Requeue::because("not yet")),
                        false => Ok(()),
                    }
                }
            });
        let listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in 0..5 {
            notifier.emit(&Context::new(), &created(size));
        }
        eventually("all of it", || log.len() == 8).await;
        let of = |size| log.events().into_iter().filter(|(of, _)| *of == size).map(|(_, count)| count).collect::<Vec<_>>();
        assert_eq!(of(0), [0, 1, 2, 3], "it carries the number of redeliveries");
        for size in 1..5 {
            assert_eq!(of(size), [0]);
        }
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        assert_eq!(transport.metrics().notifications_requeued, 3);
        listener.shutdown(SOON).await.expect("nothing runs");
    }

    async fn poison_costs_its_delivery_limit_and_is_a_dead_letter(world: World) {
        let transport = world.transport().await;
        let (log, heard) = (Log::default(), Heard::default());
        let noted = log.clone();
        let listener = heard.all(listens(&world, &transport))
            .requeue_delay(Duration::from_millis(5))
            .delivery_limit(4)
            .on(move |_, event: VolumeFailed| {
                noted.push(event.volume_id.clone());
                async move {
                    assert_ne!(event.volume_id, "panics", "panics, as intended");
                    Err::<(), _>(Requeue::because("never"))
                }
            });
        let listener = listener.bind().await.expect("bound").run();
        let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
        for how in ["panics", "refuses"] {
            notifier.emit(&ctx, &VolumeFailed { volume_id: how.to_owned() });
        }
        // A payload that the event's type cannot be read from.
        notifier.info(&ctx, "volume.create.end", &"poison");
        eventually("three dead letters", || transport.metrics().notifications_dead == 3).await;
        let count = |how: &str| log.events().iter().filter(|seen| *seen == how).count();
        assert_eq!((count("panics"), count("refuses"), heard.events.len()), (4, 4, 0));
        notifier.emit(&ctx, &created(1));
        eventually("the next", || heard.sizes() == [1]).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        listener.shutdown(SOON).await.expect("nothing runs");
        let letters = dead_letters(&world, &transport).await;
        eventually("the dead letter", || !letters.is_empty()).await;
        assert_eq!(letters.events()[0].text(), "\"poison\"");
    }

    async fn what_one_handler_cannot_read_reaches_all_others_in_any_order_and_is_one_dead_letter(world: World) {
        let transport = world.transport().await;
        for (round, order) in (1..).zip([[0, 1, 2], [2, 1, 0], [1, 0, 2]]) {
            let (sizes, texts) = (Log::default(), Log::default());
            let mut listener = listens(&world, &transport);
            for handler in order {
                let (sizes, texts) = (sizes.clone(), texts.clone());
                listener = match handler {
                    0 => listener.on(|_, event: CreatedOtherwise| async move {
                        assert!(event.name.is_empty(), "it cannot be read");
                    }),
                    1 => listener.on(move |_, event: VolumeCreated| {
                        sizes.push(event.size);
                        async {}
                    }),
                    _ => listener.matching(Filter::new(), move |_, payload: Payload| {
                        texts.push(payload.text().to_owned());
                        async {}
                    }),
                };
            }
            let listener = listener.bind().await.expect("bound").run();
            emits(&world, &transport).build().emit(&Context::new(), &created(7));
            eventually("a dead letter", || transport.metrics().notifications_dead == round).await;
            eventually("nothing to be in flight", || listener.in_flight() == 0).await;
            assert_eq!((sizes.events(), texts.len()), (vec![7], 1), "{order:?}");
            listener.shutdown(SOON).await.expect("nothing runs");
        }
        let letters = dead_letters(&world, &transport).await;
        eventually("the dead letters", || letters.len() == 3).await;
        let metrics = transport.metrics();
        assert_eq!((metrics.notifications_requeued, metrics.notifications_dead), (0, 3));
    }

    async fn a_handler_that_refuses_or_panics_keeps_no_other_from_a_notification_in_any_order(world: World) {
        let transport = world.transport().await;
        for order in [[0, 1, 2], [2, 1, 0]] {
            let (tries, others) = (Arc::new(AtomicU64::new(0)), Log::default());
            let before = transport.metrics();
            let mut listener = listens(&world, &transport).requeue_delay(Duration::from_millis(5));
            for handler in order {
                let (tries, others) = (Arc::clone(&tries), others.clone());
                listener = match handler {
                    0 => listener.on(move |_, _: VolumeCreated| {
                        let tried = tries.fetch_add(1, Ordering::Relaxed);
                        async move {
                            assert_ne!(tried, 1, "the second time it panics");
                            if tried == 0 { Err(Requeue::because("not yet")) } else { Ok(()) }
                        }
                    }),
                    1 => listener.on(move |metadata: Metadata, _: VolumeCreated| {
                        others.push(metadata.redeliveries);
                        async {}
                    }),
                    _ => listener.on(|_, event: CreatedOtherwise| async move {
                        assert!(event.name.is_empty(), "it cannot be read");
                    }),
                };
            }
            let listener = listener.bind().await.expect("bound").run();
            emits(&world, &transport).build().emit(&Context::new(), &created(7));
            let dead = before.notifications_dead + 1;
            eventually("a dead letter", || transport.metrics().notifications_dead == dead).await;
            eventually("nothing to be in flight", || listener.in_flight() == 0).await;
            assert_eq!(others.events(), [0, 1, 2], "at each delivery, in the order {order:?}");
            let requeued = transport.metrics().notifications_requeued - before.notifications_requeued;
            assert_eq!((requeued, tries.load(Ordering::Relaxed)), (2, 3), "{order:?}");
            listener.shutdown(SOON).await.expect("nothing runs");
        }
    }

    async fn a_handler_that_takes_too_long_is_cancelled_and_delays_no_other(world: World) {
        let transport = world.transport().await;
        let (heard, tries) = (Heard::default(), Log::default());
        let tried = tries.clone();
        let listener = heard.all(listens(&world, &transport))
            .concurrency(1)
            .time_limit(Duration::from_millis(100))
            .requeue_delay(Duration::from_millis(5))
            .delivery_limit(3)
            .on(move |metadata: Metadata, _: VolumeFailed| {
                tried.push(metadata.redeliveries);
                std::future::pending::<()>()
            });
        let listener = listener.bind().await.expect("bound").run();
        let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
        notifier.emit(&ctx, &VolumeFailed { volume_id: "hangs".to_owned() });
        notifier.emit(&ctx, &created(1));
        eventually("the other", || heard.sizes() == [1]).await;
        eventually("the dead letter", || transport.metrics().notifications_dead == 1).await;
        assert_eq!(tries.events(), [0, 1, 2], "up to the delivery limit");
        soon("its end", listener.shutdown(SOON)).await.expect("nothing runs");
    }

    async fn what_a_listener_gives_up_goes_to_the_next(world: World) {
        let transport = world.transport().await;
        let log = Log::default();
        let noted = log.clone();
        let listener = listens(&world, &transport).concurrency(2).on(move |_, event: VolumeCreated| {
            noted.push(event.size);
            std::future::pending::<()>()
        });
        let listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in 0..5 {
            notifier.emit(&Context::new(), &created(size));
        }
        eventually("two to begin", || log.len() == 2).await;
        let error = soon("its end", listener.shutdown(Duration::from_millis(50))).await;
        assert_eq!(error.expect_err("two hang").unfinished, 2);
        let heard = Heard::default();
        let _next = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
        eventually("all notifications", || heard.sorted() == [0, 1, 2, 3, 4]).await;
    }

    async fn a_listener_that_stops_finishes_what_it_has_begun(world: World) {
        let transport = world.transport().await;
        let (heard, gate) = (Heard::default(), Heard::default().gate);
        let (log, opened) = (heard.events.clone(), Arc::clone(&gate));
        let listener = listens(&world, &transport).concurrency(1).on(move |metadata, event: VolumeCreated| {
            let (log, opened) = (log.clone(), Arc::clone(&opened));
            async move {
                opened.notified().await;
                log.push((metadata, event));
            }
        });
        let listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in 0..3 {
            soon("the confirm", notifier.emit(&Context::new(), &created(size))).await.expect("sent");
        }
        eventually("one to begin", || listener.in_flight() == 1).await;
        let stopping = tokio::spawn(listener.shutdown(SOON));
        let rest = Heard::default();
        let next = rest.all(listens(&world, &transport)).bind().await.expect("bound").run();
        eventually("the others to go to the next", || rest.sorted() == [1, 2]).await;
        gate.notify_one();
        soon("its end", stopping).await.expect("no panic").expect("it has finished");
        assert_eq!(heard.sizes(), [0]);
        next.shutdown(SOON).await.expect("nothing runs");
    }

    async fn a_listener_goes_on_when_its_connection_is_lost(world: World) {
        let Some(world) = world.alone().await else { return };
        let transport = world.transport().await;
        let heard = Heard::default();
        let _listener = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).build();
        for size in 0..30 {
            notifier.emit(&Context::new(), &created(size));
            if size % 10 == 5 {
                world.cut_connections(&transport).await;
            }
        }
        let all: Vec<_> = (0..30).collect();
        eventually("all notifications", || {
            let mut sizes = heard.sizes();
            sizes.sort_unstable();
            sizes.dedup();
            sizes == all
        })
        .await;
    }

    async fn topics_of_other_exchanges_are_listened_to(world: World) {
        let transport = world.transport().await;
        let exchange = format!("{}-exchange", world.topic());
        let theirs = world.connect(|builder| builder.control_exchange(exchange.as_str())).await;
        let heard = Heard::default();
        let listener = heard.all(listens(&world, &transport)).topic_of(exchange.as_str(), world.topic());
        let _listener = listener.bind().await.expect("bound").run();
        for (size, transport) in [(1, &transport), (2, &theirs)] {
            let notifier = emits(&world, transport).build();
            soon("the confirm", notifier.emit(&Context::new(), &created(size))).await.expect("sent");
        }
        eventually("both", || heard.sorted() == [1, 2]).await;
    }

    async fn notifications_are_compressed_like_requests(world: World) {
        let transport = world.connect(|builder| builder.compression(Compression::Gzip)).await;
        let (heard, tries) = (Heard::default(), Log::default());
        let tried = tries.clone();
        let listener = heard.all(listens(&world, &transport)).requeue_delay(Duration::from_millis(5));
        let listener = listener.on(move |metadata: Metadata, _: VolumeFailed| {
            tried.push(metadata.redeliveries);
            async move {
                match metadata.redeliveries {
                    0 => Err(Requeue::because("not yet")),
                    _ => Ok(()),
                }
            }
        });
        let _listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).messaging(Format::V1).messaging(Format::V2).build();
        notifier.emit(&Context::new(), &created(7));
        notifier.emit(&Context::new(), &VolumeFailed { volume_id: "v".repeat(1000) });
        eventually("both forms, and the redeliveries", || heard.sizes() == [7, 7] && tries.len() == 4).await;
    }

    async fn what_is_no_listener_is_refused(world: World) {
        let transport = world.transport().await;
        let of_nothing = rpc_runtime::NotificationListener::builder(&transport).bind().await;
        assert_eq!(of_nothing.expect_err("no handler").kind(), TransportErrorKind::Configuration);
        for odd in ["", "a.*", "#", &"t".repeat(250)] {
            let heard = Heard::default();
            let builder = rpc_runtime::NotificationListener::builder(&transport).topic(odd);
            let error = heard.all(builder).bind().await.expect_err(odd);
            assert_eq!(error.kind(), TransportErrorKind::Configuration, "{error}");
        }
    }
}

#[test]
fn a_priority_is_spelled_as_listeners_take_it() {
    #[rpc_runtime::notification(event_type = "e", priority = "WARNING")]
    struct Warned;
    #[rpc_runtime::notification(event_type = "e", priority = "Error")]
    struct Failed;
    let priorities = [Warned::PRIORITY, Failed::PRIORITY];
    assert_eq!(priorities, [Priority::Warn, Priority::Error]);
}

/// The queues of an embedded broker cannot be deleted.
#[tokio::test]
async fn a_queue_that_was_deleted_is_made_again_and_loses_nothing() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let notifier = emits(&world, &transport).build();
    soon("the confirm", notifier.emit(&Context::new(), &created(0))).await.expect("sent");
    let queue = format!("{}.info", world.topic());
    if tests::rabbitmqctl(&["delete_queue", &queue]).await.is_none() {
        return;
    }
    for size in 1..=20 {
        notifier.emit(&Context::new(), &created(size));
    }
    soon("all confirms", notifier.flush()).await;
    let heard = Heard::default();
    let _listener = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
    eventually("all later notifications", || heard.sorted() == (1..=20).collect::<Vec<_>>()).await;
}

/// Only the embedded broker can duplicate messages on demand, and accepts any bytes.
#[tokio::test]
async fn duplicates_and_invalid_messages_leave_the_queue_and_reach_no_handler() {
    let world = World::memory();
    let transport = world.transport().await;
    let heard = Heard::default();
    let _listener = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
    let (notifier, broker) =
        (emits(&world, &transport).build(), transport.memory().expect("embedded"));
    broker.repeat_next(1);
    notifier.emit(&Context::new(), &created(1));
    eventually("both", || transport.metrics().notifications_received == 2).await;
    let queue = format!("{}.info", world.topic());
    for odd in
        ["", "[1]", "{}", r#"{"priority": null}"#, r#"{"priority": "loud", "payload": 1}"#, "\u{0}"]
    {
        assert!(broker.publish("openstack", &queue, odd.as_bytes().to_vec()));
    }
    // Any spelling of a priority is valid, and other members may be missing.
    assert!(broker.publish("openstack", &queue, br#"{"priority": "Info"}"#.to_vec()));
    assert!(broker.publish(
        "openstack",
        &queue,
        br#"{"priority": "WARNING", "event_type": 5}"#.to_vec()
    ));
    eventually("the valid notifications", || heard.others.len() == 2).await;
    let metrics = transport.metrics();
    assert_eq!((heard.sizes(), metrics.notifications_duplicate), (vec![1], 1));
    assert_eq!((metrics.notifications_malformed, metrics.notifications_received), (3, 7));
    let (metadata, payload) = heard.others.events().swap_remove(0);
    assert_eq!(
        (metadata.event_type.as_str(), metadata.publisher_id, payload.text()),
        ("", None, "null")
    );
    assert_eq!(broker.queued(&queue), 0);
}

/// Only the embedded broker can duplicate messages on demand.
#[tokio::test]
async fn a_second_copy_waits_for_the_first_however_many_come_meanwhile() {
    let world = World::memory();
    let transport = world.transport().await;
    let (begun, gate, heard) = (Log::default(), Heard::default().gate, Heard::default());
    let (noted, opened) = (begun.clone(), Arc::clone(&gate));
    let listener = heard
        .all(listens(&world, &transport))
        .duplicate_window(DuplicateWindow::new().requests(2))
        .on(move |_, event: VolumeFailed| {
            noted.push(event.volume_id);
            let opened = Arc::clone(&opened);
            async move { opened.notified().await }
        });
    let listener = listener.bind().await.expect("bound").run();
    let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
    transport.memory().expect("embedded").repeat_next(1);
    notifier.emit(&ctx, &VolumeFailed { volume_id: "v".to_owned() });
    eventually("both copies", || transport.metrics().notifications_received == 2).await;
    for size in 0..10 {
        notifier.emit(&ctx, &created(size));
    }
    eventually("the others", || heard.events.len() == 10).await;
    gate.notify_one();
    eventually("nothing to be in flight", || listener.in_flight() == 0).await;
    assert_eq!((begun.len(), transport.metrics().notifications_received), (1, 12));
    soon("its end", listener.shutdown(SOON)).await.expect("nothing runs");
}

/// Crashes a listener at each delivery. An embedded broker would not notice a connection that just
/// ends.
async fn poison_stops(options: RabbitOptions) {
    let Some(world) = World::rabbit() else { return };
    let transport = world.connect(|builder| builder.rabbit(options.clone())).await;
    let notifier = emits(&world, &transport).build();
    soon("the confirm", notifier.emit(&Context::new(), &created(1))).await.expect("sent");
    let log = Log::default();
    for round in 1.. {
        let (doomed, proxy) = (Doomed::start(), Proxy::start(&world).await);
        let (place, noted, url, options) =
            (world.clone(), log.clone(), proxy.url(&world), options.clone());
        let serving = doomed.run(async move {
            let transport = Transport::builder(&url).rabbit(options).connect().await;
            let transport = transport.expect("connected");
            let listener = listens(&place, &transport).delivery_limit(3).on(
                move |metadata: Metadata, _: VolumeCreated| {
                    noted.push(metadata.redeliveries);
                    std::future::pending::<()>()
                },
            );
            // Dropping it would shut it down in order.
            std::mem::forget(listener.bind().await.expect("bound").run());
            transport
        });
        let serving = serving.await;
        let is_over = || serving.metrics().notifications_dead == 1;
        eventually("the handler to begin, or the dead letter", || log.len() == round || is_over())
            .await;
        if is_over() {
            break;
        }
        doomed.crash();
        proxy.refuse().await;
        proxy.cut();
        std::mem::forget(serving);
    }
    assert_eq!(log.events(), [0, 1, 2], "up to the delivery limit");
    let letters = dead_letters(&world, &transport).await;
    eventually("the dead letter", || letters.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_its_listener_each_time_is_a_dead_letter_at_last_on_classic_queues() {
    poison_stops(RabbitOptions::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_its_listener_each_time_is_a_dead_letter_at_last_on_quorum_queues() {
    poison_stops(RabbitOptions::default().quorum_queues(true).transient_quorum_queues(true)).await;
}
