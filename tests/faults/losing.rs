//! Section B: connections that are lost while they are used.

use std::time::Duration;

use rpc_runtime::Context;
use tests::{
    eventually,
    node::{Alone, Shared},
    proxy::{Proxy, Way},
    soon,
};

use crate::{AdderServer, Slow, adder, through, timed, undisturbed, watchful};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b01_calls_end_right_and_servers_come_back_when_the_broker_restarts() {
    let Some(alone) = Alone::take().await else { return };
    let world = alone.node.world();
    let (serving, transport) = (world.transport().await, world.transport().await);
    let slow = Slow::taking(Duration::from_millis(300));
    let _server = world.serve(&serving, "h", AdderServer::new(slow.clone())).await;
    let client = world.client::<adder::Api>(&transport);
    let caller = client.clone();
    let calls = (0..20).map(|a| {
        let client = caller.clone();
        tokio::spawn(async move { timed(&client, a, Duration::from_secs(20)).await })
    });
    let calls: Vec<_> = calls.collect();
    eventually("a call to run", || !slow.ran.is_empty()).await;
    alone.node.stop().await;
    alone.node.start().await;
    alone.node.wait().await;
    for call in calls {
        soon("the end of a call", call).await.expect("no panic").check(&slow);
    }
    let back = async {
        while let Err(error) = client.add_again(&Context::new(), 1000, 1).await {
            assert!(!error.may_have_run(), "{error:?}");
        }
    };
    soon("an answer", back).await;
    assert_eq!(transport.pending_calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_b04_a_silent_broker_is_given_up_and_what_it_said_late_reaches_nobody() {
    let Some(shared) = Shared::take().await else { return };
    let world = shared.node.world();
    let slow = Slow::default();
    let (_serving, _server) = undisturbed(&world, &slow).await;
    let proxy = Proxy::start(&world).await;
    let transport = through(&proxy, &world, watchful()).await;
    let client = world.client::<adder::Api>(&transport);
    timed(&client, 0, Duration::from_secs(10)).await.check(&slow);

    // What connects anew is not concerned.
    let old = proxy.present();
    old.keep(Way::Both);
    let short = timed(&client, 1, Duration::from_secs(1)).await;
    assert!(short.outcome.is_err() && short.took >= Duration::from_secs(1), "{:?}", short.outcome);
    let attempts = proxy.attempts();
    eventually("both connections to be given up", || proxy.attempts() >= attempts + 2).await;
    let late = timed(&client, 2, Duration::from_secs(20)).await;
    late.check(&slow);
    assert_eq!(late.outcome.expect("an answer by the new connection"), 3);
    old.heal();
    for a in 3..20 {
        let ended = timed(&client, a, Duration::from_secs(10)).await;
        ended.check(&slow);
        assert_eq!(ended.outcome.expect("an answer"), a + 1);
    }
    short.check(&slow);
}
