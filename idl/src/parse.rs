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

pub use attributes::{Entries, entries_of};
pub use check::mentions;
pub use errors::Errors;

use self::attributes::docs;
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
    /// Further namespaces that servers take requests from.
    pub legacy_namespaces: Vec<Option<String>>,
    /// The version that requests carry whose method does not say, if not the lowest that has what they use.
    pub send: Option<Since>,
    /// Where the runtime lives.
    pub runtime: Path,
    /// The methods that are understood.
    pub methods: Vec<MethodDefinition>,
    /// The methods that are not, each of which is a mistake that was told.
    pub broken: Vec<BrokenMethod>,
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
    /// What it was called under older caps, the oldest first.
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
    /// What makes its old form of its present one.
    pub with: Option<Path>,
}

/// A minor version of the interface's major, and where it is written.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    /// The minor version.
    pub minor: u64,
    /// Where it is written.
    pub span: Span,
}

/// A time that a method has.
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
        let known = INTERFACE_KNOWN;
        let mut entries = Entries::parse(attribute, "rpc_api", known, errors);
        let ident = item.ident.clone();
        let topic = entries.required_text("topic", "\"cinder-scheduler\"", ident.span(), errors);
        let version = entries.required_text("version", "\"1.0\"", ident.span(), errors);
        let (version, version_span) = check::interface_version(version, ident.span(), errors);
        let send = check::version_of("send", entries.text("send", errors), &version, errors);
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
            legacy_namespaces: check::legacy_namespaces(entries.value("legacy_namespaces"), errors),
            send,
            runtime: check::runtime(entries.value("crate"), errors),
            methods: Vec::new(),
            broken: Vec::new(),
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
        let Some(parts) = signature::read(&mut method, errors) else {
            return self.broken.extend(signature::harmless(method));
        };
        if check::is_constructor(&method.sig.ident, errors) {
            let broken = signature::harmless(method);
            return self
                .broken
                .extend(broken.map(|method| BrokenMethod { reserved: true, ..method }));
        }
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
        let since =
            check::version_of("since", entries.text("since", errors), &self.version, errors);
        let since = since.unwrap_or(Since { minor: 0, span: ident.span() });
        let (fanout, cast) = (entries.flag("fanout", errors), entries.flag("cast", errors));
        let (host, host_from) = check::host(entries.value("host"), errors);
        check::addressing(fanout, host, &parts, errors);
        let either = check::either(entries.flag("either", errors), fanout.or(cast), &parts, errors);
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
            aliases: check::aliases(entries.value("alias"), errors),
            since,
            send: check::version_of("send", entries.text("send", errors), &self.version, errors),
            ignores_extra: check::extra(entries.text("extra", errors), errors),
            kind,
            host: host.is_some() && host_from.is_none(),
            host_from,
            before: check::before(&mut entries, &["name", "send"], &self.version, since, errors),
            either,
            timeout: check::time("timeout", entries.value("timeout"), errors),
            monitor: check::monitor(entries.value("monitor"), kind, errors),
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

/// What `#[rpc_api(…)]` takes.
const INTERFACE_KNOWN: &[&str] =
    &["topic", "version", "exchange", "namespace", "legacy_namespaces", "send", "crate"];

/// What `#[rpc(…)]` takes.
const METHOD_KNOWN: &[&str] = &[
    "since",
    "send",
    "name",
    "before",
    "alias",
    "fanout",
    "host",
    "cast",
    "either",
    "timeout",
    "monitor",
    "idempotent",
    "ack",
    "extra",
];

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
        given.filter(|argument| argument.since.is_none())
    }

    /// Returns the arguments that came later, with their version, and that a caller may give.
    pub fn later(&self) -> impl Iterator<Item = (&ArgumentDefinition, Since)> {
        let given = self.arguments.iter().filter(|argument| argument.constant.is_none());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attribute: &str, item: &str) -> (Definition, Vec<String>) {
        let mut errors = Errors::default();
        let tokens = attribute.parse().expect("tokens");
        let item = syn::parse_str(item).expect("a trait");
        let definition = Definition::read(tokens, item, &mut errors);
        let messages = errors.messages().collect();
        (definition, messages)
    }

    #[test]
    fn a_definition_is_read_as_written() {
        let (definition, mistakes) = read(
            r#"topic = "notes", version = "2.3", namespace = "desk", crate = ::elsewhere"#,
            r#"pub trait Notes {
                async fn add(&self, ctx: Context, r#type: String, #[arg(since = "2.3", name = "hue")] colour: Option<u8>);
                #[rpc(since = "2.1", timeout = "2m", ack = "late", idempotent)]
                async fn count(&self, ctx: Context, #[arg(default = 5)] most: u32) -> u32;
                #[rpc(fanout)]
                async fn clear(&self, ctx: Context);
                #[rpc(cast, host, name = "drop_all")]
                async fn forget(&self, ctx: Context) -> Result<(), Error>;
            }"#,
        );
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!((definition.topic.as_str(), definition.version), ("notes", Version::new(2, 3)));
        assert_eq!((definition.namespace.as_deref(), definition.exchange), (Some("desk"), None));
        let [add, count, clear, forget] = &definition.methods[..] else { panic!("four methods") };
        let names: Vec<_> = add.arguments.iter().map(|argument| &*argument.wire_name).collect();
        assert_eq!((names, add.kind), (vec!["type", "hue"], Kind::Cast));
        assert_eq!(add.later().map(|(_, since)| since.minor).collect::<Vec<_>>(), [3]);
        assert!(matches!(count.timeout, Some(Timeout::Literal(120_000_000_000))));
        assert_eq!((count.kind, count.since.minor, count.ack), (Kind::Call, 1, Ack::Late));
        assert!(count.idempotent && matches!(count.arguments[0].default, Some(Default::Expr(_))));
        assert_eq!(clear.kind, Kind::Fanout);
        assert_eq!((forget.kind, forget.host, &*forget.wire_name), (Kind::Cast, true, "drop_all"));
    }

    #[test]
    fn every_mistake_is_told_and_every_method_stays() {
        let (definition, mistakes) = read(
            r#"topic = "my notes", version = "2.2", sorted, exchange = """#,
            r#"trait Notes {
                #[rpc(since = "2.9")]
                async fn newer(&self, ctx: Context) -> u32;
                fn blocking(&self, ctx: Context) -> u32;
                async fn borrowing(&self, ctx: Context, (a, b): (u8, u8), line: &str) -> u32;
                async fn new(&self, ctx: Context);
                const MOST: u32;
            }"#,
        );
        let wanted = [
            "unknown `rpc_api`",
            "`exchange`",
            "blanks",
            "newer than",
            "async fn",
            "plain name",
            "`String`",
            "`new`",
            "only methods",
        ];
        assert_eq!(mistakes.len(), wanted.len(), "{mistakes:?}");
        for (mistake, wanted) in mistakes.iter().zip(wanted) {
            assert!(mistake.contains(wanted), "{wanted}: {mistake}");
        }
        assert_eq!(definition.methods.len(), 2);
        let broken: Vec<_> = definition
            .broken
            .iter()
            .map(|method| {
                (method.declaration.sig.ident.to_string(), method.output.is_some(), method.reserved)
            })
            .collect();
        assert_eq!(broken, [("borrowing".into(), true, false), ("new".into(), false, true)]);
    }

    #[test]
    fn an_unreadable_version_is_one_mistake() {
        for version in ["1", "1.2.3", "x.1", "", "1.9999"] {
            let attribute = format!("topic = \"t\", version = \"{version}\"");
            let item = r#"trait T { #[rpc(since = "3.1")] async fn a(&self, ctx: Context); }"#;
            assert_eq!(read(&attribute, item).1.len(), 1, "{version}");
        }
        let item = r#"trait T { #[rpc(since = "0.1")] async fn a(&self, ctx: Context); }"#;
        let (_, mistakes) = read(r#"topic = "t", version = "0.0""#, item);
        assert!(mistakes[0].contains("newer than the interface"), "{mistakes:?}");
    }
}
