//! Section A: logins, virtual hosts, permissions, connections and channels that a broker denies.

use std::time::Duration;

use rpc_runtime::{CallError, Context, TransportErrorKind};
use tests::{
    World, eventually,
    node::{Node, Shared},
    proxy::{Action, Frames, Proxy},
    soon, unique,
};

use crate::{
    connecting::{AT_ONCE, fails},
    scene::{AdderServer, Behind, DRAIN, Scene, Slow, adder, good, through, watchful},
};

/// Creates a user with the given permissions, and returns a world where it logs in.
pub(crate) async fn user(node: &Node, rights: [&str; 3]) -> (String, World) {
    let name = unique("user");
    node.ctl(&["add_user", &name, "first"]).await;
    node.ctl(&[&["set_permissions", name.as_str()], &rights[..]].concat()).await;
    let url = node.url().replacen("guest:guest", &format!("{name}:first"), 1);
    (name, World::at(&url))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a07_and_a08_a_changed_password_harms_no_connection_and_is_tried_slowly() {
    let Some(shared) = Shared::take().await else { return };
    let (name, world) = user(&shared.node, [".*", ".*", ".*"]).await;
    let scene = Scene::start(world, Behind::Client).await;
    shared.node.ctl(&["change_password", &name, "second"]).await;
    scene.good(1).await;
    let (error, took) = fails(scene.world.url()).await;
    assert_eq!(error.kind(), TransportErrorKind::Refused);
    assert!(took < AT_ONCE && !format!("{error:?}").contains("first"), "{took:?}: {error:?}");

    let before = scene.proxy.attempts();
    scene.proxy.present().reset();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let attempts = scene.proxy.attempts() - before;
    assert!((2..40).contains(&attempts), "{attempts} attempts in four seconds");
    let call =
        scene.client.prepare().timeout(Duration::from_millis(300)).add(&Context::new(), 2, 1);
    let error = call.await.expect_err("there is no connection");
    assert!(!error.may_have_run(), "{error:?}");
    shared.node.ctl(&["change_password", &name, "first"]).await;
    scene.good(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a09_a_deleted_virtual_host_is_refused_and_taken_again_when_it_is_back() {
    let Some(shared) = Shared::take().await else { return };
    let (error, took) = fails(&format!("{}nonesuch", shared.node.url())).await;
    assert_eq!(error.kind(), TransportErrorKind::Refused);
    assert!(took < AT_ONCE, "{took:?}");

    let scene = Scene::start(shared.node.world_alone().await, Behind::Both).await;
    let name = scene.world.virtual_host().to_owned();
    shared.node.ctl(&["delete_vhost", &name]).await;
    let calls = scene.calls(0..5, Duration::from_millis(500));
    assert_eq!(scene.settle(calls).await, 0, "the virtual host is deleted");
    let before = scene.proxy.attempts();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let attempts = scene.proxy.attempts() - before;
    assert!(attempts < 60, "{attempts} attempts in two seconds");
    shared.node.ctl(&["add_vhost", &name]).await;
    shared.node.ctl(&["set_permissions", "--vhost", &name, "guest", ".*", ".*", ".*"]).await;
    // Client and server have been refused, and pause for up to 15 s each.
    let back = async {
        while scene.client.add_again(&Context::new(), 10, 1).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("an answer", back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a10_a_right_that_is_missing_is_named_and_harms_nobody_else() {
    let Some(shared) = Shared::take().await else { return };
    let (_, world) = user(&shared.node, ["reply_.*|openstack", ".*", ".*"]).await;
    let elsewhere = shared.node.world();
    let slow = Slow::default();
    let serving = elsewhere.transport().await;
    let _server = elsewhere.serve(&serving, "h", AdderServer::new(slow)).await;
    let transport = world.transport().await;
    let server = world.server(&transport, "h").serve(AdderServer::new(Slow::default()));
    let error =
        soon("an end", server.bind()).await.expect_err("it has no permission to declare the queue");
    assert_eq!(error.kind(), TransportErrorKind::Refused);
    let text = format!("{error:?}");
    assert!(text.contains(world.topic()), "{text}");
    good(&elsewhere.client::<adder::Api>(&transport), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a14_a_limit_of_connections_is_an_error_and_no_storm() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world_alone().await;
    let limit = |to: &'static str| {
        let args = ["set_vhost_limits", "--vhost", world.virtual_host(), to].map(str::to_owned);
        let node = shared.node.clone();
        async move { node.ctl(&args.each_ref().map(String::as_str)).await }
    };
    // The broker counts late: with a limit of one, it may accept two simultaneous connections.
    limit(r#"{"max-connections": 0}"#).await;
    let (error, took) = fails(world.url()).await;
    assert_eq!(error.kind(), TransportErrorKind::LimitReached, "{error:?}");
    assert!(took < AT_ONCE, "{took:?}");
    limit(r#"{"max-connections": -1}"#).await;

    let proxy = Proxy::start(&world).await;
    let transport = through(&proxy, &world, watchful()).await;
    limit(r#"{"max-connections": 0}"#).await;
    let before = proxy.attempts();
    proxy.present().reset();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let attempts = proxy.attempts() - before;
    assert!((2..40).contains(&attempts), "{attempts} attempts in three seconds");
    limit(r#"{"max-connections": -1}"#).await;
    let client = world.client::<adder::Api>(&transport);
    let error = soon("an end", client.add(&Context::new(), 1, 1)).await;
    assert!(matches!(error, Err(CallError::Unroutable { .. })), "{error:?}");
}

/// Makes the broker offer at most `count` channels per connection.
pub(crate) fn channels(count: u16) -> (Frames, Action) {
    // `channel-max` follows the frame head, the class and the method.
    let fewer = Action::mutate(move |tune| tune[11..13].copy_from_slice(&count.to_be_bytes()));
    (Frames::down("connection.tune").always(), fewer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a15_few_channels_are_enough_however_many_calls_there_are() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let proxy = Proxy::start(&world).await;
    let (frames, action) = channels(8);
    let _rule = proxy.rule(frames, action);
    let transport = through(&proxy, &world, watchful()).await;
    let slow = Slow::taking(Duration::from_millis(20));
    let server = world.server(&transport, "h").concurrency(300);
    let server = server.serve(AdderServer::new(slow.clone())).bind().await.expect("bound").run();
    let client = world.client::<adder::Api>(&transport);
    let calls = (0..300).map(|a| {
        let call = client.prepare().timeout(Duration::from_secs(25)).add(&Context::new(), a, 1);
        async move { assert_eq!(call.await.expect("an answer"), a + 1) }
    });
    soon("all answers", futures_util::future::join_all(calls)).await;
    server.shutdown(DRAIN).await.expect("nothing runs");
    eventually("no call to be left", || transport.pending_calls() == 0).await;
}
