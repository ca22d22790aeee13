//! Section C: the broker refuses one message or one queue, and everything else continues.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rpc_runtime::{
    CallError, Context, NotificationListener, Notifier, NotifyError, Transport, TransportError,
    TransportErrorKind, notify::RunningListener,
};
use tests::{
    Log, eventually,
    node::{Alone, Node, Shared},
    proxy::{Action, Frames, Way},
    soon, unique,
};

use crate::{
    scene::{Behind, SLACK, Scene, Slow, watchful},
    stranger::Stranger,
};

/// Returns a notifier for a topic.
fn emits(transport: &Transport, topic: &str) -> Notifier {
    Notifier::builder(transport).topic(topic).build()
}

/// Listens to a topic in a pool, and records the numbers that arrive.
async fn hears(transport: &Transport, topic: &str) -> (RunningListener, Log<u64>) {
    let heard = Log::default();
    let notes = heard.clone();
    let listener = NotificationListener::builder(transport).topic(topic).pool(unique("pool"));
    let listener = listener.otherwise(move |_, payload| {
        notes.push(payload.decode::<u64>().expect("a number"));
        async {}
    });
    (listener.bind().await.expect("bound").run(), heard)
}

fn sorted(heard: &Log<u64>) -> Vec<u64> {
    let mut numbers = heard.events();
    numbers.sort_unstable();
    numbers
}

/// Checks that an error contains the broker's own words.
fn is_refused_over(error: &TransportError, words: &str) {
    assert_eq!(error.kind(), TransportErrorKind::Refused, "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c19_a_queue_whose_node_is_down_holds_up_its_own_notifications_and_nothing_else() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world(), Behind::Client).await;
    let topic = format!("{}-events", scene.world.topic());
    let queue = format!("{topic}.info");
    let down = format!("NOT_FOUND - home node 'rabbit@gone' of durable queue '{queue}' is down");
    let declares = Frames::up("queue.declare").containing(&queue).always();
    let refused = scene.proxy.rule(declares, Action::Refuse(404, down));
    let farewell = scene.proxy.rule(Frames::up("channel.close-ok").always(), Action::Drop);
    let (notifier, ctx) = (emits(&scene.transport, &topic), Context::new());
    let waiting: Vec<_> = (0..3).map(|number| notifier.info(&ctx, "e", &number)).collect();
    refused.applied().await;
    let begun = Instant::now();
    for a in 0..5 {
        scene.client.note(&ctx, a).await.expect("casts do not wait for it");
        let other = soon("the confirm", notifier.error(&ctx, "e", &a)).await;
        other.expect("nor do notifications for other queues");
    }
    scene.good(100).await;
    assert!(begun.elapsed() < SLACK, "at once: {:?}", begun.elapsed());
    assert_eq!(notifier.waiting(), 3);
    refused.applied_times(3).await;
    assert!(begun.elapsed() > Duration::from_secs(1), "the queue is checked with pauses");
    refused.end();
    for emission in waiting {
        soon("the queue to be back", emission).await.expect("sent");
    }
    let stranger = Stranger::at(&scene.world).await;
    assert_eq!(stranger.waiting(&queue).await, 3);
    assert_eq!(scene.transport.metrics().connections_lost, 0, "no connection was lost");
    farewell.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c20_an_exchange_that_goes_before_a_queue_is_bound_to_it_loses_no_notification() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world_alone().await, Behind::Client).await;
    let topic = format!("{}-events", scene.world.topic());
    let held = scene.proxy.rule(Frames::up("queue.bind").containing(&topic), Action::Hold);
    let notifier = emits(&scene.transport, &topic);
    let emission = notifier.info(&Context::new(), "e", &1);
    held.applied().await;
    let stranger = Stranger::at(&scene.world).await;
    stranger.delete_exchange("openstack").await;
    held.release();
    soon("the confirm", emission).await.expect("sent");
    assert_eq!(stranger.waiting(&format!("{topic}.info")).await, 1);
    scene.good(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c01_a_pool_misses_no_notification_when_the_exchange_is_deleted_under_load() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world_alone().await, Behind::Client).await;
    let topic = format!("{}-events", scene.world.topic());
    let (_listener, heard) = hears(&scene.serving, &topic).await;
    let (notifier, ctx) = (emits(&scene.transport, &topic), Context::new());
    soon("the confirm", notifier.info(&ctx, "e", &0)).await.expect("sent");
    let publishes = Frames::up("basic.publish").containing(&topic).times(10);
    let held = scene.proxy.rule(publishes, Action::Hold);
    let emissions: Vec<_> = (1..=10).map(|number| notifier.info(&ctx, "e", &number)).collect();
    held.applied_times(10).await;
    Stranger::at(&scene.world).await.delete_exchange("openstack").await;
    held.release();
    for ended in soon("all confirms", join_all(emissions)).await {
        ended.expect("sent");
    }
    eventually("all of them", || sorted(&heard) == (0..=10).collect::<Vec<_>>()).await;
}

/// Forbids publishing to topics that begin with a word.
async fn forbid(node: &Node, scene: &Scene, word: &str) {
    let pattern = format!("^(?!{word})");
    let host = scene.world.virtual_host();
    node.ctl(&["set_topic_permissions", "-p", host, "guest", "openstack", &pattern, ".*"]).await;
    // A channel caches the permissions of its user.
    scene.proxy.present().reset();
    scene.good(1_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c21_a_message_that_the_broker_refuses_ends_with_the_reason_and_takes_no_other_along()
{
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world_alone().await, Behind::Client).await;
    let ctx = Context::new();
    forbid(&shared.node, &scene, "forbidden").await;
    let (_listener, heard) = hears(&scene.serving, scene.world.topic()).await;
    let (good, bad) =
        (emits(&scene.transport, scene.world.topic()), emits(&scene.transport, "forbidden"));
    soon("the confirm", good.info(&ctx, "e", &0)).await.expect("sent");
    let mut numbers = 1..;
    for round in 0..5 {
        let held = scene
            .proxy
            .rule(Frames::up("basic.publish").containing("openstack").times(11), Action::Hold);
        let mut emit = || good.info(&ctx, "e", &numbers.next().expect("without end"));
        let before: Vec<_> = (0..5).map(|_| emit()).collect();
        let refused = bad.info(&ctx, "e", &0);
        let after: Vec<_> = (0..4).map(|_| emit()).collect();
        let client = scene.client.clone();
        let call = tokio::spawn(client.add_again(&ctx, 100 + round, 1));
        held.applied_times(11).await;
        held.release();
        let error = soon("its end", refused).await.expect_err("it is forbidden");
        let NotifyError::Unavailable(error) = &error else { panic!("{error:?}") };
        is_refused_over(error, "access to topic 'forbidden.info'");
        for ended in soon("all others", join_all(before.into_iter().chain(after))).await {
            ended.expect("sent");
        }
        let answer = soon("an answer", call).await.expect("no panic").expect("it may be repeated");
        assert_eq!(answer, 101 + round);
    }
    eventually("all of them", || sorted(&heard) == (0..=45).collect::<Vec<_>>()).await;
    assert_eq!(scene.transport.metrics().notifications_dropped, 5, "each ends once");
    assert_eq!(scene.transport.metrics().connections_lost, 2, "the connections that the test cut");
    let elsewhere = scene.client.prepare().topic("forbidden").client();
    let error = elsewhere.add(&ctx, 1, 1).await.expect_err("it is forbidden");
    assert!(!error.may_have_run(), "{error:?}");
    let CallError::Unavailable(error) = &error else { panic!("{error:?}") };
    is_refused_over(error, "access to topic 'forbidden'");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c21_a_channel_that_goes_while_much_waits_to_be_sent_takes_no_connection_along() {
    let Some(shared) = Shared::take().await else { return };
    let scene = Scene::start(shared.node.world_alone().await, Behind::Client).await;
    let ctx = Context::new();
    forbid(&shared.node, &scene, "forbidden").await;
    let lost = scene.transport.metrics().connections_lost;
    let topic = format!("{}-events", scene.world.topic());
    let (good, bad) = (emits(&scene.transport, &topic), emits(&scene.transport, "forbidden"));
    soon("the confirm", good.info(&ctx, "e", &0)).await.expect("sent");
    let verdict = scene.proxy.rule(Frames::down("channel.close").times(1), Action::Hold);
    let refused = bad.info(&ctx, "e", &0);
    verdict.applied().await;
    scene.proxy.present().unread(Way::Up);
    let large = "x".repeat(1024 * 1024);
    let waiting: Vec<_> = (0..32).map(|_| good.info(&ctx, "e", &large)).collect();
    // The cast is handed to lapin after the notifications.
    let sent = scene.transport.metrics().requests_sent;
    let cast = tokio::spawn(scene.client.note(&ctx, 8));
    eventually("all to be handed over", || scene.transport.metrics().requests_sent > sent).await;
    verdict.release();
    scene.proxy.present().heal();
    soon("its end", refused).await.expect_err("it is forbidden");
    for ended in soon("all others", join_all(waiting)).await {
        ended.expect("sent");
    }
    let cast = soon("its end", cast).await.expect("no panic");
    assert!(matches!(cast, Ok(()) | Err(CallError::Interrupted)), "as by a lost channel: {cast:?}");
    let stranger = Stranger::at(&scene.world).await;
    assert_eq!(stranger.waiting(&format!("{topic}.info")).await, 33);
    assert_eq!(scene.transport.metrics().connections_lost, lost, "only a channel was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c21_of_messages_that_look_alike_the_refused_ones_are_found_one_by_one() {
    let Some(alone) = Alone::take().await else { return };
    let limit = |bytes: u32| {
        // RabbitMQ from 4.0 on reads its configuration once, and keeps this number elsewhere.
        let order = format!(
            "application:set_env(rabbit, max_message_size, {bytes}), \
             persistent_term:put(max_message_size, {bytes})."
        );
        let node = alone.node.clone();
        async move { node.ctl(&["eval", &order]).await }
    };
    limit(20_000).await;
    // In a task of its own, so that the limit is restored even if it panics.
    let scene = tokio::spawn(found_one_by_one(alone.node.clone())).await;
    limit(16 << 20).await;
    scene.expect("no panic");
}

async fn found_one_by_one(node: Node) {
    let slow = Slow::taking(Duration::from_millis(1));
    let scene = Scene::with(node.world_alone().await, Behind::Client, watchful(), slow).await;
    // In upper case, the broker's text does not reveal which message it refuses.
    let vague = Action::mutate(|close| {
        let text = 14..close.len() - 5;
        close[text].make_ascii_uppercase();
    });
    let _rule = scene.proxy.rule(Frames::down("channel.close").always(), vague);
    let (_listener, heard) = hears(&scene.serving, scene.world.topic()).await;
    let (notifier, ctx) = (emits(&scene.transport, scene.world.topic()), Context::new());
    soon("the confirm", notifier.info(&ctx, "e", &0)).await.expect("sent");
    let large = "x".repeat(30_000);
    let held = scene
        .proxy
        .rule(Frames::up("basic.publish").containing("openstack").times(24), Action::Hold);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for number in 1..=20_u64 {
        good.push(notifier.info(&ctx, "e", &number));
        if number % 10 == 5 {
            bad.push(notifier.info(&ctx, "e", &large));
        }
    }
    let repeated = tokio::spawn(scene.client.add_again(&ctx, 7, 1));
    let cast = tokio::spawn(scene.client.note(&ctx, 8));
    held.applied_times(24).await;
    held.release();
    for ended in soon("their ends", join_all(bad)).await {
        let error = ended.expect_err("it is too large");
        let NotifyError::Unavailable(error) = &error else { panic!("{error:?}") };
        is_refused_over(error, "LARGER THAN CONFIGURED MAX SIZE 20000");
    }
    for ended in soon("all others", join_all(good)).await {
        ended.expect("sent");
    }
    let answer = soon("an answer", repeated).await.expect("no panic");
    assert_eq!(answer.expect("it may be repeated"), 8);
    let cast = soon("its end", cast).await.expect("no panic");
    assert!(matches!(cast, Ok(()) | Err(CallError::Interrupted)), "as by a lost channel: {cast:?}");
    eventually("all of them", || sorted(&heard) == (0..=20).collect::<Vec<_>>()).await;
    assert_eq!(scene.transport.metrics().connections_lost, 0);
    scene.good(1).await;
}
