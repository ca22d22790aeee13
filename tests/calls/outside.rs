//! Requests outside of a Tokio runtime, or on one without timers: a typed error or a result, never
//! a panic.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use rpc_runtime::{
    CallError, Context, NotificationListener, Notifier, NotifyError, Running, Transport,
    TransportErrorKind, notify::Priority,
};
use tests::World;
use tokio::runtime::{Builder, Runtime};

use crate::probe::{ProbeServer, Recorder, probe};

/// Runs a future on this thread, without a runtime.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(tests::SOON),
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn timerless() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn worlds() -> impl Iterator<Item = World> {
    [Some(World::memory()), World::rabbit()].into_iter().flatten()
}

/// Whether a request failed because of a missing runtime.
fn is_misplaced<T, E>(ended: &Result<T, CallError<E>>) -> bool {
    match ended {
        Err(error @ CallError::Unavailable(why)) => {
            why.kind() == TransportErrorKind::Configuration && !error.may_have_run()
        }
        _ => false,
    }
}

#[test]
fn a_request_outside_of_a_runtime_is_a_typed_error_and_not_sent() {
    for world in worlds() {
        let runtime = runtime();
        let recorder = Recorder::on("h");
        let (transport, server) = runtime.block_on(async {
            let transport = world.transport().await;
            let server = world.serve(&transport, "h", ProbeServer::new(recorder.clone())).await;
            (transport, server)
        });
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let bare = timerless();
        assert!(is_misplaced(&wait(client.host(&ctx))));
        assert!(is_misplaced(&wait(client.note(&ctx, "cast"))));
        assert!(is_misplaced(&bare.block_on(client.host(&ctx))));
        assert!(is_misplaced(&bare.block_on(client.note(&ctx, "cast"))));
        assert_eq!(runtime.block_on(client.host(&ctx)).expect("an answer"), "h");
        assert_eq!(recorder.log.events(), ["host"]);
        assert_eq!(transport.pending_calls(), 0);
        wait(server.shutdown(tests::SOON)).expect("nothing runs");
        runtime.block_on(transport.close());
    }
}

#[test]
fn an_implementation_in_place_of_a_broker_is_not_called_outside_of_a_runtime() {
    let recorder = Recorder::on("h");
    let transport = Transport::in_process(ProbeServer::new(recorder.clone()));
    let client = crate::probe::ProbeClient::new(&transport);
    let bare = timerless();
    assert!(is_misplaced(&wait(client.host(&Context::new()))));
    assert!(is_misplaced(&bare.block_on(client.host(&Context::new()))));
    assert!(recorder.log.events().is_empty());
}

#[test]
fn a_bound_server_runs_and_stops_wherever_it_is_told_to() {
    for world in worlds() {
        let runtime = runtime();
        let (transport, bound) = runtime.block_on(async {
            let transport = world.transport().await;
            let server = world.server(&transport, "h").serve(ProbeServer::new(Recorder::on("h")));
            (transport, server.bind().await.expect("bound"))
        });
        let server: Running = bound.run();
        let client = world.client::<probe::Api>(&transport);
        let host = runtime.block_on(client.host(&Context::new()));
        assert_eq!(host.expect("an answer"), "h");
        wait(server.shutdown(Duration::from_secs(20))).expect("nothing runs");
        runtime.block_on(transport.close());
    }
}

#[test]
fn a_server_and_a_listener_are_not_bound_without_a_runtime_that_has_timers() {
    for world in worlds() {
        let runtime = runtime();
        let transport = runtime.block_on(world.transport());
        let server = || world.server(&transport, "h").serve(ProbeServer::new(Recorder::on("h")));
        let listener = || {
            let listener = NotificationListener::builder(&transport).topic(world.topic());
            listener.otherwise(|_, _| async {})
        };
        let bare = timerless();
        let kinds = [
            wait(server().bind()).expect_err("no runtime").kind(),
            bare.block_on(server().bind()).expect_err("no timers").kind(),
            wait(listener().bind()).expect_err("no runtime").kind(),
            bare.block_on(listener().bind()).expect_err("no timers").kind(),
        ];
        assert_eq!(kinds, [TransportErrorKind::Configuration; 4]);
        runtime.block_on(transport.close());
    }
}

#[test]
fn a_connection_needs_a_runtime_that_has_timers() {
    let Some(world) = World::rabbit() else { return };
    let connect = || Transport::connect(world.url());
    for error in [wait(connect()), timerless().block_on(connect())] {
        assert_eq!(error.expect_err("no timers").kind(), TransportErrorKind::Configuration);
    }
}

#[test]
fn a_notifier_sends_wherever_it_is_told_to_and_says_so_if_it_cannot() {
    for world in worlds() {
        let runtime = runtime();
        let transport = runtime.block_on(world.transport());
        let builder = || Notifier::builder(&transport).publisher_id("p").topic(world.topic());
        let entered = runtime.enter();
        let notifier = builder().build();
        drop(entered);
        let emit = |notifier: &Notifier| {
            wait(notifier.notify(Priority::Info, &Context::new(), "e", &1_u8))
        };
        emit(&notifier).expect("confirmed");
        let misplaced = emit(&builder().build()).expect_err("no runtime");
        let bare = timerless();
        let entered = bare.enter();
        let timerless = emit(&builder().build()).expect_err("no timers");
        drop(entered);
        for error in [misplaced, timerless] {
            assert!(
                matches!(&error, NotifyError::Unavailable(error) if error.kind() == TransportErrorKind::Configuration),
                "{error:?}"
            );
        }
        runtime.block_on(transport.close());
    }
}
