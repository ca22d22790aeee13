//! The definitions that the parser returns: an interface, its methods, their arguments.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, Ident, Path, Type, TypeParamBound, Visibility, punctuated::Punctuated};

use super::attributes::docs;
use crate::{Ack, Kind, Version};

/// A trait's definition.
#[derive(Debug)]
pub struct Definition {
    /// The attributes that are copied to the trait.
    pub attrs: Vec<Attribute>,
    /// The trait's visibility.
    pub vis: Visibility,
    /// The trait's name.
    pub ident: Ident,
    /// The trait's supertraits.
    pub supertraits: Punctuated<TypeParamBound, syn::Token![+]>,
    /// The topic. `None`: only a caller knows it.
    pub topic: Option<String>,
    /// The versions that the interface has.
    pub versions: Versions,
    /// The span of the version that the trait describes.
    pub version_span: Span,
    /// The control exchange, if the interface names one.
    pub exchange: Option<String>,
    /// The namespace, if the interface has one.
    pub namespace: Option<String>,
    /// Further namespaces that servers accept.
    pub legacy_namespaces: Vec<Option<String>>,
    /// The versions that requests carry, one for each major, if the method does not fix one.
    /// Without an entry, requests carry the lowest version that has what they use.
    pub send: Vec<Since>,
    /// Names that an operator may pin instead of a version.
    pub aliases: Vec<(String, Version)>,
    /// The function that derives topic and host from a key.
    pub address: Option<Path>,
    /// The `cfg` under which a mock is generated, empty for always; `None` if there is no mock.
    pub mock: Option<TokenStream>,
    /// The runtime's path.
    pub runtime: Path,
    /// The methods that are understood.
    pub methods: Vec<MethodDefinition>,
    /// The client methods that the user has written.
    pub manual: Vec<ManualDefinition>,
    /// The methods that are not understood. Each of them has been reported as a mistake.
    pub broken: Vec<BrokenMethod>,
}

/// The versions that an interface has.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    /// The version that the trait describes.
    pub own: Version,
    /// The newest version of the previous major, if the interface still speaks that.
    pub previous: Option<Version>,
    /// The oldest version that a client can be capped at.
    pub oldest: Version,
}

impl Versions {
    /// Returns the first version of the oldest major. Items that name no version were added by it.
    #[must_use]
    pub fn first(&self) -> Version {
        Version::new(self.previous.unwrap_or(self.own).major(), 0)
    }

    /// Whether servers accept requests of this major version.
    #[must_use]
    pub fn speaks(&self, major: u64) -> bool {
        self.previous.iter().chain([&self.own]).any(|newest| newest.major() == major)
    }

    /// Returns all versions that a client can be capped at, oldest first.
    pub fn all(&self) -> impl Iterator<Item = Version> {
        let majors = self.previous.into_iter().chain([self.own]);
        let all = majors.flat_map(|newest| {
            (0..=newest.minor()).map(move |minor| Version::new(newest.major(), minor))
        });
        let oldest = self.oldest;
        all.filter(move |version| *version >= oldest)
    }
}

/// A client method that the user has written.
#[derive(Debug)]
pub struct ManualDefinition {
    /// The method, with its body.
    pub item: syn::TraitItemFn,
    /// The version that it needs.
    pub since: Option<Since>,
}

/// A method that the interface cannot have. The trait keeps it, so that its implementors and
/// callers do not see a second error for the same mistake.
#[derive(Debug)]
pub struct BrokenMethod {
    /// Its declaration, without the parts that the compiler would reject.
    pub declaration: syn::TraitItemFn,
    /// Its return type, if a call can return it.
    pub output: Option<Type>,
    /// Whether the client defines something else of that name.
    pub reserved: bool,
}

/// A method's definition.
#[derive(Debug)]
pub struct MethodDefinition {
    /// The attributes that are copied: `doc`, `cfg`, `deprecated`, `must_use`, and lint levels.
    pub attrs: Vec<Attribute>,
    /// Its name in Rust.
    pub ident: Ident,
    /// Its name on the wire.
    pub wire_name: String,
    /// Further names under which servers run it.
    pub aliases: Vec<String>,
    /// The version that added it.
    pub since: Since,
    /// The version that requests carry. `None`: the lowest version that has what a request uses.
    pub send: Option<Since>,
    /// Whether servers ignore unknown arguments.
    pub ignores_extra: bool,
    /// Whether it is answered, and how many servers run it.
    pub kind: Kind,
    /// Whether a request must name a host.
    pub host: bool,
    /// An expression over the arguments that yields the host, if they determine it.
    pub host_from: Option<Expr>,
    /// Its own topic, and the first version that uses it.
    pub topic: Option<(String, Option<Since>)>,
    /// Its former names and forms, oldest first.
    pub before: Vec<Before>,
    /// Whether the client also has a stub that does not wait for the answer.
    pub either: bool,
    /// Its own timeout: an expression of type `Duration`.
    pub timeout: Option<Timeout>,
    /// How long its server may be silent: an expression of type `Duration`.
    pub monitor: Option<Timeout>,
    /// Whether running it twice is harmless.
    pub idempotent: bool,
    /// When a server acknowledges it.
    pub ack: Ack,
    /// The classes of errors that are expected outcomes. Empty: all that it declares.
    pub expected: Vec<String>,
    /// The context's name and type.
    pub context: (Ident, Type),
    /// Its arguments.
    pub arguments: Vec<ArgumentDefinition>,
    /// Its return type, if one is written.
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
    /// The version that added it, if that is later than its method's.
    pub since: Option<Since>,
    /// The value that a server uses if the peer did not send one.
    pub default: Option<Default>,
    /// Its former names and forms, oldest first.
    pub before: Vec<Before>,
    /// The first version that does not send it.
    pub until: Option<Since>,
    /// Whether it only routes the request, and is not sent.
    pub is_route: bool,
    /// The value that a client always sends, without asking its caller.
    pub constant: Option<Expr>,
    /// The module that writes and reads it, if serde does not do so by its type.
    pub with: Option<Path>,
    /// Whether it stands for all arguments that are not named.
    pub is_rest: bool,
    /// Whether a client drops it under a cap that is too old and that the compiler does not know.
    pub is_dropped: bool,
    /// Whether every caller gives it although it was added later: current servers reject a request
    /// without it.
    pub is_required: bool,
}

/// A method's or an argument's form under caps below a version.
#[derive(Debug)]
pub struct Before {
    /// The version that introduced the next form.
    pub version: Since,
    /// Its name on the wire then.
    pub name: Option<String>,
    /// The version that requests carried then.
    pub send: Option<Since>,
    /// The function that converts an argument to its old form, or writes a method's arguments.
    pub with: Option<Path>,
}

/// A version of the interface, and its span.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    /// The version.
    pub version: Version,
    /// Its span.
    pub span: Span,
}

/// A duration that a method declares.
#[derive(Debug)]
pub enum Timeout {
    /// Written as text.
    Literal {
        /// The text.
        text: String,
        /// The duration.
        nanoseconds: u64,
    },
    /// A path or other expression, read at each call.
    Expr(Expr),
}

/// The value of an argument that a peer did not send.
#[derive(Debug)]
pub enum Default {
    /// The default of its type.
    OfType,
    /// The value of this expression.
    Expr(Expr),
}

impl Definition {
    /// Returns the trait's documentation.
    #[must_use]
    pub fn docs(&self) -> String {
        docs(&self.attrs)
    }
}

impl MethodDefinition {
    /// Returns the method's documentation.
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

    /// Returns the positional arguments that were added later than the method, with their version.
    pub fn required(&self) -> impl Iterator<Item = (&ArgumentDefinition, Since)> {
        let required = self.positional().filter(|argument| argument.is_required);
        required.filter_map(|argument| Some((argument, argument.since?)))
    }

    /// Returns the optional arguments that were added later than the method, with their version.
    pub fn later(&self) -> impl Iterator<Item = (&ArgumentDefinition, Since)> {
        let given = self.arguments.iter().filter(|argument| argument.constant.is_none());
        let given = given.filter(|argument| !argument.is_required);
        given.filter_map(|argument| Some((argument, argument.since?)))
    }

    /// Returns the arguments with a constant value, and that value.
    pub fn constants(&self) -> impl Iterator<Item = (&ArgumentDefinition, &Expr)> {
        self.arguments.iter().filter_map(|argument| Some((argument, argument.constant.as_ref()?)))
    }

    /// Returns the arguments that a request carries.
    pub fn sent(&self) -> impl Iterator<Item = &ArgumentDefinition> {
        self.arguments.iter().filter(|argument| !argument.is_route)
    }
}
