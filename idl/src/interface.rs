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
    /// The version that it describes.
    pub version: Version,
    /// Its methods, in the order of the trait.
    pub methods: &'a [Method<'a>],
}

impl<'a> Interface<'a> {
    /// Returns the method whose wire name is `name`.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&'a Method<'a>> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// A method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// What its documentation says.
    pub docs: &'a str,
    /// The version that added it.
    pub since: Version,
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

/// An argument of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// Its type as written.
    pub type_name: &'a str,
    /// The version that added it.
    pub since: Version,
    /// Whether a server refuses a request without it.
    pub required: bool,
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
