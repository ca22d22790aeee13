//! An interface as data: what a trait says about the wire, without the trait.

use crate::Version;

/// An interface.
///
/// It borrows everything, so that it is a constant in a generated module, and a view of a text elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface<'a> {
    /// The trait's name. It never crosses the wire.
    pub name: &'a str,
    /// What the trait's documentation says.
    pub docs: &'a str,
    /// The topic that its servers listen on.
    pub topic: &'a str,
    /// Its control exchange; `None` for the transport's.
    pub exchange: Option<&'a str>,
    /// The namespace that requests carry, if any.
    pub namespace: Option<&'a str>,
    /// Further namespaces that its servers take requests from; `None` is having none.
    pub legacy_namespaces: &'a [Option<&'a str>],
    /// The version that it describes.
    pub version: Version,
    /// Its methods, in the order of the trait.
    pub methods: &'a [Method<'a>],
}

impl<'a> Interface<'a> {
    /// Makes an interface of this version that has nothing in it yet.
    #[must_use]
    pub const fn new(name: &'a str, major: u64, minor: u64) -> Self {
        let version = Version::new(major, minor);
        Self {
            name,
            docs: "",
            topic: "",
            exchange: None,
            namespace: None,
            legacy_namespaces: &[],
            version,
            methods: &[],
        }
    }

    /// Sets the topic that its servers listen on.
    #[must_use]
    pub const fn topic(mut self, topic: &'a str) -> Self {
        self.topic = topic;
        self
    }

    /// Sets its methods.
    #[must_use]
    pub const fn methods(mut self, methods: &'a [Method<'a>]) -> Self {
        self.methods = methods;
        self
    }

    /// Sets what the trait's documentation says.
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

    /// Sets further namespaces that its servers take requests from.
    #[must_use]
    pub const fn legacy_namespaces(mut self, namespaces: &'a [Option<&'a str>]) -> Self {
        self.legacy_namespaces = namespaces;
        self
    }

    /// Whether its servers take a request of this namespace.
    #[must_use]
    pub fn takes_namespace(&self, namespace: Option<&str>) -> bool {
        self.namespace == namespace || self.legacy_namespaces.contains(&namespace)
    }

    /// Returns the method that servers run for the wire name `name`: its own, or one of its aliases.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&'a Method<'a>> {
        self.methods.iter().find(|method| method.name == name || method.aliases.contains(&name))
    }
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// What its documentation says.
    pub docs: &'a str,
    /// Further names that servers answer to.
    pub aliases: &'a [&'a str],
    /// The minor version, of the interface's major, that added it.
    pub since: u64,
    /// The minor version that requests carry. `None`: the lowest that has what they use.
    pub send: Option<u64>,
    /// Whether servers ignore arguments that they do not know.
    pub ignores_extra: bool,
    /// Whether there is an answer, and from how many.
    pub kind: Kind,
    /// Whether a request has to name a host.
    pub host: bool,
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

impl<'a> Method<'a> {
    /// Makes a method without arguments.
    #[must_use]
    pub const fn new(name: &'a str, since: u64, kind: Kind) -> Self {
        Self {
            name,
            docs: "",
            aliases: &[],
            since,
            send: None,
            ignores_extra: false,
            kind,
            host: false,
            ack: Ack::Early,
            idempotent: false,
            deprecated: false,
            parameters: &[],
            reply: "",
        }
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

    /// Sets the minor version that requests carry, whatever they use.
    #[must_use]
    pub const fn sent_as(mut self, minor: u64) -> Self {
        self.send = Some(minor);
        self
    }

    /// Says that servers ignore arguments that they do not know.
    #[must_use]
    pub const fn ignoring_extra(mut self) -> Self {
        self.ignores_extra = true;
        self
    }

    /// Says that a request has to name a host.
    #[must_use]
    pub const fn for_one_host(mut self) -> Self {
        self.host = true;
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
pub struct Parameter<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// Its type as written.
    pub type_name: &'a str,
    /// The minor version, of the interface's major, that added it.
    pub since: u64,
    /// Whether a server refuses a request without it.
    pub required: bool,
}

impl<'a> Parameter<'a> {
    /// Makes an argument that every request has.
    #[must_use]
    pub const fn new(name: &'a str, since: u64, type_name: &'a str) -> Self {
        Self { name, type_name, since, required: true }
    }

    /// Says that a server takes a request without it.
    #[must_use]
    pub const fn optional(mut self) -> Self {
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
