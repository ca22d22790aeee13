//! From an annotated trait to a checked definition.
//!
//! Every mistake is reported, each under the token that is wrong, and what is right is kept: a definition with
//! mistakes still has the methods that are understood, so that one mistake is one message.

mod attributes;
mod check;
mod errors;
mod signature;

use proc_macro2::{Span, TokenStream};
use syn::{
    Attribute, Expr, Ident, ItemTrait, Path, TraitItem, Type, TypeParamBound, Visibility,
    punctuated::Punctuated,
};

pub use errors::Errors;

use self::attributes::{Entries, docs, entries_of};
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
    /// The topic.
    pub topic: String,
    /// The version that it describes.
    pub version: Version,
    /// Where that version is written.
    pub version_span: Span,
    /// The control exchange, if the interface names one.
    pub exchange: Option<String>,
    /// The namespace, if the interface has one.
    pub namespace: Option<String>,
    /// Where the runtime lives.
    pub runtime: Path,
    /// The methods that are understood.
    pub methods: Vec<MethodDefinition>,
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
    /// The version that added it.
    pub since: Since,
    /// Whether there is an answer, and from how many.
    pub kind: Kind,
    /// Whether a request has to name a host.
    pub host: bool,
    /// Its own timeout: an expression of type `Duration`.
    pub timeout: Option<Timeout>,
    /// Whether running it twice does no harm.
    pub idempotent: bool,
    /// When a server acknowledges it.
    pub ack: Ack,
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
}

/// A minor version of the interface's major, and where it is written.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    /// The minor version.
    pub minor: u64,
    /// Where it is written.
    pub span: Span,
}

/// A method's timeout.
#[derive(Debug)]
pub enum Timeout {
    /// Written as text, in nanoseconds.
    Literal(u64),
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
    /// Reads the tokens of `#[rpc_api(…)]` and the trait below it. What is wrong goes to `errors`.
    pub fn read(attribute: TokenStream, item: ItemTrait, errors: &mut Errors) -> Self {
        let known = &["topic", "version", "exchange", "namespace", "crate"];
        let mut entries = Entries::parse(attribute, "rpc_api", known, errors);
        let ident = item.ident.clone();
        let topic = entries.required_text("topic", "\"cinder-scheduler\"", ident.span(), errors);
        let version = entries.required_text("version", "\"1.0\"", ident.span(), errors);
        let (version, version_span) = check::interface_version(version, ident.span(), errors);
        let mut definition = Self {
            attrs: item.attrs.clone(),
            vis: item.vis.clone(),
            ident,
            supertraits: item.supertraits.clone(),
            topic: topic.as_ref().map(syn::LitStr::value).unwrap_or_default(),
            version,
            version_span,
            exchange: check::named(entries.text("exchange", errors), "exchange", errors),
            namespace: check::named(entries.text("namespace", errors), "namespace", errors),
            runtime: check::runtime(entries.value("crate"), errors),
            methods: Vec::new(),
        };
        check::topic(topic.as_ref(), errors);
        check::trait_syntax(&item, errors);
        for item in item.items {
            definition.read_item(item, errors);
        }
        check::definition(&mut definition, errors);
        definition
    }

    fn read_item(&mut self, item: TraitItem, errors: &mut Errors) {
        let TraitItem::Fn(mut method) = item else {
            return errors
                .at(&item, "an RPC interface has only methods: move this to another trait");
        };
        let entries = entries_of("rpc", &mut method.attrs, METHOD_KNOWN, errors);
        let Some(parts) = signature::read(&mut method, errors) else { return };
        let method = self.method(method, entries, parts, errors);
        self.methods.push(method);
    }

    fn method(
        &self,
        method: syn::TraitItemFn,
        mut entries: Entries,
        parts: signature::Parts,
        errors: &mut Errors,
    ) -> MethodDefinition {
        let ident = method.sig.ident;
        let wire_name = check::wire_name(entries.text("name", errors), &ident, errors);
        let since = check::since(entries.text("since", errors), &self.version, errors);
        let since = since.unwrap_or(Since { minor: 0, span: ident.span() });
        let (fanout, cast) = (entries.flag("fanout", errors), entries.flag("cast", errors));
        let host = entries.flag("host", errors);
        check::addressing(fanout, host, &parts, errors);
        let kind = match (fanout, cast, &parts.output) {
            (Some(_), ..) => Kind::Fanout,
            (None, Some(_), _) | (None, None, None) => Kind::Cast,
            (None, None, Some(_)) => Kind::Call,
        };
        let arguments = parts.arguments.into_iter();
        let arguments = arguments
            .map(|argument| check::argument(argument, &self.version, since, errors))
            .collect();
        MethodDefinition {
            wire_name,
            since,
            kind,
            host: host.is_some(),
            timeout: check::timeout(entries.value("timeout"), errors),
            idempotent: entries.flag("idempotent", errors).is_some(),
            ack: check::ack(entries.text("ack", errors), errors),
            context: parts.context,
            arguments,
            output: parts.output,
            attrs: method.attrs,
            ident,
        }
    }

    /// Returns what the trait's documentation says.
    #[must_use]
    pub fn docs(&self) -> String {
        docs(&self.attrs)
    }
}

/// What `#[rpc(…)]` takes.
const METHOD_KNOWN: &[&str] =
    &["since", "name", "fanout", "host", "cast", "timeout", "idempotent", "ack"];

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
        self.arguments.iter().filter(|argument| argument.since.is_none())
    }

    /// Returns the arguments that came later, with their version.
    pub fn later(&self) -> impl Iterator<Item = (&ArgumentDefinition, Since)> {
        self.arguments.iter().filter_map(|argument| Some((argument, argument.since?)))
    }
}
