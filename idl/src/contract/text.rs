//! Writes a contract as text.

use std::fmt::Write as _;

use super::{Argument, Contract, Signature, Was};
use crate::{Interface, Kind, Version};

/// Writes the contract of an interface.
///
/// Lines for the interface itself come first, then one for each method: the version that added it,
/// whether it is a call, a cast or a fanout cast, its name on the wire, its arguments with their
/// types (`?` after those that a server does not require), its return type, and its further
/// properties.
#[must_use]
pub fn write(interface: &Interface<'_>) -> String {
    Contract::of(interface).to_string()
}

impl std::fmt::Display for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "# What peers know of `{}`. Lines that were released do not change.",
            self.name
        )?;
        writeln!(f, "interface {}", self.name)?;
        writeln!(f, "version {}", self.version)?;
        match &self.topic {
            Some(topic) => writeln!(f, "topic {topic:?}")?,
            None => writeln!(f, "topic runtime")?,
        }
        for (word, value) in [("exchange", &self.exchange), ("namespace", &self.namespace)] {
            if let Some(value) = value {
                writeln!(f, "{word} {value:?}")?;
            }
        }
        for namespace in &self.legacy_namespaces {
            match namespace {
                Some(namespace) => writeln!(f, "legacy namespace {namespace:?}")?,
                None => writeln!(f, "legacy namespace none")?,
            }
        }
        if let Some(previous) = self.previous {
            writeln!(f, "previous {previous}")?;
        }
        if self.oldest > self.first() {
            writeln!(f, "since {}", self.oldest)?;
        }
        for send in &self.send {
            writeln!(f, "sent as {send}")?;
        }
        for (name, version) in &self.pins {
            writeln!(f, "alias {name:?} {version}")?;
        }
        if self.has_address {
            writeln!(f, "addressed by key")?;
        }
        writeln!(f)?;
        self.methods.iter().try_for_each(|method| writeln!(f, "{}", line(method)))
    }
}

/// Returns the line of a method.
pub(super) fn line(method: &Signature) -> String {
    let kind = match method.kind {
        Kind::Call => "call",
        Kind::Cast => "cast",
        Kind::Fanout => "fanout",
    };
    let arguments: Vec<_> = method.arguments.iter().map(argument).collect();
    let mut line = format!("{} {kind} {}({})", method.since, method.name, arguments.join(", "));
    if !method.reply.is_empty() {
        line += &format!(" -> {}", method.reply);
    }
    let mut say = |text: String| line += &format!("; {text}");
    if method.either {
        say("or cast".to_owned());
    }
    if method.host {
        say("for one host".to_owned());
    }
    if !method.host_from.is_empty() {
        say(format!("host {:?}", method.host_from));
    }
    if let Some((topic, since)) = &method.topic {
        say(format!("topic {topic:?} since {since}"));
    }
    if let Some(send) = method.send {
        say(format!("sent as {send}"));
    }
    for before in &method.before {
        say(was(before));
    }
    for alias in &method.aliases {
        say(format!("alias {alias}"));
    }
    if method.ignores_extra {
        say("ignores extra".to_owned());
    }
    line
}

/// Returns an argument as it stands in its method's line.
pub(super) fn argument(argument: &Argument) -> String {
    if argument.is_rest {
        return format!("...{}: {}", argument.name, argument.type_name);
    }
    let mark = if argument.required { "" } else { "?" };
    let mut text = format!("{}{mark}: {}", argument.name, argument.type_name);
    let mut version = |word: &str, version: Option<Version>| {
        if let Some(version) = version {
            let _ = write!(text, " {word} {version}");
        }
    };
    version("since", argument.since);
    version("until", argument.until);
    for before in &argument.before {
        let _ = write!(text, " {}", was(before));
    }
    for (word, value) in [("always", &argument.constant), ("by", &argument.with)] {
        if !value.is_empty() {
            let _ = write!(text, " {word} {value:?}");
        }
    }
    text
}

fn was(before: &Was) -> String {
    let sent = before.send.map(|send| format!(" sent as {send}")).unwrap_or_default();
    let converted = if before.is_converted { " converted" } else { "" };
    format!("was {}{sent}{converted} before {}", before.name, before.version)
}
