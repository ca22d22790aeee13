//! Existing queues whose properties differ from the options, and which are used anyway.

use std::time::Duration;

use rpc_runtime::{Context, RabbitOptions, ServerBuilder, Transport, rpc_api};
use tests::{Log, World, eventually, rabbitmqctl, release, soon};

use crate::{
    adder::{AdderServer, Slow, adder},
    queues,
};

const DRAIN: Duration = Duration::from_secs(10);

async fn with(world: &World, options: &RabbitOptions) -> Transport {
    world.connect(|builder| builder.rabbit(options.clone())).await
}

/// Starts a server, calls it, and sends it a fanout cast. Then closes the server and its transport.
async fn assert_serves(world: &World, options: &RabbitOptions) {
    let (transport, slow) = (with(world, options).await, Slow::default());
    let server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let (client, ctx) = (world.client::<adder::Api>(&transport), Context::new());
    assert_eq!(client.add(&ctx, 1, 2).await.expect("an answer"), 3);
    client.prepare().fanout().note(&ctx, 7).await.expect("confirmed");
    eventually("the cast has run", || slow.ran.events() == [1, 7]).await;
    server.shutdown(DRAIN).await.expect("nothing runs");
    soon("the close", transport.close()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_keeps_its_queues_when_their_configured_lifetime_changes() {
    for quorum in [false, true] {
        let Some(world) = World::rabbit() else { return };
        let stable = RabbitOptions::default()
            .transient_quorum_queues(quorum)
            .stable_queue_names(true)
            .host_name("node1.example.com")
            .process_name(world.topic());
        for seconds in [60, 1800, 30, 0] {
            let lifetime = Duration::from_secs(seconds);
            assert_serves(&world, &stable.clone().transient_queues_ttl(lifetime)).await;
        }
        let owner = format!("node1.example.com:{}", world.topic());
        let Some(found) = queues(&world, &owner).await else { return };
        // With another number, replies for pending calls would stay in the old queue.
        assert_eq!(
            found,
            [format!("reply_{owner}:1001"), format!("{}_fanout_{owner}:1001", world.topic())]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_default_options_joins_queues_that_are_replicated() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let replicated = RabbitOptions::default().quorum_queues(true).quorum_delivery_limit(50);
    let (theirs, slow) = (with(&world, &replicated).await, Slow::default());
    let server = world.serve(&theirs, "h", AdderServer::new(slow.clone())).await;
    for default in [RabbitOptions::default(), RabbitOptions::default().durable_queues(true)] {
        let (ours, ran) = (with(&world, &default).await, Slow::default());
        let joined = world.serve(&ours, "i", AdderServer::new(ran.clone())).await;
        let (client, ctx) = (world.client::<adder::Api>(&ours), Context::new());
        let at = client.prepare().server("i");
        assert_eq!(at.add(&ctx, 1, 2).await.expect("an answer"), 3);
        let before = slow.ran.len();
        for n in 0..10 {
            assert_eq!(client.add(&ctx, n, 1).await.expect("an answer"), n + 1);
        }
        assert_eq!(slow.ran.len() - before + ran.ran.len(), 11);
        assert!(slow.ran.len() > before && ran.ran.len() > 1, "both consume the topic");
        joined.shutdown(DRAIN).await.expect("nothing runs");
    }
    // The host's queue is replicated, too.
    server.shutdown(DRAIN).await.expect("nothing runs");
    assert_serves(&world, &RabbitOptions::default()).await;
}

/// RabbitMQ truncates its error text at 255 bytes, so a long name leaves no room for the values.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_a_long_name_is_used_where_only_its_durability_differs() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let topic = format!("{}-{}", world.topic(), "x".repeat(140));
    for options in [RabbitOptions::default().durable_queues(true), RabbitOptions::default()] {
        let transport = with(&world, &options).await;
        let server = world.server(&transport, "h").topic(topic.as_str());
        let bound = server.serve(AdderServer::new(Slow::default())).bind().await;
        let server = bound.unwrap_or_else(|error| panic!("{error}")).run();
        let client = world.client::<adder::Api>(&transport);
        let client = client.prepare().topic(topic.as_str()).client();
        assert_eq!(client.add(&Context::new(), 1, 2).await.expect("an answer"), 3);
        server.shutdown(DRAIN).await.expect("nothing runs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_layout_is_served_where_a_virtual_host_makes_durable_queues_quorum_queues() {
    let Some(world) = World::rabbit() else { return };
    if release() < Some((4, 0)) {
        return;
    }
    let options = RabbitOptions::default;
    for options in [
        options(),
        options().durable_queues(true),
        options().quorum_queues(true),
        options().quorum_queues(true).transient_quorum_queues(true),
        options().auto_delete(true),
        options().stable_queue_names(true).process_name("p"),
    ] {
        let Some(world) = world.clone().alone().await else { return };
        let host = world.virtual_host();
        let default = ["update_vhost_metadata", host, "--default-queue-type", "quorum"];
        rabbitmqctl(&default).await.expect("it can be controlled");
        assert_serves(&world, &options).await;
        // The queues exist now.
        assert_serves(&world, &options).await;
    }
}

/// Another interface on the topic, whose casts the servers of these tests refuse.
#[rpc_api(topic = "adder", version = "1.0")]
trait Refused {
    /// Those servers have no such method.
    async fn forget(&self, ctx: Context, a: u64);
}

#[derive(Clone, Default)]
struct Rescue(Log<u64>);

impl Refused for Rescue {
    async fn forget(&self, _: Context, a: u64) {
        self.0.push(a);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_casts_are_run_by_a_later_server_whatever_the_options_of_its_queues() {
    let options = RabbitOptions::default;
    for options in [options(), options().durable_queues(true), options().quorum_queues(true)] {
        let Some(world) = World::rabbit() else { return };
        let Some(world) = world.alone().await else { return };
        let transport = with(&world, &options).await;
        let server = world.server(&transport, "h").keep_refused(3);
        let server = server.serve(AdderServer::new(Slow::default())).bind().await;
        let server = server.expect("bound").run();
        let client = world.client::<refused::Api>(&transport);
        for n in 0..3 {
            client.forget(&Context::new(), n).await.expect("confirmed");
        }
        eventually("all to be kept", || transport.metrics().requests_kept == 3).await;
        server.shutdown(DRAIN).await.expect("nothing runs");
        let rescue = Rescue::default();
        let topic = format!("{}{}", world.topic(), ServerBuilder::REFUSED);
        let server = world.server(&transport, "h").topic(topic);
        let server = server.serve(RefusedServer::new(rescue.clone())).bind().await;
        let server = server.expect("it is bound").run();
        eventually("the kept ones to run", || rescue.0.len() == 3).await;
        server.shutdown(DRAIN).await.expect("nothing runs");
    }
}
