//! Reading: the envelope, a request's parts, a reply's parts.

use std::{borrow::Cow, ops::Range};

use serde::{Deserialize, de::Error as _};
use smallvec::SmallVec;

use super::OPENING;
pub(super) use crate::json::string;
use crate::{Failure, compression::CompressionError, json, limits::TooLarge, refusal::Mark};

/// Why a message is not one of this protocol. It is refused without an answer: there is nobody to answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error(transparent)]
    Compression(#[from] CompressionError),
    #[error("it is larger than it may be: {0}")]
    TooLarge(TooLarge),
    #[error("the body is not UTF-8")]
    Encoding,
    #[error("the body is not a JSON object: {0}")]
    Json(serde_json::Error),
    #[error("the envelope's version is not \"2.0\"")]
    Version,
    #[error("`oslo.message` is not a string")]
    Message,
}

/// The longest text that is a call's id. Ours have 34 bytes, with their quotes.
const LONGEST_ID: usize = 1024;

/// Returns the message inside an envelope: JSON text. A body without both envelope keys is itself the message, as
/// peers from before envelopes send it (wire: section 10.1).
pub(crate) fn open(body: &[u8]) -> Result<Cow<'_, str>, EnvelopeError> {
    if let Some(message) = usual(body) {
        return Ok(Cow::Owned(message));
    }
    open_any(body)
}

/// Reads what nearly all peers send, in one pass: the two members that the original writes, as it writes them. `None`
/// if there is more, or less, or anything wrong.
pub(crate) fn usual(body: &[u8]) -> Option<String> {
    let (message, end) = json::unescaped(body.strip_prefix(OPENING)?)?;
    body[OPENING.len() + end..].eq(b"}").then_some(message)
}

/// Reads an envelope in whatever form JSON gives it, and says what is wrong.
pub(crate) fn open_any(body: &[u8]) -> Result<Cow<'_, str>, EnvelopeError> {
    let body = std::str::from_utf8(body).map_err(|_| EnvelopeError::Encoding)?;
    let (mut version, mut message) = (None, None);
    json::object(body, |key, value| match &*key {
        "oslo.version" => version = Some(value),
        "oslo.message" => message = Some(value),
        _ => {}
    })
    .map_err(EnvelopeError::Json)?;
    let (Some(version), Some(message)) = (version, message) else {
        return json::untyped(body).map_err(EnvelopeError::Json);
    };
    if string(version).as_deref() != Some("2.0") {
        return Err(EnvelopeError::Version);
    }
    string(message).ok_or(EnvelopeError::Message)
}

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A request's parts, as text. What a peer left out or misspelt shows only where it matters.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    method: Option<&'a str>,
    args: Option<&'a str>,
    namespace: Option<&'a str>,
    version: Option<&'a str>,
    msg_id: Option<&'a str>,
    reply_queue: Option<&'a str>,
    unique_id: Option<&'a str>,
    timeout: Option<&'a str>,
    /// How many values it is made of.
    pub(crate) values: usize,
    /// The context's keys without their prefix.
    pub(crate) context: Vec<(Cow<'a, str>, &'a str)>,
}

/// Arguments, each with its value as text. A method rarely has more than there is room for at once.
pub(crate) type Arguments<'a> = SmallVec<[(Cow<'a, str>, &'a str); 8]>;

/// How many entries of a context there is room for when the first one comes.
const USUAL: usize = 16;

/// Keeps an entry of a context, if this is one.
pub(super) fn keep<'a>(
    context: &mut Vec<(Cow<'a, str>, &'a str)>,
    key: Cow<'a, str>,
    value: &'a str,
) {
    let Some(name) = strip_context(key) else { return };
    if context.is_empty() {
        context.reserve(USUAL);
    }
    context.push((name, value));
}

fn strip_context(key: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match key {
        Cow::Borrowed(key) => key.strip_prefix("_context_").map(Cow::Borrowed),
        Cow::Owned(key) => key.strip_prefix("_context_").map(|name| Cow::Owned(name.to_owned())),
    }
}

impl<'a> Request<'a> {
    /// Reads the text that [`open`] returned. A repeated key overwrites: Python keeps the last, too.
    pub(crate) fn parse(text: &'a str) -> Result<Self, EnvelopeError> {
        Self::parse_within(text, usize::MAX)
    }

    /// Reads the same, and of the context no more entries than `most`. Whoever sends more is refused by the number of
    /// [values](Self::values) that it sends.
    pub(crate) fn parse_within(text: &'a str, most: usize) -> Result<Self, EnvelopeError> {
        let mut request = Self::default();
        let values = json::object(text, |key, value| match &*key {
            "method" => request.method = Some(value),
            "args" => request.args = Some(value),
            "namespace" => request.namespace = Some(value),
            "version" => request.version = Some(value),
            "_msg_id" => request.msg_id = Some(value),
            "_reply_q" => request.reply_queue = Some(value),
            "_unique_id" => request.unique_id = Some(value),
            "_timeout" => request.timeout = Some(value),
            _ if request.context.len() < most => keep(&mut request.context, key, value),
            _ => {}
        });
        request.values = values.map_err(EnvelopeError::Json)?;
        Ok(request)
    }

    /// The method's name. `None` if it is missing or no string.
    pub(crate) fn method(&self) -> Option<Cow<'a, str>> {
        string(self.method?)
    }

    /// The W3C trace context that the request belongs to.
    pub(crate) fn traceparent(&self) -> Option<Cow<'a, str>> {
        let (_, text) = self.context.iter().find(|(key, _)| key == "traceparent")?;
        string(text)
    }

    /// The id of the user's request that this one belongs to.
    pub(crate) fn request_id(&self) -> Option<Cow<'a, str>> {
        let (_, text) = self.context.iter().find(|(key, _)| key == "request_id")?;
        string(text)
    }

    /// The version, `1.0` if there is none. `None` if it is no string: nothing serves that.
    pub(crate) fn version(&self) -> Option<Cow<'a, str>> {
        self.version.map_or(Some(Cow::Borrowed("1.0")), string)
    }

    pub(crate) fn namespace(&self) -> Option<Cow<'a, str>> {
        string(self.namespace?)
    }

    /// Who waits for a reply: the call's id as it stands in the message, to be echoed, and its queue. Both are there,
    /// or nobody waits. What would be an id of more than a thousand bytes is none: it would come back with every heartbeat.
    pub(crate) fn caller(&self) -> Option<(&'a str, Cow<'a, str>)> {
        let id = self.msg_id.filter(|id| *id != "null" && id.len() <= LONGEST_ID)?;
        let queue = string(self.reply_queue?)?;
        (!queue.is_empty()).then_some((id, queue))
    }

    /// How many seconds the caller waits between signs of life. A string that is a number counts, too.
    pub(crate) fn monitor(&self) -> Option<f64> {
        let timeout = self.timeout?;
        match string(timeout) {
            Some(text) => text.trim().parse().ok(),
            None => number(timeout),
        }
    }

    /// The id by which a repeated delivery is known. Peers may leave it out.
    pub(crate) fn unique_id(&self) -> Option<Cow<'a, str>> {
        string(self.unique_id?)
    }

    /// The arguments, in the order in which they came. An absent `args` means none.
    pub(crate) fn args(&self) -> Result<Arguments<'a>, serde_json::Error> {
        let mut args = Arguments::new();
        if let Some(text) = self.args {
            json::object(text, |key, value| args.push((key, value)))?;
        }
        Ok(args)
    }
}

#[derive(Default)]
struct ReplyParts<'a> {
    msg_id: Option<&'a str>,
    result: Option<&'a str>,
    failure: Option<&'a str>,
    ending: Option<&'a str>,
}

/// A reply: its text, and where in it the parts are.
#[derive(Debug)]
pub(crate) struct Reply {
    text: String,
    msg_id: Range<usize>,
    result: Option<Range<usize>>,
    failure: Option<Range<usize>>,
    /// `None` if the peer does not say.
    ending: Option<bool>,
    /// How many values it is made of, and how many it may be.
    values: usize,
    most: usize,
    /// Its header's mark of a failure, which is not part of the text.
    pub(crate) mark: Option<Mark>,
}

impl Reply {
    /// Reads the text that [`open`] returned, however much it is.
    #[cfg(test)]
    pub(crate) fn parse(text: String) -> Result<Self, EnvelopeError> {
        Self::parse_within(text, usize::MAX)
    }

    /// Reads the text that [`open`] returned. What is made of more values than `most` is a [failure](Self::failure) to read it, so that the call
    /// which it is for ends.
    pub(crate) fn parse_within(text: String, most: usize) -> Result<Self, EnvelopeError> {
        let mut parts = ReplyParts::default();
        let values = json::object(&text, |key, value| match &*key {
            "_msg_id" => parts.msg_id = Some(value),
            "result" => parts.result = Some(value),
            "failure" => parts.failure = Some(value),
            "ending" => parts.ending = Some(value),
            _ => {}
        })
        .map_err(EnvelopeError::Json)?;
        let place = |value: &str| {
            let start = value.as_ptr() as usize - text.as_ptr() as usize;
            start..start + value.len()
        };
        let is_string = |value: &&str| string(value).is_some();
        let msg_id = parts.msg_id.filter(is_string).map(place).ok_or(EnvelopeError::Message)?;
        let result = parts.result.filter(|value| *value != "null").map(place);
        let failure = parts.failure.filter(|value| is_true(value)).map(place);
        let ending = parts.ending.filter(|ending| *ending != "null").map(is_true);
        Ok(Self { msg_id, result, failure, ending, text, values, most, mark: None })
    }

    /// The id of the call that this answers.
    pub(crate) fn msg_id(&self) -> Cow<'_, str> {
        self.text.get(self.msg_id.clone()).and_then(string).unwrap_or_default()
    }

    /// Whether this is the last message for its call. The ones before are heartbeats, or carry the result of a
    /// server that sends the result and the end apart.
    ///
    /// A result of which nobody says whether it is the last is the last. The original would wait for an end that may
    /// never come, and lose it.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.unwrap_or_else(|| self.has_content())
    }

    /// Whether this carries a result or a failure.
    pub(crate) fn has_content(&self) -> bool {
        self.result.is_some() || self.failure.is_some()
    }

    /// The result's JSON text; an absent one is `null`.
    pub(crate) fn result(&self) -> &str {
        self.result.clone().and_then(|place| self.text.get(place)).unwrap_or("null")
    }

    /// The failure, if the call failed.
    ///
    /// It is a string that holds JSON; the object itself is taken, too, where the original would give its caller a
    /// `JSONDecodeError`.
    pub(crate) fn failure(&self) -> Result<Option<Failure>, serde_json::Error> {
        self.check(self.values)?;
        let Some(text) = self.failure.clone().and_then(|place| self.text.get(place)) else {
            return Ok(None);
        };
        if text.starts_with('{') {
            return Failure::decode(text).map(Some);
        }
        let Text(text) = json::from_str(text)?;
        self.check(json::count(&text)?)?;
        Failure::decode(&text).map(Some)
    }

    fn check(&self, values: usize) -> Result<(), serde_json::Error> {
        if values > self.most {
            let what =
                format_args!("it is made of {values} values, where {} are allowed", self.most);
            return Err(serde_json::Error::custom(what));
        }
        Ok(())
    }
}

/// Whether Python takes a value for true. It does not ask what type it is of.
fn is_true(value: &str) -> bool {
    match value {
        "true" => true,
        "null" | "false" | "\"\"" | "[]" | "{}" => false,
        _ => number(value) != Some(0.0),
    }
}

/// Reads a number. Anything else is known by its first byte, without an error that nobody would see.
fn number(value: &str) -> Option<f64> {
    match value.as_bytes().first() {
        Some(b'-' | b'0'..=b'9' | b'N' | b'I') => json::from_str(value).ok(),
        _ => None,
    }
}

/// Whether a reply can be sent to `name` without harm: AMQP has room for 255 bytes, and the broker's own names are
/// nobody's to be answered at.
pub(crate) fn is_reply_queue(name: &str) -> bool {
    name.len() <= 255 && !name.starts_with("amq.") && !name.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_taken_as_the_original_takes_them() {
        for (body, message) in [
            (r#"{"oslo.version": "2.0", "oslo.message": "{\"a\": 1}"}"#, Some(r#"{"a": 1}"#)),
            (r#"{"oslo.version": "2.0", "x": 1, "oslo.message": "{}"}"#, Some("{}")),
            (r#"{"method": "m"}"#, Some(r#"{"method": "m"}"#)),
            (r#"{"oslo.message": "{}"}"#, Some(r#"{"oslo.message": "{}"}"#)),
            (r#"{"oslo.version": "2.1", "oslo.message": "{}"}"#, None),
            (r#"{"oslo.version": 2.0, "oslo.message": "{}"}"#, None),
            (r#"{"oslo.version": null, "oslo.message": "{}"}"#, None),
            (r#"{"oslo.version": "2.0", "oslo.message": {}}"#, None),
            (r#"{"oslo.version": "2.0", "oslo.message": "{}", "oslo.message": "[]"}"#, Some("[]")),
            (r#"{"oslo.version": "2.0", "oslo.message": "{}"} "#, Some("{}")),
            (r#"{"oslo.version": "2.0", "oslo.message": "{}"}}"#, None),
            (r#"{"oslo.version": "2.0", "oslo.message": "{}""#, None),
            (r#"{"oslo.version": "2.0", "oslo.message": "\x"}"#, None),
            ("\u{feff}{}", None),
            ("[1]", None),
            ("", None),
        ] {
            assert_eq!(open(body.as_bytes()).ok().as_deref(), message, "{body}");
            assert_eq!(open_any(body.as_bytes()).ok().as_deref(), message, "{body}");
        }
        assert!(open(b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn what_counts_as_true_is_what_python_takes_for_it() {
        for (value, truth) in [
            ("true", true),
            ("1", true),
            ("-0.5", true),
            ("NaN", true),
            ("-Infinity", true),
            ("\"0\"", true),
            ("[0]", true),
            ("{\"a\": 0}", true),
            ("null", false),
            ("false", false),
            ("0", false),
            ("-0.0", false),
            ("0e5", false),
            ("\"\"", false),
            ("[]", false),
            ("{}", false),
        ] {
            assert_eq!(is_true(value), truth, "{value}");
        }
    }

    #[test]
    fn silence_is_a_number_or_a_string_that_is_one() {
        for (value, seconds) in [
            ("5", Some(5.0)),
            ("1.5", Some(1.5)),
            ("\" 5 \"", Some(5.0)),
            ("\"\\u0035\"", Some(5.0)),
            ("Infinity", Some(f64::INFINITY)),
            ("-1", Some(-1.0)),
            ("null", None),
            ("true", None),
            ("[5]", None),
            ("\"five\"", None),
        ] {
            let text = format!(r#"{{"_timeout": {value}}}"#);
            assert_eq!(Request::parse(&text).expect("an object").monitor(), seconds, "{value}");
        }
    }

    #[test]
    fn a_request_without_version_is_1_0_and_null_is_none() {
        let request =
            |text| Request::parse(text).expect("an object").version().map(Cow::into_owned);
        assert_eq!(request("{}").as_deref(), Some("1.0"));
        assert_eq!(request(r#"{"version": null}"#), None);
        assert_eq!(request(r#"{"version": 1.0}"#), None);
    }

    #[test]
    fn a_caller_needs_both_of_its_members() {
        let caller = |text| Request::parse(text).expect("an object").caller().is_some();
        assert!(caller(r#"{"_msg_id": "1", "_reply_q": "q"}"#));
        assert!(!caller(r#"{"_msg_id": "1", "_reply_q": ""}"#));
        assert!(!caller(r#"{"_msg_id": "1"}"#));
        assert!(caller(r#"{"_msg_id": ["1"], "_reply_q": "q"}"#));
    }

    #[test]
    fn an_id_that_is_none_is_nobodys() {
        let caller = |id: &str| {
            let text = format!(r#"{{"_msg_id": "{id}", "_reply_q": "q"}}"#);
            Request::parse(&text).expect("an object").caller().is_some()
        };
        assert!(caller(&"1".repeat(LONGEST_ID - 2)) && !caller(&"1".repeat(LONGEST_ID - 1)));
    }

    #[test]
    fn what_is_made_of_many_values_is_known_by_their_number() {
        let context: Vec<_> = (0..50).map(|at| format!(r#""_context_{at}": 0"#)).collect();
        let text = format!("{{{}}}", context.join(", "));
        let request = Request::parse_within(&text, 20).expect("an object");
        assert_eq!((request.values, request.context.len()), (50, 20));

        let reply = |text: &str| Reply::parse_within(text.to_owned(), 10).expect("a reply");
        let well = reply(r#"{"_msg_id": "1", "failure": null, "result": [1, 2, 3, 4, 5, 6, 7]}"#);
        assert!(well.failure().expect("ten values").is_none());
        let many =
            reply(r#"{"_msg_id": "1", "failure": null, "result": [1, 2, 3, 4, 5, 6, 7, 8]}"#);
        assert!(many.failure().is_err());
        let hidden = r#"{"_msg_id": "1", "failure": "{\"tb\": [0, 1, 2, 3, 4, 5, 6, 7, 8]}"}"#;
        assert!(reply(hidden).failure().is_err(), "also inside of a failure's text");
    }

    #[test]
    fn a_reply_goes_only_where_it_can_and_may() {
        let longest = "q".repeat(255);
        for (name, is_one) in [
            ("reply_1", true),
            (longest.as_str(), true),
            (&format!("{longest}q"), false),
            ("amq.rabbitmq.reply-to", false),
            ("a\0b", false),
        ] {
            assert_eq!(is_reply_queue(name), is_one, "{name}");
        }
    }

    #[test]
    fn context_keys_lose_their_prefix() {
        let text = r#"{"_context_a": {"b": null}, "_context_": 1, "_contextual": 2}"#;
        let request = Request::parse(text).expect("an object");
        let keys: Vec<_> = request.context.iter().map(|(key, value)| (&**key, *value)).collect();
        assert_eq!(keys, [("a", r#"{"b": null}"#), ("", "1")]);
    }

    #[test]
    fn a_request_belongs_to_the_trace_that_its_context_tells() {
        let trace = |text: &str| {
            let request = Request::parse(text).expect("an object");
            request.traceparent().map(Cow::into_owned)
        };
        let told = r#"{"_context_user": "u", "_context_traceparent": "00-0af7-b7ad-01"}"#;
        assert_eq!(trace(told).as_deref(), Some("00-0af7-b7ad-01"));
        assert_eq!(trace(r#"{"_context_user": "u", "traceparent": "00"}"#), None);
        assert_eq!(trace(r#"{"_context_traceparent": 5}"#), None);
    }

    #[test]
    fn a_reply_ends_unless_it_says_otherwise() {
        let reply = |text: &str| Reply::parse(text.to_owned()).expect("a reply");
        assert!(
            reply(r#"{"_msg_id": "1", "result": 5, "failure": null, "ending": true}"#).is_ending()
        );
        let heartbeat =
            reply(r#"{"_msg_id": "1", "result": null, "failure": null, "ending": false}"#);
        assert!(!heartbeat.is_ending() && !heartbeat.has_content());
        assert_eq!(reply(r#"{"_msg_id": "1", "result": [1, 2]}"#).result(), "[1, 2]");
        assert!(Reply::parse(r#"{"result": 5}"#.to_owned()).is_err());
    }
}
