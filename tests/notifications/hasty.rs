//! Notifications that are sent immediately or not at all, and the order of waiting ones. On
//! RabbitMQ, through a proxy: an embedded broker has neither alarms nor late confirms.

use std::time::Duration;

use rpc_runtime::{Context, Event, NotifyError, Transport, TransportErrorKind, notify::Emission};
use tests::{
    World, eventually,
    proxy::{Action, Frames, Proxy, Rule, Way, method},
    raw::short,
    soon,
};

use crate::{Heard, created, emits, listens};

/// How many messages may wait for their confirms.
const WINDOW: u64 = 256;

async fn connect() -> Option<(World, Transport, Proxy)> {
    let world = World::rabbit()?;
    let proxy = Proxy::start(&world).await;
    let transport = Transport::connect(&proxy.url(&world)).await.expect("connected");
    Some((world, transport, proxy))
}

/// Makes the broker block the connection, and waits until the transport knows.
async fn alarm(proxy: &Proxy, transport: &Transport) {
    let mut events = transport.events();
    let blocked = method(0, "connection.blocked", &short(b"low on memory"));
    proxy.named(":publish").inject(Way::Down, &blocked);
    let told = async { while !matches!(events.next().await, Some(Event::Blocked { .. })) {} };
    soon("the alarm", told).await;
}

/// Withholds confirms.
fn unconfirmed(proxy: &Proxy) -> Rule {
    proxy.rule(Frames::down("basic.ack").on(":publish").always(), Action::Drop)
}

async fn fails(emission: Emission, kind: TransportErrorKind) {
    let error = soon("its end", emission).await.expect_err("it is not sent");
    assert!(matches!(&error, NotifyError::Unavailable(error) if error.kind() == kind), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_at_once_or_not_at_all_does_not_wait_for_a_broker_that_takes_nothing() {
    let Some((world, transport, proxy)) = connect().await else { return };
    let (patient, ctx) = (emits(&world, &transport).build(), Context::new());
    let hasty = emits(&world, &transport).give_up_after(Duration::ZERO).build();
    soon("the confirm", hasty.emit(&ctx, &created(0))).await.expect("sent");
    let rule = unconfirmed(&proxy);
    let under_way = hasty.emit(&ctx, &created(1));
    let kept: Vec<_> = (1..WINDOW).map(|size| patient.emit(&ctx, &created(size + 1))).collect();
    rule.applied().await;
    eventually("all to be under way", || transport.metrics().queued == 0).await;
    let queued = hasty.emit(&ctx, &created(1000));
    alarm(&proxy, &transport).await;
    fails(queued, TransportErrorKind::Blocked).await;
    fails(under_way, TransportErrorKind::Blocked).await;
    fails(hasty.emit(&ctx, &created(1001)), TransportErrorKind::Blocked).await;
    assert_eq!((hasty.waiting(), patient.waiting()), (0, kept.len()));
    rule.end();
    proxy.present().reset();
    for emission in kept {
        soon("the reconnect", emission).await.expect("sent");
    }
    let heard = Heard::default();
    let _listener = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
    eventually("the waiting notifications", || heard.sizes().contains(&WINDOW)).await;
    assert!(!heard.sizes().iter().any(|size| *size >= 1000), "{:?}", heard.sorted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_at_once_or_not_at_all_is_not_sent_by_the_next_connection() {
    let Some((world, transport, proxy)) = connect().await else { return };
    let (patient, ctx) = (emits(&world, &transport).build(), Context::new());
    let hasty = emits(&world, &transport).give_up_after(Duration::ZERO).build();
    soon("the confirm", patient.emit(&ctx, &created(0))).await.expect("sent");
    let rule = unconfirmed(&proxy);
    let kept: Vec<_> = (1..=WINDOW).map(|size| patient.emit(&ctx, &created(size))).collect();
    rule.applied().await;
    eventually("all to be under way", || transport.metrics().queued == 0).await;
    let queued = hasty.emit(&ctx, &created(1000));
    rule.end();
    proxy.present().reset();
    fails(queued, TransportErrorKind::Disconnected).await;
    for emission in kept {
        soon("the reconnect", emission).await.expect("sent");
    }
    // One confirm may cover all withheld ones, and arrive before the reset.
    eventually("the reconnect", || transport.state().is_up()).await;
    soon("the confirm", hasty.emit(&ctx, &created(1001))).await.expect("sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_again_after_a_lost_connection_keeps_its_order() {
    let Some((world, transport, proxy)) = connect().await else { return };
    let (notifier, ctx) = (emits(&world, &transport).build(), Context::new());
    soon("the confirm", notifier.emit(&ctx, &created(0))).await.expect("sent");
    let publishes = Frames::up("basic.publish").containing(world.topic()).always();
    let lost = proxy.rule(publishes, Action::Drop);
    // More than may wait for confirms.
    let last = WINDOW + 44;
    let emissions: Vec<_> = (1..=last).map(|size| notifier.emit(&ctx, &created(size))).collect();
    lost.applied_times(WINDOW).await;
    lost.end();
    proxy.present().reset();
    for emission in emissions {
        soon("the reconnect", emission).await.expect("sent");
    }
    let heard = Heard::default();
    let listener = heard.all(listens(&world, &transport)).concurrency(1);
    let _listener = listener.bind().await.expect("bound").run();
    eventually("all notifications", || heard.sizes().len() > 300).await;
    assert_eq!(heard.sizes(), (0..=last).collect::<Vec<_>>());
}
