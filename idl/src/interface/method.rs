//! The methods of an interface and their arguments.

use crate::Version;

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Method<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// The method's documentation.
    pub docs: &'a str,
    /// Further names under which servers run it.
    pub aliases: &'a [&'a str],
    /// Its former names and forms, oldest first.
    pub before: &'a [OldName<'a>],
    /// The version that added it.
    pub since: Version,
    /// The version that its requests carry whatever they use. `None`: as the interface says.
    pub send: Option<Version>,
    /// Whether servers ignore unknown arguments.
    pub ignores_extra: bool,
    /// Whether it is answered, and how many servers run it.
    pub kind: Kind,
    /// Whether the caller of a call may choose not to wait.
    pub either: bool,
    /// Whether the client must name a host.
    pub host: bool,
    /// An expression over the arguments that yields the host, or the key of its address; empty if
    /// the arguments do not determine it.
    pub host_from: &'a str,
    /// Its own topic, and the first version that uses it.
    pub topic: Option<(&'a str, Version)>,
    /// Its own timeout as written; empty if it does not have one.
    pub timeout: &'a str,
    /// How long its server may be silent, as written; empty if silence is not monitored.
    pub monitor: &'a str,
    /// The classes of errors that are expected outcomes. Empty: all that it declares.
    pub expected: &'a [&'a str],
    /// When a server acknowledges the request.
    pub ack: Ack,
    /// Whether running it twice is harmless.
    pub idempotent: bool,
    /// Whether it is marked `#[deprecated]`.
    pub deprecated: bool,
    /// Its arguments, without the context.
    pub parameters: &'a [Parameter<'a>],
    /// Its return type as written; empty if it does not have one.
    pub reply: &'a str,
}

/// A method's form under caps below a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldName<'a> {
    /// The first version that no longer has this form.
    pub version: Version,
    /// Its name on the wire.
    pub name: &'a str,
    /// The version that requests carried. `None`: the lowest version that has what a request uses.
    pub send: Option<Version>,
    /// Whether it had other arguments, which a function writes.
    pub is_rewritten: bool,
}

impl<'a> Method<'a> {
    /// Creates a method of version `(major, minor)` without arguments.
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

    /// Returns the names under which servers run it: its own name, its aliases, and its former
    /// names.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let old = self.before.iter().map(|before| before.name).filter({
            let own = self.name;
            move |name| *name != own
        });
        std::iter::once(self.name).chain(self.aliases.iter().copied()).chain(old)
    }

    /// Returns the argument that servers read from the wire name `name`: its own name, or a former
    /// one.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'a Parameter<'a>> {
        self.parameters.iter().find(|parameter| parameter.names().any(|own| own == name))
    }

    /// Sets the method's documentation.
    #[must_use]
    pub const fn docs(mut self, docs: &'a str) -> Self {
        self.docs = docs;
        self
    }

    /// Sets further names under which servers run it.
    #[must_use]
    pub const fn aliases(mut self, names: &'a [&'a str]) -> Self {
        self.aliases = names;
        self
    }

    /// Sets its former names and forms, oldest first.
    #[must_use]
    pub const fn before(mut self, names: &'a [OldName<'a>]) -> Self {
        self.before = names;
        self
    }

    /// Sets the version that its requests carry whatever they use.
    #[must_use]
    pub const fn sent_as(mut self, (major, minor): (u64, u64)) -> Self {
        self.send = Some(Version::new(major, minor));
        self
    }

    /// Makes servers ignore unknown arguments.
    #[must_use]
    pub const fn ignoring_extra(mut self) -> Self {
        self.ignores_extra = true;
        self
    }

    /// Lets the caller choose not to wait.
    #[must_use]
    pub const fn or_cast(mut self) -> Self {
        self.either = true;
        self
    }

    /// Requires the client to name a host.
    #[must_use]
    pub const fn for_one_host(mut self) -> Self {
        self.host = true;
        self
    }

    /// Sets the expression over the arguments that yields the host.
    #[must_use]
    pub const fn host_from(mut self, expression: &'a str) -> Self {
        self.host_from = expression;
        self
    }

    /// Sets its own topic, and the first version that uses it.
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

    /// Sets the classes of errors that are expected outcomes.
    #[must_use]
    pub const fn expected(mut self, classes: &'a [&'a str]) -> Self {
        self.expected = classes;
        self
    }

    /// Makes servers acknowledge the request after the method has run.
    #[must_use]
    pub const fn acknowledged_late(mut self) -> Self {
        self.ack = Ack::Late;
        self
    }

    /// Declares that running it twice is harmless.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Marks it as `#[deprecated]`.
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
    /// The version that added it, if that is later than its method's.
    pub since: Option<Version>,
    /// The first version that does not send it.
    pub until: Option<Version>,
    /// Its former names and forms, oldest first.
    pub before: &'a [OldForm<'a>],
    /// Whether a server rejects a request without it.
    pub required: bool,
    /// The value that is always sent, as written; empty if the caller gives it.
    pub constant: &'a str,
    /// The module that writes and reads it; empty if serde does so by its type.
    pub with: &'a str,
    /// Whether it stands for all arguments that are not named here.
    pub is_rest: bool,
}

/// An argument's form under caps below a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldForm<'a> {
    /// The first version that no longer has this form.
    pub version: Version,
    /// Its name on the wire.
    pub name: &'a str,
    /// Whether its value had another form.
    pub is_converted: bool,
}

impl<'a> Parameter<'a> {
    /// Creates an argument that every request has.
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

    /// Returns the wire names under which servers read it.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let own = self.name;
        let old = self.before.iter().map(|before| before.name).filter(move |name| *name != own);
        std::iter::once(own).chain(old)
    }

    /// Sets the version that added it, if that is later than its method's.
    #[must_use]
    pub const fn since(mut self, (major, minor): (u64, u64)) -> Self {
        self.since = Some(Version::new(major, minor));
        self
    }

    /// Lets a server accept a request without it.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Sets the first version that does not send it.
    #[must_use]
    pub const fn until(mut self, (major, minor): (u64, u64)) -> Self {
        self.until = Some(Version::new(major, minor));
        self
    }

    /// Sets its former names and forms, oldest first.
    #[must_use]
    pub const fn before(mut self, forms: &'a [OldForm<'a>]) -> Self {
        self.before = forms;
        self
    }

    /// Sets the value that is always sent, as written.
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

    /// Makes it stand for all arguments that are not named here.
    #[must_use]
    pub const fn rest(mut self) -> Self {
        self.is_rest = true;
        self.required = false;
        self
    }
}

/// Whether a request is answered, and how many servers run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One server runs it and answers.
    Call,
    /// One server runs it and does not answer.
    Cast,
    /// Every server runs it and none answers.
    Fanout,
}

/// When a server acknowledges a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ack {
    /// Before it runs: it runs at most once, and is lost if the server dies meanwhile.
    /// oslo.messaging does the same.
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
