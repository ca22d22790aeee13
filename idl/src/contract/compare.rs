//! Compares an interface with its contract.

mod arguments;
mod methods;

use std::collections::BTreeSet;

use super::{
    Contract,
    rules::{Change, Legal, Rule},
};
use crate::Version;

/// Returns how an interface has changed since the contract `kept` was written: changes that break
/// deployed peers first. It is empty if nothing has changed.
///
/// Everything in `kept` counts as released: clients and servers of that version and older are
/// deployed.
#[must_use]
pub fn compare(kept: &Contract, new: &Contract) -> Vec<Change> {
    let mut comparison = Comparison { old: kept, new, changes: Vec::new() };
    // Servers of another major are independent servers.
    let is_other = new.version.major() != kept.version.major() && new.previous.is_none();
    if is_other && new.version > kept.version {
        let what = format!(
            "{} is a new major version: no peer of {} understands it",
            new.version, kept.version
        );
        comparison.note(Rule::VersionRaised, "", what, Legal::Now);
        return comparison.changes;
    }
    comparison.interface();
    comparison.methods();
    if comparison.changes.is_empty() && kept != new {
        let what = "it is written differently, without an effect on peers";
        comparison.note(Rule::LineChanged, "", what, Legal::Now);
    }
    comparison.changes.sort_by_key(|change| !change.breaks());
    comparison.changes
}

struct Comparison<'c> {
    old: &'c Contract,
    new: &'c Contract,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    fn note(&mut self, rule: Rule, subject: &str, what: impl Into<String>, legal: Legal) {
        self.changes.push(Change { rule, subject: subject.to_owned(), what: what.into(), legal });
    }

    /// The verdict for a change that is legal in the next unreleased version, written as `form`
    /// says. `{}` in the form stands for that version.
    fn with_next(&self, form: &str) -> Legal {
        let released = self.old.version;
        let next = Version::new(released.major(), released.minor() + 1);
        let version = if self.new.version > released { self.new.version } else { next };
        Legal::With { version, form: form.replace("{}", &version.to_string()) }
    }

    fn new_major(&self) -> Legal {
        Legal::NewMajor { version: Version::new(self.old.version.major() + 1, 0) }
    }

    /// Whether the released contract is older than this version.
    fn is_new(&self, version: Version) -> bool {
        version > self.old.version
    }

    fn interface(&mut self) {
        let (old, new) = (self.old, self.new);
        if old.name != new.name {
            let what = format!("it was `{}`, and is `{}`", old.name, new.name);
            self.note(Rule::InterfaceRenamed, "", what, Legal::Now);
        }
        if new.version < old.version {
            let what = format!("{} was released, and this is {}", old.version, new.version);
            let legal = self.with_next("raise `version`");
            self.note(Rule::VersionLowered, "", what, legal);
        } else if new.version > old.version {
            let what = format!("{} to {}", old.version, new.version);
            self.note(Rule::VersionRaised, "", what, Legal::Now);
        }
        let named = [
            (Rule::TopicChanged, "topic", &old.topic, &new.topic),
            (Rule::ExchangeChanged, "exchange", &old.exchange, &new.exchange),
            (Rule::NamespaceChanged, "namespace", &old.namespace, &new.namespace),
        ];
        for (rule, word, was, is) in named {
            if was != is {
                let none = || "none".to_owned();
                let (was, is) = (was.clone().unwrap_or_else(none), is.clone().unwrap_or_else(none));
                let legal = self.new_major();
                self.note(rule, "", format!("the {word} was {was}, and is {is}"), legal);
            }
        }
        self.namespaces();
        self.versions();
        self.pins();
    }

    fn namespaces(&mut self) {
        let (old, new) = (self.old, self.new);
        let all = |contract: &Contract| {
            let legacy = contract.legacy_namespaces.iter().cloned();
            legacy.chain([contract.namespace.clone()]).collect::<BTreeSet<_>>()
        };
        let (were, are) = (all(old), all(new));
        for gone in were.difference(&are).filter(|gone| **gone != old.namespace) {
            let gone = gone.as_deref().unwrap_or("none");
            let what = format!("requests of the namespace {gone} are refused");
            let legal = self.new_major();
            self.note(Rule::LegacyNamespaceRemoved, "", what, legal);
        }
        for added in are.difference(&were).filter(|added| **added != new.namespace) {
            let added = added.as_deref().unwrap_or("none");
            let what = format!("requests of the namespace {added} are taken");
            self.note(Rule::LegacyNamespaceAdded, "", what, Legal::Now);
        }
    }

    fn versions(&mut self) {
        let (old, new) = (self.old, self.new);
        // The previous major may be the one that was the interface's own.
        let raised = new.version.major() > old.version.major();
        let (was, is) = (if raised { Some(old.version) } else { old.previous }, new.previous);
        if is < was {
            let what =
                format!("servers took {}", was.map(|was| was.to_string()).unwrap_or_default());
            let legal = self.new_major();
            self.note(Rule::PreviousDropped, "", what, legal);
        } else if is > was || raised && old.previous.is_some() {
            let what = format!("servers take {}", is.map(|is| is.to_string()).unwrap_or_default());
            self.note(Rule::PreviousAdded, "", what, Legal::Now);
        }
        if old.oldest != new.oldest {
            let what =
                format!("clients could be capped at {}, and can at {}", old.oldest, new.oldest);
            self.note(Rule::SupportChanged, "", what, Legal::Now);
        }
        let mut sent = new.send.iter().filter(|send| send.major() == old.version.major());
        let was = old.send.iter().find(|send| send.major() == old.version.major());
        let is = sent.next();
        if was != is {
            let said = |send: Option<&Version>| {
                send.map_or_else(|| "the lowest that fits".to_owned(), Version::to_string)
            };
            let what = format!("requests carried {}, and carry {}", said(was), said(is));
            let first = Version::new(old.version.major(), 0);
            // Every server serves the first version, and the lowest that has what a request uses.
            let is_taken = is.is_none_or(|is| *is == first);
            let legal = if is_taken { Legal::Now } else { self.new_major() };
            self.note(Rule::SendChanged, "", what, legal);
        }
        if old.has_address != new.has_address {
            let what = "whether hosts are keys of addresses has changed";
            let legal = self.new_major();
            self.note(Rule::AddressChanged, "", what, legal);
        }
    }

    fn pins(&mut self) {
        let (old, new) = (self.old, self.new);
        for (name, version) in &old.pins {
            let is = new.pins.iter().find(|(other, _)| other == name);
            if is.is_none_or(|(_, is)| is != version) {
                let what = format!("operators have pinned `{name}` for {version}");
                let legal = self.new_major();
                self.note(Rule::PinChanged, "", what, legal);
            }
        }
        for (name, version) in &new.pins {
            if old.pins.iter().all(|(other, _)| other != name) {
                self.note(Rule::PinAdded, "", format!("`{name}` for {version}"), Legal::Now);
            }
        }
    }
}
