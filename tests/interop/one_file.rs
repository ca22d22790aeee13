//! One configuration file for both: the original's programs and this library read it, and share
//! every queue that it describes.

use rpc_runtime::{Config, Context, Server, Transport, rpc_api};
use serde_json::json;
use tests::{Log, World, eventually, unique};

use crate::{CURRENT, Peer, RELEASE_14, Release, rabbit_url, with_every_release};

/// The interface that both sides serve.
#[rpc_api(topic = "shared", version = "1.5")]
trait Shared {
    async fn add(&self, ctx: Context, a: u32, b: u32) -> u32;
    async fn host(&self, ctx: Context) -> String;
    async fn context(&self, ctx: Context) -> serde_json::Value;
    async fn record(&self, ctx: Context, value: u32);
    async fn recorded(&self, ctx: Context) -> Vec<u32>;
}

struct Ours(Log<u32>);

impl Shared for Ours {
    async fn add(&self, _: Context, a: u32, b: u32) -> u32 {
        a + b
    }

    async fn host(&self, _: Context) -> String {
        "rust".to_owned()
    }

    async fn context(&self, ctx: Context) -> serde_json::Value {
        json!({"traceparent": ctx.traceparent()})
    }

    async fn record(&self, _: Context, value: u32) {
        self.0.push(value);
    }

    async fn recorded(&self, _: Context) -> Vec<u32> {
        self.0.events()
    }
}

/// A configuration file that is deleted with the test.
struct File(std::path::PathBuf);

impl File {
    fn new(world: &World, options: &str) -> Self {
        let path = std::env::temp_dir().join(unique("shared.conf"));
        let text = format!(
            "[DEFAULT]\n\
             transport_url = {url}\n\
             control_exchange = shared-services\n\
             rpc_response_timeout = 20\n\
             [another_section]\n\
             password = nobody's business\n\
             [oslo_messaging_rabbit]\n\
             {options}\n\
             [oslo_concurrency]\n\
             lock_path = {locks}\n",
            url = rabbit_url(world),
            locks = std::env::temp_dir().display(),
        );
        std::fs::write(&path, text).expect("a file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serves one topic on both sides, and calls in both directions.
async fn share(release: Release, options: &str) {
    let Some(world) = release.world().await else { return };
    let Some(world) = world.alone().await else { return };
    let file = File::new(&world, options);
    let serving = Peer::configured(release, "server.py", &world, file.path(), &["python"]).await;
    let Some(_serving) = serving else { return };
    let config = Config::load(file.path()).expect("a file that the original reads");
    let transport = config.transport().connect().await.expect("connected");
    let log = Log::default();
    let ours = config.server(&transport).host("rust").topic(world.topic());
    let ours = ours.serve(SharedServer::new(Ours(log.clone()))).bind().await.expect("bound").run();
    both_serve(&world, &transport, &log).await;
    let calling = Peer::configured(release, "client.py", &world, file.path(), &[]).await;
    both_are_called(calling.expect("there is Python"), &log).await;
    ours.shutdown(std::time::Duration::from_secs(10)).await.expect("nothing runs");
}

/// This library's client reaches each server, and both by fanout.
async fn both_serve(world: &World, transport: &Transport, log: &Log<u32>) {
    let (client, ctx) = (world.client::<shared::Api>(transport), Context::new());
    for host in ["rust", "python"] {
        let one = client.prepare().server(host).client();
        assert_eq!(one.host(&ctx).await.expect("an answer"), host);
        assert_eq!(one.add(&ctx, 2_u32, 3_u32).await.expect("an answer"), 5);
    }
    client.prepare().fanout().record(&ctx, 1_u32).await.expect("confirmed");
    eventually("our record", || log.events() == [1]).await;
    let python = client.prepare().server("python").client();
    while python.recorded(&ctx).await.expect("an answer") != [1] {}
}

/// The original's client reaches each server, and both by fanout.
async fn both_are_called(mut peer: Peer, log: &Log<u32>) {
    for host in ["rust", "python"] {
        let host_is = json!({"op": "call", "server": host, "method": "host"});
        assert_eq!(peer.ask(host_is).await, json!({"result": host}));
    }
    let fanout = json!({"op": "fanout", "method": "record", "args": {"value": 2}});
    assert_eq!(peer.ask(fanout).await, json!({"result": null}));
    eventually("our record", || log.events() == [1, 2]).await;
    let recorded = json!({"op": "call", "server": "python", "method": "recorded"});
    while peer.ask(recorded.clone()).await != json!({"result": [1, 2]}) {}
}

/// Options that 14.9.3 and the current release have, and 12.7.3 lacks.
const QUORUM: &str = "rabbit_quorum_queue = true\nrabbit_quorum_delivery_limit = 5";
const RECOMMENDED: &str = "rabbit_quorum_queue = true\n\
                           rabbit_transient_quorum_queue = true\n\
                           rabbit_stream_fanout = true\n\
                           rabbit_qos_prefetch_count = 10\n\
                           use_queue_manager = true\n\
                           hostname = node1.example.com\n\
                           processname = shared\n\
                           heartbeat_timeout_threshold = 30\n\
                           rabbit_login_method = PLAIN";

#[tokio::test(flavor = "multi_thread")]
async fn quorum_queues_are_shared_with_the_current_release() {
    share(CURRENT, QUORUM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quorum_queues_are_shared_with_release_14() {
    share(RELEASE_14, QUORUM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recommended_layout_is_shared_with_the_current_release() {
    share(CURRENT, RECOMMENDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recommended_layout_is_shared_with_release_14() {
    share(RELEASE_14, RECOMMENDED).await;
}

with_every_release! {
    async fn a_file_without_options_is_shared(release: Release) {
        share(release, "").await;
    }

    async fn durable_queues_are_shared(release: Release) {
        share(release, "amqp_durable_queues = true\nkombu_compression = gzip").await;
    }

    async fn every_login_method_is_shared(release: Release) {
        for method in ["PLAIN", "AMQPLAIN"] {
            share(release, &format!("rabbit_login_method = {method}")).await;
        }
    }

    async fn a_trace_and_two_exchanges_cross_one_process(release: Release) {
        let Some(world) = release.world().await else { return };
        let Some(_python) = Peer::start(release, "server.py", &world, &["python"]).await else { return };
        let (one, other) = (world.transport().await, world.connect(|b| b.control_exchange("other")).await);
        let log = Log::default();
        let elsewhere = World::at(world.url());
        let server = Server::builder(&other).topic(elsewhere.topic()).host("rust");
        let _ours = server.serve(SharedServer::new(Ours(log))).bind().await.expect("bound").run();
        let ctx = Context::new().with_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let python = world.client::<shared::Api>(&one);
        let seen = python.context(&ctx).await.expect("an answer");
        assert_eq!(seen["traceparent"].as_str(), ctx.traceparent().as_deref());
        let ours = elsewhere.client::<shared::Api>(&other);
        let seen = ours.context(&ctx).await.expect("an answer");
        assert_eq!(seen["traceparent"].as_str(), ctx.traceparent().as_deref());
        // Each process uses its own exchange, where the other's topics are not bound.
        let astray = elsewhere.client::<shared::Api>(&one).host(&ctx).await;
        assert!(matches!(astray, Err(rpc_runtime::CallError::Unroutable { .. })), "{astray:?}");
        let named = elsewhere.client::<shared::Api>(&one).prepare().exchange("other").host(&ctx).await;
        assert_eq!(named.expect("an answer"), "rust");
    }
}
