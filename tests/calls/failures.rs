//! A failure on a server reaches its caller with its type, and affects no other request.

use std::time::Duration;

use rpc_runtime::{CallError, Context, rpc_api};
use serde::{Deserialize, Serialize};
use tests::on_every_transport;

use crate::probe::{ProbeError, ProbeServer, Recorder, probe};

/// A value without a JSON form: the keys of its map are not strings.
#[derive(Debug, Serialize, Deserialize)]
struct Unsayable(std::collections::BTreeMap<Vec<u8>, u8>);

/// The probe's topic, called through a wrong definition.
#[rpc_api(topic = "probe", version = "1.4")]
trait Misfit {
    /// The server takes text.
    async fn echo(&self, ctx: Context, text: u32) -> String;
    /// The server has no `c`.
    async fn add(&self, ctx: Context, a: i64, b: i64, c: i64) -> i64;
    /// The server requires a line.
    async fn note(&self, ctx: Context) -> ();
    /// The server returns text.
    async fn host(&self, ctx: Context) -> u32;
    /// The server has no such method.
    async fn nonesuch(&self, ctx: Context) -> u32;
    /// Fails, because its result has no JSON form.
    async fn unsayable(&self, ctx: Context) -> Unsayable;
}

struct Mute;

impl Misfit for Mute {
    async fn echo(&self, _: Context, _: u32) -> String {
        String::new()
    }

    async fn add(&self, _: Context, a: i64, _: i64, _: i64) -> i64 {
        a
    }

    async fn note(&self, _: Context) {}

    async fn host(&self, _: Context) -> u32 {
        0
    }

    async fn nonesuch(&self, _: Context) -> u32 {
        0
    }

    async fn unsayable(&self, _: Context) -> Unsayable {
        Unsayable([(vec![1], 1)].into())
    }
}

/// Returns the module, class and message of a failure.
fn failure<T: std::fmt::Debug, E: std::fmt::Debug>(
    ended: Result<T, CallError<E>>,
) -> (String, String, String) {
    match ended {
        Err(CallError::Failure(f)) => {
            (f.module().to_owned(), f.class().to_owned(), f.message().to_owned())
        }
        other => panic!("expected a failure, not {other:?}"),
    }
}

on_every_transport! {
    async fn declared_errors_arrive_as_types(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::on("h"))).await;
        let client = world.client::<probe::Api>(&transport);
        for (how, expected) in [
            ("missing", ProbeError::Missing { name: "vm-1".to_owned(), place: "cell-2".to_owned() }),
            ("bad", ProbeError::Bad(3)),
            ("not ready", ProbeError::NotReady),
        ] {
            match client.fail(&Context::new(), how).await {
                Err(error @ CallError::Method(_)) => {
                    assert!(error.may_have_run());
                    assert!(matches!(error, CallError::Method(error) if error == expected));
                }
                other => panic!("expected {expected:?}, not {other:?}"),
            }
        }
    }

    async fn a_panic_fails_one_request_and_says_nothing_of_its_text(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::on("h"))).await;
        let client = world.client::<probe::Api>(&transport);
        let (module, class, message) = failure(client.panic(&Context::new()).await);
        assert_eq!((&*module, &*class, &*message), ("rpc_runtime", "MethodPanicked", "the method panicked"));
        assert_eq!(client.host(&Context::new()).await.expect("an answer"), "h");
    }

    async fn a_result_that_json_cannot_say_is_a_failure(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", MisfitServer::new(Mute)).await;
        let client = world.client::<misfit::Api>(&transport).prepare().timeout(Duration::from_secs(20)).client();
        let (_, class, _) = failure(client.unsayable(&Context::new()).await);
        assert_eq!(class, "ResultNotSerializable");
    }

    async fn arguments_that_do_not_fit_are_type_errors_that_name_them(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::on("h");
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let (client, ctx) = (world.client::<misfit::Api>(&transport), Context::new());
        for (error, name) in [
            (client.echo(&ctx, 5_u32).await.expect_err("a number"), "'text'"),
            (client.add(&ctx, 1_i64, 2_i64, 3_i64).await.expect_err("too many"), "'c'"),
            (client.note(&ctx).await.expect_err("too few"), "'line'"),
        ] {
            let CallError::BadArgument { failure, .. } = &error else { panic!("{error:?}") };
            assert_eq!((failure.module(), failure.class()), ("builtins", "TypeError"));
            assert!(failure.message().contains(name) && !error.may_have_run(), "{failure}");
        }
        assert!(recorder.log.is_empty());
    }

    async fn an_unknown_method_is_no_such_method(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::on("h"))).await;
        let error = world.client::<misfit::Api>(&transport).nonesuch(&Context::new()).await.expect_err("unknown");
        assert!(matches!(error, CallError::NoSuchMethod { method: "nonesuch" }), "{error:?}");
        assert!(!error.may_have_run());
    }

    async fn a_reply_of_another_type_is_a_decode_error(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::on("h"))).await;
        match world.client::<misfit::Api>(&transport).host(&Context::new()).await {
            Err(error @ CallError::Decode(_)) => assert!(error.may_have_run()),
            other => panic!("expected a decode error, not {other:?}"),
        }
    }

    async fn what_json_cannot_say_is_not_sent(world: World) {
        let transport = world.transport().await;
        let client = world.client::<probe::Api>(&transport);
        let ctx = Context::new().with("self", 1);
        match client.echo(&ctx, "x").await {
            Err(error @ CallError::Encode(_)) => assert!(!error.may_have_run()),
            other => panic!("expected an encode error, not {other:?}"),
        }
    }
}
