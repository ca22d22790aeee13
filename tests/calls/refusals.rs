//! A request that a server refuses before its method begins has certainly not run, and its caller
//! learns that. A failure that only resembles a refusal proves nothing.

use std::{fmt::Debug, time::Duration};

use rpc_runtime::{CallError, Context, Failure, RemoteError, Transport, Version, rpc_api};
use tests::{Log, World, eventually, on_every_transport, soon};

/// An error type that accepts any failure.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "refusals.errors")]
enum Open {
    /// The declared error.
    #[error("not today")]
    NotToday,
    /// Any other failure.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

/// The server's interface.
#[rpc_api(topic = "refusals", version = "1.5")]
trait Refusals {
    async fn plain(&self, ctx: Context, a: u32) -> u32;
    async fn open(&self, ctx: Context, a: u32) -> Result<u32, Open>;
    async fn any(&self, ctx: Context, a: u32) -> Result<u32, Failure>;
    #[rpc(ack = "late")]
    async fn late(&self, ctx: Context, a: u32) -> u32;
    #[rpc(ack = "late")]
    async fn hang_late(&self, ctx: Context) -> ();
    /// Fails with a failure of this module and class, made by the method itself.
    async fn pretend(&self, ctx: Context, module: String, class: String) -> Result<u32, Failure>;
    /// Fails with the refusal of a call that the method makes.
    async fn pass_on(&self, ctx: Context, which: String) -> Result<u32, Failure>;
}

/// The same interface in a newer client.
#[rpc_api(topic = "refusals", version = "1.9")]
trait Newer {
    // Another type.
    async fn plain(&self, ctx: Context, a: String) -> u32;
    // One more argument.
    async fn open(&self, ctx: Context, a: u32, b: u32) -> Result<u32, Open>;
    // One argument less.
    async fn any(&self, ctx: Context) -> Result<u32, Failure>;
    async fn late(&self, ctx: Context) -> u32;
    async fn unheard_of(&self, ctx: Context) -> u32;
    async fn open_unheard_of(&self, ctx: Context) -> Result<u32, Open>;
    async fn any_unheard_of(&self, ctx: Context) -> Result<u32, Failure>;
    #[rpc(since = "1.8")]
    async fn recent(&self, ctx: Context) -> u32;
    #[rpc(since = "1.8")]
    async fn open_recent(&self, ctx: Context) -> Result<u32, Open>;
    #[rpc(since = "1.8")]
    async fn any_recent(&self, ctx: Context) -> Result<u32, Failure>;
}

/// A server of the same topic without these methods.
#[rpc_api(topic = "refusals", version = "1.9")]
trait Empty {
    async fn nothing(&self, ctx: Context) -> ();
}

struct Nothing;

impl Empty for Nothing {
    async fn nothing(&self, _: Context) {}
}

/// The original's answer to a call of `pass_on`, which its server does not have.
const PYTHON: &str = r#"{
    "class": "NoSuchMethod", "module": "oslo_messaging.rpc.dispatcher",
    "message": "Endpoint does not support RPC method pass_on",
    "tb": [
        "Traceback (most recent call last):\n",
        "  File \"/srv/oslo_messaging/rpc/server.py\", line 165, in _process_incoming\n    res = self.dispatcher.dispatch(message)\n",
        "  File \"/srv/oslo_messaging/rpc/dispatcher.py\", line 318, in dispatch\n    raise NoSuchMethod(method)\n",
        "oslo_messaging.rpc.dispatcher.NoSuchMethod: Endpoint does not support RPC method pass_on\n"
    ],
    "args": ["Endpoint does not support RPC method pass_on"], "kwargs": {}
}"#;

#[derive(Clone)]
struct Server {
    log: Log<String>,
    /// The target of the server's own calls.
    world: World,
    transport: Transport,
}

impl Server {
    fn new(world: &World, transport: &Transport) -> Self {
        Self { log: Log::default(), world: world.clone(), transport: transport.clone() }
    }
}

impl Refusals for Server {
    async fn plain(&self, _: Context, a: u32) -> u32 {
        self.log.push("plain".to_owned());
        a
    }

    async fn open(&self, _: Context, a: u32) -> Result<u32, Open> {
        self.log.push("open".to_owned());
        if a == 0 { Err(Open::NotToday) } else { Ok(a) }
    }

    async fn any(&self, _: Context, a: u32) -> Result<u32, Failure> {
        self.log.push("any".to_owned());
        Ok(a)
    }

    async fn late(&self, _: Context, a: u32) -> u32 {
        self.log.push("late".to_owned());
        a
    }

    async fn hang_late(&self, _: Context) {
        self.log.push("hang_late".to_owned());
        std::future::pending().await
    }

    async fn pretend(&self, _: Context, module: String, class: String) -> Result<u32, Failure> {
        Err(Failure::of("Endpoint does not support RPC method pretend", &module, &class))
    }

    async fn pass_on(&self, ctx: Context, which: String) -> Result<u32, Failure> {
        let client = self.world.client::<newer::Api>(&self.transport);
        if which == "python" {
            return Err(serde_json::from_str(PYTHON).expect("a failure"));
        }
        let error = match &*which {
            "method" => client.any_unheard_of(&ctx).await.expect_err("refused"),
            "version" => client.any_recent(&ctx).await.expect_err("refused"),
            _ => client.any(&ctx).await.expect_err("refused"),
        };
        Err(match error {
            CallError::BadArgument { failure, .. } | CallError::Failure(failure) => failure,
            error => Failure::of(&error, "oslo_messaging.rpc.dispatcher", "NoSuchMethod"),
        })
    }
}

/// Describes a refusal, and checks that it rules out a run.
fn refused<T: Debug, E: Debug>(ended: Result<T, CallError<E>>) -> String {
    let error = ended.expect_err("a refusal");
    assert!(!error.may_have_run(), "{error:?}");
    match error {
        CallError::NoSuchMethod { method } => format!("method {method}"),
        CallError::BadArgument { method, failure } => format!("{method}: {}", failure.message()),
        CallError::UnsupportedVersion { method, needs, serves } => {
            format!("{method} {needs} {}", serves.map_or_else(String::new, |v| v.to_string()))
        }
        other => panic!("expected a refusal, not {other:?}"),
    }
}

on_every_transport! {
    async fn what_a_server_refuses_has_certainly_not_run(world: World) {
        let transport = world.transport().await;
        let service = Server::new(&world, &transport);
        let _server = world.serve(&transport, "h", RefusalsServer::new(service.clone())).await;
        let (client, ctx) = (world.client::<newer::Api>(&transport), Context::new());
        let missing = "missing 1 required positional argument: 'a'";
        assert!(refused(client.plain(&ctx, "x").await).starts_with("plain: plain() got a wrong value for argument 'a'"));
        assert_eq!(refused(client.open(&ctx, 1_u32, 2_u32).await), "open: open() got an unexpected keyword argument 'b'");
        assert_eq!(refused(client.any(&ctx).await), format!("any: any() {missing}"));
        assert_eq!(refused(client.late(&ctx).await), format!("late: late() {missing}"));
        assert_eq!(refused(client.unheard_of(&ctx).await), "method unheard_of");
        assert_eq!(refused(client.open_unheard_of(&ctx).await), "method open_unheard_of");
        assert_eq!(refused(client.any_unheard_of(&ctx).await), "method any_unheard_of");
        assert_eq!(refused(client.recent(&ctx).await), "recent 1.8 1.5");
        assert_eq!(refused(client.open_recent(&ctx).await), "open_recent 1.8 1.5");
        assert_eq!(refused(client.any_recent(&ctx).await), "any_recent 1.8 1.5");
        let strange = client.prepare().namespace("other").client();
        assert_eq!(refused(strange.plain(&ctx, "x").await), "plain 1.0 ");
        assert!(service.log.is_empty(), "{:?}", service.log);
        let own = world.client::<refusals::Api>(&transport);
        assert_eq!(own.late(&ctx, 3_u32).await.expect("it still serves"), 3);
        assert!(matches!(own.open(&ctx, 0_u32).await, Err(CallError::Method(Open::NotToday))));
    }

    async fn a_failure_that_a_method_makes_or_passes_on_is_no_refusal(world: World) {
        let transport = world.transport().await;
        let service = Server::new(&world, &transport);
        let _server = world.serve(&transport, "h", RefusalsServer::new(service)).await;
        let (client, ctx) = (world.client::<refusals::Api>(&transport), Context::new());
        for (module, class) in [
            ("builtins", "TypeError"),
            ("oslo_messaging.rpc.dispatcher", "NoSuchMethod"),
            ("oslo_messaging.rpc.dispatcher", "UnsupportedVersion"),
        ] {
            let error = client.pretend(&ctx, module, class).await.expect_err("it fails");
            assert!(error.may_have_run(), "{error:?}");
            assert!(matches!(&error, CallError::Method(failure) if failure.class() == class), "{error:?}");
        }
        for which in ["method", "version", "arguments", "python"] {
            let error = client.pass_on(&ctx, which).await.expect_err("it passes a failure on");
            assert!(matches!(&error, CallError::Method(_)) && error.may_have_run(), "{error:?}");
        }
    }

    // The method is acknowledged late, so the broker redelivers the request to another server when
    // the first one stops.
    async fn a_server_that_refuses_what_another_has_begun_proves_nothing(world: World) {
        let transport = world.transport().await;
        let (service, ctx) = (Server::new(&world, &transport), Context::new());
        let first = world.serve(&transport, "h", RefusalsServer::new(service.clone())).await;
        let client = world.client::<refusals::Api>(&transport);
        let call = tokio::spawn(async move { client.hang_late(&ctx).await });
        eventually("the method to begin", || service.log.events() == ["hang_late"]).await;
        let _second = world.serve(&transport, "h2", EmptyServer::new(Nothing)).await;
        first.shutdown(Duration::ZERO).await.expect_err("it hangs");
        let error = soon("the refusal", call).await.expect("no panic").expect_err("it hangs");
        assert!(matches!(&error, CallError::Failure(failure) if failure.class() == "NoSuchMethod"), "{error:?}");
        assert!(error.may_have_run());
    }

    async fn a_version_that_another_interface_serves_lacks_the_method(world: World) {
        let transport = world.transport().await;
        let service = Server::new(&world, &transport);
        let server = world.server(&transport, "h").serve(RefusalsServer::new(service));
        let server = server.serve(EmptyServer::new(Nothing));
        let _server = server.bind().await.expect("bound").run();
        let client = world.client::<newer::Api>(&transport);
        let raw = client.unchecked(Version::new(1, 9));
        assert_eq!(refused(raw.recent(&Context::new()).await), "method recent");
    }
}

#[tokio::test]
async fn an_implementation_in_place_of_a_broker_refuses_as_a_server_does() {
    let world = World::memory();
    let service = Server::new(&world, &world.transport().await);
    let transport = Transport::in_process(RefusalsServer::new(service));
    let (client, ctx) = (NewerClient::new(&transport), Context::new());
    assert_eq!(refused(client.any_unheard_of(&ctx).await), "method any_unheard_of");
    assert_eq!(refused(client.any_recent(&ctx).await), "any_recent 1.8 1.5");
    assert!(refused(client.any(&ctx).await).starts_with("any: any() missing"));
    let own = RefusalsClient::new(&transport);
    let error = own.pretend(&ctx, "builtins", "TypeError").await.expect_err("it fails");
    assert!(matches!(error, CallError::Method(_)), "{error:?}");
}
