//! Handlers and drivers that panic in unusual places: in destructors, and while an event is read.

use std::{
    panic::panic_any,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rpc_runtime::{
    Context, NotifyError, notification,
    notify::{Driver, DriverError, Filter, Message},
};
use serde::{Deserialize, Deserializer, Serialize};
use tests::{
    SOON,
    bomb::{Bomb, Fuse},
    eventually, on_every_transport, soon,
};

use crate::{Heard, created, emits, listens};

/// More than the slots of the listeners in these tests.
const MORE: u64 = 5;

/// An event whose deserialization panics.
#[notification(event_type = "volume.unreadable")]
#[derive(Serialize)]
struct Unreadable {}

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic_any(Fuse(2))
    }
}

/// A driver that panics at each message.
struct Angry;

impl Driver for Angry {
    fn notify(&self, _: &Message<'_>) -> Result<(), DriverError> {
        panic_any(Fuse(2))
    }
}

/// A handler that panics at each notification.
async fn explode() {
    let fuse = Fuse(2);
    panic_any(fuse)
}

fn only(event_type: &str) -> Filter {
    Filter::new().event_type(event_type).expect("a filter")
}

/// A driver that counts messages.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Driver for Counter {
    fn notify(&self, _: &Message<'_>) -> Result<(), DriverError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

on_every_transport! {
    async fn a_handler_that_panics_in_a_destructor_takes_no_slot_along(world: World) {
        let transport = world.transport().await;
        let heard = Heard::default();
        let listener = heard.all(listens(&world, &transport))
            .matching(only("payload"), |_, _| explode())
            .matching(only("at_once"), |_, _| -> std::future::Ready<()> { panic_any(Fuse(2)) })
            .matching(only("guard"), |_, _| async {
                let _bomb = Bomb;
                std::future::pending::<()>().await;
            })
            .on(|_, _: Unreadable| async {})
            .concurrency(2)
            .time_limit(Duration::from_millis(50))
            .requeue_delay(Duration::from_millis(10))
            .delivery_limit(2);
        let listener = listener.bind().await.expect("bound").run();
        let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
        for _ in 0..MORE {
            notifier.info(&ctx, "payload", &1);
            notifier.info(&ctx, "at_once", &1);
            notifier.info(&ctx, "guard", &1);
            notifier.emit(&ctx, &Unreadable {});
        }
        notifier.emit(&ctx, &created(7));
        eventually("the valid notification", || heard.sizes() == [7]).await;
        eventually("the dead letters of the others", || transport.metrics().notifications_dead == 4 * MORE).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        listener.shutdown(SOON).await.expect("nothing runs");
    }

    async fn a_handler_of_batches_that_panics_in_a_destructor_goes_on_with_the_next(world: World) {
        let transport = world.transport().await;
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        let listener = listens(&world, &transport)
            .requeue_delay(Duration::from_millis(10))
            .delivery_limit(2)
            .batches(2, Duration::from_millis(20), move |batch| {
                counted.fetch_add(batch.len(), Ordering::Relaxed);
                explode()
            });
        let listener = listener.bind().await.expect("bound").run();
        let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
        (0..MORE).for_each(|size| _ = notifier.emit(&ctx, &created(size)));
        eventually("all dead letters", || transport.metrics().notifications_dead == MORE).await;
        eventually("nothing to be in flight", || listener.in_flight() == 0).await;
        assert!(seen.load(Ordering::Relaxed) >= 5);
        listener.shutdown(SOON).await.expect("nothing runs");
    }

    async fn a_driver_that_panics_keeps_no_other_from_its_message(world: World) {
        let transport = world.transport().await;
        let counter = Counter::default();
        let builder = emits(&world, &transport).driver(Angry).driver(counter.clone());
        let (notifier, ctx) = (builder.build(), Context::new());
        let told = soon("its end", notifier.info(&ctx, "angry", &1)).await;
        assert!(matches!(told, Err(NotifyError::Driver(_))), "{told:?}");
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    }
}
