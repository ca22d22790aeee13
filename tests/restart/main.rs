//! A broker that restarts. The test has its own program, because other tests would lose their
//! broker.

use std::time::Duration;

use rpc_runtime::{Context, rpc_api};
use tests::{Log, World, eventually, rabbitmqctl, soon};

/// Counts.
#[rpc_api(topic = "restart", version = "1.0")]
trait Counter {
    /// Counts.
    #[rpc(idempotent)]
    async fn count(&self, ctx: Context, n: u32) -> u32;
}

struct Server(Log<u32>);

impl Counter for Server {
    async fn count(&self, _: Context, n: u32) -> u32 {
        self.0.push(n);
        n
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_servers_come_back_after_the_broker() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let log = Log::default();
    let server = world
        .server(&transport, "h")
        .serve(CounterServer::new(Server(log.clone())))
        .bind()
        .await
        .expect("bound");
    let server = server.run();
    let client = world.client::<counter::Api>(&transport);
    assert_eq!(client.count(&Context::new(), 1).await.expect("an answer"), 1);
    for round in 0..2 {
        if rabbitmqctl(&["stop_app"]).await.is_none() {
            return;
        }
        let short =
            client.prepare().timeout(Duration::from_millis(200)).count(&Context::new(), 2).await;
        assert!(!short.expect_err("there is no broker").may_have_run());
        let waiting = tokio::spawn(client.count(&Context::new(), 10 + round));
        eventually("the call to wait", || transport.pending_calls() == 1).await;
        rabbitmqctl(&["start_app"]).await;
        // The client may reconnect before the server. Then the call is unroutable, and is made
        // again.
        let mut ended = soon("the answer", waiting).await.expect("no panic");
        while let Err(error) = &ended {
            assert!(!error.may_have_run(), "{error:?}");
            ended = soon("the answer", client.count(&Context::new(), 10 + round)).await;
        }
        assert_eq!(ended.expect("an answer"), 10 + round);
    }
    assert!(!log.events().contains(&2), "a call ran although its error ruled that out");
    server.shutdown(Duration::from_secs(20)).await.expect("nothing runs");
}
