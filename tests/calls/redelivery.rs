//! At-least-once delivery: requests whose servers crash while they run.

use std::sync::Arc;

use rpc_runtime::{CallError, Context, ServerBuilder, TransportErrorKind, rpc_api};
use tests::{Doomed, Log, SOON, World, eventually, on_every_transport, soon};
use tokio::sync::Notify;

/// Methods that run again.
#[rpc_api(topic = "again", version = "1.0")]
pub(crate) trait Again {
    /// Records how often the request was delivered before, and returns that number once the test
    /// opens the gate.
    #[rpc(ack = "late")]
    async fn late(&self, ctx: Context) -> u32;
    /// The same, but acknowledged before it runs.
    async fn early(&self, ctx: Context) -> u32;
    /// The same as `late`, as a cast.
    #[rpc(ack = "late")]
    async fn late_alone(&self, ctx: Context);
}

#[derive(Clone, Default)]
struct Service {
    log: Log<u32>,
    gate: Arc<Notify>,
}

impl Again for Service {
    async fn late(&self, ctx: Context) -> u32 {
        self.log.push(ctx.redeliveries());
        self.gate.notified().await;
        ctx.redeliveries()
    }

    async fn early(&self, ctx: Context) -> u32 {
        self.late(ctx).await
    }

    async fn late_alone(&self, ctx: Context) {
        self.late(ctx).await;
    }
}

impl Service {
    /// Starts a server that crashes with the returned runtime.
    async fn serve_doomed(
        &self,
        world: &World,
        change: impl FnOnce(ServerBuilder) -> ServerBuilder + Send + 'static,
    ) -> Doomed {
        let doomed = Doomed::start();
        let (world, service) = (world.clone(), self.clone());
        let serve = async move {
            let transport = world.transport().await;
            let server =
                change(world.server(&transport, "doomed")).serve(AgainServer::new(service));
            // Dropping either would shut it down in order.
            std::mem::forget((server.bind().await.expect("bound").run(), transport));
        };
        doomed.run(serve).await;
        doomed
    }
}

on_every_transport! {
    async fn what_is_acknowledged_late_runs_again_after_a_crash_and_knows_it(world: World) {
        let transport = world.transport().await;
        let service = Service::default();
        let mut doomed = service.serve_doomed(&world, |server| server).await;
        let client = world.client::<again::Api>(&transport);
        let call = tokio::spawn(client.late(&Context::new()));
        for crashes in 1..=3 {
            eventually("the method to begin", || service.log.len() == crashes).await;
            doomed.crash();
            doomed = service.serve_doomed(&world, |server| server).await;
        }
        eventually("the method to begin again", || service.log.len() == 4).await;
        service.gate.notify_waiters();
        assert_eq!(soon("the answer", call).await.expect("no panic").expect("an answer"), 3);
        assert_eq!(service.log.events(), [0, 1, 2, 3]);
    }

    async fn what_is_acknowledged_early_is_lost_in_a_crash_and_never_runs_twice(world: World) {
        let transport = world.transport().await;
        let service = Service::default();
        let doomed = service.serve_doomed(&world, |server| server).await;
        let client = world.client::<again::Api>(&transport);
        let brief = client.prepare().timeout(std::time::Duration::from_secs(3)).client();
        let call = tokio::spawn(brief.early(&Context::new()));
        eventually("the method to begin", || service.log.len() == 1).await;
        doomed.crash();
        let _next = service.serve_doomed(&world, |server| server).await;
        let ended = soon("its deadline", call).await.expect("no panic");
        assert!(matches!(ended, Err(CallError::DeadlineExceeded { sent: true, .. })), "{ended:?}");
        assert_eq!(service.log.events(), [0]);
    }

    async fn what_is_delivered_too_often_is_put_aside_and_its_caller_is_told(world: World) {
        let transport = world.transport().await;
        let service = Service::default();
        let client = world.client::<again::Api>(&transport);
        let mut doomed = service.serve_doomed(&world, |server| server.delivery_limit(2)).await;
        let call = tokio::spawn(client.late(&Context::new()));
        for crashes in 1..=2 {
            eventually("the method to begin", || service.log.len() == crashes).await;
            doomed.crash();
            doomed = service.serve_doomed(&world, |server| server.delivery_limit(2)).await;
        }
        match soon("the answer", call).await.expect("no panic") {
            Err(error @ CallError::Failure(_)) => {
                assert!(error.may_have_run());
                let CallError::Failure(failure) = error else { return };
                assert_eq!((failure.module(), failure.class()), ("rpc_runtime", "DeliveryLimitExceeded"));
            }
            other => panic!("expected a failure, not {other:?}"),
        }
        assert_eq!(service.log.events(), [0, 1]);
        // The dead letter is unchanged: a server on that queue runs it.
        let rescue = Service::default();
        let server = world.server(&transport, "rescue").topic(format!("{}.dead_letter", world.topic()));
        let _rescue = server.serve(AgainServer::new(rescue.clone())).bind().await.expect("bound").run();
        eventually("the dead letter to run", || rescue.log.len() == 1).await;
        assert_eq!(rescue.log.events(), [0], "its count starts at zero");
        rescue.gate.notify_waiters();
    }

    async fn without_a_limit_a_request_runs_as_often_as_it_comes(world: World) {
        let transport = world.transport().await;
        let service = Service::default();
        let client = world.client::<again::Api>(&transport);
        let mut doomed = service.serve_doomed(&world, |server| server.delivery_limit(0)).await;
        client.late_alone(&Context::new()).await.expect("confirmed");
        for crashes in 1..=4 {
            eventually("the method to begin", || service.log.len() == crashes).await;
            doomed.crash();
            doomed = service.serve_doomed(&world, |server| server.delivery_limit(0)).await;
        }
        eventually("the method to begin again", || service.log.len() == 5).await;
        service.gate.notify_waiters();
        assert!(service.log.events()[1..].iter().all(|before| *before > 0), "{:?}", service.log.events());
    }

    async fn dead_letters_go_where_they_are_told_and_never_back(world: World) {
        let transport = world.transport().await;
        let service = Service::default();
        for name in [world.topic().to_owned(), format!("{}.h", world.topic()), String::new(), "x".repeat(256)] {
            let server = world.server(&transport, "h").dead_letter_queue(name.as_str());
            let error = server.serve(AgainServer::new(service.clone())).bind().await.expect_err("it cannot be bound");
            assert_eq!(error.kind(), TransportErrorKind::Configuration, "{error}");
        }
        let client = world.client::<again::Api>(&transport);
        let aside = format!("{}-aside", world.topic());
        let limited = |queue: String| move |server: ServerBuilder| server.delivery_limit(1).dead_letter_queue(queue);
        let doomed = service.serve_doomed(&world, limited(aside.clone())).await;
        client.late_alone(&Context::new()).await.expect("confirmed");
        eventually("the method to begin", || service.log.len() == 1).await;
        doomed.crash();
        let server = limited(aside.clone())(world.server(&transport, "h"));
        let server = server.serve(AgainServer::new(service.clone())).bind().await.expect("bound").run();
        let rescue = Service::default();
        let rescuing = world.server(&transport, "rescue").topic(aside).serve(AgainServer::new(rescue.clone()));
        let _rescuing = rescuing.bind().await.expect("bound").run();
        eventually("the dead letter to run", || rescue.log.len() == 1).await;
        rescue.gate.notify_waiters();
        server.shutdown(SOON).await.expect("nothing runs");
        assert_eq!(service.log.len(), 1);
    }
}

/// Faults that only the embedded broker can cause on demand.
mod switches {
    use tests::heard::Heard;

    use super::*;

    #[tokio::test]
    async fn what_ended_and_was_not_acknowledged_runs_again_after_a_crash() {
        let world = World::memory();
        let transport = world.transport().await;
        let service = Service::default();
        let doomed = service.serve_doomed(&world, |server| server).await;
        let client = world.client::<again::Api>(&transport);
        let call = tokio::spawn(client.late(&Context::new()));
        eventually("the method to begin", || service.log.len() == 1).await;
        let broker = transport.memory().expect("embedded");
        broker.disconnect();
        service.gate.notify_one();
        doomed.crash();
        broker.reconnect();
        let _next = service.serve_doomed(&world, |server| server).await;
        eventually("the method to begin again", || service.log.len() == 2).await;
        service.gate.notify_waiters();
        soon("an answer of either run", call).await.expect("no panic").expect("an answer");
        assert_eq!(service.log.events(), [0, 1]);
    }

    #[tokio::test]
    async fn a_dead_letter_is_logged_as_one_error_and_says_why() {
        let heard = Heard::default();
        let _listening = heard.listen();
        let world = World::memory();
        let transport = world.transport().await;
        let (first, second) = (Service::default(), Service::default());
        let server = world.serve(&transport, "first", AgainServer::new(first.clone())).await;
        let client = world.client::<again::Api>(&transport);
        client.late_alone(&Context::new()).await.expect("confirmed");
        eventually("the method to begin", || first.log.len() == 1).await;
        server.stop_listening(world.topic()).await;
        let strict = world.server(&transport, "second").delivery_limit(1);
        let strict = strict.serve(AgainServer::new(second.clone())).bind().await.expect("bound");
        let broker = transport.memory().expect("embedded");
        let mut published = broker.observe();
        let _strict = strict.run();
        world.cut_connections(&transport).await;
        let letter = soon("the letter", published.recv()).await.expect("it was published");
        let dead = format!("{}.dead_letter", world.topic());
        assert_eq!((letter.routing_key.as_str(), letter.exchange.as_str()), (dead.as_str(), ""));
        assert_eq!(letter.expiration, None);
        let header = |name: &str| {
            let header = letter.headers.iter().find(|(known, _)| *known == name);
            header.map_or("", |(_, value)| value.as_str())
        };
        assert_eq!(header("x-rpc-dead-reason"), "delivery_limit");
        assert_eq!(header("x-rpc-dead-queue"), world.topic());
        assert_eq!(header("x-rpc-dead-method"), "late_alone");
        assert_eq!(header("x-rpc-dead-deliveries"), "1");
        eventually("the dead letter", || broker.queued(&dead) == 1).await;
        let errors = || heard.lines().iter().filter(|line| line.starts_with("ERROR")).count();
        eventually("the error", || errors() == 1).await;
        first.gate.notify_waiters();
        soon("the end", server.shutdown(SOON)).await.expect("it has returned");
        assert_eq!((errors(), second.log.len()), (1, 0), "{:?}", heard.lines());
    }
}
