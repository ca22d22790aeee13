//! Notifications of Cinder's and Nova's own code, read as typed events.

use std::{fs, path::PathBuf, time::Duration};

use examples::{
    cinder::notifications::{
        BackupCreated, SnapshotCreated, VolumeAttached, VolumeCreated, VolumeCreating,
        VolumeDeleted, VolumeNotScheduled, VolumeResized,
    },
    nova::notifications::{
        InstanceCreated, InstanceCreating, InstanceDeleted, InstanceNotRebooted,
        LegacyInstanceCreated,
    },
};
use rpc_runtime::{
    Notification, NotificationListener, Transport,
    notify::{ListenerBuilder, Metadata},
};
use serde::{Deserialize, de::DeserializeOwned};
use tests::{Log, World, eventually};

/// A recorded message.
#[derive(Deserialize)]
struct Recorded {
    exchange: String,
    routing_key: String,
    body: String,
}

fn recorded(project: &str) -> Vec<Recorded> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("recorded/{project}-notifications.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).expect("a list of messages")
}

/// Makes a listener record events of a type.
fn taking<E>(builder: ListenerBuilder, log: &Log<String>) -> ListenerBuilder
where
    E: Notification + DeserializeOwned + std::fmt::Debug + 'static,
{
    let log = log.clone();
    builder.on(move |metadata: Metadata, event: E| {
        assert_eq!(metadata.event_type, E::EVENT_TYPE);
        log.push(format!(
            "{} by {}: {event:?}",
            E::EVENT_TYPE,
            metadata.publisher_id.unwrap_or_default()
        ));
        async {}
    })
}

/// Publishes all recorded messages, and returns what a listener reads.
async fn heard(
    project: &str,
    take: impl FnOnce(ListenerBuilder, &Log<String>) -> ListenerBuilder,
) -> Vec<String> {
    let messages = recorded(project);
    let world = World::memory();
    let transport = Transport::builder(world.url()).control_exchange(project).connect().await;
    let transport = transport.expect("connected");
    let log = Log::default();
    let mut builder = NotificationListener::builder(&transport).concurrency(1);
    let mut topics = Vec::new();
    for message in &messages {
        let (topic, _) = message.routing_key.rsplit_once('.').expect("a topic and a priority");
        if !topics.contains(&topic) {
            topics.push(topic);
            builder = builder.topic(topic);
        }
    }
    let listener = take(builder, &log).bind().await.expect("bound").run();
    let broker = transport.memory().expect("embedded");
    for message in &messages {
        assert!(!message.body.contains("canary"), "the recording contains no token");
        let body = message.body.clone().into_bytes();
        assert!(broker.publish(&message.exchange, &message.routing_key, body));
    }
    eventually("all of them", || log.len() == messages.len()).await;
    assert_eq!(transport.metrics().notifications_dead, 0, "each matches its type");
    listener.shutdown(Duration::from_secs(5)).await.expect("nothing runs");
    log.events()
}

#[tokio::test]
async fn cinders_own_notifications_are_events_with_types() {
    let heard = heard("cinder", |builder, log| {
        let builder = taking::<VolumeCreating>(builder, log);
        let builder = taking::<VolumeCreated>(builder, log);
        let builder = taking::<VolumeResized>(builder, log);
        let builder = taking::<VolumeAttached>(builder, log);
        let builder = taking::<VolumeDeleted>(builder, log);
        let builder = taking::<SnapshotCreated>(builder, log);
        let builder = taking::<BackupCreated>(builder, log);
        taking::<VolumeNotScheduled>(builder, log)
    })
    .await;
    let one = |parts: &[&str]| {
        let found = heard.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
        assert_eq!(found.count(), 1, "{parts:?} in {heard:#?}");
    };
    for event in ["create.start", "create.end", "resize.end", "attach.end", "delete.end"] {
        one(&[&format!("volume.{event} by volume.storage-1@lvm"), "data é", "size: 10"]);
    }
    one(&["snapshot.create.end by snapshot.storage-1@lvm", "volume_size: 10"]);
    one(&["backup.create.end by backup.backup-1", "num_dependent_backups: Some(0)"]);
    one(&["scheduler.create_volume by scheduler.host-1", "No valid backend was found"]);
}

#[tokio::test]
async fn novas_own_notifications_are_events_with_types() {
    let heard = heard("nova", |builder, log| {
        let builder = taking::<InstanceCreating>(builder, log);
        let builder = taking::<InstanceCreated>(builder, log);
        let builder = taking::<InstanceDeleted>(builder, log);
        let builder = taking::<InstanceNotRebooted>(builder, log);
        taking::<LegacyInstanceCreated>(builder, log)
    })
    .await;
    let one = |parts: &[&str]| {
        let found = heard.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
        assert_eq!(found.count(), 1, "{parts:?} in {heard:#?}");
    };
    for event in ["create.start", "create.end", "delete.end"] {
        let line = format!("instance.{event} by nova-compute:compute-1");
        one(&[&line, "server é", "memory_mb: 512", "178b0921"]);
    }
    one(&["instance.reboot.error by nova-compute:compute-1", "no power", "ValueError"]);
    one(&["compute.instance.create.end by compute.compute-1", "instance_type: \"small\""]);
}
