//! Messages on the wire equal those that the original library sent when it was recorded.
//!
//! Bodies are compared byte for byte, without the ids, which are random on both sides.

mod notifications;
mod replies;
mod requests;

use rpc_runtime::memory::Published;

/// A recorded message.
struct Recorded {
    exchange: String,
    routing_key: String,
    expiration: Option<String>,
    body: String,
}

/// Returns the recorded messages of a scenario: the request, then the messages that followed.
fn recorded(scenario: &str) -> Vec<Recorded> {
    let path = format!("{}/wire/vectors/{scenario}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let related = file["related"].as_array().cloned().unwrap_or_default();
    std::iter::once(&file)
        .chain(&related)
        .map(|message| Recorded {
            exchange: message["exchange"].as_str().expect("text").to_owned(),
            routing_key: message["routing_key"].as_str().expect("text").to_owned(),
            expiration: message["properties"]["expiration"].as_str().map(str::to_owned),
            body: message["body"].as_str().expect("text").to_owned(),
        })
        .collect()
}

/// Replaces every run of 32 hex digits by `<id>`.
fn without_ids(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once('\0')) {
        if c.is_ascii_digit() || ('a'..='f').contains(&c) {
            run.push(c);
            continue;
        }
        plain.push_str(if run.len() == 32 { "<id>" } else { &run });
        run.clear();
        plain.push(c);
    }
    plain.pop();
    plain
}

/// Compares a published message with the recorded one.
fn assert_equal(scenario: &str, ours: &Published, theirs: &Recorded) {
    let body = String::from_utf8(ours.body.clone()).expect("UTF-8");
    assert_eq!(without_ids(&body), without_ids(&theirs.body), "{scenario}: body");
    assert_eq!(ours.exchange, theirs.exchange, "{scenario}: exchange");
    assert_eq!(
        without_ids(&ours.routing_key),
        without_ids(&theirs.routing_key),
        "{scenario}: routing key"
    );
    assert_eq!(ours.expiration, theirs.expiration, "{scenario}: expiration");
}
