//! Notifications in both directions.

use rpc_runtime::{
    Context, NotificationListener, Notifier, Transport, notification,
    notify::{Format, Metadata, Payload, Priority},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tests::{Log, SOON, World, eventually};

use crate::{Peer, Release, with_every_release};

/// The event as Cinder emits it.
#[notification(event_type = "volume.create.end")]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct VolumeCreated {
    volume_id: String,
    size: u64,
}

async fn start(release: Release) -> Option<(World, Transport, Peer)> {
    let world = release.world_of_notifications().await?;
    let transport = world.transport().await;
    let peer = Peer::start(release, "notifications.py", &world, &[]).await?;
    Some((world, transport, peer))
}

/// Waits until Python has received `count` notifications, and returns them.
async fn heard(peer: &mut Peer, count: usize) -> Vec<Value> {
    let until = std::time::Instant::now() + SOON;
    loop {
        let answer = peer.ask(json!({"op": "heard"})).await;
        let heard = answer["answer"].as_array().expect("a list").clone();
        if heard.len() >= count {
            return heard;
        }
        assert!(std::time::Instant::now() < until, "Python has heard {heard:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

with_every_release! {
    async fn python_hears_what_we_emit(release: Release) {
        let Some((world, transport, mut peer)) = start(release).await else { return };
        for format in [Format::V1, Format::V2] {
            let listens = json!({"op": "listen", "priorities": Priority::ALL.map(Priority::name)});
            if format == Format::V1 {
                peer.ask(listens).await;
            }
            let notifier = Notifier::builder(&transport).topic(world.topic()).messaging(format);
            let notifier = notifier.publisher_id("volume.host-1").build();
            let ctx = Context::new().with("user_id", "u1").with("auth_token", "canary");
            for priority in Priority::ALL {
                notifier.notify(priority, &ctx, "e.t", &json!({"a": [1, "é", null]})).await.expect("sent");
            }
        }
        let mut heard = heard(&mut peer, 14).await;
        assert!(!json!(heard).to_string().contains("canary"));
        heard.sort_by_key(|event| event[0].to_string());
        let mut names = Priority::ALL.map(Priority::name);
        names.sort_unstable();
        for (pair, name) in heard.chunks(2).zip(names) {
            for event in pair {
                assert_eq!(event[0], name);
                assert_eq!(event[1], "volume.host-1");
                assert_eq!((&event[2], &event[3]), (&json!("e.t"), &json!({"a": [1, "é", null]})));
                let metadata = event[4].as_object().expect("an object");
                assert!(metadata["message_id"].is_string() && metadata["timestamp"].is_string());
                assert_eq!(event[5]["user_id"], "u1", "{event}");
                assert_eq!(event[5]["auth_token"], Value::Null);
            }
        }
    }

    async fn we_hear_what_python_emits(release: Release) {
        let Some((world, transport, mut peer)) = start(release).await else { return };
        let (events, others) = (Log::<(Metadata, VolumeCreated)>::default(), Log::<(Metadata, Payload)>::default());
        let (typed, rest) = (events.clone(), others.clone());
        let emit = |driver: &str, priority: &str| {
            json!({
                "op": "emit", "driver": driver, "priority": priority, "event_type": "volume.create.end",
                "payload": {"volume_id": "v1", "size": 7}, "context": {"user_id": "u1", "auth_token": "t"}
            })
        };
        // Emitted before anything listens, and not lost.
        peer.ask(emit("messaging", "info")).await;
        let listener = NotificationListener::builder(&transport)
            .topic(world.topic())
            .on(move |metadata, event: VolumeCreated| {
                typed.push((metadata, event));
                async {}
            })
            .otherwise(move |metadata, payload| {
                rest.push((metadata, payload));
                async {}
            });
        let listener = listener.bind().await.expect("bound").run();
        peer.ask(emit("messagingv2", "info")).await;
        for priority in ["audit", "debug", "warn", "error", "critical", "sample"] {
            peer.ask(emit("messagingv2", priority)).await;
            peer.ask(emit("messaging", priority)).await;
        }
        eventually("all notifications", || events.len() == 2 && others.len() == 12).await;
        for (metadata, event) in events.events() {
            assert_eq!(event, VolumeCreated { volume_id: "v1".to_owned(), size: 7 });
            assert_eq!(metadata.publisher_id.as_deref(), Some("python.host"));
            assert!(metadata.time().is_some() && metadata.message_id.is_some());
            assert_eq!(metadata.context.user_id().as_deref(), Some("u1"));
        }
        for driver in ["messaging", "messagingv2"] {
            peer.ask(json!({"op": "typed", "driver": driver})).await;
        }
        eventually("the notifications with Python's types", || others.len() == 14).await;
        for (_, payload) in &others.events()[12..] {
            let told: Value = payload.decode().expect("JSON");
            assert_eq!(told["uuid"], "00000000-0000-0000-0000-000000000007", "{told}");
            assert_eq!((&told["dt"], &told["dec"]), (&json!("2026-11-20T17:05:06.789012"), &json!("1.5")));
        }
        listener.shutdown(SOON).await.expect("nothing runs");
    }

    async fn pools_of_both_get_a_copy_each_and_share_it(release: Release) {
        let Some((world, transport, mut peer)) = start(release).await else { return };
        let pool = format!("{}-pool", world.topic());
        peer.ask(json!({"op": "listen", "priorities": ["info"], "pool": pool})).await;
        let (shared, alone) = (Log::default(), Log::default());
        let mut running = Vec::new();
        for (log, pool) in [(&shared, &pool), (&alone, &format!("{pool}-own"))] {
            let log = log.clone();
            let listener = NotificationListener::builder(&transport)
                .topic(world.topic())
                .pool(pool.as_str())
                .on(move |_, event: VolumeCreated| {
                    log.push(event.size);
                    async {}
                });
            running.push(listener.bind().await.expect("bound").run());
        }
        let notifier = Notifier::builder(&transport).topic(world.topic()).build();
        for size in 0..100 {
            notifier.emit(&Context::new(), &VolumeCreated { volume_id: String::new(), size });
        }
        eventually("one pool to have all", || alone.len() == 100).await;
        let theirs = loop {
            let theirs = heard(&mut peer, 0).await;
            if theirs.len() + shared.len() >= 100 {
                break theirs;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let mut sizes: Vec<_> = theirs.iter().filter_map(|event| event[3]["size"].as_u64()).collect();
        assert!(!sizes.is_empty() && !shared.is_empty(), "they share");
        sizes.extend(shared.events());
        sizes.sort_unstable();
        assert!(sizes.into_iter().eq(0..100));
    }

    async fn notifications_that_python_requeues_are_redelivered_and_come_in_batches(release: Release) {
        let Some((world, transport, mut peer)) = start(release).await else { return };
        let notifier = Notifier::builder(&transport).topic(world.topic()).build();
        peer.ask(json!({"op": "listen", "priorities": ["error"], "refuse": 3})).await;
        notifier.error(&Context::new(), "e.t", &1).await.expect("sent");
        assert_eq!(heard(&mut peer, 1).await[0][3], 1);
        for size in 0..10 {
            notifier.info(&Context::new(), "e.t", &size).await.expect("sent");
        }
        peer.ask(json!({"op": "batches", "size": 5})).await;
        let mut payloads = Vec::new();
        while payloads.len() < 10 {
            let batches = heard(&mut peer, 2).await.split_off(1);
            payloads = batches.iter().flat_map(|batch| batch.as_array().expect("a list").clone()).collect();
        }
        let mut payloads: Vec<_> = payloads.iter().filter_map(Value::as_u64).collect();
        payloads.sort_unstable();
        assert!(payloads.into_iter().eq(0..10));
    }
}
