//! Files, variables and URLs beside the original: oslo.messaging reads each case live, and both
//! have to agree on all that it means, or both refuse it.
//!
//! `RPC_TEST_PYTHON` names a Python that has the library; `cargo xtask test` sets it. One process
//! answers all cases, and no answer is stored.

mod cases;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value as Json, json};

use self::cases::Case;
use super::*;
use crate::{Compression, Failover, Login};

/// A process that reads configurations with the original.
struct Judge {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Judge {
    /// Starts the process. `None` where there is no Python for it.
    fn start() -> Option<Self> {
        let python = std::env::var("RPC_TEST_PYTHON").ok().filter(|python| !python.is_empty());
        let Some(python) = python else {
            let is_required = std::env::var_os("RPC_TEST_REQUIRE_BROKER").is_some();
            assert!(!is_required, "RPC_TEST_PYTHON is not set, and this run requires it");
            eprintln!("SKIPPED: RPC_TEST_PYTHON is not set; `cargo xtask test` sets it");
            return None;
        };
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/judged/judge.py");
        let mut command = Command::new(python);
        command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a Python");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("piped"));
        Some(Self { process, input, output })
    }

    fn ask(&mut self, question: &Json) -> Json {
        let input = self.input.as_mut().expect("open");
        writeln!(input, "{question}").expect("the judge reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the judge answers");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no answer to {question}: {line}"))
    }

    /// Compares the meanings of a case, and returns the differences.
    fn differences(&mut self, case: &Case) -> Vec<String> {
        let mut judged = self.ask(&case.question());
        let ours = Ours::of(case);
        let mut differences = Vec::new();
        compare(&mut judged, &ours, &mut differences);
        differences
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// The meaning of a case here.
enum Ours {
    /// The files are malformed.
    Malformed(TransportError),
    /// Some option that is used has an invalid value.
    Refused(TransportError),
    Read {
        config: Box<Config>,
        rpc: Box<TransportBuilder>,
    },
}

impl Ours {
    fn of(case: &Case) -> Self {
        let mut files = Files::default();
        files.variables(case.variables());
        for (at, text) in case.files.iter().enumerate() {
            if let Err(error) = files.parse(&format!("{at}.conf"), text) {
                return Self::Malformed(error);
            }
        }
        match Config::of(&files) {
            Ok(config) => {
                let rpc = match &case.url {
                    Some(url) => config.rabbit.clone().at(url),
                    None => config.transport(),
                };
                Self::Read { config: Box::new(config), rpc: Box::new(rpc) }
            }
            Err(error) => Self::Refused(error),
        }
    }
}

fn is_refused(judged: &Json) -> bool {
    judged.get("refused").is_some()
}

/// Whether the original secures a transport, which not every build of ours can.
fn needs_tls(judged: &Json) -> bool {
    judged["value"]["options"]["ssl"]["value"] == true
}

/// Lists where the original's meaning, which is taken apart, and ours differ.
fn compare(judged: &mut Json, ours: &Ours, differences: &mut Vec<String>) {
    let is_malformed = !judged["syntax"].is_null();
    let (config, rpc) = match ours {
        Ours::Malformed(error) => {
            if !is_malformed {
                differences.push(format!("only ours refuses the file: {error}"));
            }
            return;
        }
        _ if is_malformed => {
            return differences.push(format!("only the original refuses: {}", judged["syntax"]));
        }
        Ours::Refused(error) => {
            let general = judged["default"].as_object().expect("an object").values();
            let lacks_tls = needs_tls(&judged["rpc"]) && !cfg!(feature = "tls");
            if !general.chain([&judged["rpc"]]).any(is_refused) && !lacks_tls {
                differences.push(format!("only ours refuses an option: {error}"));
            }
            return;
        }
        Ours::Read { config, rpc } => (config, rpc),
    };
    let mut expect = |what: &str, theirs: Json, ours: Json| {
        if theirs != ours {
            differences.push(format!("{what}: {theirs} in the original, {ours} here"));
        }
    };
    let general = |name: &str| {
        let judged = &judged["default"][name];
        if is_refused(judged) { json!(judged["refused"]) } else { judged["value"].clone() }
    };
    let or = |value: Json, default: Json| if value.is_null() { default } else { value };
    expect("control_exchange", general("control_exchange"), json!(config.control_exchange()));
    let seconds = json!(config.response_timeout().as_secs());
    expect("rpc_response_timeout", or(general("rpc_response_timeout"), json!(60)), seconds);
    let threads = or(general("executor_thread_pool_size"), json!(Config::CONCURRENCY));
    expect("executor_thread_pool_size", threads, json!(config.concurrency()));
    expect("rpc_ping_enabled", general("rpc_ping_enabled"), json!(config.ping()));

    let options = &judged["notifications"];
    let is_invalid = options.as_object().expect("an object").values().any(is_refused);
    let notifications = config.notifications();
    expect("invalid notifications", json!(is_invalid), json!(notifications.invalid.is_some()));
    if !is_invalid {
        let given = |name: &str| -> Vec<Json> {
            let values = options[name]["value"].as_array().expect("a list").iter();
            values.filter(|value| *value != "").cloned().collect()
        };
        expect("drivers", json!(given("driver")), json!(notifications.drivers()));
        expect("topics", json!(given("topics")), json!(notifications.topics()));
        let retry = options["retry"]["value"].as_i64().filter(|retry| *retry >= 0);
        expect("retry", json!(retry), json!(notifications.retry()));
        let routing = options["routing_config"]["value"].as_str().filter(|file| !file.is_empty());
        expect("routing_config", json!(routing), json!(notifications.routing.as_deref()));
    }
    transports("rpc", &mut judged["rpc"], rpc, differences);
    transports("notify", &mut judged["notify"], &config.notification_transport(), differences);
}

/// Lists where two transports differ.
fn transports(
    which: &str,
    judged: &mut Json,
    ours: &TransportBuilder,
    differences: &mut Vec<String>,
) {
    if needs_tls(judged) && !cfg!(feature = "tls") {
        return;
    }
    let (builder, url) = match (ours.clone().resolve(), is_refused(judged)) {
        (Err(_), true) => return,
        (Err(error), false) => {
            return differences.push(format!("{which}: only ours refuses: {error}"));
        }
        (Ok(_), true) => {
            let refused = &judged["refused"];
            return differences.push(format!("{which}: only the original refuses: {refused}"));
        }
        (Ok(resolved), false) => resolved,
    };
    let judged = &mut judged["value"];
    if !judged["driver"].is_null() {
        if !url.hosts().is_empty() {
            differences.push(format!("{which}: it is embedded in the original"));
        }
        return;
    }
    let hosts = url.hosts().iter();
    let hosts = hosts.map(|h| json!([h.name.to_lowercase(), h.port, h.user, h.password]));
    let hosts: Vec<Json> = hosts.collect();
    for host in judged["hosts"].as_array_mut().expect("a list") {
        let name = host[0].as_str().expect("a name").to_lowercase();
        host[0] = json!(name);
    }
    let mut expect = |what: &str, theirs: &Json, ours: Json| {
        if *theirs != ours {
            differences.push(format!("{which}, {what}: {theirs} in the original, {ours} here"));
        }
    };
    expect("hosts", &judged["hosts"], json!(hosts));
    expect("virtual host", &judged["virtual_host"], json!(url.virtual_host()));
    let (options, compression) = builder.options();
    for (name, judged) in judged["options"].as_object().expect("an object") {
        let (ours, judged) = match (meaning(options, name), judged["set"] == true) {
            (Some(ours), true) if !judged["value"].is_null() => (ours, judged["value"].clone()),
            // Defaults may differ: what is not set has ours.
            (Some(ours), false) => {
                (ours, meaning(&RabbitOptions::default(), name).unwrap_or_default())
            }
            (Some(_) | None, _) => continue,
        };
        expect(name, &judged, ours);
    }
    let value = judged["options"]["kombu_compression"]["value"].as_str();
    let theirs = value.and_then(Compression::of_option);
    expect(
        "compression",
        &json!(theirs.map(Compression::header)),
        json!(compression.map(Compression::header)),
    );
}

/// Returns an option as the original would have it. `None` if it means nothing here.
fn meaning(options: &RabbitOptions, name: &str) -> Option<Json> {
    let path = |path: &Option<std::path::PathBuf>| {
        json!(path.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
    };
    Some(match name {
        "amqp_durable_queues" => json!(options.durable),
        "amqp_auto_delete" => json!(options.auto_delete),
        "rabbit_quorum_queue" => json!(options.quorum),
        "rabbit_transient_quorum_queue" => json!(options.transient_quorum),
        "rabbit_quorum_delivery_limit" => json!(options.delivery_limit),
        "rabbit_quorum_max_memory_length" => json!(options.max_memory_length),
        "rabbit_quorum_max_memory_bytes" => json!(options.max_memory_bytes),
        "rabbit_ha_queues" => json!(options.ha),
        "rabbit_transient_queues_ttl" => json!(options.transient_ttl.as_secs()),
        "rabbit_stream_fanout" => json!(options.stream_fanout),
        "use_queue_manager" => json!(options.names.stable),
        "hostname" => json!(options.names.host.clone().unwrap_or_default()),
        "processname" => json!(options.names.process.clone().unwrap_or_default()),
        "enable_cancel_on_failover" => json!(options.cancel_on_failover),
        "rabbit_qos_prefetch_count" => json!(options.prefetch.unwrap_or(0)),
        "heartbeat_timeout_threshold" => json!(options.heartbeat.as_secs()),
        "rabbit_login_method" => json!(match options.login {
            Login::Plain => "PLAIN",
            Login::AmqPlain => "AMQPLAIN",
            Login::External => "EXTERNAL",
            Login::CrDemo => "RABBIT-CR-DEMO",
        }),
        "ssl" => json!(options.tls.enabled.unwrap_or(false)),
        "ssl_ca_file" => path(&options.tls.authority),
        "ssl_cert_file" => path(&options.tls.certificate),
        "ssl_key_file" => path(&options.tls.key),
        "kombu_reconnect_delay" => json!(options.reconnect_delay.0.as_secs_f64()),
        "kombu_reconnect_splay" => json!(options.reconnect_delay.1.as_secs_f64()),
        "rabbit_retry_interval" => json!(options.retry_interval.0.as_secs()),
        "rabbit_interval_max" => json!(options.retry_interval.1.as_secs()),
        "kombu_failover_strategy" => json!(match options.failover {
            Failover::RoundRobin => "round-robin",
            Failover::Shuffle => "shuffle",
        }),
        "kombu_missing_consumer_retry_timeout" => json!(options.absent_caller_timeout.as_secs()),
        "rpc_conn_pool_size" => json!(options.pool.1),
        _ => return None,
    })
}

#[test]
fn files_variables_and_urls_mean_what_they_mean_to_the_original() {
    let Some(mut judge) = Judge::start() else { return };
    let mut wrong = Vec::new();
    for (bullet, cases) in cases::all() {
        assert!(cases.len() >= 8, "{bullet}: {} cases", cases.len());
        for case in cases {
            let differences = judge.differences(&case);
            if !differences.is_empty() {
                wrong.push(format!(
                    "{bullet}: {}\n    {}",
                    case.question(),
                    differences.join("\n    ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn random_files_and_urls_mean_what_they_mean_to_the_original() {
    let Some(mut judge) = Judge::start() else { return };
    let seed = std::env::var("RPC_RANDOM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..200 {
        for case in [cases::random_url(&mut random), cases::random_file(&mut random)] {
            let differences = judge.differences(&case);
            assert!(
                differences.is_empty(),
                "RPC_RANDOM_SEED={seed}\n{}\n    {}",
                case.question(),
                differences.join("\n    ")
            );
        }
    }
}

/// Checks the deliberate differences. A case that no longer differs has to leave the list.
#[test]
fn each_known_difference_is_one() {
    let Some(mut judge) = Judge::start() else { return };
    for (reason, case) in cases::known_differences() {
        let differences = judge.differences(&case);
        assert!(!differences.is_empty(), "no difference: {reason}: {}", case.question());
    }
}

#[test]
fn every_option_that_the_original_registers_is_known() {
    let Some(mut judge) = Judge::start() else { return };
    let names: BTreeMap<String, Vec<String>> =
        serde_json::from_value(judge.ask(&json!("names"))).expect("lists of names");
    for section in [DEFAULT, RABBIT, NOTIFICATIONS] {
        let names = &names[section];
        assert!(names.len() >= 5, "{section}: {names:?}");
        let lines: Vec<_> = names.iter().map(|name| format!("{name} = x\n")).collect();
        let mut files = Files::default();
        files.parse("all.conf", &format!("[{section}]\n{}", lines.concat())).expect("a file");
        assert_eq!(notices::of(&files), [], "{section}");
    }
}
