//! Which drivers get which notifications, by a file of rules (the driver `routing`; wire: section 8.2).

use std::{borrow::Cow, collections::BTreeMap, fs, path::Path};

use super::{Format, Priority, wildcard::Pattern};
use crate::excerpt::Excerpt;

/// Rules for notifications: which driver gets which, by the event's type and its priority.
///
/// A rule matches when both of its lists have a pattern that does; a list that is absent matches everything. A driver that
/// several rules name gets a notification once.
///
/// ```
/// use rpc_runtime::notify::Routing;
///
/// # fn main() -> Result<(), rpc_runtime::notify::RoutingError> {
/// let routing = Routing::parse(
///     "
/// billing:
///   messagingv2:
///     accepted_events: ['volume.*.end', 'snapshot.*']
///     accepted_priorities: [info]
/// trouble:
///   log:
///     accepted_priorities: [warn, error, critical]
/// ",
/// )?;
/// # let _ = routing; Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "rules are for `NotifierBuilder::routing`"]
pub struct Routing(Vec<Rule>);

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    driver: Routed,
    events: Option<Vec<Pattern>>,
    priorities: Option<Vec<Pattern>>,
}

/// A driver that rules may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Routed {
    Messaging(Format),
    Log,
    Noop,
}

/// A file of rules is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoutingError {
    /// It cannot be read.
    #[error("cannot read the rules: {0}")]
    Read(std::io::Error),
    /// It is no YAML of this form: groups, in them drivers, in them lists of patterns.
    #[error("cannot read the rules: {}", Excerpt(.0))]
    Form(String),
    /// A driver is not known.
    #[error("there is no driver `{}`: expected `messaging`, `messagingv2`, `log` or `noop`", Excerpt(.0))]
    Driver(String),
    /// A list is not known.
    #[error("there is no rule `{}`: expected `accepted_events` or `accepted_priorities`", Excerpt(.0))]
    Rule(String),
}

impl From<std::io::Error> for RoutingError {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

/// What a file says: by group and driver, lists by their names.
type File = BTreeMap<String, Option<BTreeMap<String, Option<BTreeMap<String, Vec<String>>>>>>;

impl Routing {
    /// Reads a file of rules (`routing_config`).
    ///
    /// # Errors
    /// If it cannot be read, or is no such file. A misspelt list is an error, where the original would send everything.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, RoutingError> {
        Self::parse(&fs::read_to_string(path)?)
    }

    /// Reads the text of a file of rules.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str) -> Result<Self, RoutingError> {
        let file = serde_saphyr::from_str::<Option<File>>(text);
        let file = file.map_err(|error| RoutingError::Form(error.to_string()))?;
        let drivers = file.into_iter().flatten().flat_map(|(_, group)| group.unwrap_or_default());
        let rules = drivers.map(|(driver, lists)| rule(driver, lists.unwrap_or_default()));
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// Adds to the forms in which a notification is sent. Returns them, and whether it goes to the log.
    pub(super) fn chosen<'a>(
        &self,
        mut formats: Cow<'a, [Format]>,
        event_type: &str,
        priority: Priority,
    ) -> (Cow<'a, [Format]>, bool) {
        let mut logs = false;
        for driver in self.drivers(event_type, priority) {
            match driver {
                Routed::Messaging(format) if !formats.contains(&format) => {
                    formats.to_mut().push(format);
                }
                Routed::Messaging(_) | Routed::Noop => {}
                Routed::Log => logs = true,
            }
        }
        (formats, logs)
    }

    /// Returns the drivers that get a notification, each once.
    fn drivers(&self, event_type: &str, priority: Priority) -> Vec<Routed> {
        let mut drivers = Vec::new();
        for rule in &self.0 {
            if rule.matches(event_type, priority) && !drivers.contains(&rule.driver) {
                drivers.push(rule.driver);
            }
        }
        drivers
    }
}

fn rule(driver: String, lists: BTreeMap<String, Vec<String>>) -> Result<Rule, RoutingError> {
    let driver = match driver.as_str() {
        "messaging" => Routed::Messaging(Format::V1),
        "messagingv2" | "messaging_v2" => Routed::Messaging(Format::V2),
        "log" => Routed::Log,
        "noop" => Routed::Noop,
        _ => return Err(RoutingError::Driver(driver)),
    };
    let mut rule = Rule { driver, events: None, priorities: None };
    for (name, list) in lists {
        match name.as_str() {
            "accepted_events" => {
                rule.events = Some(list.iter().map(|pattern| Pattern::new(pattern)).collect());
            }
            // In any case of letters, as in the original.
            "accepted_priorities" => {
                let list = list.iter().map(|pattern| Pattern::new(&pattern.to_lowercase()));
                rule.priorities = Some(list.collect());
            }
            _ => return Err(RoutingError::Rule(name)),
        }
    }
    Ok(rule)
}

impl Rule {
    fn matches(&self, event_type: &str, priority: Priority) -> bool {
        let has = |patterns: &Option<Vec<Pattern>>, text: &str| {
            patterns.as_ref().is_none_or(|list| list.iter().any(|pattern| pattern.matches(text)))
        };
        has(&self.events, event_type) && has(&self.priorities, priority.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
group_1:
    messaging:
        accepted_events: ['blah.*', 'x.[a-c]?z']
        accepted_priorities: ['INFO', 'w*']
    messagingv2:
group_2:
    messagingv2:
        accepted_priorities: [error]
    log:
        accepted_events: []
group_3:
";

    #[test]
    fn both_lists_have_to_match_and_absent_ones_do() {
        let routing = Routing::parse(RULES).expect("rules");
        let [v1, v2] = [Format::V1, Format::V2].map(Routed::Messaging);
        for (event_type, priority, drivers) in [
            ("blah.x.y", Priority::Info, vec![v1, v2]),
            ("blah.", Priority::Warn, vec![v1, v2]),
            ("blah", Priority::Info, vec![v2]),
            ("x.byz", Priority::Info, vec![v1, v2]),
            ("x.dyz", Priority::Info, vec![v2]),
            ("blah.x", Priority::Error, vec![v2]),
        ] {
            assert_eq!(routing.drivers(event_type, priority), drivers, "{event_type}");
        }
        // Python knows no pattern that is none.
        let odd = Routing::parse("g: {log: {accepted_events: ['[', 'e.**']}}").expect("rules");
        assert_eq!(odd.drivers("e.x", Priority::Info), [Routed::Log]);
        assert_eq!(Routing::parse("").expect("no rules").drivers("e", Priority::Info), []);
    }

    #[test]
    fn rules_add_to_what_is_set_and_nothing_goes_twice() {
        let rules = "g: {messagingv2: , noop: , log: {accepted_priorities: [error]}}";
        let routing = Routing::parse(rules).expect("rules");
        for (set, priority, expected) in [
            (vec![], Priority::Info, (vec![Format::V2], false)),
            (vec![Format::V1], Priority::Info, (vec![Format::V1, Format::V2], false)),
            (vec![Format::V2], Priority::Error, (vec![Format::V2], true)),
        ] {
            let (formats, logs) = routing.chosen(Cow::Borrowed(&set), "e", priority);
            assert_eq!((formats.into_owned(), logs), expected);
        }
        let nothing = Routing::parse("g: {noop: }").expect("rules");
        assert_eq!(
            nothing.chosen(Cow::Borrowed(&[]), "e", Priority::Info),
            (Cow::Borrowed(&[][..]), false)
        );
    }

    #[test]
    fn what_is_no_file_of_rules_is_an_error_that_says_why() {
        for (text, said) in [
            ("- a", "cannot read the rules"),
            ("g:\n  messagingv3:", "no driver `messagingv3`"),
            ("g:\n  log:\n    accepted_event: [a]", "no rule `accepted_event`"),
            ("g: {log: {accepted_events: 5}}", "cannot read the rules"),
        ] {
            let error = Routing::parse(text).expect_err(text).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
