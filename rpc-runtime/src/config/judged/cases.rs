//! The configurations that are judged, by what they are about, and generators of random ones.

use std::ffi::OsString;

use serde_json::{Value as Json, json};

/// A configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    /// The texts of files, of which later ones win.
    pub(super) files: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// A URL in place of the files'.
    pub(super) url: Option<String>,
}

impl Case {
    fn file(text: impl Into<String>) -> Self {
        Self { files: vec![text.into()], ..Self::default() }
    }

    fn url(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..Self::default() }
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.env.iter().map(|(name, value)| (name.into(), value.into()))
    }

    /// The case as the judge reads it. A service registers the options that the files refer to.
    pub(super) fn question(&self) -> Json {
        let env: serde_json::Map<_, _> =
            self.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let services = json!([
            ["DEFAULT", "my_host"],
            ["DEFAULT", "my_user"],
            ["DEFAULT", "loop"],
            ["other", "name"]
        ]);
        json!({"files": self.files, "env": env, "url": self.url, "services": services})
    }
}

/// All cases, by what they are about.
pub(super) fn all() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("lines and blanks", lines()),
        ("URLs", urls()),
        ("sections and indented options", sections()),
        ("variables", variables()),
        ("unused options", unused()),
        ("values", values()),
        ("options that do not fit", conflicts()),
        ("unknown options", unknown()),
        ("logins", logins()),
    ]
}

fn default(lines: &str) -> Case {
    Case::file(format!("[DEFAULT]\n{lines}"))
}

fn rabbit(lines: &str) -> Case {
    Case::file(format!("[oslo_messaging_rabbit]\n{lines}"))
}

fn notifications(lines: &str) -> Case {
    Case::file(format!("[oslo_messaging_notifications]\n{lines}"))
}

fn lines() -> Vec<Case> {
    let values = [
        "transport_url = rabbit://openstack:a@h1:5672,\n  openstack2:b@h2:5673/nova",
        "transport_url =\n  rabbit://u:p@h1,\n\tu:p@h2\n  /v\n",
        "transport_url = rabbit://u:p@h1,\r\n  u:p@h2/v\r\n",
        "transport_url = \"rabbit://u:p@h/v\"",
        "transport_url = 'rabbit://u:p@h/v' ",
        "transport_url = ' rabbit://u:p@h/v '",
        "transport_url = rabbit://u:p@h1,\n  u:p@h2/v # one\n",
        "control_exchange = \"a\"\n  b",
        "transport_url = '",
        "control_exchange = 'a\"",
        "control_exchange = ''a''",
        "control_exchange = ' a '",
        "control_exchange = a\\\nrpc_response_timeout = 3",
        "control_exchange\t=\ta\u{a0}\u{2003}\u{1f}\n",
        "\u{a0}control_exchange = a",
        "\u{c}control_exchange = a\u{b}",
        "control_exchange = a\rrpc_response_timeout = 3\r",
        "control_exchange = a\u{85}rpc_response_timeout = 3",
        "control_exchange = a\u{2028}b",
        "control_exchange : a = b",
        "control_exchange = a : b # c ; d",
        "control_exchange = a\n   \nrpc_response_timeout = 3",
        "control_exchange a = b",
        "control_exchange = a\n\n  b",
        "control_exchange = a\n# c\n  b",
        "control_exchange = a\n[x]\n  b",
        "= a",
        ": a",
        "a",
        "\\",
        "control_exchange = $my_host\nmy_host = $my_user\nmy_user = ${other.name}\n[other]\nname = x",
        "control_exchange = ${a-b} $1 $$ \\$x ${ $",
        "control_exchange = ${DEFAULT.my_host}\nmy_host = x",
        "control_exchange = ${Other.name}\n[Other]\nname = x",
        "control_exchange = $missing",
        "control_exchange = $loop\nloop = $loop",
        "transport_url = rabbit://u:p$$x@$my_host/\nmy_host = h",
    ];
    let files = [
        "\u{feff}[DEFAULT]\n",
        "\u{feff}# a: b\n[DEFAULT]\n",
        "# a\n; b\n\n[DEFAULT]\n",
        "a = b\n[DEFAULT]\n",
        "[]",
        "[x",
        "[x] # y",
        "[a]b]\nc = d",
        "",
    ];
    values.into_iter().map(default).chain(files.map(Case::file)).collect()
}

fn urls() -> Vec<Case> {
    let urls = [
        "rabbit://",
        "rabbit://h",
        "RABBIT://h",
        "kombu+rabbit://h",
        "kombu+pyamqp://h",
        "fake://",
        "kombu://h",
        "kafka://h",
        "1rabbit://h",
        "rab_bit://h",
        "//h",
        "",
        "rabbit:h",
        "rabbit:/v",
        "rabbit:///v",
        "rabbit:////v",
        "rabbit://,",
        "rabbit://a,b:7,,u:p@c",
        "rabbit://h//",
        "rabbit://h///",
        "rabbit://h/v/",
        "rabbit://h/v/w",
        "rabbit://h/%2F",
        "rabbit://h/v ",
        "rabbit://h/nova\n",
        "  rabbit://h/v",
        "\u{1}rabbit://h/v",
        "\u{a0}rabbit://h/v",
        "rab\tbit://h\r/v\n",
        "rabbit://h/%ff",
        "rabbit://%ff",
        "rabbit://h/\u{e4}",
        "rabbit://HoSt",
        "rabbit://h%41",
        "rabbit://h:0",
        "rabbit://h:",
        "rabbit://h:x",
        "rabbit://h:-1",
        "rabbit://h:65536",
        "rabbit://h: +5_6 ",
        "rabbit://h:1:2",
        "rabbit://::1",
        "rabbit://fe80::1:5672",
        "rabbit://[::1]",
        "rabbit://[::1]5671",
        "rabbit://[::1]:5:6",
        "rabbit://[::1]]",
        "rabbit://[::1",
        "rabbit://[1.2.3.4]",
        "rabbit://[v1.x]:3",
        "rabbit://[fe80::1%25eth0]:1",
        "rabbit://[::1]:1,[::2]:2",
        "rabbit://u:[@h",
        "rabbit://u:[]@h",
        "rabbit://a\u{ff0f}b",
        "rabbit://h/v#f",
        "rabbit://h#f/v?x",
        "rabbit://h?ssl=0",
        "rabbit://h/?ssl=",
        "rabbit://h/?ssl",
        "rabbit://h/?ssl=1&ssl=0",
        "rabbit://h/?ssl=true%20",
        "rabbit://h/?ssl=on",
        "rabbit://h:1,i/?ssl=on",
        "rabbit://h/?nope=1",
        "rabbit://h/?rabbit_login_method=plain",
        "rabbit://h/?rabbit_login_method=PLAIN",
        "rabbit://h/?rpc_conn_pool_size=+4+",
        "rabbit://h/?hostname=a+b%26c",
        "rabbit://h/?heartbeat_timeout_threshold=5;ssl=1",
        "rabbit://h/?rabbit_quorum_queue=true&rabbit_quorum_delivery_limit=7",
    ];
    urls.map(Case::url).into_iter().filter(|case| case.url.as_deref() != Some("")).collect()
}

fn sections() -> Vec<Case> {
    vec![
        default("  transport_url = rabbit://h1"),
        default("\ttransport_url = rabbit://h1\n\trpc_response_timeout = 3"),
        Case::file(" [DEFAULT]\ntransport_url = rabbit://h"),
        default("# hosts\n  transport_url = rabbit://h1"),
        Case::file("[default]\ntransport_url = rabbit://h1"),
        Case::file("[DEFAULT]\ncontrol_exchange = a\n[default]\ncontrol_exchange = b"),
        Case::file("[Default]\nrpc_response_timeout = 3"),
        Case::file("[ DEFAULT ]\nrpc_response_timeout = 3"),
        Case::file("[OSLO_MESSAGING_RABBIT]\nrabbit_quorum_queue = 1"),
        Case::file("[Oslo_Messaging_Rabbit]\nssl = 1\n[oslo_messaging_rabbit]\nssl = 0"),
        Case::file("[Oslo_Messaging_Notifications]\ndriver = log"),
        Case::file(
            "[DEFAULT]\ncontrol_exchange = a\n[x]\ncontrol_exchange = b\n[DEFAULT]\nrpc_response_timeout = 3",
        ),
        default("control-exchange = a\nrpc-response-timeout = 3"),
        default("CONTROL_EXCHANGE = a"),
        default("rpc_thread_pool_size = 3\nexecutor_thread_pool_size = 4"),
        default("executor_thread_pool_size = 4\nrpc_thread_pool_size = 3"),
        Case {
            files: vec![
                "[DEFAULT]\nexecutor_thread_pool_size = 4".into(),
                "[DEFAULT]\nrpc_thread_pool_size = 3".into(),
            ],
            ..Case::default()
        },
        Case {
            files: vec![
                "[oslo_messaging_notifications]\ndriver = log\ndriver = messaging".into(),
                "[oslo_messaging_notifications]\ndriver = messagingv2\ntopics = a".into(),
            ],
            ..Case::default()
        },
    ]
}

fn variables() -> Vec<Case> {
    const URL: &str = "OS_DEFAULT__TRANSPORT_URL";
    const EXCHANGE: &str = "OS_DEFAULT__CONTROL_EXCHANGE";
    const TIMEOUT: &str = "OS_DEFAULT__RPC_RESPONSE_TIMEOUT";
    let mut cases: Vec<Case> = [
        (URL, "rabbit://u:p@h/v"),
        (URL, "rabbit://u:p@h/nova\n"),
        (URL, " rabbit://u:p@h1,\n u:p@h2/v"),
        (URL, "\"rabbit://u:p@h/v\""),
        (URL, ""),
        (URL, "rabbit://u:p@h/?ssl=0"),
        (EXCHANGE, "a"),
        (EXCHANGE, " 'a' "),
        (EXCHANGE, "$my_host"),
        (EXCHANGE, "$$my_host"),
        (TIMEOUT, "5"),
        (TIMEOUT, " 5 "),
        (TIMEOUT, "1_0"),
        (TIMEOUT, "soon"),
        (TIMEOUT, ""),
        ("OS_DEFAULT__RPC_PING_ENABLED", "True"),
        ("OS_DEFAULT__RPC_PING_ENABLED", "true "),
        ("OS_DEFAULT__RPC_PING_ENABLED", ""),
        ("OS_DEFAULT__EXECUTOR_THREAD_POOL_SIZE", "7"),
        ("OS_DEFAULT__RPC_THREAD_POOL_SIZE", "7"),
        ("OS_DEFAULT__RPC-RESPONSE-TIMEOUT", "7"),
        ("OS_default__control_exchange", "b"),
        ("os_default__control_exchange", "b"),
        ("OS_OSLO_MESSAGING_RABBIT__RABBIT_QUORUM_QUEUE", "yes"),
        ("OS_OSLO_MESSAGING_RABBIT__RABBIT_QUORUM_QUEUE", " yes"),
        ("OS_OSLO_MESSAGING_RABBIT__RABBIT_INTERVAL_MAX", "x"),
        ("OS_OSLO_MESSAGING_RABBIT__KOMBU_FAILOVER_STRATEGY", "shuffle"),
        ("OS_OSLO_MESSAGING_RABBIT__KOMBU_FAILOVER_STRATEGY", " shuffle"),
        ("OS_OSLO_MESSAGING_RABBIT__KOMBU_RECONNECT_SPLAY", " 1.5 "),
        ("OS_OSLO_MESSAGING_RABBIT__HOSTNAME", " a"),
        ("OS_OSLO_MESSAGING_RABBIT__KOMBU_RECONNECT_TIMEOUT", "3"),
        ("OS_OSLO_MESSAGING_RABBIT__NOPE", "3"),
        ("OS_OSLO_MESSAGING_NOTIFICATIONS__TOPICS", " a , b "),
        ("OS_OSLO_MESSAGING_NOTIFICATIONS__TOPICS", ""),
        ("OS_OSLO_MESSAGING_NOTIFICATIONS__RETRY", "3"),
        ("OS_OSLO_MESSAGING_NOTIFICATIONS__RETRY", "often"),
        ("OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL", "rabbit://n/"),
        ("OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL", ""),
        ("OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL", "kafka://n"),
    ]
    .into_iter()
    .map(|(name, value)| {
        default("control_exchange = file\nmy_host = named\nrpc_response_timeout = 9")
            .var(name, value)
    })
    .collect();
    cases.extend([
        default("rpc_response_timeout = soon").var(TIMEOUT, "5"),
        default("transport_url = kafka://h").var(URL, "rabbit://h"),
        default("rpc_thread_pool_size = 5").var("OS_DEFAULT__EXECUTOR_THREAD_POOL_SIZE", "6"),
        default("control_exchange = $my_host\nmy_host = file")
            .var("OS_DEFAULT__MY_HOST", "variable"),
        default("control_exchange = ${other.name}").var("OS_OTHER__NAME", "variable"),
        Case::default().var(URL, "rabbit://$my_user@h/").var("OS_DEFAULT__MY_USER", "u"),
    ]);
    cases
}

fn unused() -> Vec<Case> {
    vec![
        notifications("transport_url = kafka://h"),
        notifications("transport_url = nonsense"),
        notifications("transport_url = rabbit://h:x"),
        notifications("transport_url ="),
        notifications("transport_url = rabbit://n\ntopics ="),
        notifications("topics = ,"),
        notifications("topics = a,, b ,"),
        notifications("driver = messagingv2\ndriver = nonsense"),
        notifications("driver = nonsense"),
        notifications("driver ="),
        notifications("driver = log\ndriver = log"),
        notifications("retry = often"),
        notifications("retry ="),
        notifications("retry = -5"),
        notifications("topics = $missing"),
        notifications("transport_url = rabbit://$missing"),
        notifications("routing_config = /nonesuch"),
        Case::file("[DEFAULT]\ntransport_url = fake://\n[oslo_messaging_rabbit]\nssl = maybe"),
        rabbit("ssl_version = nonsense"),
        Case { url: Some("rabbit://h/?ssl=0".into()), ..rabbit("ssl = maybe") },
        rabbit("ssl_cert_file = /c.pem"),
        rabbit("ssl_enforce_fips_mode = true"),
    ]
}

fn values() -> Vec<Case> {
    let mut cases = vec![
        default("transport_url ="),
        default("rpc_response_timeout ="),
        default("executor_thread_pool_size ="),
        default("rpc_ping_enabled ="),
        default("rpc_response_timeout = +1_0"),
        default("rpc_response_timeout = 010"),
        default("rpc_response_timeout = 1.5"),
        default("rpc_response_timeout = 1__0"),
        default("rpc_ping_enabled = ON"),
        default("rpc_ping_enabled = 2"),
    ];
    cases.extend(
        [
            "ssl =",
            "rpc_conn_pool_size =",
            "conn_pool_ttl =",
            "conn_pool_ttl = -1",
            "heartbeat_timeout_threshold =",
            "heartbeat_rate =",
            "heartbeat_rate = 0",
            "rabbit_quorum_delivery_limit =",
            "rabbit_qos_prefetch_count =",
            "rabbit_retry_interval =",
            "rabbit_retry_interval = 0",
            "rabbit_transient_queues_ttl = -1",
            "kombu_compression =",
            "kombu_compression = gzip",
            "kombu_compression = bzip2",
            "rabbit_login_method =",
            "rabbit_login_method = plain",
            "rabbit_login_method = AMQPLAIN",
            "kombu_failover_strategy = Shuffle",
            "hostname =",
            "ssl_ca_file =",
            "kombu_reconnect_delay = 4.5",
            "kombu_reconnect_delay = 5",
            "kombu_reconnect_splay = 1e1",
            "kombu_reconnect_splay = .5",
            "kombu_reconnect_splay = 1_0.5",
            "kombu_reconnect_splay = -1",
            "kombu_reconnect_timeout = 3",
            "kombu_reconnect_timeout = 3\nkombu_missing_consumer_retry_timeout = 4",
            "ssl = TRUE",
            "ssl = 1\nssl_ca_file = /ca.pem",
        ]
        .map(rabbit),
    );
    cases
}

fn conflicts() -> Vec<Case> {
    [
        "rabbit_stream_fanout = 1",
        "rabbit_stream_fanout = 1\nrabbit_qos_prefetch_count = 5",
        "rabbit_stream_fanout = 1\nrabbit_qos_prefetch_count = 5\nrabbit_transient_quorum_queue = 1",
        "rpc_conn_pool_size = 1",
        "rpc_conn_pool_size = 1\nconn_pool_min_size = 1",
        "conn_pool_min_size = 31",
        "rabbit_quorum_queue = 1\nrabbit_quorum_delivery_limit = 3",
        "amqp_auto_delete = 1\namqp_durable_queues = 1",
        "rabbit_ha_queues = 1",
        "rabbit_retry_interval = 5\nrabbit_interval_max = 20",
    ]
    .map(rabbit)
    .into()
}

fn unknown() -> Vec<Case> {
    vec![
        rabbit("rabbit_quorum_queues = 1"),
        rabbit("rabbit_quorum-queue = 1"),
        rabbit("Rabbit_quorum_queue = 1"),
        rabbit("rabbit_host = h\nrabbit_password = p"),
        rabbit("rpc_response_timeout = 3"),
        rabbit("transport_url = rabbit://h"),
        default("rabbit_quorum_queue = 1"),
        default("ssl = 1"),
        default("driver = log\ntopics = a"),
        default("transport_urls = rabbit://h"),
        notifications("topic = a"),
        notifications("control_exchange = a"),
        Case::file("[oslo_messaging_rabit]\nssl = 1"),
        Case::file("[oslo_messaging_kafka]\nnonsense = 1"),
    ]
}

fn logins() -> Vec<Case> {
    [
        "rabbit://u:p@h",
        "rabbit://u@h",
        "rabbit://u:@h",
        "rabbit://:p@h",
        "rabbit://:@h",
        "rabbit://@h",
        "rabbit://u:p@",
        "rabbit://u:p@h1,h2",
        "rabbit://u@h1,:p@h2,u:p@h3",
        "rabbit://u@d:p@h",
        "rabbit://u:p:q@h",
        "rabbit://u%40d:p%3Aq@h",
        "rabbit://u%20v:%C3%A4@h",
        "rabbit://u:%ff@h",
        "rabbit://u p:q;r@h",
        "rabbit://u:p#q@h",
    ]
    .map(Case::url)
    .into()
}

/// The deliberate differences, each with its reason.
pub(super) fn known_differences() -> Vec<(&'static str, Case)> {
    let driver = "OS_OSLO_MESSAGING_NOTIFICATIONS__DRIVER";
    let mut differences = vec![
        (
            "a variable is one driver, not a driver for each letter",
            Case::default().var(driver, "log"),
        ),
        (
            "an empty exchange is the default one, to which no queue can be bound",
            default("control_exchange ="),
        ),
        ("without time for an answer, no call is possible", default("rpc_response_timeout = 0")),
        ("the same", default("rpc_response_timeout = -1")),
        ("a server without slots serves nothing", default("executor_thread_pool_size = 0")),
        (
            "a reference to a default of the original is refused here",
            default("control_exchange = $rpc_response_timeout"),
        ),
        (
            "former names are understood, as by older releases",
            rabbit("kombu_ssl_certfile = /c\nrabbit_quroum_max_memory_bytes = 1"),
        ),
        ("the same", Case::file("[DEFAULT]\nnotification_driver = messaging")),
        (
            "a server's slots are the default of the prefetch count",
            rabbit("rabbit_stream_fanout = 1\nrabbit_transient_quorum_queue = 1"),
        ),
        ("the broker refuses it", rabbit("rabbit_quorum_queue = 1\namqp_auto_delete = 1")),
        ("a limit has a use only for quorum queues", rabbit("rabbit_quorum_delivery_limit = 3")),
    ];
    let urls = [
        ("a slash in a password is one", "rabbit://u:a%2Fb@h"),
        ("a virtual host is decoded once", "rabbit://h/a%252Fb"),
        ("the same", "rabbit://h/%23x"),
        ("the same", "rabbit://h/a%3Fb"),
        ("a semicolon ends no virtual host", "rabbit://h/a%3Bb"),
        ("drivers that the original does not have", "amqp://h"),
        ("the same", "amqps://h"),
        ("the same", "memory://h"),
        ("former names are understood in URLs", "rabbit://h/?kombu_reconnect_timeout=3"),
        ("without hosts, the original takes the virtual host for a host", "kombu+rabbit:///v"),
        ("digits are ASCII", "rabbit://h:5\u{666}"),
    ];
    // Without TLS this build cannot tell.
    let urls = urls.into_iter().filter(|(_, url)| cfg!(feature = "tls") || *url != "amqps://h");
    differences.extend(urls.map(|(reason, url)| (reason, Case::url(url))));
    differences
}

fn one<'a>(random: &mut fastrand::Rng, of: &[&'a str]) -> &'a str {
    random.choice(of).copied().unwrap_or_default()
}

/// Makes a URL of parts that are each right or wrong.
pub(super) fn random_url(random: &mut fastrand::Rng) -> Case {
    let starts = ["", "", "", " ", "\n", "\t ", "\u{1}", "\u{a0}"];
    let schemes = ["rabbit", "rabbit", "rabbit", "RABBIT", "kafka", "r_b", ""];
    let logins = [
        "",
        "",
        "u@",
        "u:p@",
        "u:p@",
        ":p@",
        "u:@",
        "@",
        ":@",
        "u%40d:p%3Aq@",
        "u@d:p@",
        "u:p:q@",
        " u:p @",
        "\u{fc}:%C3%BC@",
        "u:%ff%@",
        "u:%zz@",
        "u:p+q@",
        "u:\tp\n@",
    ];
    let names = [
        "h",
        "h",
        "h",
        "a.example",
        "HoSt",
        "127.0.0.1",
        "[::1]",
        "[fe80::1%25lo]",
        "::1",
        "fe80::1:7",
        "",
        "h%41",
        "h_1",
        "[zz]",
        "[::1",
        "h\u{e9}",
    ];
    let ports =
        ["", "", "", ":5", ":0", ":65535", ":65536", ":", ":x", ": 7", ":+7", ":-7", ":1_0", "7"];
    let paths = [
        "", "", "/", "//", "/v", "/v", "/v/w", "/v ", "/v\n", "/%2F", "/v%20w", "/\u{e4}",
        "/%c3%a4", "/%ff", "/v/", "/a+b", "/a:b@c", "/a,b", "/[v]",
    ];
    let queries = [
        "",
        "",
        "",
        "?ssl=0",
        "?ssl=",
        "?ssl",
        "?nope=1",
        "?rabbit_quorum_queue=true&heartbeat_timeout_threshold=5",
        "?kombu_failover_strategy=shuffle",
        "?rabbit_qos_prefetch_count=+4+",
        "?amqp_durable_queues=true%20",
        "?rabbit_transient_queues_ttl=60&rabbit_transient_queues_ttl=70",
        "?hostname=a+b&&processname=%41",
        "#f",
        "?amqp_durable_queues=on#f",
    ];
    let mut hosts = String::new();
    for at in 0..random.usize(0..4) {
        let parts = [one(random, &logins), one(random, &names), one(random, &ports)];
        hosts += if at == 0 { "" } else { "," };
        hosts += &parts.concat();
    }
    let sign = one(random, &["://", "://", "://", "://", ":", ":/"]);
    let (start, scheme) = (one(random, &starts), one(random, &schemes));
    let (path, query) = (one(random, &paths), one(random, &queries));
    let url = format!("{start}{scheme}{sign}{hosts}{path}{query}");
    match random.u8(..3) {
        0 => Case::url(url),
        1 => Case::default().var("OS_DEFAULT__TRANSPORT_URL", &url),
        // In a file, a line may end within the URL.
        _ => default(&format!("transport_url = {}", url.replace('\n', "\n  "))),
    }
}

/// Makes files of lines that are each right or wrong, and variables beside them.
pub(super) fn random_file(random: &mut fastrand::Rng) -> Case {
    let sections = [
        "[DEFAULT]",
        "[DEFAULT]",
        "[default]",
        "[oslo_messaging_rabbit]",
        "[oslo_messaging_rabbit] ",
        "[OSLO_messaging_rabbit]",
        "[oslo_messaging_notifications]",
        "[oslo_messaging_notifications]",
        "[other]",
        "[DEFAULT ]",
    ];
    let names = [
        "transport_url",
        "control_exchange",
        "rpc_response_timeout",
        "executor_thread_pool_size",
        "rpc_thread_pool_size",
        "rpc_ping_enabled",
        "driver",
        "topics",
        "retry",
        "routing_config",
        "amqp_durable_queues",
        "rabbit_quorum_queue",
        "rabbit_qos_prefetch_count",
        "rabbit_transient_queues_ttl",
        "heartbeat_timeout_threshold",
        "kombu_reconnect_splay",
        "kombu_failover_strategy",
        "hostname",
        "name",
        "nonsense",
        "control-exchange",
    ];
    let values = [
        "a",
        "a",
        "1",
        "1",
        "7",
        "true",
        "off",
        "shuffle",
        "rabbit://u:p@h1,u@h2/v",
        "'rabbit://h'",
        "rabbit://h1,",
        "\" a \"",
        "'a\"",
        "a # b",
        "$my_host",
        "${other.name}x",
        "$$a",
        "messagingv2",
        "a, b",
        "messaging\n  v2",
        "a\u{a0}",
        "1_0",
        "1.5",
    ];
    let lines = [
        "",
        "",
        "# a = b",
        "; [x]",
        "   ",
        "  a",
        "\ta = b",
        "[",
        "]",
        "a",
        "= a",
        "\u{a0}",
        "\u{feff}",
        "\\",
        "\u{c}[DEFAULT]",
    ];
    let mut case = Case::default();
    for at in 0..random.usize(1..3) {
        // The options that values refer to are always set.
        let mut text = match at {
            0 => "[DEFAULT]\nmy_host = m\n[other]\nname = n\n".to_owned(),
            _ => String::new(),
        };
        for _ in 0..random.usize(1..4) {
            text += one(random, &sections);
            text += "\n";
            for _ in 0..random.usize(0..5) {
                // Most lines are options: one that is refused hides all others.
                if random.u8(..30) == 0 {
                    text += one(random, &lines);
                } else {
                    let sign = one(random, &["=", " = ", " = ", ": ", "\t=\u{2003}"]);
                    text += &[one(random, &names), sign, one(random, &values)].concat();
                }
                text += one(random, &["\n", "\n", "\n", "\r\n", "\r", " \n", "\n\n"]);
            }
        }
        case.files.push(text);
    }
    for _ in 0..random.usize(0..3) {
        let group = one(
            random,
            &["DEFAULT", "OSLO_MESSAGING_RABBIT", "OSLO_MESSAGING_NOTIFICATIONS", "OTHER"],
        );
        let name = one(random, &names).to_uppercase();
        // A variable is one driver here: see the known differences.
        if name != "DRIVER" {
            case = case.var(&format!("OS_{group}__{name}"), one(random, &values));
        }
    }
    case
}
