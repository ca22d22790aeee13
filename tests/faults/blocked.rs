//! Section B: methods that block every thread of their runtime.

use tests::{SOON, node::Shared, proxy::Proxy, soon};

use rpc_runtime::Context;

use crate::scene::{Slow, adder, good, watchful};

// AMQP runs on its own threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b18_handlers_that_block_every_thread_cost_no_connection() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let proxy = Proxy::start(&world).await;
    // The server has its own runtime, and blocks all threads of it for five heartbeats.
    let (url, topic) = (proxy.url(&world), world.topic().to_owned());
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let serving = std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
        let server = runtime.block_on(async {
            let transport =
                rpc_runtime::Transport::builder(&url).rabbit(watchful()).connect().await;
            let server = rpc_runtime::Server::builder(&transport.expect("connected"))
                .topic(topic)
                .host("h")
                .concurrency(10)
                .serve(crate::scene::AdderServer::new(Slow::default()));
            server.bind().await.expect("bound").run()
        });
        // The test drops `stop` when it ends, even if it fails.
        let _ = stopped.recv();
        drop(server);
        runtime.shutdown_background();
    });
    let transport = world.transport().await;
    let client = world.client::<adder::Api>(&transport);
    good(&client, 1).await;
    let attempts = proxy.attempts();
    let blocking = client.prepare().timeout(SOON).client();
    let calls: Vec<_> =
        (0..4).map(|_| tokio::spawn(blocking.block(&Context::new(), 10_000))).collect();
    for call in calls {
        let answer = soon("an answer", call).await.expect("no panic");
        assert_eq!(answer.expect("an answer"), 10_000);
    }
    assert_eq!(proxy.attempts(), attempts, "no connection was lost");
    drop(stop);
    serving.join().expect("no panic");
}
