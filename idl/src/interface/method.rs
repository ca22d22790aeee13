//! The methods of an interface and their arguments.

use crate::Version;

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Method<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// What its documentation says.
    pub docs: &'a str,
    /// Further names that servers answer to.
    pub aliases: &'a [&'a str],
    /// What it was under older caps, the oldest first.
    pub before: &'a [OldName<'a>],
    /// The version that added it.
    pub since: Version,
    /// What requests carry as their version, whatever they use. `None`: what the interface says.
    pub send: Option<Version>,
    /// Whether servers ignore arguments that they do not know.
    pub ignores_extra: bool,
    /// Whether there is an answer, and from how many.
    pub kind: Kind,
    /// Whether a caller of a call may choose not to wait.
    pub either: bool,
    /// Whether the client has to name a host.
    pub host: bool,
    /// The host, or the key of its address, as an expression over the arguments; empty if they say none.
    pub host_from: &'a str,
    /// A topic of its own, and the version from which on it has that.
    pub topic: Option<(&'a str, Version)>,
    /// Its own timeout as written; empty if it has none.
    pub timeout: &'a str,
    /// How long its server may be silent, as written; empty if that means nothing.
    pub monitor: &'a str,
    /// The classes of the errors that are part of its business. Empty: all that it declares.
    pub expected: &'a [&'a str],
    /// When a server acknowledges the request.
    pub ack: Ack,
    /// Whether running it twice does no harm.
    pub idempotent: bool,
    /// Whether it is marked `#[deprecated]`.
    pub deprecated: bool,
    /// Its arguments, without the context.
    pub parameters: &'a [Parameter<'a>],
    /// Its return type as written; empty if there is none.
    pub reply: &'a str,
}

/// What a method was under caps below a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldName<'a> {
    /// The version from which on it is no longer so.
    pub version: Version,
    /// Its name on the wire.
    pub name: &'a str,
    /// What requests carried as their version. `None`: the lowest that has what they use.
    pub send: Option<Version>,
    /// Whether its arguments were others, which a function writes.
    pub is_rewritten: bool,
}

impl<'a> Method<'a> {
    /// Makes a method without arguments, of the version `(major, minor)`.
    #[must_use]
    pub const fn new(name: &'a str, (major, minor): (u64, u64), kind: Kind) -> Self {
        Self {
            name,
            docs: "",
            aliases: &[],
            before: &[],
            since: Version::new(major, minor),
            send: None,
            ignores_extra: false,
            kind,
            either: false,
            host: false,
            host_from: "",
            topic: None,
            timeout: "",
            monitor: "",
            expected: &[],
            ack: Ack::Early,
            idempotent: false,
            deprecated: false,
            parameters: &[],
            reply: "",
        }
    }

    /// Returns the names on the wire that servers answer to: its own, its aliases, and what it was called before.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let old = self.before.iter().map(|before| before.name).filter({
            let own = self.name;
            move |name| *name != own
        });
        std::iter::once(self.name).chain(self.aliases.iter().copied()).chain(old)
    }

    /// Returns the argument that servers take under the wire name `name`: its own, or one that it had before.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'a Parameter<'a>> {
        self.parameters.iter().find(|parameter| parameter.names().any(|own| own == name))
    }

    /// Sets what its documentation says.
    #[must_use]
    pub const fn docs(mut self, docs: &'a str) -> Self {
        self.docs = docs;
        self
    }

    /// Sets further names that servers answer to.
    #[must_use]
    pub const fn aliases(mut self, names: &'a [&'a str]) -> Self {
        self.aliases = names;
        self
    }

    /// Sets what it was under older caps, the oldest first.
    #[must_use]
    pub const fn before(mut self, names: &'a [OldName<'a>]) -> Self {
        self.before = names;
        self
    }

    /// Sets what requests carry as their version, whatever they use.
    #[must_use]
    pub const fn sent_as(mut self, (major, minor): (u64, u64)) -> Self {
        self.send = Some(Version::new(major, minor));
        self
    }

    /// Says that servers ignore arguments that they do not know.
    #[must_use]
    pub const fn ignoring_extra(mut self) -> Self {
        self.ignores_extra = true;
        self
    }

    /// Says that a caller may choose not to wait.
    #[must_use]
    pub const fn or_cast(mut self) -> Self {
        self.either = true;
        self
    }

    /// Says that the client has to name a host.
    #[must_use]
    pub const fn for_one_host(mut self) -> Self {
        self.host = true;
        self
    }

    /// Sets the expression over the arguments that says the host.
    #[must_use]
    pub const fn host_from(mut self, expression: &'a str) -> Self {
        self.host_from = expression;
        self
    }

    /// Sets a topic of its own, and the version from which on it has that.
    #[must_use]
    pub const fn topic(mut self, topic: &'a str, (major, minor): (u64, u64)) -> Self {
        self.topic = Some((topic, Version::new(major, minor)));
        self
    }

    /// Sets its own timeout as written.
    #[must_use]
    pub const fn timeout(mut self, timeout: &'a str) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long its server may be silent, as written.
    #[must_use]
    pub const fn monitor(mut self, silence: &'a str) -> Self {
        self.monitor = silence;
        self
    }

    /// Sets the classes of the errors that are part of its business.
    #[must_use]
    pub const fn expected(mut self, classes: &'a [&'a str]) -> Self {
        self.expected = classes;
        self
    }

    /// Says that a server acknowledges the request after it has run.
    #[must_use]
    pub const fn acknowledged_late(mut self) -> Self {
        self.ack = Ack::Late;
        self
    }

    /// Says that running it twice does no harm.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Says that it is marked `#[deprecated]`.
    #[must_use]
    pub const fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// Sets its arguments.
    #[must_use]
    pub const fn args(mut self, parameters: &'a [Parameter<'a>]) -> Self {
        self.parameters = parameters;
        self
    }

    /// Sets its return type as written.
    #[must_use]
    pub const fn reply(mut self, reply: &'a str) -> Self {
        self.reply = reply;
        self
    }
}

/// An argument of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// Its type as written.
    pub type_name: &'a str,
    /// The version that added it, if it came later than its method.
    pub since: Option<Version>,
    /// The version from which on it is not sent any more.
    pub until: Option<Version>,
    /// What it was under older caps, the oldest first.
    pub before: &'a [OldForm<'a>],
    /// Whether a server refuses a request without it.
    pub required: bool,
    /// What is always sent, as written; empty if its caller says.
    pub constant: &'a str,
    /// The module that writes and reads it; empty where serde does by its type.
    pub with: &'a str,
    /// Whether it stands for all arguments that have no name here.
    pub is_rest: bool,
}

/// What an argument was under caps below a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldForm<'a> {
    /// The version from which on it is no longer so.
    pub version: Version,
    /// Its name on the wire.
    pub name: &'a str,
    /// Whether its value had another form.
    pub is_converted: bool,
}

impl<'a> Parameter<'a> {
    /// Makes an argument that every request has.
    #[must_use]
    pub const fn new(name: &'a str, type_name: &'a str) -> Self {
        Self {
            name,
            type_name,
            since: None,
            until: None,
            before: &[],
            required: true,
            constant: "",
            with: "",
            is_rest: false,
        }
    }

    /// Returns the names on the wire that servers take it under.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let own = self.name;
        let old = self.before.iter().map(|before| before.name).filter(move |name| *name != own);
        std::iter::once(own).chain(old)
    }

    /// Sets the version that added it, if it came later than its method.
    #[must_use]
    pub const fn since(mut self, (major, minor): (u64, u64)) -> Self {
        self.since = Some(Version::new(major, minor));
        self
    }

    /// Says that a server takes a request without it.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Sets the version from which on it is not sent any more.
    #[must_use]
    pub const fn until(mut self, (major, minor): (u64, u64)) -> Self {
        self.until = Some(Version::new(major, minor));
        self
    }

    /// Sets what it was under older caps, the oldest first.
    #[must_use]
    pub const fn before(mut self, forms: &'a [OldForm<'a>]) -> Self {
        self.before = forms;
        self
    }

    /// Sets what is always sent, as written.
    #[must_use]
    pub const fn constant(mut self, value: &'a str) -> Self {
        self.constant = value;
        self
    }

    /// Sets the module that writes and reads it.
    #[must_use]
    pub const fn with(mut self, module: &'a str) -> Self {
        self.with = module;
        self
    }

    /// Says that it stands for all arguments that have no name here.
    #[must_use]
    pub const fn rest(mut self) -> Self {
        self.is_rest = true;
        self.required = false;
        self
    }
}

/// Whether a request is answered, and to how many it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One server answers.
    Call,
    /// One server runs it, and nobody answers.
    Cast,
    /// Every server runs it, and nobody answers.
    Fanout,
}

/// When a server acknowledges a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ack {
    /// Before it runs: it runs at most once, and is lost if the server dies meanwhile. What oslo.messaging does.
    #[default]
    Early,
    /// After it has run: it runs at least once.
    Late,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_found_by_its_own_name_and_each_that_it_had_before() {
        let form = |name, minor| {
            let version = Version::new(1, minor);
            OldForm { version, name, is_converted: false }
        };
        let before = [form("volume_ref", 2), form("volume", 4)];
        let volume = Parameter::new("volume", "Volume").before(&before);
        assert_eq!(volume.names().collect::<Vec<_>>(), ["volume", "volume_ref"]);
        let parameters = [Parameter::new("host", "String"), volume];
        let method = Method::new("attach", (1, 0), Kind::Call).args(&parameters);
        for (name, found) in [("host", "host"), ("volume", "volume"), ("volume_ref", "volume")] {
            assert_eq!(method.parameter(name).map(|parameter| parameter.name), Some(found));
        }
        assert_eq!(method.parameter("volumes"), None);
    }
}
