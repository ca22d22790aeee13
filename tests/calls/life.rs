//! Log lines of a server and a listener: one for each step of their lives.

use std::time::Duration;

use rpc_runtime::{
    Context, NotificationListener,
    notify::{Metadata, Payload},
};
use tests::{SOON, eventually, heard::Heard};

use crate::probe::{ProbeServer, Recorder, probe};

/// The info lines of servers and listeners.
fn info(heard: &Heard) -> Vec<String> {
    let of_connection = ["message=connected", "message=the broker permits no queues"];
    let is_other = |line: &String| !of_connection.iter().any(|words| line.contains(words));
    all_info(heard).into_iter().filter(is_other).collect()
}

/// The lines of connections, which other threads write.
fn connected(heard: &Heard) -> Vec<String> {
    all_info(heard).into_iter().filter(|line| line.contains("message=connected")).collect()
}

fn all_info(heard: &Heard) -> Vec<String> {
    let is_event = |line: &String| line.starts_with("INFO") && line.contains("message=");
    heard.lines().into_iter().filter(is_event).collect()
}

/// Checks that each line contains its parts, in this order, and that there are no other lines.
fn assert_lines(lines: &[String], expected: &[&[&str]]) {
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, parts) in lines.iter().zip(expected) {
        for part in *parts {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

tests::on_every_transport_in_one_thread! {
    async fn a_server_says_each_step_of_its_life_once(world: World) {
        let heard = Heard::default();
        let _guard = heard.listen();
        let transport = world.transport().await;
        let connections = if world.is_memory() { 1 } else { 2 };
        eventually("the connections", || connected(&heard).len() == connections).await;
        match world.is_memory() {
            true => assert_lines(&connected(&heard), &[&["connected to the embedded broker"]]),
            false => {
                let line = &[
                    "connected to the broker",
                    "broker=\"127.0.0.1",
                    "broker_from=\"URL\"",
                    "user=\"guest\"",
                    "user_from=\"URL\"",
                ][..];
                assert_lines(&connected(&heard), &[line, line]);
            }
        }
        let recorder = Recorder::default();
        let server = world.server(&transport, "h-1").serve(ProbeServer::new(recorder.clone()));
        let server = server.bind().await.expect("bound");
        let topic = format!("topic={}", world.topic());
        let bound: &[&str] =
            &["the server is bound", "Probe 1.", &topic, "host=h-1", "exchange=openstack"];
        assert_lines(&info(&heard), &[bound]);
        let server = server.run();
        let client = world.client::<probe::Api>(&transport);
        let call = tokio::spawn(client.hold(&Context::new(), "held"));
        eventually("the method to run", || !recorder.log.is_empty()).await;
        let gate = recorder.gate.clone();
        let opening = async {
            eventually("it to drain", || info(&heard).iter().any(|line| line.contains("drains"))).await;
            gate.notify_one();
        };
        let (ended, ()) = tokio::join!(server.shutdown(SOON), opening);
        ended.expect("it ends in time");
        call.await.expect("no panic").expect("an answer");
        let lines = info(&heard);
        let serves: &[&str] = &["the server serves", "host=\"h-1\""];
        let drains: &[&str] = &["the server drains", "in_flight=1", "waiting=0"];
        let stopped: &[&str] = &["the server has stopped", "unfinished=0"];
        assert_lines(&lines, &[bound, serves, drains, stopped]);
        transport.close().await;
        assert_eq!(info(&heard), lines);
    }

    async fn a_listener_says_each_step_of_its_life_once(world: World) {
        let heard = Heard::default();
        let _guard = heard.listen();
        let transport = world.transport().await;
        let listener = NotificationListener::builder(&transport).topic(world.topic());
        let listener = listener.otherwise(|_: Metadata, _: Payload| async {});
        let listener = listener.bind().await.expect("bound").run();
        listener.shutdown(SOON).await.expect("nothing runs");
        let name = format!("listener=\"{}\"", world.topic());
        let info_queue = format!("openstack/{}.info", world.topic());
        assert_lines(
            &info(&heard),
            &[
                &["the listener is bound", &name, &info_queue],
                &["the listener takes notifications", &name],
                &["the listener drains", "in_flight=0", &name],
                &["the listener has stopped", "unfinished=0", &name],
            ],
        );
    }

    async fn a_server_whose_transport_closes_says_so(world: World) {
        let heard = Heard::default();
        let _guard = heard.listen();
        let transport = world.transport().await;
        let mut server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        transport.close().await;
        tokio::time::timeout(SOON.max(Duration::from_secs(1)), server.wait()).await.expect("it ends");
        let lines = info(&heard);
        let said = lines.iter().filter(|line| line.contains("the server has stopped: its transport"));
        assert_eq!(said.count(), 1, "{lines:#?}");
    }
}
