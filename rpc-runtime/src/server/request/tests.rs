//! A request whose task panics by a bug of this library.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rpc_idl::{Interface, Kind};
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::{Args, Server, Transport, dispatch::Running};

/// Serves one method, and panics where no code of a user's runs.
#[derive(Default)]
struct Buggy(AtomicBool);

const METHODS: [Method<'static>; 1] = [Method::new("seven", (1, 0), Kind::Call)];
const INTERFACE: Interface<'static> = Interface::new("Buggy", (1, 0)).methods(&METHODS);

impl AnyService for Buggy {
    fn interface(&self) -> &'static Interface<'static> {
        assert!(!self.0.load(Ordering::Relaxed), "a bug");
        const { &INTERFACE }
    }

    fn run<'a>(&'a self, _: Args<'a>) -> Running<'a> {
        Box::pin(async { dispatch::Reply::of::<_, false>(7) })
    }
}

fn request(number: u8) -> Vec<u8> {
    let message = json!({
        "method": "seven", "args": {}, "version": "1.0", "_unique_id": number.to_string(),
        "_msg_id": "m", "_reply_q": "reply_q",
    });
    let envelope = json!({"oslo.version": "2.0", "oslo.message": message.to_string()});
    envelope.to_string().into_bytes()
}

#[tokio::test]
async fn a_request_whose_task_panics_by_a_bug_is_answered_and_holds_nothing() {
    let transport = Transport::connect("memory://buggy").await.expect("connected");
    let service = Arc::new(Buggy::default());
    let server = Server::builder(&transport).host("h").topic("buggy").concurrency(1);
    let server = server.serve_any(Arc::<Buggy>::clone(&service)).bind().await.expect("bound").run();
    let broker = transport.memory().expect("embedded");
    let mut replies = broker.observe();
    let mut answer = async |number| {
        assert!(broker.publish("openstack", "buggy", request(number)));
        let reply = timeout(Duration::from_secs(20), replies.recv()).await.expect("in time");
        String::from_utf8(reply.expect("a reply").body).expect("text")
    };
    service.0.store(true, Ordering::Relaxed);
    for number in 0..3 {
        let reply = answer(number).await;
        assert!(reply.contains("ServerFailed") && !reply.contains("a bug"), "{reply}");
    }
    service.0.store(false, Ordering::Relaxed);
    let reply = answer(3).await;
    assert!(reply.contains(r#"\"result\": 7"#), "{reply}");
    assert_eq!((transport.metrics().requests_broken, broker.queued("buggy")), (3, 0));
    server.shutdown(Duration::from_secs(20)).await.expect("nothing runs");
}
