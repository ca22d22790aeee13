//! Configuration files, as deployments have them and as they should not be.

use super::*;
use crate::Compression;

const CINDER: &str = include_str!("testdata/cinder.conf");
const NOVA: &str = include_str!("testdata/nova.conf");

fn refused(text: &str) -> String {
    let error = Config::parse(text).expect_err("it is wrong");
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    error.to_string()
}

#[test]
fn the_file_of_a_volume_service_is_read() {
    let config = Config::parse(CINDER).expect("a file as deployments have it");
    assert_eq!(config.control_exchange(), "cinder");
    assert_eq!(config.response_timeout(), Duration::from_secs(180));
    assert_eq!((config.concurrency(), config.ping()), (32, false));
    let expected = RabbitOptions::default()
        .heartbeat(Duration::from_secs(30))
        .quorum_queues(true)
        .transient_quorum_queues(true)
        .prefetch(10)
        .stable_queue_names(true)
        .process_name("cinder-volume")
        .host_name("storage-1")
        .set("rpc_conn_pool_size", "100");
    assert_eq!(config.rabbit(), expected.expect("known"));
    let transport = format!("{:?}", config.transport());
    assert!(transport.contains(&format!("{:?}", Compression::Gzip)), "{transport}");
    let notifications = config.notifications();
    assert_eq!(notifications.drivers(), ["messagingv2", "log"]);
    assert_eq!(notifications.topics(), ["notifications", "versioned_notifications"]);
    assert_eq!((notifications.retry(), notifications.routing()), (None, None));
}

#[test]
fn retries_of_notifications_are_the_time_that_the_originals_take() {
    let patience = |retry: &str| {
        let text = format!("[oslo_messaging_notifications]\nretry = {retry}");
        Config::parse(&text).expect("a number").notifications().patience()
    };
    for (retry, seconds) in [("0", 0), ("1", 1), ("2", 4), ("3", 9), ("15", 225), ("16", 255)] {
        assert_eq!(patience(retry), Some(Duration::from_secs(seconds)), "{retry}");
    }
    assert_eq!((patience("-1"), patience("4000000000")), (None, None));
}

#[test]
fn the_file_of_a_compute_service_is_read() {
    let config = Config::parse(NOVA).expect("a file as deployments have it");
    let config = config.default_control_exchange("nova");
    assert_eq!(config.control_exchange(), "nova");
    assert!(config.ping());
    assert_eq!(config.notifications().drivers(), ["messaging"], "by its name of before");
    let rabbit = config.rabbit();
    assert_eq!(rabbit.retry_interval, (Duration::from_secs(5), Duration::from_secs(5)));
    assert_eq!(rabbit.absent_caller_timeout, Duration::from_secs(30));
}

#[test]
fn no_text_of_a_configuration_shows_a_password() {
    for text in [CINDER, NOVA] {
        let config = Config::parse(text).expect("right");
        let shown = format!("{config:?} {:?} {:?}", config.transport(), config.notifications());
        assert!(!shown.contains("CANARY"), "{shown}");
    }
    for wrong in [
        "[DEFAULT]\ntransport_url = rabbit://u:CANARY/x@h",
        "[DEFAULT]\ntransport_url = rabbit://u:p$CANARY@h",
        "[DEFAULT]\ntransport_url = CANARY",
        "[DEFAULT]\nCANARY\na = 1",
        "[DEFAULT\npassword = CANARY",
        "[DEFAULT]\nCANARY",
        "[oslo_messaging_notifications]\ntransport_url = rabbit://u:CANARY:x:y",
    ] {
        let error = refused(wrong);
        assert!(!error.to_uppercase().contains("CANARY"), "{error}");
    }
}

#[test]
fn values_stand_for_each_other() {
    for (text, exchange) in [
        ("[DEFAULT]\na = x\ncontrol_exchange = $a", "x"),
        ("[DEFAULT]\na = x\ncontrol_exchange = ${a}y", "xy"),
        ("[DEFAULT]\ncontrol_exchange = ${other.name}.\n[other]\nname = $part\npart = z", "z."),
        ("[DEFAULT]\ncontrol_exchange = a$$b\\$c$1", "a$b$c$1"),
        ("[DEFAULT]\ncontrol_exchange = \"quo ted\" ", "quo ted"),
        ("[DEFAULT]\ncontrol_exchange = 'a", "'a"),
        ("[DEFAULT]\ncontrol_exchange = a#b ; c = d", "a#b ; c = d"),
        ("[DEFAULT]\ncontrol_exchange : a\\\ncontrol_exchange = b", "b"),
        ("[DEFAULT]\ncontrol-exchange = b\n[default]\ncontrol_exchange = c", "c"),
        ("[DEFAULT]\r\ncontrol_exchange = a\r\n", "a"),
        ("[DEFAULT]\ncontrol_exchange =", "openstack"),
        ("", "openstack"),
    ] {
        let config = Config::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(config.control_exchange(), exchange, "{text}");
    }
}

#[test]
fn an_error_says_where_it_is() {
    for (text, said) in [
        ("[DEFAULT]\nrpc_response_timeout = soon", "[DEFAULT] rpc_response_timeout"),
        ("[DEFAULT]\nrpc_response_timeout = 0", "from 1"),
        ("[DEFAULT]\nrpc_thread_pool_size = 0", "rpc_thread_pool_size"),
        ("[DEFAULT]\nrpc_ping_enabled = perhaps", "rpc_ping_enabled"),
        ("[DEFAULT]\ncontrol_exchange = $control_exchange", "circle"),
        ("[DEFAULT]\ncontrol_exchange = $nobody", "no file sets"),
        ("[DEFAULT]\ntransport_url = kafka://h", "[DEFAULT] transport_url"),
        ("[DEFAULT]\ntransport_url = rabbit://h/?nope=1", "nope"),
        ("[DEFAULT]\nno equals sign", "line 2"),
        ("[DEFAULT]\nno equals sign\na = 1", "a line is no option"),
        ("a = 1", "before its first section"),
        (
            "[oslo_messaging_rabbit]\nrabbit_quorum_queue = 2",
            "[oslo_messaging_rabbit] rabbit_quorum_queue",
        ),
        ("[oslo_messaging_rabbit]\nkombu_compression = lzma", "kombu_compression"),
        (
            "[oslo_messaging_rabbit]\nrabbit_quorum_queue = 1\namqp_auto_delete = 1",
            "quorum queues cannot be deleted",
        ),
        (
            "[oslo_messaging_notifications]\ntransport_url = rabbit://h:x",
            "[oslo_messaging_notifications] transport_url",
        ),
        ("[oslo_messaging_notifications]\nretry = often", "retry"),
    ] {
        let error = refused(text);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn later_files_win_and_a_directory_is_read_by_name() {
    let folder = std::env::temp_dir().join(format!("rpc-config-{}", uuid::Uuid::new_v4()));
    let parts = folder.join("conf.d");
    std::fs::create_dir_all(&parts).expect("a folder");
    let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file");
    let main = folder.join("main.conf");
    write(&main, "[DEFAULT]\ncontrol_exchange = a\nrpc_response_timeout = 1\n[x]\ny = 3\n");
    write(&parts.join("2.conf"), "[DEFAULT]\nrpc_response_timeout = ${x.y}\n");
    write(&parts.join("1.conf"), "[DEFAULT]\nrpc_response_timeout = 2\ncontrol_exchange = b\n");
    write(&parts.join("3.conf.bak"), "[DEFAULT]\ncontrol_exchange = c\n");
    let config = Config::load_all([&main, &parts]).expect("right");
    let absent = Config::load(folder.join("none.conf")).expect_err("there is none").to_string();
    std::fs::remove_dir_all(&folder).expect("a folder");
    assert_eq!(config.control_exchange(), "b");
    assert_eq!(config.response_timeout(), Duration::from_secs(3));
    assert!(absent.contains("none.conf"), "{absent}");
}
