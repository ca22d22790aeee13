//! Hostile messages, the same for each seed: nearly valid, invalid, too deep, too wide.

use std::{collections::BTreeMap, io::Write as _};

use fastrand::Rng;
use tests::raw::{long, nested, short};

use crate::odd::{NAMES, VALUES};

/// Names that a message may contain to cause trouble.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) topic: String,
    /// The stranger's queue, where it reads replies.
    pub(crate) collector: String,
}

/// A message and its kind.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: &'static str,
    pub(crate) flags: u16,
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// Properties by the bit of their flag.
type Properties = BTreeMap<u16, Vec<u8>>;

const CONTENT_TYPE: u16 = 15;
const HEADERS: u16 = 13;

/// Generates messages.
pub(crate) struct Generator {
    random: Rng,
    places: Places,
    made: u64,
}

impl Generator {
    pub(crate) fn new(seed: u64, places: Places) -> Self {
        Self { random: Rng::with_seed(seed), places, made: 0 }
    }

    /// Returns a number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.random.usize(..limit)
    }

    fn one_of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    /// Returns a message for a server.
    pub(crate) fn request(&mut self) -> Message {
        let parts = self.request_parts();
        self.message(parts)
    }

    /// Returns a message for a client.
    pub(crate) fn reply(&mut self) -> Message {
        let parts = self.reply_parts();
        self.message(parts)
    }

    /// Returns the members of a valid request. Every second one asks for a reply.
    fn request_parts(&mut self) -> Vec<(String, String)> {
        self.made += 1;
        let method = self.one_of(&["add", "note", "add"]);
        let args = if method == "note" { r#"{"a": 7}"# } else { r#"{"a": 1, "b": 2}"# };
        let mut parts = vec![
            ("method", format!("\"{method}\"")),
            ("args", args.to_owned()),
            ("version", "\"1.0\"".to_owned()),
            ("_unique_id", format!("\"{:032x}\"", self.random.u128(..))),
            ("_context_user", "\"u\"".to_owned()),
            ("_timeout", "null".to_owned()),
        ];
        if self.made.is_multiple_of(2) {
            parts.push(("_msg_id", format!("\"{:032x}\"", self.made)));
            parts.push(("_reply_q", format!("\"{}\"", self.places.collector)));
        }
        parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Returns the members of a valid reply to an unknown call.
    fn reply_parts(&mut self) -> Vec<(String, String)> {
        let failure = serde_json::json!({
            "class": self.one_of(NAMES), "module": "os", "message": "m", "tb": ["l\r\n"],
            "args": [1], "kwargs": {"a": 1}
        });
        let failure = format!("\"{}\"", failure.to_string().escape_default());
        let parts = [
            ("result", self.one_of(VALUES).to_owned()),
            ("failure", if self.random.bool() { failure } else { "null".to_owned() }),
            ("ending", self.one_of(&["true", "false", "null", "5"]).to_owned()),
            ("_msg_id", format!("\"{:032x}\"", self.random.u128(..))),
            ("_unique_id", format!("\"{:032x}\"", self.random.u128(..))),
        ];
        parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Turns a valid message into a hostile one.
    fn message(&mut self, mut parts: Vec<(String, String)>) -> Message {
        let mut properties = Properties::from([(CONTENT_TYPE, short(b"application/json"))]);
        let (kind, body) = match self.below(16) {
            0 => ("bytes", self.bytes()),
            1 => ("truncated", self.truncated(&parts)),
            2 | 3 => ("mutated", self.mutated(&parts)),
            4 => ("envelope", self.envelope(&parts)),
            5 | 6 => ("type", self.mistyped(parts)),
            7 => ("depth", self.deep(parts)),
            8 => ("width", self.wide(parts)),
            9 => {
                let name = self.name();
                self.set(&mut parts, "method", &name);
                ("method", wrapped(&parts))
            }
            10 => ("arguments", self.arguments(parts)),
            11 | 12 => {
                properties = self.properties();
                ("properties", wrapped(&parts))
            }
            13 => {
                properties.insert(HEADERS, self.headers());
                ("headers", wrapped(&parts))
            }
            14 => ("caller", self.caller(parts)),
            _ => {
                let (name, body) = self.compressed(&parts);
                let header = [&short(b"compression")[..], b"S", &long(name.as_bytes())].concat();
                properties.insert(HEADERS, long(&header));
                ("compression", body)
            }
        };
        let flags = properties.keys().fold(0, |flags, bit| flags | 1 << bit);
        let properties = properties.into_values().rev().flatten().collect();
        Message { kind, flags, properties, body }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(300);
        match self.below(3) {
            0 => (0..length).map(|_| self.random.u8(..)).collect(),
            1 => self.one_of(VALUES).as_bytes().to_vec(),
            _ => {
                (0..length).map(|_| self.one_of(b"{}[]\",:\\ue0912tfn -.\0\xef\xbb\xbf")).collect()
            }
        }
    }

    fn truncated(&mut self, parts: &[(String, String)]) -> Vec<u8> {
        let mut body = wrapped(parts);
        body.truncate(self.below(body.len()));
        body
    }

    fn mutated(&mut self, parts: &[(String, String)]) -> Vec<u8> {
        let mut body = wrapped(parts);
        for _ in 0..=self.below(4) {
            let at = self.below(body.len());
            match self.below(4) {
                0 => body[at] = self.random.u8(..),
                1 => body[at] ^= 1 << self.below(8),
                2 => body.insert(at, self.one_of(b"{}[]\",:\\09-")),
                _ => drop(body.drain(at..(at + 5).min(body.len() - 1)).count()),
            }
        }
        body
    }

    fn envelope(&mut self, parts: &[(String, String)]) -> Vec<u8> {
        let inner = object(parts);
        let quoted = quote(&inner);
        let version =
            self.one_of(&["\"2.0\"", "\"1.0\"", "\"0.9\"", "\"3.0\"", "2.0", "null", "[]"]);
        let odd = self.one_of(VALUES);
        match self.below(8) {
            0 => format!(r#"{{"oslo.version": {version}, "oslo.message": {quoted}}}"#),
            1 => format!(r#"{{"oslo.message": {quoted}}}"#),
            2 => format!(r#"{{"oslo.version": {version}}}"#),
            3 => format!(r#"{{"oslo.version": "2.0", "oslo.message": {odd}}}"#),
            4 => format!(r#"{{"oslo.version": "2.0", "oslo.message": {inner}}}"#),
            5 => format!(r#"{{"oslo.version": "2.0", "oslo.message": {}}}"#, quote(&quoted)),
            6 => format!(r#"{{"oslo.version": "9", "oslo.version": "2.0", "oslo.message": 1, "oslo.message": {quoted}}}"#),
            _ => inner,
        }
        .into_bytes()
    }

    /// Changes or removes one or two members.
    fn mistyped(&mut self, mut parts: Vec<(String, String)>) -> Vec<u8> {
        for _ in 0..=self.below(2) {
            let at = self.below(parts.len());
            match self.below(4) {
                0 => drop(parts.remove(at)),
                1 => parts.push((parts[at].0.clone(), self.one_of(VALUES).to_owned())),
                _ => parts[at].1 = self.one_of(VALUES).to_owned(),
            }
        }
        wrapped(&parts)
    }

    fn deep(&mut self, mut parts: Vec<(String, String)>) -> Vec<u8> {
        let depth = self.one_of(&[100, 127, 128, 129, 1000, 20_000]);
        let (open, close) = self.one_of(&[("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")]);
        let closed = if self.random.bool() { depth } else { 0 };
        let value = format!("{}1{}", open.repeat(depth), close.repeat(closed));
        let name = self.one_of(&["args", "result", "_context_a", "_msg_id", "method", "failure"]);
        match self.below(3) {
            0 => return value.into_bytes(),
            1 => self.set(&mut parts, name, &value),
            _ => self.set(&mut parts, "args", &format!("{{\"a\": {value}}}")),
        }
        wrapped(&parts)
    }

    fn wide(&mut self, mut parts: Vec<(String, String)>) -> Vec<u8> {
        let count = self.one_of(&[100, 1000, 5000]);
        let value = match self.below(4) {
            0 => format!("[{}0]", "0,".repeat(count)),
            1 => {
                let keys: Vec<_> = (0..count).map(|at| format!("\"k{at}\": 0")).collect();
                format!("{{{}}}", keys.join(","))
            }
            2 => format!("\"{}\"", r"\u0000\ud83d\ude00\\\n".repeat(count)),
            _ => format!("{{\"a\": [{}[]]}}", "[],".repeat(count)),
        };
        let name = self.one_of(&["args", "result", "_context_a", "_unique_id", "failure", "tb"]);
        self.set(&mut parts, name, &value);
        wrapped(&parts)
    }

    /// Returns an invalid name, as JSON.
    fn name(&mut self) -> String {
        match self.below(12) {
            0 => format!("\"{}\"", "m".repeat(self.one_of(&[256, 5000, 70_000]))),
            _ => quote(self.one_of(NAMES)),
        }
    }

    fn arguments(&mut self, mut parts: Vec<(String, String)>) -> Vec<u8> {
        let name = self.name();
        let (one, other) = (self.one_of(VALUES), self.one_of(VALUES));
        let args = match self.below(6) {
            0 => format!(r#"{{"a": {one}, "b": {other}}}"#),
            1 => format!(r#"{{"a": 1, "b": 2, {name}: {one}}}"#),
            2 => r#"{"a": 1}"#.to_owned(),
            3 => format!(r#"{{"a": {one}, "a": {other}, "b": 2}}"#),
            4 => format!(r#"[["a", {one}], ["b", {other}]]"#),
            _ => one.to_owned(),
        };
        self.set(&mut parts, "args", &args);
        let context = format!("_context_{}", self.one_of(NAMES).escape_default());
        parts.push((context, other.to_owned()));
        wrapped(&parts)
    }

    /// Returns unusual properties that a broker accepts: it refuses some itself.
    fn properties(&mut self) -> Properties {
        let mut properties = Properties::new();
        if self.below(4) > 0 {
            let kinds: [&[u8]; 6] = [
                b"application/json",
                b"text/plain",
                b"",
                b"\xff\xfe",
                b"APPLICATION/JSON",
                &[b'x'; 255],
            ];
            properties.insert(CONTENT_TYPE, short(self.one_of(&kinds)));
        }
        let texts: [&[u8]; 5] = [b"", b"\xff", b"a\r\nb\x1b[31m\0", b"\xed\xa0\x80", &[b'y'; 255]];
        for bit in [14, 10, 9, 7, 5, 3] {
            if self.random.bool() {
                properties.insert(bit, short(self.one_of(&texts)));
            }
        }
        if self.random.bool() {
            properties.insert(12, vec![self.random.u8(1..=2)]);
            properties.insert(11, vec![self.random.u8(..)]);
            properties.insert(6, self.random.u64(..).to_be_bytes().to_vec());
        }
        let expiration: [&[u8]; 3] = [b"0", b"60000", b"4294967295"];
        if self.below(3) == 0 {
            properties.insert(8, short(self.one_of(&expiration)));
        }
        properties
    }

    fn headers(&mut self) -> Vec<u8> {
        let entry = |name: &[u8], value: &[u8]| [&short(name)[..], value].concat();
        match self.below(7) {
            0 => nested(self.one_of(&[20, 40, 300, 4000]), self.one_of(b"FA")),
            1 => {
                let entries = (0..self.one_of(&[10_usize, 1000]))
                    .map(|at| entry(at.to_string().as_bytes(), b"V"));
                long(&entries.collect::<Vec<_>>().concat())
            }
            2 => long(&entry(b"k\xff", b"t\x01")),
            3 => long(&entry(b"k", &[&b"S"[..], &long(b"\xff\xfe\r\n")].concat())),
            4 => {
                let death =
                    [entry(b"count", b"l\xff\xff\xff\xff\xff\xff\xff\xff"), entry(b"queue", b"V")];
                let list = [&b"F"[..], &long(&death.concat())].concat();
                long(&entry(b"x-death", &[&b"A"[..], &long(&list)].concat()))
            }
            5 => {
                let all = [
                    &b"t\x01"[..],
                    b"b\xff",
                    b"B\xff",
                    b"s\0\x01",
                    b"u\0\x01",
                    b"I\0\0\0\x01",
                    b"i\0\0\0\x01",
                    b"l\0\0\0\0\0\0\0\x01",
                    b"f\0\0\0\0",
                    b"d\0\0\0\0\0\0\0\0",
                    b"D\xff\0\0\0\x01",
                    b"T\0\0\0\0\0\0\0\x01",
                    b"x\0\0\0\x01\0",
                    b"V",
                ];
                let entries = all
                    .iter()
                    .enumerate()
                    .map(|(at, value)| entry(&[b'a' + u8::try_from(at).expect("few")], value));
                long(&entries.collect::<Vec<_>>().concat())
            }
            _ => long(&entry(b"compression", self.one_of(&[&b"V"[..], b"t\x01", b"I\0\0\0\x01"]))),
        }
    }

    /// Names an unusual reply queue.
    fn caller(&mut self, mut parts: Vec<(String, String)>) -> Vec<u8> {
        let queue = match self.below(8) {
            0 => quote(&"q".repeat(self.one_of(&[255, 256, 300, 70_000]))),
            1 => quote("a\0b"),
            2 => quote("amq.rabbitmq.reply-to"),
            3 | 4 => quote(&self.places.topic),
            5 => quote(&format!("reply_{:032x}", self.below(50))),
            6 => quote("a\r\nb\u{1b}[31m"),
            _ => self.one_of(VALUES).to_owned(),
        };
        let id =
            self.one_of(&["\"1\"", "[\"1\"]", "{}", "1e999", "\"\"", "null", "\"\\u0000\\r\\n\""]);
        let timeout =
            self.one_of(&["-1", "1e308", "\"4\"", "[]", "NaN", "0.001", "5", "1e-9", "Infinity"]);
        self.set(&mut parts, "_reply_q", &queue);
        self.set(&mut parts, "_msg_id", id);
        self.set(&mut parts, "_timeout", timeout);
        wrapped(&parts)
    }

    fn compressed(&mut self, parts: &[(String, String)]) -> (&'static str, Vec<u8>) {
        let name = self.one_of(&[
            "gzip",
            "zlib",
            "bzip2",
            "application/x-gzip",
            "application/zstd",
            "\r\n",
            "",
        ]);
        let body = match self.below(4) {
            0 => wrapped(parts),
            1 => self.bytes(),
            _ => {
                let mut packed = zlib(&wrapped(parts));
                let at = self.below(packed.len());
                packed[at] ^= 1 << self.below(8);
                packed
            }
        };
        (name, body)
    }

    /// Sets a member, or adds it.
    fn set(&mut self, parts: &mut Vec<(String, String)>, name: &str, value: &str) {
        match parts.iter_mut().find(|(key, _)| key == name) {
            Some((_, own)) => *own = value.to_owned(),
            None => parts.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// A few messages that are expensive to read.
pub(crate) fn heavy() -> Vec<Message> {
    let with = |kind, header: Option<&str>, body| {
        let mut properties = short(b"application/json");
        if let Some(header) = header {
            let entry = [&short(b"compression")[..], b"S", &long(header.as_bytes())].concat();
            properties.extend(long(&entry));
        }
        let flags = 1 << CONTENT_TYPE | u16::from(header.is_some()) << HEADERS;
        Message { kind, flags, properties, body }
    };
    let request = |args: &str| {
        let parts = [("method", "\"add\""), ("args", args), ("version", "\"1.0\"")];
        wrapped(&parts.map(|(key, value)| (key.to_owned(), value.to_owned())))
    };
    vec![
        with("size", None, vec![b' '; 16 << 20]),
        with("size", None, vec![b'['; (15 << 20) + 1]),
        with("bomb", Some("gzip"), zlib(&vec![b' '; 16 << 20])),
        with("depth", None, vec![b'['; 1_000_000]),
        with("depth", None, request(&"{\"a\":".repeat(200_000))),
        with("values", None, request(&format!("{{\"a\": [{}0]}}", "0,".repeat(1_000_001)))),
        with("width", None, request(&format!("{{\"a\": [{}0]}}", "\"\",".repeat(300_000)))),
    ]
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

fn object(parts: &[(String, String)]) -> String {
    let members: Vec<_> = parts.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// Puts a message into its envelope.
fn wrapped(parts: &[(String, String)]) -> Vec<u8> {
    let message = quote(&object(parts));
    format!(r#"{{"oslo.version": "2.0", "oslo.message": {message}}}"#).into_bytes()
}
