//! Log lines about hostile messages: escaped, and limited in number.

use std::time::Instant;

use rpc_runtime::Context;
use tests::{World, eventually, heard::Heard, soon};

use crate::{
    stranger::Stranger,
    target::{Adder, TargetServer, target},
};

/// Text that could forge a log line, and control a terminal.
const CONTROLS: &str = r"a\r\nERROR all is lost\u001b[31m\u0000\u009b1m";

/// Requests and replies with that text in every place that holds text.
fn requests(topic: &str) -> Vec<String> {
    let member = |name: &str| {
        let well = [
            ("method", "add"),
            ("version", "1.0"),
            ("namespace", "n"),
            ("_unique_id", name),
            ("_msg_id", "1"),
            ("_reply_q", "gone"),
        ];
        let members = well.map(|(key, value)| {
            let value = if key == name { CONTROLS } else { value };
            let left_out = key == "namespace" && name != key;
            if left_out { String::new() } else { format!(r#""{key}": "{value}", "#) }
        });
        format!(r#"{{{}"args": {{"a": 1, "{CONTROLS}": "{CONTROLS}"}}}}"#, members.concat())
    };
    let names = ["method", "version", "namespace", "_unique_id", "_msg_id", "_reply_q", ""];
    let mut requests: Vec<_> = names.map(member).into();
    requests.extend([
        format!(r#"{{"method": "add", "args": {{"a": "{CONTROLS}", "b": 2}}, "_context_traceparent": "{CONTROLS}"}}"#),
        format!(r#"{{"method": "hold", "_msg_id": "2", "_reply_q": "{CONTROLS}", "_unique_id": "hold {CONTROLS}", "_context_traceparent": "{CONTROLS}"}}"#),
        format!(r#"{{"method": "{topic}", "version": "9.{CONTROLS}"}}"#),
        format!(r#"{{"a": {{"__type__": "{CONTROLS}", "__value__": 1}}}}"#),
        format!(r#"{{"_msg_id": "{CONTROLS}", "result": 1, "ending": true}}"#),
        format!(r#"{{"_msg_id": "3", "failure": "{{\"class\": \"{}\"}}"}}"#, CONTROLS.replace('\\', r"\\")),
        "\"\r\n\u{1b}[31m".to_owned(),
    ]);
    requests
}

/// Sends all of them to a server and to a client. Returns the lines that this thread logged, at
/// every level.
async fn hear(world: &World) -> Vec<String> {
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = world.transport().await;
    let adder = Adder::default();
    let server = world.serve(&transport, "h", TargetServer::new(adder.clone())).await;
    let (client, ctx) = (world.client::<target::Api>(&transport), Context::new());
    let mut stranger = Stranger::new(world, &transport).await;
    let reply_queue = crate::siege::reply_queues(world, &[&transport]).await;
    for body in requests(world.topic()) {
        stranger.publish_json(world.topic(), &body).await;
        for queue in reply_queue.iter().flatten() {
            stranger.publish_json(queue, &body).await;
        }
    }
    stranger.settle().await;
    assert_eq!(soon("an answer", client.add(&ctx, 1_u64, 2_u64)).await.expect("an answer"), 3);
    eventually("the call that is held", || adder.ran.len() == 1).await;
    adder.gate.notify_waiters();
    if world.is_memory() {
        eventually("nothing to be in flight", || server.in_flight() == 0).await;
    }
    heard.lines()
}

fn assert_escaped(lines: &[String]) {
    let odd: Vec<_> = lines.iter().filter(|line| line.chars().any(char::is_control)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    for part in [
        "rejected a message",
        "refused a call",
        "refused a cast",
        "not a reply",
        r"\u{1b}[31m",
        "rpc.server",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
}

#[tokio::test]
async fn what_a_peer_writes_stays_on_its_line_in_memory() {
    let _alone = crate::alone().await;
    assert_escaped(&hear(&World::memory()).await);
}

#[tokio::test]
async fn what_a_peer_writes_stays_on_its_line_on_rabbit() {
    let _alone = crate::alone().await;
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    assert_escaped(&hear(&world).await);
}

/// Sends the same message repeatedly, and checks that few lines are logged about it, and that they
/// count those left out.
async fn flood(world: &World, messages: usize) {
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = world.transport().await;
    let _server = world.serve(&transport, "h", TargetServer::new(Adder::default())).await;
    let (client, ctx) = (world.client::<target::Api>(&transport), Context::new());
    let mut stranger = Stranger::new(world, &transport).await;
    let replies = crate::siege::reply_queues(world, &[&transport]).await.unwrap_or_default();
    let begun = Instant::now();
    for at in 0..messages {
        stranger.publish_json(world.topic(), "no json").await;
        stranger.publish_json(&replies[0], "no json").await;
        if at % 100 == 99 {
            stranger.settle().await;
            let well = soon("an answer", client.add(&ctx, 1_u64, 2_u64)).await;
            assert_eq!(well.expect("an answer"), 3);
        }
    }
    let most = usize::try_from(begun.elapsed().as_secs()).expect("few") + 1;
    for what in ["rejected a message", "not a reply"] {
        let lines: Vec<_> = heard.lines().into_iter().filter(|line| line.contains(what)).collect();
        assert!((1..=most).contains(&lines.len()), "{most} at most: {lines:#?}");
    }
    // The next line says how many were left out.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    stranger.publish_json(world.topic(), "no json").await;
    stranger.settle().await;
    let counted = || {
        heard
            .lines()
            .iter()
            .any(|line| line.contains("rejected a message") && line.contains("left_out="))
    };
    eventually("the number of lines left out", counted).await;
}

#[tokio::test]
async fn a_flood_makes_few_lines_in_memory() {
    let _alone = crate::alone().await;
    flood(&World::memory(), 2000).await;
}

#[tokio::test]
async fn a_flood_makes_few_lines_on_rabbit() {
    let _alone = crate::alone().await;
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    flood(&world, 2000).await;
}
