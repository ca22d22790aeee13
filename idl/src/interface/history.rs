//! The history of an interface, derived from its trait.

use std::fmt;

use super::{Interface, Method};
use crate::Version;

/// A change that a version brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryEntry<'a> {
    /// The version.
    pub version: Version,
    /// The method, by its present name on the wire.
    pub method: &'a str,
    /// The kind of change.
    pub what: HistoryKind<'a>,
}

/// A kind of change to a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryKind<'a> {
    /// The method is new.
    Added,
    /// The method had another name.
    Renamed {
        /// The former name.
        from: &'a str,
    },
    /// The method had other arguments.
    Rewritten,
    /// The method has its own topic.
    Moved {
        /// The topic.
        topic: &'a str,
    },
    /// An argument is new.
    ArgumentAdded {
        /// Its name.
        name: &'a str,
    },
    /// An argument had another name.
    ArgumentRenamed {
        /// Its present name.
        name: &'a str,
        /// The former name.
        from: &'a str,
    },
    /// An argument had another form.
    ArgumentConverted {
        /// Its name.
        name: &'a str,
    },
    /// Clients stop sending an argument.
    ArgumentGone {
        /// Its name.
        name: &'a str,
    },
}

impl<'a> Interface<'a> {
    /// Returns the changes of all versions, oldest first. The content of the first version is not a
    /// change.
    #[must_use]
    pub fn history(&self) -> Vec<HistoryEntry<'a>> {
        let first = Version::new(self.previous.unwrap_or(self.version).major(), 0);
        let mut events: Vec<_> = self.methods.iter().flat_map(events).collect();
        events.retain(|event| event.version > first);
        events.sort_by_key(|event| event.version);
        events
    }
}

fn events<'a>(method: &'a Method<'a>) -> Vec<HistoryEntry<'a>> {
    let event = |version, what| HistoryEntry { version, method: method.name, what };
    let mut events = vec![event(method.since, HistoryKind::Added)];
    for (at, old) in method.before.iter().enumerate() {
        // The name after this version.
        let next = method.before.get(at + 1).map_or(method.name, |next| next.name);
        if old.name != next {
            events.push(event(old.version, HistoryKind::Renamed { from: old.name }));
        }
        if old.is_rewritten {
            events.push(event(old.version, HistoryKind::Rewritten));
        }
    }
    if let Some((topic, since)) = method.topic {
        events.push(event(since, HistoryKind::Moved { topic }));
    }
    for parameter in method.parameters {
        let name = parameter.name;
        events
            .extend(parameter.since.map(|since| event(since, HistoryKind::ArgumentAdded { name })));
        for (at, old) in parameter.before.iter().enumerate() {
            let next = parameter.before.get(at + 1).map_or(name, |next| next.name);
            if old.name != next {
                events.push(event(
                    old.version,
                    HistoryKind::ArgumentRenamed { name, from: old.name },
                ));
            }
            if old.is_converted {
                events.push(event(old.version, HistoryKind::ArgumentConverted { name }));
            }
        }
        events
            .extend(parameter.until.map(|until| event(until, HistoryKind::ArgumentGone { name })));
    }
    events
}

impl fmt::Display for HistoryEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, method, what } = self;
        write!(f, "{version}: `{method}` ")?;
        match what {
            HistoryKind::Added => f.write_str("is new"),
            HistoryKind::Renamed { from } => write!(f, "was `{from}`"),
            HistoryKind::Rewritten => f.write_str("has other arguments"),
            HistoryKind::Moved { topic } => write!(f, "has the topic `{topic}`"),
            HistoryKind::ArgumentAdded { name } => write!(f, "has a new argument `{name}`"),
            HistoryKind::ArgumentRenamed { name, from } => {
                write!(f, "has an argument `{name}` that was `{from}`")
            }
            HistoryKind::ArgumentConverted { name } => write!(f, "has another form of `{name}`"),
            HistoryKind::ArgumentGone { name } => write!(f, "has no argument `{name}` any more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Interface, Kind, Method, OldForm, OldName, Parameter, Version};

    const RENAMED: OldForm<'_> =
        OldForm { version: Version::new(1, 3), name: "line", is_converted: true };
    const OLD: &[OldName<'_>] = &[
        OldName { version: Version::new(1, 2), name: "put", send: None, is_rewritten: false },
        OldName { version: Version::new(2, 0), name: "insert", send: None, is_rewritten: true },
    ];
    const ARGUMENTS: &[Parameter<'_>] = &[
        Parameter::new("text", "String").before(&[RENAMED]),
        Parameter::new("draft", "bool").until((1, 4)),
        Parameter::new("colour", "Option<String>").since((1, 1)),
    ];
    const METHODS: &[Method<'_>] = &[
        Method::new("add", (1, 0), Kind::Call).before(OLD).args(ARGUMENTS),
        Method::new("count", (2, 1), Kind::Call).topic("alt", (2, 2)),
    ];

    #[test]
    fn a_history_tells_what_each_version_has_changed() {
        let interface = Interface::new("Notes", (2, 2)).previous((1, 4)).methods(METHODS);
        let history: Vec<_> = interface.history().iter().map(ToString::to_string).collect();
        assert_eq!(
            history,
            [
                "1.1: `add` has a new argument `colour`",
                "1.2: `add` was `put`",
                "1.3: `add` has an argument `text` that was `line`",
                "1.3: `add` has another form of `text`",
                "1.4: `add` has no argument `draft` any more",
                "2.0: `add` was `insert`",
                "2.0: `add` has other arguments",
                "2.1: `count` is new",
                "2.2: `count` has the topic `alt`",
            ]
        );
    }
}
