//! Forged replies to a pending call, whose id the stranger knows.

use rpc_runtime::{CallError, Context};
use tests::{eventually, on_every_transport, soon};

use crate::{
    stranger::{Eavesdropper, Stranger},
    target::{Adder, TargetServer, target},
};

/// Invalid replies to a call that returns a number. `ID` stands for the call's id.
fn malformed() -> Vec<String> {
    let deep = "[".repeat(500) + &"]".repeat(500);
    vec![
        r#"{"_msg_id": "ID", "result": "text", "failure": null, "ending": true}"#.to_owned(),
        r#"{"_msg_id": "ID", "result": -1, "failure": null, "ending": true}"#.to_owned(),
        r#"{"_msg_id": "ID", "failure": null, "ending": true}"#.to_owned(),
        r#"{"_msg_id": "ID", "result": null, "failure": "no json", "ending": true}"#.to_owned(),
        r#"{"_msg_id": "ID", "result": 7, "failure": 5, "ending": true}"#.to_owned(),
        r#"{"_msg_id": "ID", "result": null, "failure": "[]", "ending": true}"#.to_owned(),
        format!(r#"{{"_msg_id": "ID", "result": {deep}, "failure": null, "ending": true}}"#),
    ]
}

on_every_transport! {
    async fn a_malformed_reply_ends_its_own_call_at_once_and_no_other(world: World) {
        let _alone = crate::alone().await;
        let transport = world.transport().await;
        let adder = Adder::default();
        let _server = world.serve(&transport, "h", TargetServer::new(adder.clone())).await;
        let (client, ctx) = (world.client::<target::Api>(&transport), Context::new());
        let mut requests = Eavesdropper::new(&world, &transport).await;
        let mut stranger = Stranger::new(&world, &transport).await;
        let other = tokio::spawn(client.hold(&ctx));
        requests.call().await;
        for reply in malformed() {
            let call = tokio::spawn(client.hold(&ctx));
            let (id, queue) = requests.call().await;
            stranger.publish_json(&queue, &reply.replace("ID", &id)).await;
            stranger.settle().await;
            let error = soon("its end", call).await.expect("no panic").expect_err("it is invalid");
            assert!(matches!(error, CallError::Decode(_)) && error.may_have_run(), "{error:?}");
        }
        assert!(!other.is_finished());
        eventually("all calls", || adder.ran.len() == malformed().len() + 1).await;
        adder.gate.notify_waiters();
        assert_eq!(soon("its reply", other).await.expect("no panic").expect("an answer"), 7);
        assert_eq!(transport.pending_calls(), 0);
    }

    async fn the_first_of_several_replies_counts(world: World) {
        let _alone = crate::alone().await;
        let transport = world.transport().await;
        let adder = Adder::default();
        let _server = world.serve(&transport, "h", TargetServer::new(adder.clone())).await;
        let (client, ctx) = (world.client::<target::Api>(&transport), Context::new());
        let mut requests = Eavesdropper::new(&world, &transport).await;
        let mut stranger = Stranger::new(&world, &transport).await;
        let call = tokio::spawn(client.hold(&ctx));
        let (id, queue) = requests.call().await;
        for result in 11..20 {
            let reply = format!(
                r#"{{"_msg_id": "{id}", "result": {result}, "failure": null, "ending": true}}"#
            );
            stranger.publish_json(&queue, &reply).await;
        }
        stranger.settle().await;
        assert_eq!(soon("its reply", call).await.expect("no panic").expect("an answer"), 11);
        eventually("the method", || adder.ran.len() == 1).await;
        adder.gate.notify_one();
        assert_eq!(client.add(&ctx, 1_u64, 2_u64).await.expect("an answer"), 3);
        assert_eq!(transport.pending_calls(), 0);
    }

    /// A reply in a request queue must not be answered: that answer could cause another one, and so
    /// on.
    async fn a_server_does_not_answer_itself(world: World) {
        let _alone = crate::alone().await;
        let transport = world.transport().await;
        let adder = Adder::default();
        let server = world.serve(&transport, "h", TargetServer::new(adder.clone())).await;
        let (client, ctx) = (world.client::<target::Api>(&transport), Context::new());
        let mut stranger = Stranger::new(&world, &transport).await;
        let host = format!("{}.h", world.topic());
        for queue in [world.topic(), &host] {
            for method in ["add", "nonesuch", "hold"] {
                let request = format!(
                    r#"{{"method": "{method}", "args": {{}}, "_msg_id": "1", "_reply_q": "{queue}"}}"#
                );
                stranger.publish_json(world.topic(), &request).await;
            }
        }
        stranger.settle().await;
        eventually("both calls", || adder.ran.len() == 2).await;
        adder.gate.notify_waiters();
        eventually("nothing to be in flight", || server.in_flight() == 0).await;
        assert_eq!(client.add(&ctx, 1_u64, 2_u64).await.expect("an answer"), 3);
        eventually("nothing to be in flight", || server.in_flight() == 0).await;
        assert_eq!(adder.ran.len(), 2);
    }
}
