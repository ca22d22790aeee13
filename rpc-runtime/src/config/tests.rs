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
        "[DEFAULT]\na = 1\n\n  CANARY",
        "\u{feff}CANARY",
    ] {
        let error = refused(wrong);
        assert!(!error.to_uppercase().contains("CANARY"), "{error}");
    }
    let url = "[oslo_messaging_notifications]\ntransport_url = rabbit://u:CANARY/x@h";
    let config = Config::parse(url).expect("only notifications are wrong");
    let error = config.notification_transport().check().expect_err("no port").to_string();
    assert!(error.contains("transport_url") && !error.contains("CANARY"), "{error}");
    let variable = ("OS_DEFAULT__TRANSPORT_URL", "rabbit://u:CANARY/x@h");
    let error = with_variables("", &[variable]).expect_err("no port").to_string();
    assert!(error.contains(variable.0) && !error.contains("CANARY"), "{error}");
}

/// Reads a file beside variables of the environment.
fn with_variables(text: &str, variables: &[(&str, &str)]) -> Result<Config, TransportError> {
    let mut files = Files::default();
    files.variables(variables.iter().map(|(name, value)| (name.into(), value.into())));
    files.parse("service.conf", text)?;
    Config::of(&files)
}

#[test]
fn a_variable_wins_over_a_file() {
    let text = "[DEFAULT]\ncontrol_exchange = file\nrpc_response_timeout = 7\n\
                [oslo_messaging_notifications]\ndriver = log\ndriver = messaging\n";
    let variables = [
        ("OS_DEFAULT__CONTROL_EXCHANGE", "variable"),
        ("OS_OSLO_MESSAGING_RABBIT__RABBIT_QUORUM_QUEUE", "true"),
        ("OS_OSLO_MESSAGING_NOTIFICATIONS__DRIVER", "messagingv2"),
    ];
    let config = with_variables(text, &variables).expect("right");
    assert_eq!(config.control_exchange(), "variable");
    assert_eq!(config.response_timeout().as_secs(), 7);
    assert!(config.rabbit().quorum);
    assert_eq!(config.notifications().drivers(), ["messagingv2"]);
    let error = with_variables(text, &[("OS_DEFAULT__RPC_PING_ENABLED", "true ")]);
    let error = error.expect_err("a blank is not removed").to_string();
    assert_eq!(error, "OS_DEFAULT__RPC_PING_ENABLED cannot be `true `: expected `true` or `false`");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt as _;
    let value = std::ffi::OsString::from_vec(vec![b'a', 0xff]);
    let files: [&str; 0] = [];
    let variables = [("OS_DEFAULT__CONTROL_EXCHANGE".into(), value)];
    let error = Config::load_with_environment(files, variables).expect_err("no text").to_string();
    assert_eq!(error, "OS_DEFAULT__CONTROL_EXCHANGE: the variable is not UTF-8");
}

#[test]
fn a_mistake_that_only_notifications_meet_stops_only_them() {
    for (line, said) in [
        ("transport_url = kafka://h", "unknown driver `kafka`"),
        ("transport_url = rabbit://h:x", "a port is not a number"),
        ("transport_url = rabbit://h/?nope=1", "`nope`"),
        ("transport_url = rabbit://$missing/", "not set"),
    ] {
        let text = format!("[oslo_messaging_notifications]\n{line}");
        let config = Config::parse(&text).expect("RPC has all that it needs");
        config.transport().check().expect("RPC has all that it needs");
        let error = config.notification_transport().check().expect_err(line).to_string();
        let place = "the configuration:2, [oslo_messaging_notifications] transport_url: ";
        assert!(error.starts_with(place) && error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn an_invalid_option_of_notifications_is_an_error_of_the_notifier() {
    let transport = Transport::connect("memory://config-notifier").await.expect("embedded");
    for (line, said) in
        [("retry = often", "] retry cannot be `often`"), ("topics = $missing", "not set")]
    {
        let text = format!("[oslo_messaging_notifications]\ndriver = messagingv2\n{line}");
        let config = Config::parse(&text).expect("RPC has all that it needs");
        let error = config.notifier(&transport).expect_err(line).to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn an_embedded_broker_needs_no_valid_options_of_rabbitmq() {
    let text = "[DEFAULT]\ntransport_url = fake://\n[oslo_messaging_rabbit]\nssl = maybe\n";
    Config::parse(text).expect("nothing uses the option");
    refused(&text.replace("fake", "rabbit"));
}

#[test]
fn options_that_do_not_fit_are_named_as_they_were_set() {
    let text =
        "[DEFAULT]\n\n[OSLO_messaging_rabbit]\namqp_auto_delete = 1\nrabbit_quorum_queue = 1\n";
    assert_eq!(
        refused(text),
        "the configuration:5, [OSLO_messaging_rabbit] rabbit_quorum_queue: quorum queues cannot be \
         deleted with their last user: choose `rabbit_quorum_queue` (the configuration:5) or \
         `amqp_auto_delete` (the configuration:4)"
    );
    let text = "[DEFAULT]\ntransport_url = rabbit://h/?rabbit_stream_fanout=1";
    assert_eq!(
        refused(text),
        "the configuration:2, [DEFAULT] transport_url: `rabbit_stream_fanout` (the configuration:2) \
         needs `rabbit_transient_quorum_queue`: the exchange of a stream is as durable as theirs"
    );
    let variable = ("OS_OSLO_MESSAGING_RABBIT__RPC_CONN_POOL_SIZE", "1");
    let error = with_variables("", &[variable]).expect_err("less than the least").to_string();
    assert_eq!(
        error,
        "OS_OSLO_MESSAGING_RABBIT__RPC_CONN_POOL_SIZE: `conn_pool_min_size` is more than \
         `rpc_conn_pool_size` (OS_OSLO_MESSAGING_RABBIT__RPC_CONN_POOL_SIZE)"
    );
}

#[test]
fn a_host_and_its_user_know_where_they_were_configured() {
    #[cfg(feature = "rabbit")]
    for (text, variables, origins) in [
        ("", vec![], ("default", "default")),
        ("[DEFAULT]\ntransport_url = rabbit://u:p@h", vec![], ("service.conf:2", "service.conf:2")),
        ("[DEFAULT]\ntransport_url = rabbit://h", vec![], ("service.conf:2", "default")),
        (
            "",
            vec![("OS_DEFAULT__TRANSPORT_URL", "rabbit://u@")],
            ("default", "OS_DEFAULT__TRANSPORT_URL"),
        ),
    ] {
        let config = with_variables(text, &variables).expect("right");
        let (_, url) = config.transport().resolve().expect("right");
        let (broker, user) = url.origins(&url.hosts()[0].to_string());
        assert_eq!((&*broker, &*user), origins, "{text}");
    }
    #[cfg(feature = "rabbit")]
    {
        let (_, url) = Transport::builder("rabbit://u:p@h").resolve().expect("right");
        assert_eq!(url.origins("h:5672"), ("URL".into(), "URL".into()));
    }
}

#[test]
fn values_stand_for_each_other_to_a_depth() {
    let chain = |length: usize| {
        let lines: Vec<_> = (0..length).map(|at| format!("o{at} = ${{o{}}}\n", at + 1)).collect();
        format!("[DEFAULT]\ncontrol_exchange = $o0\n{}o{length} = end\n", lines.concat())
    };
    assert_eq!(Config::parse(&chain(60)).expect("it ends").control_exchange(), "end");
    assert!(refused(&chain(200)).contains("circle"));
    // Each doubles the next: the number of references is bounded, too.
    let lines: Vec<_> = (0..40).map(|at| format!("o{at} = $o{0}$o{0}\n", at + 1)).collect();
    let text = format!("[DEFAULT]\ncontrol_exchange = $o0\n{}o40 = x", lines.concat());
    assert!(refused(&text).contains("circle"));
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
        ("[DEFAULT]\ncontrol_exchange = a\n  b", "a\nb"),
        ("[DEFAULT]\ncontrol_exchange = a#b ; c = d", "a#b ; c = d"),
        ("[DEFAULT]\ncontrol_exchange : a\\\ncontrol_exchange = b", "b"),
        ("[DEFAULT]\ncontrol-exchange = b\n[default]\ncontrol_exchange = c", "openstack"),
        ("[DEFAULT]\r\ncontrol_exchange = a\r\n", "a"),
        ("", "openstack"),
    ] {
        let config = Config::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(config.control_exchange(), exchange, "{text}");
    }
}

#[test]
fn an_error_says_where_it_is() {
    for (text, said) in [
        (
            "[DEFAULT]\nrpc_response_timeout = soon",
            "the configuration:2, [DEFAULT] rpc_response_timeout",
        ),
        ("[DEFAULT]\nrpc_response_timeout = 0", "from 1"),
        ("[DEFAULT]\nrpc_thread_pool_size = 0", "rpc_thread_pool_size"),
        ("[DEFAULT]\nrpc_ping_enabled = perhaps", "rpc_ping_enabled"),
        ("[DEFAULT]\nrpc_ping_enabled =", "rpc_ping_enabled cannot be ``"),
        ("[DEFAULT]\ncontrol_exchange =", "control_exchange cannot be ``"),
        ("[DEFAULT]\ncontrol_exchange = $control_exchange", "circle"),
        ("[DEFAULT]\ncontrol_exchange = $missing", "not set"),
        ("[DEFAULT]\ntransport_url =", "[DEFAULT] transport_url: malformed"),
        ("[DEFAULT]\ntransport_url = kafka://h", "the configuration:2, [DEFAULT] transport_url"),
        ("[DEFAULT]\ntransport_url = rabbit://h/?nope=1", "nope"),
        ("[DEFAULT]\nno equals sign", "the configuration:2: the line has no `=`"),
        ("[DEFAULT]\n  transport_url = rabbit://h", "the configuration:2: the line is indented"),
        ("a = 1", "before the first section"),
        (
            "[oslo_messaging_rabbit]\nrabbit_quorum_queue = 2",
            "the configuration:2, [oslo_messaging_rabbit] rabbit_quorum_queue",
        ),
        ("[oslo_messaging_rabbit]\nkombu_compression = lzma", "kombu_compression"),
        ("[oslo_messaging_rabbit]\nheartbeat_timeout_threshold =", "heartbeat_timeout_threshold"),
        (
            "[oslo_messaging_rabbit]\nrabbit_quorum_queue = 1\namqp_auto_delete = 1",
            "quorum queues cannot be deleted",
        ),
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
    write(&parts.join(".4.conf"), "[DEFAULT]\ncontrol_exchange = c\n");
    let config = Config::load_all([&main, &parts]).expect("right");
    let latin = folder.join("latin.conf");
    std::fs::write(&latin, b"[DEFAULT]\ncontrol_exchange = \xe9\n").expect("a file");
    let latin = Config::load(latin).expect_err("not UTF-8").to_string();
    let absent = Config::load(folder.join("none.conf")).expect_err("there is none").to_string();
    std::fs::remove_dir_all(&folder).expect("a folder");
    assert_eq!(config.control_exchange(), "b");
    assert_eq!(config.response_timeout(), Duration::from_secs(3));
    assert!(absent.contains("none.conf"), "{absent}");
    assert!(latin.ends_with("latin.conf:2: the file is not UTF-8"), "{latin}");
}
