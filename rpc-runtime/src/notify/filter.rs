//! Which notifications a listener, or one of its handlers, wants to know of, by rules over what they say.

use regex_lite::Regex;

use super::{Metadata, Payload};
use crate::{excerpt::Excerpt, json};

/// Rules over what a notification says. All of them have to match, each from the beginning of a text; what is absent, or no
/// text, matches none.
///
/// ```
/// use rpc_runtime::notify::Filter;
///
/// # fn main() -> Result<(), rpc_runtime::notify::FilterError> {
/// let failures = Filter::new()
///     .event_type(r"volume\..*\.error$")?
///     .publisher_id("volume\\.")?
///     .context("project_id", "p1$")?
///     .payload("status", "error")?;
/// # let _ = failures; Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a filter is for `ListenerBuilder::matching` or `ListenerBuilder::filter`"]
pub struct Filter {
    publisher_id: Option<Regex>,
    event_type: Option<Regex>,
    message_id: Option<Regex>,
    timestamp: Option<Regex>,
    context: Vec<(String, Regex)>,
    payload: Vec<(String, Regex)>,
}

/// A rule is no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a regular expression: {}", Excerpt(.pattern), Excerpt(&.error.to_string()))]
pub struct FilterError {
    pattern: String,
    error: regex_lite::Error,
}

/// Reads a rule. As Python's `match` does, it begins where the text begins.
fn rule(pattern: &str) -> Result<Regex, FilterError> {
    // Alone, so that no bracket in it closes ours.
    let is_one = Regex::new(pattern);
    // One that ends with a comment, as `(?x)` allows, would swallow ours but for the line's end.
    let anchored = is_one.and_then(|_| {
        Regex::new(&format!("^(?:{pattern})")).or_else(|_| Regex::new(&format!("^(?:{pattern}\n)")))
    });
    anchored.map_err(|error| FilterError { pattern: pattern.to_owned(), error })
}

impl Filter {
    /// Makes one that everything matches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule for who tells of it.
    ///
    /// # Errors
    /// If it is no regular expression, here and below.
    pub fn publisher_id(mut self, pattern: &str) -> Result<Self, FilterError> {
        self.publisher_id = Some(rule(pattern)?);
        Ok(self)
    }

    /// Adds a rule for what happened.
    ///
    /// # Errors
    /// See above.
    pub fn event_type(mut self, pattern: &str) -> Result<Self, FilterError> {
        self.event_type = Some(rule(pattern)?);
        Ok(self)
    }

    /// Adds a rule for the notification's id.
    ///
    /// # Errors
    /// See above.
    pub fn message_id(mut self, pattern: &str) -> Result<Self, FilterError> {
        self.message_id = Some(rule(pattern)?);
        Ok(self)
    }

    /// Adds a rule for when it was emitted, as the message has it: `2026-11-21 10:15:00.250000`.
    ///
    /// # Errors
    /// See above.
    pub fn timestamp(mut self, pattern: &str) -> Result<Self, FilterError> {
        self.timestamp = Some(rule(pattern)?);
        Ok(self)
    }

    /// Adds a rule for a text of the context.
    ///
    /// # Errors
    /// See above.
    pub fn context(mut self, key: &str, pattern: &str) -> Result<Self, FilterError> {
        self.context.push((key.to_owned(), rule(pattern)?));
        Ok(self)
    }

    /// Adds a rule for a member of the payload that is a text.
    ///
    /// # Errors
    /// See above.
    pub fn payload(mut self, key: &str, pattern: &str) -> Result<Self, FilterError> {
        self.payload.push((key.to_owned(), rule(pattern)?));
        Ok(self)
    }

    pub(super) fn matches(&self, metadata: &Metadata, payload: &Payload) -> bool {
        let is_like = |rule: &Option<Regex>, text: Option<&str>| {
            rule.as_ref().is_none_or(|rule| text.is_some_and(|text| rule.is_match(text)))
        };
        is_like(&self.publisher_id, metadata.publisher_id.as_deref())
            && is_like(&self.event_type, metadata.given_event_type())
            && is_like(&self.message_id, metadata.message_id.as_deref())
            && is_like(&self.timestamp, metadata.timestamp.as_deref())
            && self.context.iter().all(|(key, rule)| {
                metadata.context.value::<String>(key).is_some_and(|text| rule.is_match(&text))
            })
            && self.has_payload(payload)
    }

    /// Whether the payload is as the rules say. It is read only if there are any.
    fn has_payload(&self, payload: &Payload) -> bool {
        if self.payload.is_empty() {
            return true;
        }
        // A repeated key overwrites, as in Python.
        let mut texts = vec![None; self.payload.len()];
        let read = json::object(payload.text(), |key, value| {
            for ((_, _), text) in
                self.payload.iter().zip(&mut texts).filter(|((rule, _), _)| **rule == *key)
            {
                *text = json::string(value);
            }
        });
        read.is_ok()
            && self
                .payload
                .iter()
                .zip(&texts)
                .all(|((_, rule), text)| text.as_ref().is_some_and(|text| rule.is_match(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, notify::Priority};

    fn metadata() -> Metadata {
        Metadata {
            context: Context::new().with("project_id", "p1").with("is_admin", true),
            publisher_id: Some("volume.host-1".to_owned()),
            event_type: "volume.create.end".to_owned(),
            has_event_type: true,
            priority: Priority::Info,
            message_id: Some("1234".to_owned()),
            timestamp: Some("2026-11-21 10:15:00".to_owned()),
            redeliveries: 0,
        }
    }

    fn matches(filter: Result<Filter, FilterError>) -> bool {
        let payload = Payload::new(r#"{"status": "error", "size": 5, "a": "x", "a": "y"}"#);
        filter.expect("a regular expression").matches(&metadata(), &payload)
    }

    #[test]
    fn rules_match_from_the_beginning_and_all_have_to() {
        let new = Filter::new;
        assert!(matches(Ok(new())));
        assert!(matches(new().event_type("volume")) && matches(new().event_type(".*end$")));
        assert!(!matches(new().event_type("create")) && !matches(new().event_type("volume$")));
        assert!(!matches(new().event_type("create|volume.delete")), "each choice from there");
        assert!(
            matches(new().publisher_id(r"volume\.host")) && !matches(new().publisher_id("host"))
        );
        assert!(matches(new().message_id("12")) && !matches(new().message_id("2")));
        assert!(matches(new().timestamp("2026-11")) && !matches(new().timestamp("11")));
        let both = new().event_type("volume").and_then(|filter| filter.publisher_id("compute"));
        assert!(!matches(both));
    }

    #[test]
    fn what_is_absent_or_no_text_matches_nothing() {
        let new = Filter::new;
        assert!(
            matches(new().context("project_id", "p")) && !matches(new().context("project_id", "q"))
        );
        assert!(!matches(new().context("is_admin", "")) && !matches(new().context("nothing", "")));
        assert!(matches(new().payload("status", "err")) && !matches(new().payload("status", "ok")));
        assert!(!matches(new().payload("size", "")) && !matches(new().payload("nothing", "")));
        assert!(matches(new().payload("a", "y")) && !matches(new().payload("a", "x")));
        let of_text = Filter::new().payload("a", "").expect("a regular expression");
        assert!(!of_text.matches(&metadata(), &Payload::new("\"text\"")));
        let nobody = Metadata { publisher_id: None, ..metadata() };
        let somebody = Filter::new().publisher_id("").expect("a regular expression");
        assert!(!somebody.matches(&nobody, &Payload::new("{}")));
        let nothing =
            |has_event_type| Metadata { event_type: String::new(), has_event_type, ..metadata() };
        let something = Filter::new().event_type(".*").expect("a regular expression");
        assert!(!something.matches(&nothing(false), &Payload::new("{}")));
        assert!(something.matches(&nothing(true), &Payload::new("{}")), "an empty text is one");
    }

    #[test]
    fn a_rule_is_a_regular_expression_by_itself() {
        for odd in ["a)|(b", "a)", "(?:a", ")(", "(?x) a) # b"] {
            assert!(Filter::new().event_type(odd).is_err(), "{odd}");
        }
        let new = Filter::new;
        assert!(matches(new().event_type("(?x) volume # all of them")));
        assert!(!matches(new().event_type("(?x) create # a part")));
        assert!(
            matches(new().event_type("(?i)VOLUME|x")) && !matches(new().event_type("(?i)x|END"))
        );
    }

    #[test]
    fn what_is_no_regular_expression_is_an_error_that_says_so() {
        let error = Filter::new().event_type("(").expect_err("it is none").to_string();
        assert!(error.contains("`(` is not a regular expression"), "{error}");
    }
}
