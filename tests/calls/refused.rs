//! Casts that a server refuses: the caller gets no answer, so the server logs and counts them, and
//! keeps them if configured.

use std::{sync::Arc, time::Duration};

use rpc_runtime::{
    Context, Event, RefusalKind, ServerBuilder, Transport, TransportErrorKind, VersionedObject,
    objects::Object, rpc_api,
};
use serde::{Deserialize, Serialize};
use tests::{Log, SOON, World, eventually, heard::Heard, soon};

#[derive(Clone, Debug, Default, Deserialize, Serialize, VersionedObject)]
#[object(namespace = "tests", name = "Wanted", version = "1.0")]
struct Wanted {
    size: u32,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, VersionedObject)]
#[object(namespace = "tests", name = "Other", version = "1.0")]
struct Other {
    size: u32,
}

/// The server's interface.
#[rpc_api(topic = "strict", version = "1.3")]
trait Strict {
    async fn store(&self, ctx: Context, number: u32);
    #[rpc(ack = "late")]
    async fn store_late(&self, ctx: Context, number: u32);
    async fn attach(&self, ctx: Context, object: Object<Wanted>);
    #[rpc(fanout)]
    async fn tell(&self, ctx: Context, number: u32);
}

/// The interface of a newer or mistaken caller.
#[rpc_api(topic = "strict", version = "1.7")]
trait Careless {
    #[rpc(since = "1.7")]
    async fn store(&self, ctx: Context, number: u32);
    async fn store_late(&self, ctx: Context, number: String);
    async fn attach(&self, ctx: Context, object: Object<Other>);
    #[rpc(fanout, since = "1.6")]
    async fn tell(&self, ctx: Context, number: u32);
    async fn nonesuch(&self, ctx: Context);
}

#[derive(Clone, Default)]
struct Store(Log<u32>);

impl Strict for Store {
    async fn store(&self, _: Context, number: u32) {
        self.0.push(number);
    }

    async fn store_late(&self, _: Context, number: u32) {
        self.0.push(number);
    }

    async fn attach(&self, _: Context, object: Object<Wanted>) {
        self.0.push(object.size);
    }

    async fn tell(&self, _: Context, number: u32) {
        self.0.push(number);
    }
}

/// Sends one refused cast of each kind, in the order of kinds.
async fn send_each(client: &CarelessClient, ctx: &Context) {
    client.nonesuch(ctx).await.expect("confirmed");
    client.store(ctx, 1_u32).await.expect("confirmed");
    client.store_late(ctx, "canary-text").await.expect("confirmed");
    client.attach(ctx, Object::new(Other { size: 3 })).await.expect("confirmed");
}

const KINDS: [(RefusalKind, &str, &str); 4] = [
    (RefusalKind::NoSuchMethod, "nonesuch", "1.0"),
    (RefusalKind::UnsupportedVersion, "store", "1.7"),
    (RefusalKind::BadArguments, "store_late", "1.0"),
    (RefusalKind::IncompatibleObject, "attach", "1.0"),
];

async fn serve(
    world: &World,
    change: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> (Transport, rpc_runtime::Running, Store) {
    let transport = world.transport().await;
    let store = Store::default();
    let server = change(world.server(&transport, "h")).serve(StrictServer::new(store.clone()));
    let server = server.bind().await.expect("bound").run();
    (transport, server, store)
}

tests::on_every_transport_in_one_thread! {
    async fn a_refused_cast_is_logged_counted_and_told(world: World) {
        let heard = Heard::default();
        let _guard = heard.listen();
        let (transport, server, store) = serve(&world, |server| server).await;
        let mut events = transport.events();
        let client = world.client::<careless::Api>(&transport);
        let ctx = Context::new().with("request_id", "req-7").with("auth_token", "canary-token");
        for sent in 1..=50 {
            send_each(&client, &ctx).await;
            eventually("the casts to arrive", || transport.metrics().requests_received == sent * 4).await;
        }
        let counted = || {
            let counts = transport.metrics();
            [
                counts.requests_no_such_method,
                counts.requests_unsupported_version,
                counts.requests_bad_arguments,
                counts.requests_incompatible_object,
            ]
        };
        eventually("all to be counted", || counted() == [50; 4]).await;
        let lines: Vec<_> = heard.lines().into_iter().filter(|line| line.starts_with("WARN")).collect();
        for (kind, method, version) in KINDS {
            let own: Vec<_> =
                lines.iter().filter(|line| line.contains(&format!("method={method} "))).collect();
            // At most one line per second, and the test took less than ten.
            assert!((1..10).contains(&own.len()), "{lines:#?}");
            for part in [
                "refused a cast",
                &format!("version=\"{version}\""),
                "request_id=\"req-7\"",
                "unique_id=\"",
            ] {
                assert!(own[0].contains(part), "{kind}: {part} in {}", own[0]);
            }
        }
        assert!(!lines.iter().any(|line| line.contains("canary")), "{lines:#?}");
        let mut refused = async || loop {
            let event = soon("an event", events.next()).await;
            if !matches!(event, Some(Event::Serving { .. })) {
                return event;
            }
        };
        let mut told = Vec::new();
        for _ in KINDS {
            match refused().await {
                Some(Event::Refused { kind, method, is_cast: true, topic, .. }) => {
                    assert_eq!(topic, world.topic());
                    told.push((kind, method));
                }
                other => panic!("{other:?}"),
            }
        }
        told.sort_unstable();
        assert!(
            told.iter()
                .map(|(kind, of)| (*kind, of.as_str()))
                .eq(KINDS.map(|(kind, of, _)| (kind, of)))
        );
        assert!(store.0.is_empty());
        server.shutdown(SOON).await.expect("nothing runs");
    }

    async fn a_fanout_cast_of_a_newer_caller_is_not_blamed_on_a_neighbour(world: World) {
        let heard = Heard::default();
        let _guard = heard.listen();
        let (transport, server, _) = serve(&world, |server| server.keep_refused(10)).await;
        let client = world.client::<careless::Api>(&transport);
        client.tell(&Context::new(), 1_u32).await.expect("confirmed");
        eventually("it to be counted", || transport.metrics().requests_unsupported_version == 1).await;
        let lines = heard.lines();
        assert!(lines.iter().any(|line| line.contains("refused a fanout cast")), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("a fanout cast came that")), "{lines:#?}");
        assert_eq!(transport.metrics().requests_foreign, 0);
        server.shutdown(SOON).await.expect("nothing runs");
    }
}

tests::on_every_transport! {
    async fn refused_casts_are_kept_in_bounds_if_that_is_asked_for(world: World) {
        const KEPT: u32 = 3;
        let (transport, server, _) = serve(&world, |server| server.keep_refused(KEPT)).await;
        let client = world.client::<careless::Api>(&transport);
        for _ in 0..10 {
            client.nonesuch(&Context::new()).await.expect("confirmed");
        }
        eventually("all to be refused", || transport.metrics().requests_no_such_method == 10).await;
        server.shutdown(SOON).await.expect("nothing runs, and casts are kept");
        assert_eq!(transport.metrics().requests_kept, 3);
        // The kept casts are unchanged: a server that has the method runs them.
        let later = Store::default();
        let queue = format!("{}{}", world.topic(), ServerBuilder::REFUSED);
        let rescue = world.server(&transport, "rescue").topic(queue).serve(RescueServer::new(Arc::new(later.clone())));
        let rescue = rescue.bind().await.expect("bound").run();
        eventually("the kept casts to run", || later.0.len() == 3).await;
        rescue.shutdown(SOON).await.expect("nothing runs");
    }

    async fn nothing_is_kept_unless_that_is_asked_for(world: World) {
        let (transport, server, _) = serve(&world, |server| server).await;
        world.client::<careless::Api>(&transport).nonesuch(&Context::new()).await.expect("confirmed");
        eventually("it to be refused", || transport.metrics().requests_no_such_method == 1).await;
        server.shutdown(SOON).await.expect("nothing runs");
        assert_eq!(transport.metrics().requests_kept, 0);
    }

    async fn failures_are_counted_by_kind(world: World) {
        let transport = world.transport().await;
        let server = world.server(&transport, "h").time_limit(Duration::from_millis(50));
        let server = server.serve(FailingServer::new(Fails)).bind().await.expect("bound").run();
        let (client, ctx) = (world.client::<failing::Api>(&transport), Context::new());
        client.panic(&ctx).await.expect_err("it panics");
        client.hang(&ctx).await.expect_err("it is given up");
        client.fail(&ctx).await.expect_err("it fails");
        client.fail_as_if_refused(&ctx).await.expect_err("it fails");
        let counts = transport.metrics();
        assert_eq!((counts.requests_panicked, counts.requests_timed_out), (1, 1));
        assert_eq!((counts.requests_failed, counts.requests_bad_arguments), (2, 0));
        server.shutdown(SOON).await.expect("nothing runs");
    }
}

#[tokio::test]
async fn refused_casts_are_not_kept_in_a_queue_that_is_served() {
    let world = World::memory();
    let transport = world.transport().await;
    let server = world.server(&transport, "refused").keep_refused(1);
    let bound = server.serve(StrictServer::new(Store::default())).bind().await;
    assert_eq!(bound.expect_err("it cannot be bound").kind(), TransportErrorKind::Configuration);
}

#[tokio::test]
async fn a_cast_that_an_implementation_refuses_in_process_is_logged_and_counted() {
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = Transport::in_process(StrictServer::new(Store::default()));
    let client = CarelessClient::new(&transport);
    for _ in 0..5 {
        client.nonesuch(&Context::new()).await.expect("taken");
    }
    eventually("all to be counted", || transport.metrics().requests_no_such_method == 5).await;
    let lines = heard.lines();
    let casts = lines.iter().filter(|line| line.contains("a cast failed in process"));
    assert!((1..3).contains(&casts.count()), "{lines:#?}");
}

/// The interface of the server for kept casts.
#[rpc_api(topic = "rescue", version = "1.0")]
trait Rescue {
    async fn nonesuch(&self, ctx: Context);
}

impl Rescue for Arc<Store> {
    async fn nonesuch(&self, _: Context) {
        self.0.push(0);
    }
}

#[rpc_api(topic = "failing", version = "1.0")]
trait Failing {
    async fn panic(&self, ctx: Context) -> u32;
    async fn hang(&self, ctx: Context) -> u32;
    async fn fail(&self, ctx: Context) -> Result<u32, rpc_runtime::Failure>;
    async fn fail_as_if_refused(&self, ctx: Context) -> Result<u32, rpc_runtime::Failure>;
}

struct Fails;

impl Failing for Fails {
    async fn panic(&self, _: Context) -> u32 {
        panic!("as asked")
    }

    async fn hang(&self, _: Context) -> u32 {
        std::future::pending().await
    }

    async fn fail(&self, _: Context) -> Result<u32, rpc_runtime::Failure> {
        Err(rpc_runtime::Failure::of("no", "builtins", "ValueError"))
    }

    async fn fail_as_if_refused(&self, _: Context) -> Result<u32, rpc_runtime::Failure> {
        Err(rpc_runtime::Failure::of("no", "builtins", "TypeError"))
    }
}
