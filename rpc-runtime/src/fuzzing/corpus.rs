//! What fuzzers begin with: messages that were recorded, files and URLs as deployments have them.
//!
//! The files in `fuzz/corpus` are made here: `cargo xtask bless` writes them. Whatever else is in their folders was
//! found by a fuzzer once, and stays found.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::json::from_str;

/// Contents by name.
type Files = BTreeMap<String, Vec<u8>>;

/// The largest message that is kept: what is long teaches a fuzzer little.
const LARGEST: usize = 2048;

const URLS: [&str; 14] = [
    "rabbit://",
    "memory://name",
    "rabbit://guest:guest@localhost:5672/",
    "rabbit://u:p%40ss@a:1,b,v:x@[::1]:2,/",
    "amqps://broker.example.org",
    "rabbit+tls://u@h:5671/%2Fv?ssl_ca_file=/ca.pem",
    "kombu+amqp://h//",
    "rabbit://h/v/w?rabbit_quorum_queue=true&kombu_compression=gzip#fragment",
    "rabbit://h/v?a=1&&b=x%26+y&c&a=2",
    "rabbit://h:65536",
    "rabbit://[::1",
    "rabbit://%ff",
    "rabbit://u:x/y@h",
    "fake://?rabbit_stream_fanout=1&rabbit_transient_quorum_queue=on",
];

const CONFIGS: [&str; 8] = [
    "[DEFAULT]\na = x\ncontrol_exchange = ${a}y\n",
    "[DEFAULT]\ncontrol_exchange = a$$b\\$c$1\nrpc_response_timeout: 5\n",
    "[DEFAULT]\r\ncontrol_exchange = 'quo ted'\r\n a second line\r\n",
    "[DEFAULT]\ncontrol_exchange = $control_exchange\n",
    "[DEFAULT]\ntransport_url = rabbit://u:p@h/?ssl=0\n[oslo_messaging_rabbit]\nrabbit-quorum-queue = on\n",
    "[oslo_messaging_notifications]\ndriver = a\ndriver = b\ntopics = c, d\nretry = -1\n",
    "# nothing\n; else\n[x]\ny = ${DEFAULT.z}\\\n",
    "[DEFAULT\nno equals sign\n",
];

/// Returns the files of a target.
fn files(target: &str) -> Files {
    let texts = |texts: &[&str]| {
        let named = texts
            .iter()
            .enumerate()
            .map(|(at, text)| (format!("{at:02}"), text.as_bytes().to_vec()));
        named.collect()
    };
    match target {
        "envelope" => requests(),
        "reply" => replies(),
        "notification" => notifications(),
        "failure" => failures(),
        "url" => texts(&URLS),
        "config" => {
            let mut files: Files = texts(&CONFIGS);
            for name in ["cinder.conf", "nova.conf"] {
                let path = here().join("src/config/testdata").join(name);
                files.insert(name.into(), fs::read(&path).expect("a file"));
            }
            files
        }
        "guard" => frames(),
        other => panic!("no target {other}"),
    }
}

/// What the names of recorded notifications begin with.
const NOTIFICATION: &str = "notification_";

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    from_str(&text).expect("JSON")
}

/// Returns the recorded messages: a name, and what is known of each. What followed one has its name and a number.
fn recorded() -> Vec<(String, Value)> {
    let mut messages = Vec::new();
    let folder = fs::read_dir(here().join("../tests/wire/vectors")).expect("a folder");
    for file in folder {
        let path = file.expect("a file").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut first = read(&path);
        let related = first["related"].take();
        messages.push((name.clone(), first));
        for (at, message) in related.as_array().into_iter().flatten().enumerate() {
            messages.push((format!("{name}-{at}"), message.clone()));
        }
    }
    messages
}

/// Returns what has a case of its own in a list of what receivers accept.
fn cases(file: &str) -> Vec<(String, Value)> {
    let mut cases = read(&here().join("../tests/accepts").join(file));
    let cases: Vec<Value> = from_str(&cases["cases"].take().to_string()).expect("a list");
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name = |case: &Value| case["label"].as_str().expect("text").chars().map(plain).collect();
    cases.into_iter().map(|case| (name(&case), case)).collect()
}

fn body(message: &Value) -> Option<Vec<u8>> {
    message["body"].as_str().map(|body| body.as_bytes().to_vec())
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex")
    };
    digits.map(byte).collect()
}

/// Leaves out what is long, and what is there by another name.
fn few(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Files {
    let mut seen = std::collections::BTreeSet::new();
    files
        .into_iter()
        .filter(|(_, bytes)| bytes.len() <= LARGEST && seen.insert(bytes.clone()))
        .collect()
}

fn requests() -> Files {
    let strange = cases("accept_server_requests.json").into_iter().filter_map(|(name, case)| {
        let bytes = match case["body_hex"].as_str() {
            Some(digits) => hex(digits),
            None => body(&case)?,
        };
        Some((name, bytes))
    });
    let mut files = few(strange);
    let whole = b"{\"method\": \"m\", \"args\": {}, \"_unique_id\": \"1\"}";
    for compression in [crate::Compression::Gzip, crate::Compression::Bzip2] {
        files.insert(format!("{compression:?}"), compression.pack(whole));
    }
    files
}

fn notifications() -> Files {
    let own = recorded().into_iter().filter(|(name, _)| name.starts_with(NOTIFICATION));
    few(own.filter_map(|(name, message)| Some((name, body(&message)?))))
}

fn replies() -> Files {
    few(cases("accept_client_replies.json").into_iter().flat_map(|(name, case)| {
        // Between them are pauses.
        let sent = case["reply_bodies_sent"].as_array().into_iter().flatten();
        let bodies: Vec<_> = sent.filter_map(|body| body.as_str().map(str::to_owned)).collect();
        let named = move |(at, body): (usize, String)| (format!("{name}-{at}"), body.into_bytes());
        bodies.into_iter().enumerate().map(named)
    }))
}

fn failures() -> Files {
    let texts = recorded().into_iter().filter_map(|(name, message)| {
        let text = crate::envelope::open(message["body"].as_str()?.as_bytes()).ok()?.into_owned();
        let failure = from_str::<Value>(&text).ok()?["failure"].as_str()?.to_owned();
        Some((name, failure.into_bytes()))
    });
    let strange = [
        r#"{"class": "C", "module": null, "tb": 5, "args": null, "x": [1]}"#,
        r#"{"tb": "one line", "kwargs": []}"#,
    ];
    let strange =
        strange.into_iter().enumerate().map(|(at, text)| (format!("{at:02}"), text.into()));
    few(texts.chain(strange))
}

/// Makes a frame.
pub(super) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("small");
    [&[kind, 0, 1][..], &size.to_be_bytes(), payload, &[0xCE]].concat()
}

/// Makes streams of recorded messages, as a broker delivers them.
fn frames() -> Files {
    let is_first = |name: &str| !name.contains('-') && !name.starts_with(NOTIFICATION);
    let first = recorded().into_iter().filter(|(name, _)| is_first(name));
    let streams = first.filter_map(|(name, message)| {
        let header = hex(message["content_header_frame_payload_hex"].as_str()?);
        let (exchange, key) = (message["exchange"].as_str()?, message["routing_key"].as_str()?);
        let text =
            |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        let delivery =
            [b"\0\x3c\0\x3c\x03tag\0\0\0\0\0\0\0\x01\0".to_vec(), text(exchange), text(key)];
        let frames = [
            frame(1, &delivery.concat()),
            frame(2, &header),
            frame(3, &body(&message)?),
            frame(8, &[]),
        ];
        Some((name, frames.concat()))
    });
    let mut files = few(streams);
    let nested = (0..40).fold(Vec::new(), |inside: Vec<u8>, _| {
        let size = u32::try_from(inside.len()).expect("small").to_be_bytes();
        [&b"\x01kF"[..], &size, &inside].concat()
    });
    let headers =
        [&u32::try_from(nested.len()).expect("small").to_be_bytes()[..], &nested].concat();
    let deep = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x20, 0][..], &headers].concat();
    files.insert("deep".into(), frame(2, &deep));
    files.insert("foreign".into(), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    files.insert("closed".into(), frame(1, b"\0\x14\0\x28\x01\x94\x04no \xc3\0\0\0\0"));
    files.insert("blocked".into(), frame(1, b"\0\x0a\0\x3c\x04low\xff"));
    files
}

/// Returns the folder of a target.
fn folder(target: &str) -> PathBuf {
    here().join("fuzz/corpus").join(target)
}

/// Returns everything that is in the folder of a target.
pub(super) fn committed(target: &str) -> Files {
    let entries = fs::read_dir(folder(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let file = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(&path).expect("a file"))
    };
    entries.map(|entry| file(entry.expect("a file").path())).collect()
}

#[test]
fn the_corpus_is_what_the_recordings_give() {
    for (target, _) in super::TARGETS {
        let files = files(target);
        assert!((8..=90).contains(&files.len()), "{target}: {}", files.len());
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(folder(target)).expect("a folder");
            files.iter().for_each(|(name, bytes)| {
                fs::write(folder(target).join(name), bytes).expect("a file")
            });
        }
        let committed = committed(target);
        for (name, bytes) in files {
            assert!(
                committed.get(&name) == Some(&bytes),
                "{target}/{name}: run `cargo xtask bless`"
            );
        }
    }
}
