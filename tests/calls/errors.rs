//! Error texts: each says what happened to what, in the words of the cause, once, on one line, and
//! without secrets.

use std::{collections::BTreeSet, error::Error, fs, io, path::Path, time::Duration};

use rpc_runtime::{
    CallError, Context, Failure, Interface, Notifier, NotifyError, ParseVersionError, SharedCap,
    ShutdownError, Transport, TransportError, UnknownPin, Version,
    contract::{self, ContractError, ParseError, Rewrite},
    notify::{Filter, Priority, Routing},
    objects::Incompatible,
    rpc_api,
};
use tests::{World, unique};

use crate::probe::{ProbeError, ProbeServer, Recorder, probe};

/// A password that no text may show.
const SECRET: &str = "canary-password";
/// A peer's text that would look like two lines.
const LINES: &str = "no room\nERROR: \u{1b}[31mall is lost";

/// A user's error with a source.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue is closed")]
struct Closed(#[source] io::Error);

fn closed() -> Closed {
    Closed(io::Error::other("no such table"))
}

#[rpc_api(topic = "probe", version = "1.9")]
trait Strange {
    async fn nonesuch(&self, ctx: Context) -> u32;
    async fn add(&self, ctx: Context, a: i64) -> i64;
    #[rpc(since = "1.9")]
    async fn recent(&self, ctx: Context) -> u32;
    // The server returns text.
    async fn host(&self, ctx: Context) -> u32;
    #[rpc(host = "host")]
    async fn at(&self, ctx: Context, #[arg(route)] host: Option<String>) -> ();
}

/// An error, the name of its type, and words that its text contains.
struct Case {
    name: &'static str,
    error: Box<dyn Error>,
    words: &'static [&'static str],
}

fn case(name: &'static str, error: impl Error + 'static, words: &'static [&'static str]) -> Case {
    Case { name, error: Box::new(error), words }
}

/// Returns the texts of an error and of all its sources.
fn chain(error: &dyn Error) -> Vec<String> {
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    [error.to_string()].into_iter().chain(sources.map(ToString::to_string)).collect()
}

/// Returns the errors of calls.
async fn of_calls(cases: &mut Vec<Case>) {
    let world = World::memory();
    let transport = world.transport().await;
    let (strange, ctx) = (world.client::<strange::Api>(&transport), Context::new());
    let mut add = |error: CallError, words| cases.push(case("CallError", error, words));
    add(
        strange.nonesuch(&ctx).await.expect_err("nobody"),
        &["no server is bound to `t-", "openstack"],
    );
    let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::on("h"))).await;
    add(strange.nonesuch(&ctx).await.expect_err("unknown"), &["no method `nonesuch`"]);
    add(strange.recent(&ctx).await.expect_err("too new"), &["1.9", "`recent`", "serves 1.4"]);
    add(
        strange.add(&ctx, 1_i64).await.expect_err("too few"),
        &["`add`", "builtins.TypeError", "'b'"],
    );
    add(strange.host(&ctx).await.expect_err("text"), &["does not fit", "expected u32"]);
    let old = strange.unchecked(Version::new(1, 2));
    add(old.recent(&ctx).await.expect_err("capped"), &["`recent` needs version 1.9", "1.2"]);
    let hurried = strange.prepare().timeout(Duration::ZERO).client();
    add(hurried.host(&ctx).await.expect_err("no time"), &["within 0ns"]);
    let long = strange.prepare().topic("x".repeat(300)).client();
    add(long.host(&ctx).await.expect_err("too long"), &["routing key `xxx", "too long for AMQP"]);

    let client = world.client::<probe::Api>(&transport);
    let missing = client.fail(&ctx, "missing").await.expect_err("it fails");
    cases.push(case("CallError", missing, &["the method failed: no vm-1 in cell-2"]));
    let panicked = client.panic(&ctx).await.expect_err("it fails");
    cases.push(case("CallError", panicked, &["rpc_runtime.MethodPanicked", "panicked"]));
    let many = Failure::of(LINES, "nova.exception", "NoValidHost");
    let words: &[&str] = &["nova.exception.NoValidHost", r"no room\nERROR"];
    cases.push(case("CallError", CallError::<ProbeError>::Failure(many.clone()), words));
    cases.push(case("Failure", many, words));
    transport.close().await;
    let closed = client.host(&ctx).await.expect_err("it is closed");
    cases.push(case("CallError", closed, &["cannot send the request", "is closed"]));

    // Errors that a test would wait long for.
    let unreachable = Transport::connect("rabbit://127.0.0.1:1/").await.expect_err("a free port");
    let ms = Duration::from_millis(5);
    let written = serde_json::from_str::<u8>("x").expect_err("no number");
    let late = |sent, unconsumed: Option<&str>, no_connection| CallError::DeadlineExceeded {
        waited: ms,
        sent,
        unconsumed: unconsumed.map(str::to_owned),
        no_connection,
    };
    let of: [(CallError, &[&str]); 12] = [
        (CallError::Overloaded { host: "h\n2".to_owned() }, &[r"`h\n2` has no room"]),
        (late(true, None, None), &["no answer within 5ms"]),
        (
            late(true, Some("q\n1"), None),
            &["no answer within 5ms", r"nothing consumes the queue `q\n1`"],
        ),
        (
            late(false, None, Some(unreachable)),
            &["no connection to the broker within 5ms", "127.0.0.1:1"],
        ),
        (
            CallError::NoConsumer { queue: "q\n1".into(), observed: Duration::from_secs(5) },
            &[r"nothing consumes the queue `q\n1`", "5.0s"],
        ),
        (CallError::HeartbeatLost { waited: ms }, &["no sign of life", "5ms"]),
        (CallError::Interrupted, &["a connection was lost or closed"]),
        (CallError::Refused, &["negative confirm"]),
        (CallError::MissingHost { method: "at" }, &["`at`"]),
        (CallError::TooLarge { size: 7, limit: 5 }, &["7 bytes", "5"]),
        (CallError::Encode(written), &["JSON", "column 1"]),
        (
            CallError::UnsupportedVersion { method: "m", needs: Version::new(1, 2), serves: None },
            &["1.2", "`m`"],
        ),
    ];
    cases.extend(of.into_iter().map(|(error, words)| case("CallError", error, words)));
}

/// Returns the errors of transports.
async fn of_transports(cases: &mut Vec<Case>) {
    let mut add = |error: TransportError, words| cases.push(case("TransportError", error, words));
    let failed = async |url: &str| Transport::connect(url).await.expect_err("it cannot connect");
    // Nothing listens on this port.
    let refused = failed(&format!("rabbit://user:{SECRET}@127.0.0.1:1/")).await;
    add(refused, &["cannot connect to 127.0.0.1:1", "Connection refused (os error 111)"]);
    add(failed(&format!("rabbit://user:{SECRET}@h:x/")).await, &["transport URL"]);
    add(failed(&format!("rabbit://user:{SECRET}@h/?nonesuch=1")).await, &["nonesuch"]);
    let url = format!("amqps://user:{SECRET}@127.0.0.1:1/?ssl_ca_file=/nonesuch/ca.pem");
    add(failed(&url).await, &["/nonesuch/ca.pem", "No such file or directory"]);
    let loaded = rpc_runtime::Config::load("/nonesuch/cinder.conf").map(drop);
    add(loaded.expect_err("no file"), &["/nonesuch/cinder.conf", "No such file or directory"]);
    let text = format!("[DEFAULT]\ntransport_url = rabbit://user:{SECRET}@h:x/\n");
    let config = rpc_runtime::Config::parse(&text).map(drop);
    add(config.expect_err("no port"), &["transport_url"]);
    if let Some(world) = World::rabbit() {
        let (_, host) = world.url().split_once('@').expect("a login");
        let refused = failed(&format!("rabbit://guest:{SECRET}@{host}")).await;
        add(refused, &["ACCESS_REFUSED - Login was refused"]);
        let nowhere =
            failed(&format!("{}/nonesuch-vhost", world.url().trim_end_matches('/'))).await;
        add(nowhere, &["nonesuch-vhost"]);
        let reserved = world.transport().await;
        let bound = world
            .server(&reserved, "h")
            .topic("t")
            .dead_letter_queue("d")
            .exchange("amq.nonesuch")
            .serve(ProbeServer::new(Recorder::on("h")));
        add(
            bound.bind().await.map(drop).expect_err("reserved"),
            &["ACCESS_REFUSED", "amq.nonesuch"],
        );
    }
}

/// Returns the errors of everything else.
async fn of_the_rest(cases: &mut Vec<Case>) {
    let transport =
        Transport::connect(&format!("memory://{}", unique("errors"))).await.expect("embedded");
    let notifier = Notifier::builder(&transport).driver(Failing).build();
    let driven =
        notifier.notify(Priority::Info, &Context::new(), "e", &1_u8).await.expect_err("it fails");
    cases.push(case("NotifyError", driven, &["the catalogue is closed", "no such table"]));
    let unsayable = std::collections::BTreeMap::from([(vec![1_u8], 1_u8)]);
    let encoded = notifier.notify(Priority::Info, &Context::new(), "e", &unsayable).await;
    cases.push(case(
        "NotifyError",
        encoded.expect_err("no JSON"),
        &["cannot be encoded: a key has to be text"],
    ));
    transport.close().await;
    let notifier = Notifier::builder(&transport).build();
    let over =
        notifier.notify(Priority::Info, &Context::new(), "e", &1_u8).await.expect_err("closed");
    cases.push(case("NotifyError", over, &["the transport is closed"]));
    let waited = Duration::from_millis(5);
    let of: [(NotifyError, &[&str]); 4] = [
        (NotifyError::TooLarge { size: 7, limit: 5 }, &["7 bytes", "5"]),
        (NotifyError::SpoolFull, &["too many notifications"]),
        (NotifyError::Expired { waited }, &["5ms"]),
        (NotifyError::Refused, &["negative confirm"]),
    ];
    cases.extend(of.into_iter().map(|(error, words)| case("NotifyError", error, words)));

    let asked = SharedCap::<probe::Api>::ask(async || Err::<Vec<Version>, _>(closed())).await;
    cases.push(case(
        "CapError",
        asked.map(drop).expect_err("unknown"),
        &["catalogue is closed", "no such table"],
    ));
    let services = async || Ok::<_, Closed>(Vec::new());
    let pinned = SharedCap::<probe::Api>::configured(Some("x\ny"), services).await.map(drop);
    cases.push(case("CapError", pinned.expect_err("no version"), &[r"`x\ny` is neither"]));
    let old = SharedCap::<probe::Api>::configured(Some("7.0"), services).await.map(drop);
    cases.push(case("CapError", old.expect_err("another major"), &["7.0", "Probe"]));

    let long = "1".repeat(5000);
    let interface: &Interface<'_> = &probe::INTERFACE;
    let pin: UnknownPin = interface.pin(&format!("{long}\n")).expect_err("no version");
    cases.push(case("UnknownPin", pin, &["Probe"]));
    let version: ParseVersionError =
        format!("x\n{long}").parse::<Version>().expect_err("no version");
    cases.push(case("ParseVersionError", version, &[r"`x\n1"]));
    let priority = "x\ny".parse::<Priority>().expect_err("none");
    cases.push(case("UnknownPriority", priority, &[r"`x\ny`"]));
    let filter = Filter::new().event_type("a(\nb").expect_err("no expression");
    cases.push(case("FilterError", filter, &[r"`a(\nb`"]));
    let read = Routing::load("/nonesuch/routing.yaml").map(drop);
    cases.push(case("RoutingError", read.expect_err("no file"), &["No such file or directory"]));
    let form = Routing::parse("a: [\n").map(drop);
    cases.push(case("RoutingError", form.expect_err("no YAML"), &["cannot read the rules"]));

    let folder = std::env::temp_dir().join(unique("contract"));
    fs::create_dir(&folder).expect("a folder");
    let path = folder.join("contract.txt");
    let missing = contract::check(interface, &path, Rewrite::Never).expect_err("no file");
    cases.push(case("ContractError", missing, &["there is no"]));
    let unreadable = contract::check(interface, &folder, Rewrite::Never).expect_err("a folder");
    cases.push(case("ContractError", unreadable, &["cannot be read or written", "directory"]));
    fs::write(&path, "no contract").expect("written");
    let malformed: ContractError =
        contract::check(interface, &path, Rewrite::Never).expect_err("no contract");
    cases.push(case("ContractError", malformed, &["line 1"]));
    fs::remove_dir_all(&folder).expect("removed");
    let parsed: ParseError = "no contract".parse::<contract::Contract>().expect_err("no contract");
    cases.push(case("ParseError", parsed, &["line 1 of the contract"]));

    let stopped = ShutdownError { unfinished: 2, limit: waited };
    cases.push(case("ShutdownError", stopped, &["2 requests", "5ms"]));
    let object = r#"{"class": "UnsupportedObjectError", "module": "oslo_versionedobjects.exception",
        "kwargs": {"objtype": "x\ny"}}"#;
    let object: Failure = serde_json::from_str(object).expect("a failure");
    let incompatible =
        <Incompatible as rpc_runtime::RemoteError>::from_failure(object).expect("it is one");
    cases.push(case("Incompatible", incompatible, &[r"`x\ny`"]));
}

/// A driver that fails.
#[derive(Debug)]
struct Failing;

impl rpc_runtime::notify::Driver for Failing {
    fn notify(
        &self,
        _: &rpc_runtime::notify::Message<'_>,
    ) -> Result<(), rpc_runtime::notify::DriverError> {
        Err(closed().into())
    }
}

/// Returns the names of all public error types, read from the sources.
fn public_errors() -> BTreeSet<String> {
    fn visit(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in
            fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                visit(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&entry).expect("a source");
                for (at, _) in text.match_indices("thiserror::Error)]\n") {
                    let item = text[at..].lines().find(|line| {
                        line.contains(" enum ")
                            || line.contains(" struct ")
                            || line.starts_with("pub")
                    });
                    found.extend(item.and_then(|item| name(item, &["pub enum ", "pub struct "])));
                }
                for line in text.lines().filter(|line| line.starts_with("impl")) {
                    let (_, of) = line
                        .split_once(" Error for ")
                        .or_else(|| line.split_once("error::Error for "))
                        .unwrap_or_default();
                    found.extend(name(of, &[""]));
                }
            }
        }
    }
    fn name(item: &str, before: &[&str]) -> Option<String> {
        let rest = before.iter().find_map(|before| item.trim_start().strip_prefix(before))?;
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        (!name.is_empty()).then_some(name)
    }
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["rpc-runtime/src", "idl/src"] {
        visit(&root.join(folder), &mut found);
    }
    found
}

#[tokio::test]
async fn every_error_says_what_happened_once_in_one_line_and_without_secrets() {
    let mut cases = Vec::new();
    of_calls(&mut cases).await;
    of_transports(&mut cases).await;
    of_the_rest(&mut cases).await;
    let mut wrong = Vec::new();
    for Case { name, error, words } in &cases {
        let texts = chain(&**error);
        let all = texts.join(" | ");
        for word in *words {
            if !texts[0].contains(word) {
                wrong.push(format!("{name} does not say `{word}`: {all}"));
            }
        }
        for (at, text) in texts.iter().enumerate() {
            let is_repeated = texts[..at].iter().any(|above| above.contains(&**text));
            if is_repeated || text.is_empty() {
                wrong.push(format!("{name} says something twice: {all}"));
            }
        }
        let causes: Vec<_> =
            all.split([':', '|']).map(str::trim).filter(|part| part.len() > 8).collect();
        if causes.iter().collect::<BTreeSet<_>>().len() < causes.len() {
            wrong.push(format!("{name} says something twice: {all}"));
        }
        let generic = ["failed", "error", "the server failed the request", "the method failed"];
        if generic.contains(&&*texts[0]) || texts[0].ends_with(':') {
            wrong.push(format!("{name} says nothing: {all}"));
        }
        if all.contains(['\n', '\u{1b}']) || all.len() > 1000 {
            wrong.push(format!("{name} is not one short line: {all}"));
        }
        if format!("{all}{error:?}").contains(SECRET) {
            wrong.push(format!("{name} shows a secret"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let told: BTreeSet<_> = cases.iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(told, public_errors(), "each public type of error has its cases");
}
