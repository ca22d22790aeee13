//! Methods that run beyond their caller's deadline or their server's limit.

use std::time::Duration;

use rpc_runtime::{CallError, Context, rpc_api};
use tests::{Log, SOON, eventually, on_every_transport, soon};

use crate::probe::{ProbeServer, Recorder, probe};

/// Methods that take a long time.
#[rpc_api(topic = "slow", version = "1.0")]
pub(crate) trait Slow {
    /// Records its start, its cancellation, and that it continues.
    async fn watch(&self, ctx: Context) -> ();
    /// Computes on another thread, and never returns by itself.
    async fn compute(&self, ctx: Context) -> ();
    /// Leaves a task running, and never returns.
    async fn leave(&self, ctx: Context) -> ();
    /// Blocks its thread beyond all limits, and then returns.
    async fn block(&self, ctx: Context, millis: u64) -> ();
}

#[derive(Clone, Default)]
struct Service(Log<&'static str>);

impl Slow for Service {
    async fn watch(&self, ctx: Context) {
        assert!(!ctx.is_cancelled());
        self.0.push("began");
        ctx.cancelled().await;
        assert!(ctx.is_cancelled());
        self.0.push("cancelled");
        tokio::task::yield_now().await;
        self.0.push("went on");
    }

    async fn compute(&self, ctx: Context) {
        let log = self.0.clone();
        let computed = tokio::task::spawn_blocking(move || {
            log.push("computes");
            while !ctx.is_cancelled() {
                std::thread::yield_now();
            }
            log.push("noticed");
        });
        let _ = computed.await;
        std::future::pending().await
    }

    async fn leave(&self, ctx: Context) {
        let log = self.0.clone();
        tokio::spawn(async move {
            log.push("left");
            ctx.cancelled().await;
            log.push("noticed");
        });
        std::future::pending().await
    }

    async fn block(&self, _: Context, millis: u64) {
        self.0.push("blocks");
        std::thread::sleep(Duration::from_millis(millis));
    }
}

/// Returns the class of the failure with which a server ended a method.
fn class<T: std::fmt::Debug>(ended: Result<T, CallError>) -> String {
    match ended {
        Err(CallError::Failure(failure)) => format!("{}.{}", failure.module(), failure.class()),
        other => panic!("expected a failure, not {other:?}"),
    }
}

on_every_transport! {
    async fn a_method_learns_that_its_callers_deadline_has_passed_and_may_go_on(world: World) {
        let transport = world.transport().await;
        let service = Service::default();
        let server = world.serve(&transport, "h", SlowServer::new(service.clone())).await;
        let client = world.client::<slow::Api>(&transport);
        let brief = client.prepare().timeout(Duration::from_millis(500)).client();
        let ended = brief.watch(&Context::new()).await;
        // The answer may arrive in the same instant.
        let is_over = matches!(ended, Err(CallError::DeadlineExceeded { sent: true, .. }));
        assert!(is_over || ended.is_ok(), "{ended:?}");
        eventually("the method to end", || service.0.len() == 3).await;
        assert_eq!(service.0.events(), ["began", "cancelled", "went on"]);
        eventually("its slot to be free", || server.in_flight() == 0).await;
    }

    async fn a_method_that_takes_too_long_is_given_up_and_its_slot_is_free(world: World) {
        let transport = world.transport().await;
        let recorder = Recorder::default();
        let server = world.server(&transport, "h").concurrency(1).time_limit(Duration::from_millis(300));
        let server = server.serve(ProbeServer::new(recorder.clone())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let ended = soon("the limit", client.hang_call(&Context::new())).await;
        assert_eq!(class(ended), "rpc_runtime.TimeLimitExceeded");
        client.hang(&Context::new()).await.expect("confirmed");
        eventually("the cast to begin", || recorder.log.len() == 2).await;
        assert_eq!(soon("a slot", client.echo(&Context::new(), "x")).await.expect("an answer"), "x");
        // A method that is acknowledged late is ended, too.
        let ended = soon("the limit", client.hold_late(&Context::new(), "late")).await;
        assert!(matches!(&ended, Err(CallError::Failure(failure)) if failure.class() == "TimeLimitExceeded"), "{ended:?}");
        server.shutdown(SOON).await.expect("nothing runs");
        assert_eq!(recorder.log.events(), ["hang", "hang", "late"]);
    }

    async fn where_methods_are_given_up_they_are_at_their_callers_deadline(world: World) {
        let transport = world.transport().await;
        let server = world.server(&transport, "h").concurrency(1).time_limit(Duration::from_secs(3600));
        let _server = server.serve(ProbeServer::new(Recorder::default())).bind().await.expect("bound").run();
        let client = world.client::<probe::Api>(&transport);
        let brief = client.prepare().timeout(Duration::from_millis(500)).client();
        let ended = brief.hang_call(&Context::new()).await;
        assert!(matches!(&ended, Err(CallError::DeadlineExceeded { .. } | CallError::Failure(_))), "{ended:?}");
        assert_eq!(soon("a slot", client.echo(&Context::new(), "x")).await.expect("an answer"), "x");
    }

    async fn tasks_and_threads_of_a_method_learn_that_it_was_given_up(world: World) {
        let transport = world.transport().await;
        let service = Service::default();
        let server = world.server(&transport, "h").time_limit(Duration::from_millis(300));
        let server = server.serve(SlowServer::new(service.clone())).bind().await.expect("bound").run();
        let client = world.client::<slow::Api>(&transport);
        for _ in 0..2 {
            let ended = soon("the limit", client.compute(&Context::new())).await;
            assert_eq!(class(ended), "rpc_runtime.TimeLimitExceeded");
        }
        eventually("the threads to end", || service.0.len() == 4).await;
        server.shutdown(SOON).await.expect("nothing runs");
        let server = world.serve(&transport, "h", SlowServer::new(service.clone())).await;
        let left = tokio::spawn(client.leave(&Context::new()));
        eventually("the task to begin", || service.0.len() == 5).await;
        server.shutdown(Duration::ZERO).await.expect_err("the method hangs");
        assert_eq!(class(soon("the answer", left).await.expect("no panic")), "rpc_runtime.ServerStopped");
        eventually("the task to learn it", || service.0.len() == 6).await;
    }

    async fn a_blocked_thread_holds_up_neither_other_methods_nor_heartbeats(world: World) {
        let transport = world.transport().await;
        let service = Service::default();
        let server = world.server(&transport, "h").limit("block", 1).time_limit(Duration::from_secs(60));
        let _server = server.serve(SlowServer::new(service.clone())).bind().await.expect("bound").run();
        let client = world.client::<slow::Api>(&transport);
        let watched = client.prepare().monitor(Duration::from_secs(2)).client();
        let blocked = tokio::spawn(watched.block(&Context::new(), 5_000_u64));
        eventually("it to block", || service.0.len() == 1).await;
        let brief = client.prepare().timeout(Duration::from_millis(200)).client();
        let ended = brief.watch(&Context::new()).await;
        assert!(matches!(ended, Err(CallError::DeadlineExceeded { .. } | CallError::Failure(_))), "{ended:?}");
        soon("the blocked one", blocked).await.expect("no panic").expect("its heartbeats continued");
    }

    async fn what_is_acknowledged_late_runs_again_elsewhere_when_its_server_gives_it_up(world: World) {
        let transport = world.transport().await;
        let (first, second) = (Recorder::on("first"), Recorder::on("second"));
        let server = world.serve(&transport, "first", ProbeServer::new(first.clone())).await;
        let client = world.client::<probe::Api>(&transport);
        let late = tokio::spawn(client.hold_late(&Context::new(), "late"));
        eventually("the method to begin", || first.log.len() == 1).await;
        let error = server.shutdown(Duration::from_millis(100)).await.expect_err("it holds");
        assert_eq!(error.unfinished, 1);
        let _other = world.serve(&transport, "second", ProbeServer::new(second.clone())).await;
        eventually("the method to begin again", || second.log.len() == 1).await;
        second.gate.notify_one();
        assert_eq!(soon("the answer", late).await.expect("no panic").expect("an answer"), "late");
    }
}
