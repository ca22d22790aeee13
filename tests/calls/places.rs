//! Destinations: topics that the interface computes, topics of a method, topics that only the
//! caller knows; servers that listen on several endpoints; transports chosen by a context.

use std::collections::BTreeMap;

use rpc_runtime::{
    Address, CallError, CallResult, Context, Server, TransportErrorKind, Version, rpc_api,
};
use tests::{Log, SOON, World, eventually, on_every_transport, soon, unique};

/// Since 3.6, each of Cinder's back ends, `host@backend`, has its own topic.
fn backend(topic: &str, key: &str, cap: Version) -> Address {
    match key.split_once('@') {
        Some((host, _)) if cap >= Version::new(3, 6) => {
            Address::host(format!("{topic}.{key}"), host)
        }
        _ => Address::host(topic, key),
    }
}

#[rpc_api(topic = "backends", version = "3.8", address = backend)]
pub(crate) trait Backends {
    /// Is routed to the volume's host.
    #[rpc(host = "volume.host")]
    async fn delete(&self, ctx: Context, volume: Volume) -> String;
    /// Is routed to the host that the client names.
    #[rpc(host)]
    async fn freeze(&self, ctx: Context) -> String;
    /// Reaches each server of one back end.
    #[rpc(fanout, host = "cluster")]
    async fn failed_over(&self, ctx: Context, #[arg(route)] cluster: String, updates: u32);
    /// Has its own topic since 3.7.
    #[rpc(topic = "backends-alt", topic_since = "3.7")]
    async fn finish(&self, ctx: Context) -> String;
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Volume {
    host: Option<String>,
}

#[derive(Clone)]
struct Backend {
    name: &'static str,
    log: Log<String>,
}

impl Backend {
    fn new(name: &'static str) -> Self {
        Self { name, log: Log::default() }
    }
}

impl Backends for Backend {
    async fn delete(&self, _: Context, _: Volume) -> String {
        self.name.to_owned()
    }

    async fn freeze(&self, _: Context) -> String {
        self.name.to_owned()
    }

    async fn failed_over(&self, _: Context, updates: u32) {
        self.log.push(format!("{} {updates}", self.name));
    }

    async fn finish(&self, _: Context) -> String {
        self.name.to_owned()
    }
}

/// An interface whose topic only the caller knows.
#[rpc_api(topic = runtime, version = "1.1", namespace = "pushed")]
trait Push {
    #[rpc(fanout)]
    async fn push(&self, ctx: Context, line: String);
    async fn count(&self, ctx: Context) -> usize;

    /// Casts resources to their subscribers: one topic for each kind and version.
    #[rpc(manual)]
    async fn push_all(&self, ctx: &Context, resources: &[(&str, &str)]) -> CallResult<usize> {
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for (kind, line) in resources {
            groups.entry(*kind).or_default().push(*line);
        }
        let count = groups.len();
        for (kind, lines) in groups {
            self.prepare().topic(kind).push(ctx, lines.join(" ")).await?;
        }
        Ok(count)
    }
}

struct Pushed(Log<String>);

impl Push for Pushed {
    async fn push(&self, _: Context, line: String) {
        self.0.push(line);
    }

    async fn count(&self, _: Context) -> usize {
        self.0.len()
    }
}

on_every_transport! {
    async fn a_back_end_is_found_by_callers_of_either_addressing(world: World) {
        let transport = world.transport().await;
        let mut running = Vec::new();
        for (name, host) in [("ceph", "node-1@ceph"), ("lvm", "node-1@lvm")] {
            let server = Server::builder(&transport).topic(world.topic()).host(host);
            let server = server.listen(format!("{}.{host}", world.topic()), "node-1");
            let bound = server.serve(BackendsServer::new(Backend::new(name))).bind().await;
            running.push(bound.expect("bound").run());
        }
        let (client, ctx) = (world.client::<backends::Api>(&transport), Context::new());
        let volume = |host: &str| Volume { host: Some(host.to_owned()) };
        for cap in ["3.5", "3.6", "3.8"] {
            let capped = client.negotiated(cap.parse().expect("a version"));
            for (name, host) in [("ceph", "node-1@ceph"), ("lvm", "node-1@lvm")] {
                assert_eq!(capped.delete(&ctx, volume(host)).await.expect(cap), name);
                let prepared = capped.prepare().server(host).client();
                assert_eq!(prepared.freeze(&ctx).await.expect(cap), name);
            }
        }
        let nowhere = client.delete(&ctx, volume("node-2@ceph")).await;
        assert!(matches!(nowhere, Err(CallError::Unroutable { .. })), "{nowhere:?}");
        let keyless = client.delete(&ctx, Volume { host: None }).await;
        assert!(matches!(keyless, Err(CallError::MissingHost { method: "delete" })), "{keyless:?}");
    }

    async fn a_fanout_with_a_key_goes_to_the_servers_of_one_topic(world: World) {
        let transport = world.transport().await;
        let (inside, outside) = (Backend::new("inside"), Backend::new("outside"));
        let cluster = format!("{}.cluster@ceph", world.topic());
        let server = Server::builder(&transport).topic(world.topic()).host("node-1@ceph");
        let server = server.listen(cluster, "cluster").serve(BackendsServer::new(inside.clone()));
        let _first = server.bind().await.expect("bound").run();
        let _second = world.serve(&transport, "node-2@ceph", BackendsServer::new(outside.clone())).await;
        let (client, ctx) = (world.client::<backends::Api>(&transport), Context::new());
        client.failed_over(&ctx, "cluster@ceph".to_owned(), 1).await.expect("confirmed");
        eventually("the cast to arrive", || inside.log.len() == 1).await;
        // Without topics of their own, all servers receive it, after the earlier cast.
        let older = client.version_cap::<backends::V3_5>();
        older.failed_over(&ctx, "cluster@ceph".to_owned(), 2).await.expect("confirmed");
        eventually("the cast to arrive at both", || inside.log.len() == 2 && outside.log.len() == 1).await;
        assert_eq!(inside.log.events(), ["inside 1", "inside 2"]);
        assert_eq!(outside.log.events(), ["outside 2"]);
    }

    async fn a_method_has_its_own_topic_where_the_cap_knows_it(world: World) {
        let Some(world) = world.alone().await else { return };
        let transport = world.transport().await;
        let serve = async |topic: &str, name| {
            let server = Server::builder(&transport).topic(topic).host("h");
            server.serve(BackendsServer::new(Backend::new(name))).bind().await.expect("bound").run()
        };
        let (_old, _new) = (serve("backends", "old").await, serve("backends-alt", "new").await);
        let (client, ctx) = (BackendsClient::new(&transport), Context::new());
        assert_eq!(client.finish(&ctx).await.expect("an answer"), "new");
        assert_eq!(client.version_cap::<backends::V3_6>().finish(&ctx).await.expect("an answer"), "old");
        // A topic that the caller names overrides the method's.
        assert_eq!(client.prepare().topic("backends").finish(&ctx).await.expect("an answer"), "old");
    }

    async fn a_caller_may_choose_the_topic(world: World) {
        let transport = world.transport().await;
        let server = Server::builder(&transport).host("h").serve(PushServer::new(Pushed(Log::default())));
        let error = server.bind().await.expect_err("which topic?");
        assert_eq!(error.kind(), TransportErrorKind::Configuration);
        assert!(error.to_string().contains("Push has no topic of its own"), "{error}");

        let (first, second) = (unique("port"), unique("network"));
        let (ports, networks) = (Log::default(), Log::default());
        let mut running = Vec::new();
        for (topic, log) in [(&first, &ports), (&second, &networks)] {
            let server = Server::builder(&transport).topic(topic.as_str()).host("h");
            let bound = server.serve(PushServer::new(Pushed(log.clone()))).bind().await;
            running.push(bound.expect("bound").run());
        }
        let ctx = Context::new();
        let client = PushClient::on_topic(&transport, first.as_str());
        client.push(&ctx, "a").await.expect("confirmed");
        eventually("the cast to arrive", || ports.len() == 1).await;
        let other = client.prepare().topic(second.as_str()).client();
        assert_eq!(other.count(&ctx).await.expect("an answer"), 0);
        assert_eq!(client.count(&ctx).await.expect("an answer"), 1);
        // Several resources: one cast for each kind.
        let resources = [(&*first, "b"), (&*second, "c"), (&*first, "d")];
        assert_eq!(client.push_all(&ctx, &resources).await.expect("confirmed"), 2);
        eventually("all casts to arrive", || ports.len() == 2 && networks.len() == 1).await;
        assert_eq!((ports.events(), networks.events()), (vec!["a".into(), "b d".into()], vec!["c".into()]));
    }

    async fn one_place_of_a_server_stops_and_the_others_go_on(world: World) {
        let transport = world.transport().await;
        let alt = unique("alt");
        let server = world.server(&transport, "h").listen(alt.as_str(), "h");
        let bound = server.serve(BackendsServer::new(Backend::new("both"))).bind().await;
        let running = bound.expect("bound").run();
        let client = world.client::<backends::Api>(&transport);
        let (other, ctx) = (client.prepare().topic(alt.as_str()).client(), Context::new());
        assert_eq!(client.finish(&ctx).await.expect("an answer"), "both");
        assert_eq!(other.finish(&ctx).await.expect("an answer"), "both");

        assert!(soon("stopped", running.stop_listening(&alt)).await);
        assert!(!running.stop_listening(&alt).await && !running.stop_listening("nowhere").await);
        assert_eq!(client.finish(&ctx).await.expect("an answer"), "both");
        let hasty = other.prepare().timeout(std::time::Duration::from_millis(300)).client();
        let ended = hasty.finish(&ctx).await.expect_err("no server consumes it there");
        let is_fine = matches!(ended, CallError::DeadlineExceeded { .. } | CallError::Unroutable { .. });
        assert!(is_fine, "{ended:?}");
        running.shutdown(SOON).await.expect("nothing runs");
    }

    async fn a_context_chooses_the_transport(world: World) {
        let cell = another(&world).await;
        let (Some(world), Some(cell)) = (world.alone().await, cell) else { return };
        let (transport, other) = (world.transport().await, cell.transport().await);
        let serve = async |transport, name| {
            let server = Server::builder(transport).topic("cells").host("h");
            server.serve(BackendsServer::new(Backend::new(name))).bind().await.expect("bound").run()
        };
        let (_own, _cell) = (serve(&transport, "own").await, serve(&other, "cell").await);
        let client = BackendsClient::new(&transport);
        let moved = client.prepare().topic("cells").transport(&other).finish(&Context::new()).await;
        assert_eq!(moved.expect("an answer"), "cell");
        let client = client.prepare().topic("cells").transport_by(move |ctx: &Context| {
            ctx.value::<bool>("in_cell").unwrap_or_default().then(|| other.clone())
        });
        let client = client.client();
        assert_eq!(client.finish(&Context::new()).await.expect("an answer"), "own");
        let ctx = Context::new().with("in_cell", true);
        assert_eq!(client.finish(&ctx).await.expect("an answer"), "cell");

        let wrong = client.prepare().transport_by(|_: &String| None).client();
        let error = wrong.finish(&Context::new()).await.expect_err("another type of context");
        assert!(matches!(error, CallError::Unavailable(_)) && !error.may_have_run(), "{error:?}");
    }
}

/// Returns another broker of the same kind.
async fn another(world: &World) -> Option<World> {
    if world.is_memory() { Some(World::memory()) } else { World::rabbit()?.alone().await }
}
