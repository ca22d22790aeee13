//! Section C: queues without consumers, as the broker reports them.

use std::{convert::Infallible, time::Duration};

use rpc_runtime::{CallError, Context, RabbitOptions};
use tests::{
    SOON, eventually,
    node::{Node, Shared},
    proxy::{Action, Frames, Proxy, Way},
    soon,
};

use crate::{
    program::Program,
    scene::{AdderClient, AdderServer, DRAIN, Slow, adder, figure, good, through},
};

/// Starts and stops a server, so that its queues exist.
async fn come_and_go(world: &tests::World, options: &RabbitOptions) {
    let transport = world.connect(|builder| builder.rabbit(options.clone())).await;
    let server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    server.shutdown(DRAIN).await.expect("nothing runs");
    transport.close().await;
}

async fn call(client: &AdderClient, a: u64, timeout: Duration) -> CallError<Infallible> {
    let call = client.prepare().timeout(timeout).add(&Context::new(), a, 1);
    tokio::time::timeout(timeout + SOON, call).await.expect("an end").expect_err("no answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c25_a_call_to_a_host_that_has_died_ends_before_its_deadline() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let mut peer = Program::peer(world.url(), world.topic()).await;
    let transport = world.transport().await;
    let client = world.client::<adder::Api>(&transport).prepare().server("peer").client();
    assert_eq!(client.add(&Context::new(), 1, 1).await.expect("an answer"), 2);
    peer.signal("KILL").await;
    assert!(!peer.ended().await);
    let begun = std::time::Instant::now();
    let ended = client.prepare().timeout(2 * SOON).add(&Context::new(), 2, 1).await;
    let error = ended.expect_err("the host has died");
    figure("C22", "a call of 60 s to a host that has died ended after", begun.elapsed());
    assert!(matches!(error, CallError::NoConsumer { .. }), "{error:?}");
    assert!(error.may_have_run() && begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c25_the_broker_is_asked_once_a_second_and_for_slow_calls_only() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let proxy = Proxy::start(&world).await;
    let transport = through(&proxy, &world, RabbitOptions::default()).await;
    let serving = world.transport().await;
    let server = world.serve(&serving, "h", AdderServer::new(Slow::default())).await;
    let client = world.client::<adder::Api>(&transport);
    good(&client, 1).await;
    let channels = proxy.seen(Way::Up, "channel.open");
    for a in 0..50 {
        good(&client, a).await;
    }
    // One call may be slow on a shared machine.
    let opened = proxy.seen(Way::Up, "channel.open") - channels;
    assert!(opened <= 1, "{opened} channels for calls that were answered at once");
    server.shutdown(DRAIN).await.expect("nothing runs");
    let asked = proxy.seen(Way::Up, "queue.declare");
    let calls = (0..50).map(|a| call(&client, a, Duration::from_millis(3500)));
    for error in futures_util::future::join_all(calls).await {
        let CallError::DeadlineExceeded { unconsumed, .. } = &error else { panic!("{error:?}") };
        assert_eq!(unconsumed.as_deref(), Some(world.topic()));
    }
    let asked = proxy.seen(Way::Up, "queue.declare") - asked;
    assert!((1..=5).contains(&asked), "{asked} questions for 50 calls of 3.5 s");
    // The transport closes the channel when no call waits any more.
    let closed = proxy.seen(Way::Up, "channel.close");
    eventually("the channel to close", || proxy.seen(Way::Up, "channel.close") > closed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c25_a_broker_that_does_not_say_is_asked_once_by_each_connection() {
    let Some(shared) = Shared::take().await else { return };
    for (code, text) in [(403, "ACCESS_REFUSED"), (404, "NOT_FOUND")] {
        let world = shared.node.world();
        let proxy = Proxy::start(&world).await;
        let options = RabbitOptions::default().no_consumer_after(Duration::from_secs(1));
        come_and_go(&world, &options).await;
        let transport = through(&proxy, &world, options).await;
        let client = world.client::<adder::Api>(&transport);
        let questions = Frames::up("queue.declare").containing(world.topic()).always();
        let rule = proxy.rule(questions, Action::Refuse(code, text.to_owned()));
        // The proxy made up the refusal, so the broker must not see its answer.
        let _unsaid = proxy.rule(Frames::up("channel.close-ok").always(), Action::Drop);
        for (round, asked) in [(1, 1), (2, 1), (3, 2)] {
            if round == 3 {
                let attempts = proxy.attempts();
                proxy.present().reset();
                eventually("other connections", || proxy.attempts() >= attempts + 2).await;
                eventually("the transport to be up", || transport.state().is_up()).await;
            }
            let error = call(&client, round, Duration::from_secs(4)).await;
            let is_unknown =
                matches!(&error, CallError::DeadlineExceeded { sent: true, unconsumed: None, .. });
            assert!(is_unknown, "{code}, {round}: {error:?}");
            assert_eq!(rule.fired(), asked, "{code}, {round}");
        }
        rule.end();
    }
}

async fn purge(node: &Node, queue: &str) {
    node.ctl(&["purge_queue", queue]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_c25_an_empty_quorum_queue_is_named_and_ends_no_call() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let limit = Duration::from_secs(5);
    let options = RabbitOptions::default().quorum_queues(true).no_consumer_after(limit);
    let exchange = "quorum-exchange";
    let connect =
        || world.connect(|builder| builder.rabbit(options.clone()).control_exchange(exchange));
    let serving = connect().await;
    let server = world.serve(&serving, "h", AdderServer::new(Slow::default())).await;
    server.shutdown(DRAIN).await.expect("nothing runs");
    let transport = connect().await;
    let client = world.client::<adder::Api>(&transport);
    let calling = client.clone();
    let waiting = tokio::spawn(async move { call(&calling, 1, Duration::from_secs(10)).await });
    eventually("the call to be under way", || transport.pending_calls() == 1).await;
    purge(&shared.node, world.topic()).await;
    let error = soon("its deadline", waiting).await.expect("no panic");
    let CallError::DeadlineExceeded { unconsumed, .. } = &error else { panic!("{error:?}") };
    assert_eq!(unconsumed.as_deref(), Some(world.topic()));
    // With a message in the queue, its leader has answered.
    let error = call(&client, 2, SOON).await;
    assert!(matches!(error, CallError::NoConsumer { .. }), "{error:?}");
}
