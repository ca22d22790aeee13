//! Compatibility with peers of all ages: heartbeats, ping, old namespaces, answers to duplicates.

use std::time::{Duration, Instant};

use rpc_runtime::{CallError, Compression, Context, RemoteError, Running, Transport, rpc_api};
use tests::{Log, World, eventually, on_every_transport, soon};

/// The interface of these tests.
#[rpc_api(topic = "peers", version = "1.2", namespace = "new", legacy_namespaces = ["old", None])]
trait Peers {
    /// Returns after `millis` milliseconds.
    async fn take(&self, ctx: Context, millis: u64) -> u64;
    /// Fails with a declared error.
    async fn fail(&self, ctx: Context) -> Result<(), PeersError>;
    /// Records a text.
    async fn note(&self, ctx: Context, text: String);
    /// The same, acknowledged late.
    #[rpc(ack = "late")]
    async fn note_late(&self, ctx: Context, text: String) -> usize;
}

/// The same topic, with another major version and without a namespace.
#[rpc_api(topic = "peers", version = "2.0")]
trait Peers2 {
    /// Returns its major version.
    async fn major(&self, ctx: Context) -> u32;
}

/// The original's ping, as an interface.
#[rpc_api(topic = "peers", version = "1.0")]
trait Pinged {
    /// Answers `pong`.
    async fn oslo_rpc_server_ping(&self, ctx: Context) -> String;
}

#[derive(Debug, RemoteError, thiserror::Error)]
#[remote(module = "peers.exception")]
enum PeersError {
    #[error("no {what}")]
    Missing { what: String },
}

#[derive(Clone, Default)]
struct Service(Log<String>);

impl Peers for Service {
    async fn take(&self, _: Context, millis: u64) -> u64 {
        self.0.push("take".into());
        tokio::time::sleep(Duration::from_millis(millis)).await;
        millis
    }

    async fn fail(&self, _: Context) -> Result<(), PeersError> {
        Err(PeersError::Missing { what: "volume".into() })
    }

    async fn note(&self, _: Context, text: String) {
        self.0.push(text);
    }

    async fn note_late(&self, _: Context, text: String) -> usize {
        self.0.push(text);
        self.0.len()
    }
}

impl Peers2 for Service {
    async fn major(&self, _: Context) -> u32 {
        2
    }
}

async fn serve(world: &World, transport: &Transport, service: &Service) -> Running {
    let server = world.server(transport, "h").ping(true);
    let server = server.serve(PeersServer::new(service.clone()));
    server.serve(Peers2Server::new(service.clone())).bind().await.expect("bound").run()
}

/// Counts the heartbeats among published messages.
fn heartbeats(published: &[rpc_runtime::memory::Published]) -> usize {
    let said = |body: &[u8]| String::from_utf8_lossy(body).contains(r#"\"ending\": false"#);
    published.iter().filter(|message| said(&message.body)).count()
}

on_every_transport! {
    async fn a_monitored_call_lives_as_long_as_its_server_gives_signs_of_life(world: World) {
        let transport = world.transport().await;
        let _server = serve(&world, &transport, &Service::default()).await;
        let client = world.client::<peers::Api>(&transport);
        let client = client.prepare().monitor(Duration::from_secs(2)).client();
        assert_eq!(client.take(&Context::new(), 3500_u64).await.expect("it lives"), 3500);
    }

    async fn a_silent_server_ends_a_monitored_call_and_nothing_else(world: World) {
        let transport = world.transport().await;
        // Bound but not running: the request waits, and no heartbeat is sent.
        let server = world.server(&transport, "h").serve(PeersServer::new(Service::default()));
        let _bound = server.bind().await.expect("bound");
        let client = world.client::<peers::Api>(&transport);
        let (begun, ctx) = (Instant::now(), Context::new());
        let silence = Duration::from_secs(2);
        let error = client.prepare().monitor(silence).take(&ctx, 0_u64).await.expect_err("silence");
        assert!(matches!(error, CallError::HeartbeatLost { waited } if waited == silence), "{error:?}");
        assert!(error.may_have_run() && begun.elapsed() < Duration::from_secs(20));
        let limit = Duration::from_millis(300);
        let error = client.prepare().timeout(limit).monitor(Duration::from_secs(60)).take(&ctx, 0_u64).await;
        assert!(matches!(error, Err(CallError::DeadlineExceeded { .. })), "{error:?}");
    }

    // The original's servers send no heartbeats to callers that ask for an interval below two
    // seconds.
    async fn a_monitor_below_two_seconds_counts_as_two(world: World) {
        let transport = world.transport().await;
        let server = world.server(&transport, "h").serve(PeersServer::new(Service::default()));
        let _bound = server.bind().await.expect("bound");
        let client = world.client::<peers::Api>(&transport);
        let hasty = client.prepare().monitor(Duration::from_millis(200)).client();
        let error = hasty.take(&Context::new(), 0_u64).await.expect_err("silence");
        let two = Duration::from_secs(2);
        assert!(matches!(error, CallError::HeartbeatLost { waited } if waited == two), "{error:?}");
    }

    async fn a_server_answers_the_originals_ping(world: World) {
        let transport = world.transport().await;
        let _server = serve(&world, &transport, &Service::default()).await;
        let client = world.client::<pinged::Api>(&transport);
        assert_eq!(client.oslo_rpc_server_ping(&Context::new()).await.expect("an answer"), "pong");
        let other = World::memory();
        let quiet = other.transport().await;
        let _without = other.serve(&quiet, "h", PeersServer::new(Service::default())).await;
        let error = other.client::<pinged::Api>(&quiet).oslo_rpc_server_ping(&Context::new()).await;
        assert!(matches!(error, Err(CallError::UnsupportedVersion { .. } | CallError::NoSuchMethod { .. })));
    }

    async fn majors_and_old_namespaces_find_their_interface(world: World) {
        let transport = world.transport().await;
        let _server = serve(&world, &transport, &Service::default()).await;
        let ctx = Context::new();
        assert_eq!(world.client::<peers2::Api>(&transport).major(&ctx).await.expect("2.0"), 2);
        let client = world.client::<peers::Api>(&transport);
        for namespace in [Some("new"), Some("old"), None] {
            let client = client.prepare().namespace(namespace);
            assert_eq!(client.take(&ctx, 0_u64).await.expect("served"), 0, "{namespace:?}");
        }
        let unknown = client.prepare().namespace("other").take(&ctx, 0_u64).await;
        assert!(matches!(unknown, Err(CallError::UnsupportedVersion { serves: None, .. })));
    }

    async fn compressed_messages_are_read_whatever_one_sends(world: World) {
        let plain = world.transport().await;
        let packed = world.connect(|builder| builder.compression(Compression::Gzip)).await;
        let bzipped = world.connect(|builder| builder.compression(Compression::Bzip2)).await;
        let service = Service::default();
        let _server = serve(&world, &packed, &service).await;
        for transport in [&plain, &packed, &bzipped] {
            let client = world.client::<peers::Api>(transport);
            assert_eq!(client.take(&Context::new(), 1_u64).await.expect("an answer"), 1);
            let nobody = client.prepare().topic("nobody").take(&Context::new(), 1_u64).await;
            assert!(matches!(nobody, Err(CallError::Unroutable { .. })), "a returned body is read, too");
        }
    }

    async fn an_unroutable_cast_is_an_error_unless_it_is_not_mandatory(world: World) {
        let transport = world.transport().await;
        let client = world.client::<peers::Api>(&transport);
        let error = client.note(&Context::new(), "x").await.expect_err("nobody");
        assert!(matches!(error, CallError::Unroutable { .. }) && !error.may_have_run());
        client.prepare().mandatory(false).note(&Context::new(), "x").await.expect("dropped, as asked");
    }

    async fn only_allowed_modules_become_typed(world: World) {
        let strict = world.connect(|builder| builder.typed_modules(["other.exception"])).await;
        let open = world.connect(|builder| builder.typed_modules(["peers.exception"])).await;
        let _server = serve(&world, &open, &Service::default()).await;
        let error = world.client::<peers::Api>(&open).fail(&Context::new()).await.expect_err("it fails");
        assert!(matches!(error, CallError::Method(PeersError::Missing { what }) if what == "volume"));
        let error = world.client::<peers::Api>(&strict).fail(&Context::new()).await.expect_err("it fails");
        assert!(matches!(&error, CallError::Failure(failure) if failure.class() == "Missing"), "{error:?}");
    }
}

/// Whether an error is the failure that the original's dispatcher has for an unknown method.
fn is_no_such_method(error: &CallError) -> bool {
    matches!(error, CallError::NoSuchMethod { .. })
}

/// Uses switches that only the embedded broker has.
mod switches {
    use super::*;

    /// A method that the servers of these tests do not have.
    #[rpc_api(topic = "peers", version = "1.0")]
    trait Newer {
        async fn unheard_of(&self, ctx: Context) -> ();
    }

    #[tokio::test]
    async fn no_heartbeat_comes_behind_the_reply() {
        let world = World::memory();
        let transport = world.transport().await;
        let _server = serve(&world, &transport, &Service::default()).await;
        let mut published = transport.memory().expect("embedded").observe();
        let client = world.client::<peers::Api>(&transport);
        let client = client.prepare().monitor(Duration::from_secs(2)).client();
        client.take(&Context::new(), 2500_u64).await.expect("it lives");
        // An unknown method in a watched call: the original would send heartbeats forever.
        let missing = world.client::<newer::Api>(&transport);
        let missing = missing.prepare().monitor(Duration::from_secs(2)).client();
        let error = missing.unheard_of(&Context::new()).await.expect_err("there is no such method");
        assert!(is_no_such_method(&error), "{error:?}");
        // A heartbeat would arrive within this call.
        client.take(&Context::new(), 0_u64).await.expect("it lives");
        soon("a heartbeat's time", tokio::time::sleep(Duration::from_millis(1200))).await;
        let mut messages = Vec::new();
        while let Ok(message) = published.try_recv() {
            messages.push(message);
        }
        let replies: Vec<_> = messages.into_iter().filter(|m| m.exchange.is_empty()).collect();
        assert!((1..=3).contains(&heartbeats(&replies)), "{}", heartbeats(&replies));
        assert_eq!(heartbeats(&replies[replies.len() - 3..]), 0, "three replies end the log");
    }

    #[tokio::test]
    async fn a_second_copy_of_a_call_is_answered_and_not_run() {
        let world = World::memory();
        let transport = world.transport().await;
        let service = Service::default();
        let _server = serve(&world, &transport, &service).await;
        let broker = transport.memory().expect("embedded");
        let mut published = broker.observe();
        let client = world.client::<peers::Api>(&transport);
        for late in [false, true] {
            broker.repeat_next(1);
            if late {
                client.note_late(&Context::new(), "x").await.expect("an answer");
            } else {
                client.take(&Context::new(), 0_u64).await.expect("an answer");
            }
        }
        let mut replies = 0;
        let counted = async {
            while replies < 3 {
                let message = published.recv().await.expect("the broker lives");
                replies += usize::from(message.exchange.is_empty());
            }
        };
        soon("the copies to be answered", counted).await;
        eventually("the queue to be empty", || broker.queued(world.topic()) == 0).await;
        assert_eq!(service.0.len(), 2, "{:?}", service.0.events());
    }
}
