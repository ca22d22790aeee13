//! An interface as data: everything a trait says about the wire, without the trait.
//!
//! All fields are borrowed: a generated module holds an interface as a constant, and other code as
//! a view of a text.

mod history;
mod method;
mod versions;

pub use self::{
    history::{HistoryEntry, HistoryKind},
    method::{Ack, Kind, Method, OldForm, OldName, Parameter},
    versions::UnknownPin,
};
use crate::Version;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface<'a> {
    /// The trait's name. It never crosses the wire.
    pub name: &'a str,
    /// The trait's documentation.
    pub docs: &'a str,
    /// The topic that its servers listen on; `None` if only a caller knows it.
    pub topic: Option<&'a str>,
    /// Its control exchange; `None` for the transport's.
    pub exchange: Option<&'a str>,
    /// The namespace that requests carry, if any.
    pub namespace: Option<&'a str>,
    /// Further namespaces that its servers accept; `None` stands for a request without a namespace.
    pub legacy_namespaces: &'a [Option<&'a str>],
    /// The version that the trait describes.
    pub version: Version,
    /// The newest version of the previous major, if servers still accept it and clients can be
    /// capped at it.
    pub previous: Option<Version>,
    /// The oldest version that its clients can be capped at.
    pub oldest: Version,
    /// The versions that requests carry whatever they use, one for each major. Empty: the lowest
    /// version that has what a request uses.
    pub send: &'a [Version],
    /// Names that an operator may pin instead of a version.
    pub aliases: &'a [(&'a str, Version)],
    /// Whether the host of a request is a key, from which a function derives topic and host.
    pub has_address: bool,
    /// Its methods, in the order of the trait.
    pub methods: &'a [Method<'a>],
}

impl<'a> Interface<'a> {
    /// Creates an interface of version `(major, minor)` without topic, methods or anything else.
    #[must_use]
    pub const fn new(name: &'a str, (major, minor): (u64, u64)) -> Self {
        Self {
            name,
            docs: "",
            topic: None,
            exchange: None,
            namespace: None,
            legacy_namespaces: &[],
            version: Version::new(major, minor),
            previous: None,
            oldest: Version::new(major, 0),
            send: &[],
            aliases: &[],
            has_address: false,
            methods: &[],
        }
    }

    /// Sets the topic that its servers listen on.
    #[must_use]
    pub const fn topic(mut self, topic: &'a str) -> Self {
        self.topic = Some(topic);
        self
    }

    /// Sets the newest version of the previous major, and makes the first version of that major the
    /// oldest cap.
    #[must_use]
    pub const fn previous(mut self, (major, minor): (u64, u64)) -> Self {
        self.previous = Some(Version::new(major, minor));
        self.oldest = Version::new(major, 0);
        self
    }

    /// Sets the oldest version that clients can be capped at.
    #[must_use]
    pub const fn oldest(mut self, (major, minor): (u64, u64)) -> Self {
        self.oldest = Version::new(major, minor);
        self
    }

    /// Sets the versions that requests carry, one for each major.
    #[must_use]
    pub const fn sent_as(mut self, versions: &'a [Version]) -> Self {
        self.send = versions;
        self
    }

    /// Sets names that an operator may pin instead of a version.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'a [(&'a str, Version)]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Makes the host of a request a key, from which a function derives topic and host.
    #[must_use]
    pub const fn addressed(mut self) -> Self {
        self.has_address = true;
        self
    }

    /// Sets its methods.
    #[must_use]
    pub const fn methods(mut self, methods: &'a [Method<'a>]) -> Self {
        self.methods = methods;
        self
    }

    /// Sets the trait's documentation.
    #[must_use]
    pub const fn docs(mut self, docs: &'a str) -> Self {
        self.docs = docs;
        self
    }

    /// Sets its control exchange.
    #[must_use]
    pub const fn exchange(mut self, exchange: &'a str) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// Sets the namespace that requests carry.
    #[must_use]
    pub const fn namespace(mut self, namespace: &'a str) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Sets further namespaces that its servers accept.
    #[must_use]
    pub const fn legacy_namespaces(mut self, namespaces: &'a [Option<&'a str>]) -> Self {
        self.legacy_namespaces = namespaces;
        self
    }

    /// Whether its servers accept a request of this namespace.
    #[must_use]
    pub fn takes_namespace(&self, namespace: Option<&str>) -> bool {
        self.namespace == namespace || self.legacy_namespaces.contains(&namespace)
    }

    /// Returns the method that servers run for the wire name `name`: its own name, an alias, or a
    /// former name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&'a Method<'a>> {
        self.methods.iter().find(|method| method.names().any(|own| own == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_by_the_interfaces_namespace_and_those_it_had_before() {
        let none = Interface::new("Plain", (1, 0));
        let own = Interface::new("Own", (1, 0)).namespace("own");
        let moved = Interface::new("Moved", (1, 0))
            .namespace("new")
            .legacy_namespaces(&[None, Some("old")]);
        for (interface, namespace, taken) in [
            (&none, None, true),
            (&none, Some("own"), false),
            (&own, Some("own"), true),
            (&own, None, false),
            (&moved, Some("new"), true),
            (&moved, Some("old"), true),
            (&moved, None, true),
            (&moved, Some("own"), false),
        ] {
            assert_eq!(
                interface.takes_namespace(namespace),
                taken,
                "{} {namespace:?}",
                interface.name
            );
        }
    }

    #[test]
    fn a_method_is_found_by_each_of_its_names() {
        let version = Version::new(1, 3);
        let before = [OldName { version, name: "get_old", send: None, is_rewritten: false }];
        let methods = [
            Method::new("set", (1, 0), Kind::Cast),
            Method::new("get", (1, 0), Kind::Call).aliases(&["fetch"]).before(&before),
        ];
        let interface = Interface::new("Store", (1, 5)).methods(&methods);
        for (name, found) in [("get", "get"), ("fetch", "get"), ("get_old", "get"), ("set", "set")]
        {
            assert_eq!(interface.method(name).map(|method| method.name), Some(found));
        }
        assert_eq!(interface.method("gets"), None);
    }
}
