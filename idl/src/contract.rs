//! Contracts: an interface as text, kept beside the code, so that each change that a deployed peer
//! would notice is reviewed.
//!
//! [`write()`] describes an interface's wire format, one line for each method, oldest first. The
//! file is committed. [`compare`] reports how the interface has changed since. Each change names a
//! rule with a stable name, says whether it would break a deployed peer, and says what would make
//! it legal.
//!
//! ```
//! use rpc_idl::contract::{self, Contract};
//!
//! let kept: Contract = "\
//! interface Tally
//! version 1.0
//! topic \"tally\"
//!
//! 1.0 call count(name: String) -> u32
//! ".parse()?;
//! // An argument is added to a released version.
//! let hasty = kept.to_string().replace("name: String", "name: String, by: u32");
//! let hasty: Contract = hasty.parse()?;
//! let changes = contract::compare(&kept, &hasty);
//! assert_eq!(changes[0].rule.id(), "argument-added");
//! assert!(changes[0].breaks() && changes[0].to_string().contains("since = \"1.1\""));
//! # Ok::<(), rpc_idl::contract::ParseError>(())
//! ```

mod compare;
mod parse;
mod peers;
mod rules;
mod text;

use crate::{Interface, Kind, Method, Parameter, Version};

pub use self::{
    compare::compare,
    parse::ParseError,
    peers::Form,
    rules::{Change, Legal, Rule},
    text::write,
};

/// A contract: every part of an interface that a peer can notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    pub(crate) name: String,
    pub(crate) topic: Option<String>,
    pub(crate) exchange: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) legacy_namespaces: Vec<Option<String>>,
    pub(crate) version: Version,
    pub(crate) previous: Option<Version>,
    pub(crate) oldest: Version,
    pub(crate) send: Vec<Version>,
    pub(crate) pins: Vec<(String, Version)>,
    pub(crate) has_address: bool,
    /// Oldest first, and by name within a version.
    pub(crate) methods: Vec<Signature>,
}

/// A method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) since: Version,
    pub(crate) kind: Kind,
    pub(crate) either: bool,
    /// Whether the client must name a host.
    pub(crate) host: bool,
    /// The expression that yields the host; empty if the arguments do not determine it.
    pub(crate) host_from: String,
    pub(crate) topic: Option<(String, Version)>,
    pub(crate) send: Option<Version>,
    pub(crate) ignores_extra: bool,
    pub(crate) aliases: Vec<String>,
    pub(crate) before: Vec<Was>,
    pub(crate) arguments: Vec<Argument>,
    /// Empty if it does not return anything.
    pub(crate) reply: String,
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) since: Option<Version>,
    pub(crate) until: Option<Version>,
    pub(crate) before: Vec<Was>,
    pub(crate) required: bool,
    /// Empty if the caller gives it.
    pub(crate) constant: String,
    /// The module that writes it; empty if serde does so by its type.
    pub(crate) with: String,
    pub(crate) is_rest: bool,
}

/// A method's or an argument's form before a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Was {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) send: Option<Version>,
    /// Whether a function writes it: a method's arguments, an argument's value.
    pub(crate) is_converted: bool,
}

impl Contract {
    /// Returns the contract of an interface.
    #[must_use]
    pub fn of(interface: &Interface<'_>) -> Self {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let mut methods: Vec<_> = interface.methods.iter().map(Signature::of).collect();
        methods.sort_by(|one, other| {
            one.since.cmp(&other.since).then_with(|| one.name.cmp(&other.name))
        });
        let pins = interface.aliases.iter().map(|(name, version)| ((*name).to_owned(), *version));
        Self {
            name: interface.name.to_owned(),
            topic: own(interface.topic),
            exchange: own(interface.exchange),
            namespace: own(interface.namespace),
            legacy_namespaces: interface.legacy_namespaces.iter().map(|one| own(*one)).collect(),
            version: interface.version,
            previous: interface.previous,
            oldest: interface.oldest,
            send: interface.send.to_vec(),
            pins: pins.collect(),
            has_address: interface.has_address,
            methods,
        }
    }

    /// Returns the version that the contract describes.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the first version of the oldest major in the contract.
    pub(crate) fn first(&self) -> Version {
        self.rules().first()
    }
}

impl Signature {
    fn of(method: &Method<'_>) -> Self {
        let before = method.before.iter().map(|before| Was {
            version: before.version,
            name: before.name.to_owned(),
            send: before.send,
            is_converted: before.is_rewritten,
        });
        Self {
            name: method.name.to_owned(),
            since: method.since,
            kind: method.kind,
            either: method.either,
            host: method.host,
            host_from: method.host_from.to_owned(),
            topic: method.topic.map(|(topic, since)| (topic.to_owned(), since)),
            send: method.send,
            ignores_extra: method.ignores_extra,
            aliases: method.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            before: before.collect(),
            arguments: method.parameters.iter().map(Argument::of).collect(),
            reply: method.reply.to_owned(),
        }
    }

    /// Whether servers run it under this name.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        self.name == name
            || self.aliases.iter().any(|alias| alias == name)
            || self.before.iter().any(|before| before.name == name)
    }
}

impl Argument {
    fn of(parameter: &Parameter<'_>) -> Self {
        let before = parameter.before.iter().map(|before| Was {
            version: before.version,
            name: before.name.to_owned(),
            send: None,
            is_converted: before.is_converted,
        });
        Self {
            name: parameter.name.to_owned(),
            type_name: parameter.type_name.to_owned(),
            since: parameter.since,
            until: parameter.until,
            before: before.collect(),
            required: parameter.required,
            constant: parameter.constant.to_owned(),
            with: parameter.with.to_owned(),
            is_rest: parameter.is_rest,
        }
    }

    /// Whether servers read a value of this type: an `Option` also reads the type inside it.
    pub(crate) fn reads(&self, type_name: &str) -> bool {
        let inside = self.type_name.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>'));
        self.type_name == type_name || inside == Some(type_name)
    }

    /// Whether servers read it under this name.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.before.iter().any(|before| before.name == name)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
