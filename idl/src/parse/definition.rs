//! What is read: an interface, its methods, their arguments.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, Ident, Path, Type, TypeParamBound, Visibility, punctuated::Punctuated};

use super::attributes::docs;
use crate::{Ack, Kind, Version};

/// A trait's definition.
#[derive(Debug)]
pub struct Definition {
    /// What is passed on to the trait.
    pub attrs: Vec<Attribute>,
    /// The trait's visibility.
    pub vis: Visibility,
    /// The trait's name.
    pub ident: Ident,
    /// What the trait asks of its implementors beyond its methods.
    pub supertraits: Punctuated<TypeParamBound, syn::Token![+]>,
    /// The topic. `None`: only a caller knows it.
    pub topic: Option<String>,
    /// The versions that there are.
    pub versions: Versions,
    /// Where the version that it describes is written.
    pub version_span: Span,
    /// The control exchange, if the interface names one.
    pub exchange: Option<String>,
    /// The namespace, if the interface has one.
    pub namespace: Option<String>,
    /// Further namespaces that servers take requests from.
    pub legacy_namespaces: Vec<Option<String>>,
    /// The versions that requests carry whose method does not say, by major, if not the lowest that has what they use.
    pub send: Vec<Since>,
    /// Names that an operator may pin in place of a version.
    pub aliases: Vec<(String, Version)>,
    /// What makes topic and host of a key.
    pub address: Option<Path>,
    /// Whether there is a mock, and the `cfg` under which there is; empty if there always is.
    pub mock: Option<TokenStream>,
    /// Where the runtime lives.
    pub runtime: Path,
    /// The methods that are understood.
    pub methods: Vec<MethodDefinition>,
    /// The methods of the client that the user has written.
    pub manual: Vec<ManualDefinition>,
    /// The methods that are not, each of which is a mistake that was told.
    pub broken: Vec<BrokenMethod>,
}

/// The versions that an interface has.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    /// The one that it describes.
    pub own: Version,
    /// The newest of the major before, if it still speaks that.
    pub previous: Option<Version>,
    /// The oldest that a client can be capped at.
    pub oldest: Version,
}

impl Versions {
    /// Returns the first version of the oldest major, with which everything came that says nothing else.
    #[must_use]
    pub fn first(&self) -> Version {
        Version::new(self.previous.unwrap_or(self.own).major(), 0)
    }

    /// Whether there are requests of this major version.
    #[must_use]
    pub fn speaks(&self, major: u64) -> bool {
        self.previous.iter().chain([&self.own]).any(|newest| newest.major() == major)
    }

    /// Returns all that a client can be capped at, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = Version> {
        let majors = self.previous.into_iter().chain([self.own]);
        let all = majors.flat_map(|newest| {
            (0..=newest.minor()).map(move |minor| Version::new(newest.major(), minor))
        });
        let oldest = self.oldest;
        all.filter(move |version| *version >= oldest)
    }
}

/// A method of the client that the user has written.
#[derive(Debug)]
pub struct ManualDefinition {
    /// It, with its body.
    pub item: syn::TraitItemFn,
    /// The version that it needs.
    pub since: Option<Since>,
}

/// A method that cannot be one of the interface. It still exists, so that whoever implements or calls it does not hear
/// of the mistake again.
#[derive(Debug)]
pub struct BrokenMethod {
    /// Its declaration, without what the compiler would complain of.
    pub declaration: syn::TraitItemFn,
    /// Its answer, if it has one that a call can have.
    pub output: Option<Type>,
    /// Whether the client has something else of that name.
    pub reserved: bool,
}

/// A method's definition.
#[derive(Debug)]
pub struct MethodDefinition {
    /// What is passed on: `doc`, `cfg`, `deprecated`, `must_use`, and lint levels.
    pub attrs: Vec<Attribute>,
    /// Its name in Rust.
    pub ident: Ident,
    /// Its name on the wire.
    pub wire_name: String,
    /// Further names that servers answer to.
    pub aliases: Vec<String>,
    /// The version that added it.
    pub since: Since,
    /// The version that requests carry, if not the lowest that has what they use.
    pub send: Option<Since>,
    /// Whether servers ignore arguments that they do not know.
    pub ignores_extra: bool,
    /// Whether there is an answer, and from how many.
    pub kind: Kind,
    /// Whether a request has to name a host.
    pub host: bool,
    /// Where the host is found, if arguments say it: an expression over them.
    pub host_from: Option<Expr>,
    /// A topic of its own, and the version from which on it has that.
    pub topic: Option<(String, Option<Since>)>,
    /// What it was under older caps, the oldest first.
    pub before: Vec<Before>,
    /// Whether the client has a stub, too, that does not wait for the answer.
    pub either: bool,
    /// Its own timeout: an expression of type `Duration`.
    pub timeout: Option<Timeout>,
    /// How long its server may be silent: an expression of type `Duration`.
    pub monitor: Option<Timeout>,
    /// Whether running it twice does no harm.
    pub idempotent: bool,
    /// When a server acknowledges it.
    pub ack: Ack,
    /// The classes of the errors that are part of its business. Empty: all that it declares.
    pub expected: Vec<String>,
    /// The context's name and type.
    pub context: (Ident, Type),
    /// Its arguments.
    pub arguments: Vec<ArgumentDefinition>,
    /// What it returns, if anything is written.
    pub output: Option<Type>,
}

/// An argument's definition.
#[derive(Debug)]
pub struct ArgumentDefinition {
    /// Its name in Rust.
    pub ident: Ident,
    /// Its name on the wire.
    pub wire_name: String,
    /// Its type.
    pub ty: Type,
    /// The version that added it, if it came later than its method.
    pub since: Option<Since>,
    /// What a server takes where a peer does not send it.
    pub default: Option<Default>,
    /// What it was under older caps, the oldest first.
    pub before: Vec<Before>,
    /// The version from which on it is not sent any more.
    pub until: Option<Since>,
    /// Whether it only says where the request goes, and is not sent.
    pub is_route: bool,
    /// What a client sends always, without asking its caller.
    pub constant: Option<Expr>,
    /// The module that writes and reads it, if serde does not by its type.
    pub with: Option<Path>,
    /// Whether it stands for all arguments that have no name.
    pub is_rest: bool,
    /// Whether a cap that the compiler does not know drops it where it is not known yet.
    pub is_dropped: bool,
    /// Whether every caller gives it although it came later: servers of today refuse a request without it.
    pub is_required: bool,
}

/// What a method or an argument was under caps below a version.
#[derive(Debug)]
pub struct Before {
    /// The version from which on it is what it is now.
    pub version: Since,
    /// Its name on the wire then.
    pub name: Option<String>,
    /// The version that requests for it carried.
    pub send: Option<Since>,
    /// What makes an argument's old form of its present one, or writes a method's arguments.
    pub with: Option<Path>,
}

/// A version of the interface, and where it is written.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    /// The version.
    pub version: Version,
    /// Where it is written.
    pub span: Span,
}

/// A time that a method has.
#[derive(Debug)]
pub enum Timeout {
    /// Written as text.
    Literal {
        /// The text.
        text: String,
        /// What it says.
        nanoseconds: u64,
    },
    /// A path or other expression, read at each call.
    Expr(Expr),
}

/// The value of an argument that a peer did not send.
#[derive(Debug)]
pub enum Default {
    /// That of its type.
    OfType,
    /// This one.
    Expr(Expr),
}

impl Definition {
    /// Returns what the trait's documentation says.
    #[must_use]
    pub fn docs(&self) -> String {
        docs(&self.attrs)
    }
}

impl MethodDefinition {
    /// Returns what the method's documentation says.
    #[must_use]
    pub fn docs(&self) -> String {
        docs(&self.attrs)
    }

    /// Returns the attributes of these names.
    pub fn attrs_named<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a Attribute> {
        self.attrs.iter().filter(move |attr| names.iter().any(|name| attr.path().is_ident(name)))
    }

    /// Returns the arguments that every caller gives.
    pub fn positional(&self) -> impl Iterator<Item = &ArgumentDefinition> {
        let given = self.arguments.iter().filter(|argument| argument.constant.is_none());
        given.filter(|argument| argument.since.is_none() || argument.is_required)
    }

    /// Returns those of the positional arguments that came later than the method, with their version.
    pub fn required(&self) -> impl Iterator<Item = (&ArgumentDefinition, Since)> {
        let required = self.positional().filter(|argument| argument.is_required);
        required.filter_map(|argument| Some((argument, argument.since?)))
    }

    /// Returns the arguments that came later, with their version, and that a caller may give.
    pub fn later(&self) -> impl Iterator<Item = (&ArgumentDefinition, Since)> {
        let given = self.arguments.iter().filter(|argument| argument.constant.is_none());
        let given = given.filter(|argument| !argument.is_required);
        given.filter_map(|argument| Some((argument, argument.since?)))
    }

    /// Returns the arguments that are the same in each request, with their value.
    pub fn constants(&self) -> impl Iterator<Item = (&ArgumentDefinition, &Expr)> {
        self.arguments.iter().filter_map(|argument| Some((argument, argument.constant.as_ref()?)))
    }

    /// Returns the arguments that a request carries.
    pub fn sent(&self) -> impl Iterator<Item = &ArgumentDefinition> {
        self.arguments.iter().filter(|argument| !argument.is_route)
    }
}
