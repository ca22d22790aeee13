//! A notifier neither blocks nor fails, and discloses no secrets.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt as _;
use rpc_runtime::{
    Config, Context, Notifier, NotifyError, Transport, TransportErrorKind,
    notify::{Disclosure, Driver, DriverError, Format, LogDriver, Message, Priority, Recorder},
    rpc_api,
};
use serde_json::json;
use tests::{World, eventually, heard, on_every_transport, soon};

use crate::{Heard, Switch, VolumeFailed, created, emits, listens};

/// Records messages, and fails if configured to.
#[derive(Default)]
struct Notes {
    seen: Mutex<Vec<String>>,
    fails: bool,
}

impl Driver for Notes {
    fn notify(&self, message: &Message<'_>) -> Result<(), DriverError> {
        let line = format!("{} {} {}", message.priority(), message.event_type(), message.payload());
        self.seen.lock().expect("no panic").push(line);
        if self.fails { Err("it fails as configured".into()) } else { Ok(()) }
    }
}

on_every_transport! {
    async fn notifications_emitted_before_a_listener_binds_are_delivered(world: World) {
        let transport = world.transport().await;
        let notifier = emits(&world, &transport).build();
        for size in 0..5 {
            notifier.emit(&Context::new(), &created(size));
        }
        soon("all confirms", notifier.flush()).await;
        assert_eq!(notifier.waiting(), 0);
        let heard = Heard::default();
        let listener = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
        eventually("all notifications", || heard.sorted() == [0, 1, 2, 3, 4]).await;
        soon("the end", listener.shutdown(Duration::from_secs(10))).await.expect("nothing runs");
        let metrics = transport.metrics();
        assert_eq!((metrics.notifications_sent, metrics.notifications_received), (5, 5));
        assert_eq!((metrics.requests_sent, metrics.requests_received), (0, 0));
    }

    async fn each_level_has_its_queue_and_each_topic_its_copy(world: World) {
        let transport = world.transport().await;
        let other = format!("{}-other", world.topic());
        let notifier = emits(&world, &transport).topic(other.as_str()).build();
        let (first, second) = (Heard::default(), Heard::default());
        let _first = first.all(listens(&world, &transport)).bind().await.expect("bound").run();
        let second_listener = rpc_runtime::NotificationListener::builder(&transport).topic(other);
        let _second = second.all(second_listener).bind().await.expect("bound").run();
        let (ctx, payload) = (Context::new(), json!({"a": [1, null]}));
        notifier.audit(&ctx, "audit.e", &payload);
        notifier.debug(&ctx, "debug.e", &payload);
        notifier.info(&ctx, "info.e", &payload);
        notifier.warn(&ctx, "warn.e", &payload);
        notifier.error(&ctx, "error.e", &payload);
        notifier.critical(&ctx, "critical.e", &payload);
        let last = notifier.sample(&ctx, "sample.e", &payload);
        soon("the confirm", last).await.expect("sent");
        for heard in [&first, &second] {
            eventually("all seven", || heard.others.len() == 7).await;
            let mut seen = heard.others.events();
            seen.sort_by_key(|(metadata, _)| metadata.priority);
            for ((metadata, told), priority) in seen.iter().zip(Priority::ALL) {
                assert_eq!(metadata.priority, priority);
                assert_eq!(metadata.event_type, format!("{}.e", priority.name()));
                assert_eq!(metadata.publisher_id.as_deref(), Some("volume.host-1"));
                assert_eq!(told.decode::<serde_json::Value>().expect("JSON"), payload);
                assert!(metadata.time().expect("a time").elapsed().expect("past") < tests::SOON * 10);
            }
        }
        let ids = |heard: &Heard| {
            let mut ids: Vec<_> = heard.others.events().into_iter().map(|(m, _)| m.message_id).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&first), ids(&second), "copies have the same id");
    }

    async fn both_forms_are_heard_alike(world: World) {
        let transport = world.transport().await;
        let heard = Heard::default();
        let _listener = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
        let both = emits(&world, &transport).messaging(Format::V1).messaging(Format::V2).build();
        let ctx = Context::new().with("user_id", "u1");
        soon("the confirm", both.emit(&ctx, &created(3))).await.expect("sent");
        eventually("both", || heard.events.len() == 2).await;
        for (metadata, event) in heard.events.events() {
            assert_eq!(event, created(3));
            assert_eq!(metadata.context.user_id().as_deref(), Some("u1"));
        }
    }

    async fn no_secret_goes_along_unless_it_is_asked_for(world: World) {
        let transport = world.transport().await;
        let heard = Heard::default();
        let listener = heard.all(listens(&world, &transport)).concurrency(1);
        let _listener = listener.bind().await.expect("bound").run();
        // Context keys that requests may not have do not prevent a notification.
        let ctx = Context::new().with("user_id", "u1").with("auth_token", "canary").with("self", 1);
        let recorder = Recorder::default();
        for disclosure in [Disclosure::Redacted, Disclosure::Nothing, Disclosure::Everything] {
            let notifier = emits(&world, &transport).disclosure(disclosure);
            let notifier = notifier.messaging(Format::V2).driver(recorder.clone()).build();
            soon("the confirm", notifier.emit(&ctx, &created(1))).await.expect("sent");
        }
        eventually("all notifications", || heard.events.len() == 3).await;
        let told = |context: Context| (context.user_id(), context.value::<Option<String>>("auth_token"));
        let kept: Vec<_> = recorder.take().into_iter().map(|kept| told(kept.context)).collect();
        let heard = heard.events.events().into_iter().map(|(metadata, _)| told(metadata.context));
        let told: Vec<_> = heard.collect();
        assert_eq!(kept, told, "drivers get the same");
        let user = Some("u1".to_owned());
        let token = Some(Some("canary".to_owned()));
        assert_eq!(told, [(user.clone(), Some(None)), (None, None), (user, token)]);
    }

    async fn a_notification_that_cannot_be_sent_is_counted_and_fails_its_emission(world: World) {
        let transport = world.connect(|builder| builder.message_limit(64 * 1024)).await;
        let notifier = emits(&world, &transport).build();
        let large = "x".repeat(64 * 1024);
        let error = notifier.info(&Context::new(), "e", &large).await.expect_err("too large");
        assert!(matches!(error, NotifyError::TooLarge { limit: 65_536, .. }), "{error:?}");
        let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = notifier.info(&Context::new(), "e", &odd).await.expect_err("no JSON");
        assert!(matches!(error, NotifyError::Encode(_)), "{error:?}");
        assert_eq!(transport.metrics().notifications_dropped, 2);
        transport.close().await;
        let error = notifier.info(&Context::new(), "e", &1).await.expect_err("closed");
        assert!(matches!(error, NotifyError::Unavailable(_)), "{error:?}");
        assert_eq!((transport.metrics().notifications_dropped, notifier.waiting()), (3, 0));
    }

    async fn drivers_get_the_same_message_and_one_that_fails_stops_no_other(world: World) {
        let transport = world.transport().await;
        let (good, bad) = (Arc::new(Notes::default()), Arc::new(Notes { fails: true, ..Notes::default() }));
        let heard = Heard::default();
        let _listener = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).driver(Arc::clone(&bad)).driver(Arc::clone(&good));
        let notifier = notifier.messaging(Format::V2).build();
        let ended = soon("the end", notifier.emit(&Context::new(), &created(1))).await;
        assert!(matches!(ended, Err(NotifyError::Driver(_))), "{ended:?}");
        eventually("the broker's copy", || heard.sizes() == [1]).await;
        let line = r#"INFO volume.create.end {"volume_id": "v1", "size": 1}"#;
        for notes in [good, bad] {
            assert_eq!(*notes.seen.lock().expect("no panic"), [line]);
        }
    }

    async fn a_notifier_waits_for_a_broker_that_is_away_as_long_as_there_is_room(world: World) {
        let (transport, switch) = Switch::connect(&world).await;
        let heard = Heard::default();
        let listener = heard.all(listens(&world, &transport)).concurrency(1);
        let _listener = listener.bind().await.expect("bound").run();
        let notifier = emits(&world, &transport).spool(50, usize::MAX).build();
        soon("the confirm", notifier.emit(&Context::new(), &created(0))).await.expect("sent");
        switch.off(&transport).await;
        let sent: Vec<_> = (1..=60).map(|size| notifier.emit(&Context::new(), &created(size))).collect();
        assert_eq!(notifier.waiting(), 50);
        switch.on().await;
        let mut full = 0;
        for (size, emission) in (1..).zip(sent) {
            match soon("its end", emission).await {
                Ok(()) => assert!(size <= 50),
                Err(NotifyError::SpoolFull) => full += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((full, transport.metrics().notifications_dropped), (10, 10));
        eventually("all that fit the spool", || heard.sorted() == (0..=50).collect::<Vec<_>>()).await;
    }

    async fn what_waits_for_a_broker_that_is_away_ends_when_its_transport_is_closed(world: World) {
        let (transport, switch) = Switch::connect(&world).await;
        let notifier = emits(&world, &transport).build();
        soon("the confirm", notifier.emit(&Context::new(), &created(1))).await.expect("sent");
        switch.off(&transport).await;
        let emission = notifier.emit(&Context::new(), &created(2));
        let mut flush = std::pin::pin!(notifier.flush());
        assert!(flush.as_mut().now_or_never().is_none(), "one notification waits");
        transport.close().await;
        let error = soon("its end", emission).await.expect_err("there is no broker");
        assert!(
            matches!(&error, NotifyError::Unavailable(error) if error.kind() == TransportErrorKind::Closed),
            "{error:?}"
        );
        soon("nothing to be in flight", flush).await;
        assert_eq!(notifier.waiting(), 0);
        switch.on().await;
    }

    async fn a_notification_is_given_up_when_it_was_to_be(world: World) {
        let (transport, switch) = Switch::connect(&world).await;
        let at_once = emits(&world, &transport).give_up_after(Duration::ZERO).build();
        let hasty = emits(&world, &transport).give_up_after(Duration::from_millis(200)).build();
        for notifier in [&at_once, &hasty] {
            let emission = notifier.emit(&Context::new(), &created(1));
            soon("the confirm", emission).await.expect("sent");
        }
        switch.off(&transport).await;
        let error = at_once.emit(&Context::new(), &created(2)).await.expect_err("there is no broker");
        assert!(matches!(error, NotifyError::Unavailable(_)), "{error:?}");
        let error = soon("its end", hasty.emit(&Context::new(), &created(3))).await;
        let error = error.expect_err("there is no broker");
        assert!(matches!(error, NotifyError::Expired { waited } if waited >= Duration::from_millis(200)), "{error:?}");
        switch.on().await;
        let emission = hasty.emit(&Context::new(), &created(4));
        eventually("the reconnect", || transport.state().is_up()).await;
        drop(emission);
        let heard = Heard::default();
        let last = emits(&world, &transport).build();
        soon("the confirm", last.emit(&Context::new(), &created(5))).await.expect("sent");
        let _listener = heard.all(listens(&world, &transport)).bind().await.expect("bound").run();
        let is_there = |heard: &Heard| heard.sizes().contains(&5) && heard.sorted().starts_with(&[1, 1]);
        eventually("the sent notifications", || is_there(&heard)).await;
        let sizes = heard.sorted();
        assert!(!sizes.contains(&2) && !sizes.contains(&3), "{sizes:?}");
    }
}

/// A service with in-process tests.
#[rpc_api(topic = "adder", version = "1.0")]
trait Adder {
    /// Adds.
    async fn add(&self, ctx: Context, a: u32, b: u32) -> u32;
}

struct Sum;

impl Adder for Sum {
    async fn add(&self, _: Context, a: u32, b: u32) -> u32 {
        a + b
    }
}

#[tokio::test]
async fn in_process_notifications_go_nowhere_and_calls_go_on() {
    let transport = Transport::in_process(AdderServer::new(Sum));
    let notifier = Notifier::builder(&transport).build();
    notifier.emit(&Context::new(), &created(1)).await.expect("sent");
    let sum = AdderClient::new(&transport).add(&Context::new(), 2_u32, 3_u32).await;
    assert_eq!((sum.expect("an answer"), notifier.waiting()), (5, 0));
}

#[tokio::test]
async fn a_configuration_file_says_how_notifications_go() {
    let config = |lines: &str| {
        let url = tests::unique("memory://file");
        let text =
            format!("[DEFAULT]\ntransport_url = {url}\n[oslo_messaging_notifications]\n{lines}");
        Config::parse(&text).expect("a file")
    };
    for (lines, keys) in [
        ("driver = messagingv2\ndriver = messaging\ntopics = a, b", vec!["a", "b", "a", "b"]),
        ("driver = messagingv2\ndriver = noop", vec!["notifications"]),
        ("driver = messagingv2\ndriver = messagingv2", vec!["notifications"]),
        ("driver = messagingv2\ntopics =", Vec::new()),
        ("driver = messagingv3\ndriver = messagingv2\ndriver = test", vec!["notifications"]),
        ("driver = messagingv3", Vec::new()),
        ("driver = routing", Vec::new()),
        ("driver = noop", Vec::new()),
        ("", Vec::new()),
    ] {
        let config = config(lines);
        let transport = config.notification_transport().connect().await.expect("connected");
        let mut published = transport.memory().expect("embedded").observe();
        let notifier = config.notifier(&transport).expect("known drivers").build();
        assert_eq!(notifier.is_enabled(), !keys.is_empty() || lines.contains("topics ="));
        notifier.emit(&Context::new(), &created(1)).await.expect("sent");
        for key in keys {
            let seen = published.try_recv().expect("a copy").routing_key;
            assert_eq!(seen, format!("{key}.info"));
        }
        assert!(published.try_recv().is_err());
    }
}

#[tokio::test]
async fn an_unknown_driver_is_a_warning() {
    let heard = heard::Heard::default();
    let _guard = heard.listen();
    let text = "[oslo_messaging_notifications]\ndriver = messagingv3\ndriver = messagingv2\n";
    let url = tests::unique("memory://warned");
    let config =
        Config::parse(&format!("[DEFAULT]\ntransport_url = {url}\n{text}")).expect("a file");
    let transport = config.transport().connect().await.expect("connected");
    let notifier = config.notifier(&transport).expect("one is known").build();
    assert!(notifier.is_enabled());
    let lines = heard.lines();
    let warned =
        lines.iter().filter(|line| line.contains("unknown driver") && line.contains("messagingv3"));
    assert_eq!(warned.count(), 1, "{lines:#?}");
}

#[tokio::test]
async fn a_file_of_rules_says_which_driver_gets_what() {
    let folder = std::env::temp_dir().join(tests::unique("rules"));
    std::fs::create_dir(&folder).expect("a folder");
    let file = folder.join("routing.yaml");
    let rules = "all: {messaging: {accepted_events: ['volume.*']}}\nbad: {messagingv2: {accepted_priorities: [error]}}";
    std::fs::write(&file, rules).expect("a file");
    let config = |file: &std::path::Path| {
        let lines = format!("driver = routing\nrouting_config = {}", file.display());
        let url = tests::unique("memory://rules");
        let section = "[oslo_messaging_notifications]";
        Config::parse(&format!("[DEFAULT]\ntransport_url = {url}\n{section}\n{lines}"))
            .expect("a file")
    };
    let config_of_rules = config(&file);
    let transport = config_of_rules.notification_transport().connect().await.expect("connected");
    let mut published = transport.memory().expect("embedded").observe();
    let notifier = config_of_rules.notifier(&transport).expect("rules").build();
    assert!(notifier.is_enabled());
    for (event_type, priority, forms) in [
        ("volume.create.end", Priority::Info, vec![false]),
        ("volume.create.error", Priority::Error, vec![false, true]),
        ("backup.create.error", Priority::Error, vec![true]),
        ("backup.create.end", Priority::Info, Vec::new()),
    ] {
        notifier.notify(priority, &Context::new(), event_type, &1).await.expect("sent");
        let mut seen = Vec::new();
        while let Ok(message) = published.try_recv() {
            seen.push(message.body.starts_with(b"{\"oslo.version\""));
        }
        assert_eq!(seen, forms, "{event_type}");
    }
    std::fs::write(&file, "all: {messagingv4: {}}").expect("a file");
    for (file, said) in [(file, "messagingv4"), (folder.join("nothing"), "routing_config")] {
        let error = config(&file).notifier(&transport).expect_err("no rules").to_string();
        assert!(error.contains(said), "{error}");
    }
    std::fs::remove_dir_all(&folder).expect("it is there");
}

#[tokio::test]
async fn the_log_has_notifications_without_their_secrets() {
    let log = heard::Heard::default();
    let _guard = log.listen();
    let world = World::memory();
    let transport = world.transport().await;
    let notifier = emits(&world, &transport).driver(LogDriver).build();
    let payload = json!({
        "name": "n",
        "admin_password": "canary",
        "deep": [{"token": "canary", "adminPass": "canary"}],
        "transport_url": "rabbit://u:canary@h:5672/",
        "said": "it has password=canary",
    });
    notifier.warn(&Context::new(), "instance.update", &payload).await.expect("logged");
    notifier.emit(&Context::new(), &VolumeFailed { volume_id: "v".to_owned() }).await.expect("too");
    let lines = log.lines();
    let one = |parts: &[&str]| {
        let found = lines.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
        assert_eq!(found.count(), 1, "{parts:?} in {lines:#?}");
    };
    one(&["WARN", "instance.update", "\"name\":\"n\"", "***"]);
    one(&["ERROR", "volume.create.error"]);
    assert!(!lines.iter().any(|line| line.contains("canary")), "{lines:#?}");
}

/// An embedded broker has no permissions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_without_permission_fails_alone() {
    let Some(world) = World::rabbit() else { return };
    let Some(world) = world.alone().await else { return };
    let transport = world.transport().await;
    let notifier = emits(&world, &transport).build();
    soon("the confirm", notifier.emit(&Context::new(), &created(1))).await.expect("sent");
    let vhost = world.virtual_host();
    let rights = ["set_permissions", "--vhost", vhost, "guest", ".*", "^(amq\\..*|)$", ".*"];
    tests::rabbitmqctl(&rights).await;
    // A channel caches the permissions of its user.
    world.cut_connections(&transport).await;
    let error = soon("its end", notifier.emit(&Context::new(), &created(2))).await;
    let error = error.expect_err("it is forbidden");
    assert!(
        matches!(&error, NotifyError::Unavailable(error) if error.kind() == TransportErrorKind::Refused),
        "{error:?}"
    );
    assert_eq!((notifier.waiting(), transport.metrics().notifications_dropped), (0, 1));
    tests::rabbitmqctl(&["set_permissions", "--vhost", vhost, "guest", ".*", ".*", ".*"]).await;
    soon("the confirm", notifier.emit(&Context::new(), &created(3))).await.expect("sent");
}
