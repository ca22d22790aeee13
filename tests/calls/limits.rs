//! Messages above the size limits: refused before they are sent where possible, and harmless
//! otherwise.

use std::time::Duration;

use rpc_runtime::{
    CallError, Compression, Context, Failure, Transport, TransportBuilder, TransportErrorKind,
    rpc_api,
};
use tests::{eventually, on_every_transport};

use crate::probe::{ProbeServer, Recorder, probe};

/// The size limit in these tests. The envelope is part of it.
const KIB: usize = 1024;

/// Returns the class of a failure that this library made.
fn class<E: std::fmt::Debug>(ended: Result<String, CallError<E>>) -> String {
    match ended.map(|text| text.len()) {
        Err(CallError::Failure(failure) | CallError::BadArgument { failure, .. })
            if failure.module() == "rpc_runtime" =>
        {
            failure.class().to_owned()
        }
        other => panic!("{other:?}"),
    }
}

/// Returns and receives lists.
#[rpc_api(topic = "lister", version = "1.0")]
trait Lister {
    /// Returns a list of `length` numbers.
    async fn list(&self, ctx: Context, length: u32) -> Vec<u8>;
    /// Returns the length of a list.
    async fn length(&self, ctx: Context, list: Vec<u8>) -> usize;
    /// Fails with `arguments` arguments.
    async fn fail(&self, ctx: Context, arguments: usize) -> Result<(), Failure>;
}

struct Lists;

impl Lister for Lists {
    async fn list(&self, _: Context, length: u32) -> Vec<u8> {
        (0..length).map(|_| 7).collect()
    }

    async fn length(&self, _: Context, list: Vec<u8>) -> usize {
        list.len()
    }

    async fn fail(&self, _: Context, arguments: usize) -> Result<(), Failure> {
        let arguments: Vec<_> = (0..arguments).map(|_| Failure::value(&5)).collect();
        Err(Failure::of("as asked", "lister", "Asked").args(&arguments))
    }
}

on_every_transport! {
    async fn a_request_that_is_too_large_never_leaves(world: World) {
        let transport = world.connect(|builder| builder.message_limit(64 * KIB)).await;
        let recorder = Recorder::default();
        let _server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let large = "x".repeat(64 * KIB);
        let error = client.echo(&ctx, &large).await.expect_err("it is too large");
        assert!(
            matches!(error, CallError::TooLarge { size, limit } if size > limit && limit == 64 * KIB),
            "{error:?}"
        );
        assert!(!error.may_have_run());
        let error = client.note(&ctx, &large).await.expect_err("it is too large");
        assert!(matches!(error, CallError::TooLarge { .. }) && !error.may_have_run(), "{error:?}");
        let error = client.prepare().fanout().note(&ctx, &large).await.expect_err("too large");
        assert!(matches!(error, CallError::TooLarge { .. }), "{error:?}");
        assert_eq!(transport.pending_calls(), 0);
        let most = "x".repeat(63 * KIB);
        assert_eq!(client.echo(&ctx, &most).await.expect("it is not too large"), most);
        client.note(&ctx, "small").await.expect("confirmed");
        eventually("the note", || recorder.log.events() == ["small"]).await;
    }

    async fn a_result_that_is_too_large_is_a_failure_of_its_own(world: World) {
        let served = world.connect(|builder| builder.message_limit(64 * KIB)).await;
        let _server = world.serve(&served, "h", ListerServer::new(Lists)).await;
        let transport = world.transport().await;
        let (client, ctx) = (world.client::<lister::Api>(&transport), Context::new());
        let ended = client.list(&ctx, 64_000_u32).await.map(|list| format!("{list:?}"));
        assert_eq!(class(ended), "ReplyTooLarge");
        let error = client.fail(&ctx, 64_000_usize).await.expect_err("it fails as asked");
        assert!(
            matches!(&error, CallError::Method(failure) if failure.class() == "ReplyTooLarge"),
            "{error:?}"
        );
        assert_eq!(client.list(&ctx, 3_u32).await.expect("it is not too large"), [7, 7, 7]);
    }

    async fn a_request_that_comes_and_is_too_large_is_refused_and_gone(world: World) {
        let served = world.connect(|builder| builder.message_limit(64 * KIB)).await;
        let recorder = Recorder::default();
        let _server = world.serve(&served, "h", ProbeServer::new(recorder.clone())).await;
        let transport = world.transport().await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        for size in [64 * KIB, 200 * KIB, 5 * KIB * KIB] {
            client.note(&ctx, "x".repeat(size)).await.expect("confirmed");
            assert_eq!(client.echo(&ctx, "well").await.expect("an answer"), "well");
        }
        let hasty = client.prepare().timeout(Duration::from_millis(300));
        let error = hasty.echo(&ctx, "x".repeat(64 * KIB)).await.expect_err("no answer is sent");
        assert!(matches!(error, CallError::DeadlineExceeded { sent: true, .. }), "{error:?}");
        client.note(&ctx, "small").await.expect("confirmed");
        eventually("the small note", || recorder.log.events() == ["small"]).await;
        if let Some(broker) = transport.memory() {
            assert_eq!(broker.queued(world.topic()), 0);
        }
    }

    async fn a_reply_that_comes_and_is_too_large_costs_its_call_and_no_other(world: World) {
        let served = world.transport().await;
        let _server = world.serve(&served, "h", ListerServer::new(Lists)).await;
        let transport = world.connect(|builder| builder.message_limit(64 * KIB)).await;
        let (client, ctx) = (world.client::<lister::Api>(&transport), Context::new());
        let hasty = client.prepare().timeout(Duration::from_millis(500));
        let error = hasty.list(&ctx, 64_000_u32).await.expect_err("it is too large");
        assert!(matches!(error, CallError::DeadlineExceeded { sent: true, .. }), "{error:?}");
        assert_eq!(client.list(&ctx, 3_u32).await.expect("it is not too large"), [7, 7, 7]);
        assert_eq!(transport.pending_calls(), 0);
    }

    async fn a_message_of_too_many_values_has_a_typed_end(world: World) {
        let served = world.connect(|builder| builder.value_limit(1000)).await;
        let _server = world.serve(&served, "h", ListerServer::new(Lists)).await;
        let transport = world.connect(|builder| builder.value_limit(1000)).await;
        let (client, ctx) = (world.client::<lister::Api>(&transport), Context::new());
        let list = vec![7; 1001];
        let ended = client.length(&ctx, list.as_slice()).await.map(|length| length.to_string());
        assert_eq!(class(ended), "RequestTooLarge");
        assert_eq!(client.length(&ctx, &list[..900]).await.expect("few enough to read"), 900);
        let error = client.list(&ctx, 1001_u32).await.expect_err("too many to read");
        assert!(matches!(error, CallError::Decode(_)) && error.may_have_run(), "{error:?}");
        // A failure is JSON inside the reply's JSON: its values count, too.
        let error = client.fail(&ctx, 1001_usize).await.expect_err("too many to read");
        assert!(matches!(error, CallError::Decode(_)), "{error:?}");
        assert_eq!(client.list(&ctx, 900_u32).await.expect("few enough to read").len(), 900);
    }

    async fn as_many_values_as_are_allowed_are_taken(world: World) {
        let served = world.connect(|builder| builder.value_limit(1000)).await;
        let _server = world.serve(&served, "h", ListerServer::new(Lists)).await;
        let transport = world.transport().await;
        let (client, ctx) = (world.client::<lister::Api>(&transport), Context::new());
        // The envelope has values, too.
        let mut length = 900;
        let failure = loop {
            length += 1;
            match client.length(&ctx, vec![7; length]).await {
                Ok(same) => assert_eq!(same, length),
                Err(CallError::BadArgument { failure, .. }) => break failure,
                Err(error) => panic!("{error:?}"),
            }
        };
        assert_eq!(failure.class(), "RequestTooLarge");
        assert!(failure.to_string().contains("1001"), "{failure}");
    }

    async fn what_unpacks_to_too_much_is_refused(world: World) {
        let served = world.connect(|builder| builder.unpacked_limit(64 * KIB)).await;
        let recorder = Recorder::default();
        let _server = world.serve(&served, "h", ProbeServer::new(recorder.clone())).await;
        for compression in [Compression::Gzip, Compression::Bzip2] {
            let sender = |builder: TransportBuilder| {
                builder.compression(compression).unpacked_limit(2 * KIB * KIB)
            };
            let transport = world.connect(sender).await;
            let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
            client.note(&ctx, "x".repeat(KIB * KIB)).await.expect("confirmed");
            assert_eq!(client.echo(&ctx, "well").await.expect("an answer"), "well");
            // The sender refuses a body whose uncompressed size exceeds the limit.
            let error = client.note(&ctx, "x".repeat(2 * KIB * KIB)).await.expect_err("too large");
            assert!(matches!(error, CallError::TooLarge { .. }), "{error:?}");
        }
        assert!(recorder.log.is_empty());
    }

    async fn limits_are_options_of_the_url(world: World) {
        let with = |query: &str| format!("{}?{query}", world.url());
        let transport = Transport::connect(&with("message_limit=65536&value_limit=1000")).await;
        let transport = transport.expect("the options are known");
        let _server = world.serve(&transport, "h", ListerServer::new(Lists)).await;
        let (client, ctx) = (world.client::<lister::Api>(&transport), Context::new());
        let ended = client.length(&ctx, vec![7; 1001]).await.map(|length| length.to_string());
        assert_eq!(class(ended), "RequestTooLarge");
        let error = client.length(&ctx, vec![7; 65_536]).await.expect_err("it is too large");
        assert!(matches!(error, CallError::TooLarge { limit: 65_536, .. }), "{error:?}");
        for query in ["message_limit=0", "unpacked_limit=many", "value_limit=-1"] {
            let error = Transport::connect(&with(query)).await.expect_err(query);
            assert_eq!(error.kind(), TransportErrorKind::Configuration, "{error}");
        }
    }

    async fn a_name_that_amqp_has_no_room_for_is_refused_at_once(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let long = "h".repeat(256);
        let odd = client.prepare().server(long.as_str()).echo(&ctx, "x").await;
        assert!(matches!(odd, Err(CallError::Unavailable(_))), "{odd:?}");
        for odd in [
            client.prepare().topic(long.as_str()).client(),
            client.prepare().exchange(long.as_str()).client(),
        ] {
            let error = odd.echo(&ctx, "x").await.expect_err("there is no such name");
            assert!(
                matches!(&error, CallError::Unavailable(error) if error.kind() == TransportErrorKind::Configuration),
                "{error:?}"
            );
            assert!(!error.may_have_run());
        }
        let error = client.prepare().topic(long).fanout().note(&ctx, "x").await;
        assert!(matches!(error, Err(CallError::Unavailable(_))), "{error:?}");
        assert_eq!(client.echo(&ctx, "well").await.expect("an answer"), "well");
        let server = world.server(&transport, "h").exchange("e".repeat(256));
        let error = server.serve(ProbeServer::new(Recorder::default())).bind().await;
        let error = error.expect_err("there is no such name");
        assert_eq!(error.kind(), TransportErrorKind::Configuration, "{error}");
    }
}
