//! Foreign messages: nothing that is published stops a server or a client.

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, QueueDeleteOptions},
    types::FieldTable,
};
use rpc_runtime::Context;
use tests::{World, eventually, soon};

use crate::{
    adder::{AdderServer, Slow, adder},
    eavesdrop, stranger,
};

/// Bodies that no client of this library would send.
fn bodies() -> Vec<Vec<u8>> {
    let deep = "[".repeat(100_000);
    let nested = format!("{{\"method\": \"add\", \"args\": {{\"a\": {deep}}}}}");
    let texts = [
        "",
        " ",
        "null",
        "[]",
        "5",
        "\"text\"",
        "{",
        "{}",
        "{\"a\": }",
        "\u{feff}{}",
        "\0",
        "not json",
        &deep,
        &nested,
        r#"{"oslo.version": "3.0", "oslo.message": "{}"}"#,
        r#"{"oslo.version": "2.0", "oslo.message": {}}"#,
        r#"{"oslo.version": "2.0", "oslo.message": "{"}"#,
        r#"{"oslo.version": "2.0", "oslo.message": "[]"}"#,
        r#"{"oslo.version": "2.0", "oslo.message": "\ud800"}"#,
        r#"{"method": null}"#,
        r#"{"method": 5, "_msg_id": "1", "_reply_q": "nowhere"}"#,
        r#"{"method": "add", "args": null, "_msg_id": "1", "_reply_q": "amq.rabbitmq.reply-to"}"#,
        r#"{"method": "add", "args": [], "version": null}"#,
        r#"{"method": "add", "version": "1", "namespace": 5}"#,
        r#"{"method": "add", "version": "1.0", "_msg_id": ["1"], "_reply_q": {"a": 1}}"#,
        r#"{"method": "__init__", "_msg_id": "1", "_reply_q": ""}"#,
        r#"{"method": "add\r\n\u001b[31m", "_unique_id": 5}"#,
        r#"{"method": "note", "args": {"a": -1}}"#,
        r#"{"method": "note", "args": {"a": 1e999}}"#,
        r#"{"method": "note", "args": {"a": NaN}}"#,
        r#"{"method": "note", "args": {"a": 1, "self": 2}, "_context_self": 1, "_context_": 2}"#,
    ];
    let long = format!(
        "{{\"method\": \"add\", \"_msg_id\": \"1\", \"_reply_q\": \"{}\"}}",
        "q".repeat(300)
    );
    let looped =
        r#"{"method": "add", "args": {"a": 1, "b": 2}, "_msg_id": "1", "_reply_q": "TOPIC"}"#
            .to_owned();
    let mut bodies: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    bodies.extend([long.into_bytes(), looped.into_bytes(), vec![0xff; 100], vec![b' '; 1_000_000]]);
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_whatever_it_receives() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let slow = Slow::default();
    let server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let channel = stranger(&world).await;
    for content_type in [Some("application/json"), Some("text/plain"), None] {
        for body in bodies() {
            let body = String::from_utf8(body).map_or_else(
                |e| e.into_bytes(),
                |text| text.replace("TOPIC", world.topic()).into_bytes(),
            );
            let properties = BasicProperties::default().with_headers(FieldTable::default());
            let properties = match content_type {
                Some(content_type) => properties.with_content_type(content_type.into()),
                None => properties.with_expiration("1000".into()),
            };
            let options = BasicPublishOptions::default();
            let published = channel.basic_publish(
                "openstack".into(),
                world.topic().into(),
                options,
                &body,
                properties,
            );
            published.await.expect("published").await.expect("no confirm was requested");
        }
    }
    let client = world.client::<adder::Api>(&transport);
    assert_eq!(client.add(&Context::new(), 40, 2).await.expect("the server works"), 42);
    eventually("nothing to be left", || server.in_flight() <= 3).await;
    assert!(
        !slow.ran.events().contains(&1)
            || slow.ran.events().iter().filter(|a| **a == 1).count() == 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_whatever_comes_to_its_reply_queue() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let slow = Slow { takes: std::time::Duration::from_millis(500), ..Slow::default() };
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let client = world.client::<adder::Api>(&transport);
    let mut requests = eavesdrop(&world, "openstack", world.topic()).await;
    let call = tokio::spawn(client.add(&Context::new(), 1, 2));
    let queue = reply_queue(&mut requests).await;
    let channel = stranger(&world).await;
    for body in bodies() {
        let properties = BasicProperties::default().with_content_type("application/json".into());
        let options = BasicPublishOptions::default();
        let published =
            channel.basic_publish("".into(), queue.as_str().into(), options, &body, properties);
        published.await.expect("published").await.expect("no confirm was requested");
    }
    assert_eq!(call.await.expect("no panic").expect("an answer"), 3);
    assert_eq!(client.add(&Context::new(), 40, 2).await.expect("the client works"), 42);
}

/// Learns the name of a client's reply queue from its next request.
async fn reply_queue(requests: &mut lapin::Consumer) -> String {
    let request = soon("a request", requests.next()).await.expect("consuming").expect("a request");
    let text = String::from_utf8(request.data).expect("UTF-8");
    let from = text.find("reply_").expect("a reply queue");
    text[from..from + "reply_".len() + 32].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_consumed_again() {
    let Some(world) = World::rabbit() else { return };
    let transport = world.transport().await;
    let slow = Slow::default();
    let _server = world.serve(&transport, "h", AdderServer::new(slow.clone())).await;
    let client = world.client::<adder::Api>(&transport);
    for round in 0..3 {
        client.add(&Context::new(), round, 1).await.expect("an answer");
        let channel = stranger(&world).await;
        channel
            .queue_delete(world.topic().into(), QueueDeleteOptions::default())
            .await
            .expect("deleted");
        let begun = std::time::Instant::now();
        while let Err(error) = client.add(&Context::new(), round, 1).await {
            assert!(!error.may_have_run() && begun.elapsed() < tests::SOON, "{error:?}");
        }
    }
}
