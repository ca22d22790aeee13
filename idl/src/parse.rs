//! Reads a checked definition from an annotated trait.
//!
//! Every mistake is reported under the token that caused it. A definition with mistakes still has
//! the methods that are understood, so that one mistake causes one message.

mod attributes;
mod check;
mod definition;
mod errors;
mod recovery;
mod signature;

use proc_macro2::TokenStream;
use syn::{ItemTrait, TraitItem};

pub use attributes::{Entries, entries_of};
pub use check::mentions;
pub use definition::{
    ArgumentDefinition, Before, BrokenMethod, Default, Definition, ManualDefinition,
    MethodDefinition, Since, Timeout, Versions,
};
pub use errors::Errors;
pub use recovery::read_trait;

impl Definition {
    /// Reads the tokens of `#[rpc_api(…)]` and the trait below it. Mistakes are added to `errors`.
    pub fn read(attribute: TokenStream, item: ItemTrait, errors: &mut Errors) -> Self {
        let mut entries = Entries::parse(attribute, "rpc_api", INTERFACE_KNOWN, errors);
        let ident = item.ident.clone();
        let topic = check::topic(&mut entries, ident.span(), errors);
        let version = entries.required_text("version", "\"1.0\"", ident.span(), errors);
        let (version, version_span) = check::interface_version(version, ident.span(), errors);
        let (versions, previous_send) = check::versions(&mut entries, version, errors);
        let send = check::version_of("send", entries.text("send", errors), &versions, errors);
        let mut definition = Self {
            attrs: item.attrs.clone(),
            vis: item.vis.clone(),
            ident,
            supertraits: item.supertraits.clone(),
            topic,
            version_span,
            exchange: check::named(entries.text("exchange", errors), "exchange", errors),
            namespace: check::named(entries.text("namespace", errors), "namespace", errors),
            legacy_namespaces: check::legacy_namespaces(entries.value("legacy_namespaces"), errors),
            send: send.into_iter().chain(previous_send).collect(),
            aliases: check::version_aliases(&mut entries, &versions, errors),
            address: check::path("address", entries.value("address"), "cinder_address", errors),
            mock: check::mock(&mut entries, errors),
            runtime: check::runtime(entries.value("crate"), errors),
            versions,
            methods: Vec::new(),
            manual: Vec::new(),
            broken: Vec::new(),
        };
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
        let mut entries = entries_of("rpc", &mut method.attrs, METHOD_KNOWN, errors);
        if let Some(span) = entries.flag("manual", errors) {
            let manual = check::manual(method, span, entries, &self.versions, errors);
            return self.manual.extend(manual);
        }
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
        mut parts: signature::Parts,
        errors: &mut Errors,
    ) -> MethodDefinition {
        let (ident, versions) = (method.sig.ident, &self.versions);
        let wire_name = check::wire_name(entries.text("name", errors), &ident, errors);
        let since = check::version_of("since", entries.text("since", errors), versions, errors);
        let since = since.unwrap_or(Since { version: versions.first(), span: ident.span() });
        let (kind, either) = check::kind(&mut entries, &mut parts, errors);
        let (host, host_from) = check::host(&mut entries, kind, self.address.is_some(), errors);
        let arguments = parts.arguments.into_iter();
        let arguments =
            arguments.map(|argument| check::argument(argument, versions, since, errors)).collect();
        MethodDefinition {
            wire_name,
            aliases: check::aliases(entries.value("alias"), errors),
            since,
            send: check::version_of("send", entries.text("send", errors), versions, errors),
            ignores_extra: check::extra(entries.text("extra", errors), errors),
            kind,
            host,
            host_from,
            topic: check::method_topic(&mut entries, versions, errors),
            before: check::method_before(&mut entries, versions, since, errors),
            either,
            timeout: check::time("timeout", entries.value("timeout"), errors),
            monitor: check::monitor(entries.value("monitor"), kind, errors),
            idempotent: entries.flag("idempotent", errors).is_some(),
            ack: check::ack(entries.text("ack", errors), errors),
            expected: check::expected(&mut entries, kind, errors),
            context: parts.context,
            arguments,
            output: parts.output,
            attrs: method.attrs,
            ident,
        }
    }
}

/// The entries of `#[rpc_api(…)]`.
const INTERFACE_KNOWN: &[&str] = &[
    "topic",
    "version",
    "exchange",
    "namespace",
    "legacy_namespaces",
    "since",
    "send",
    "previous",
    "aliases",
    "address",
    "mock",
    "crate",
];

/// The entries of `#[rpc(…)]`.
const METHOD_KNOWN: &[&str] = &[
    "since",
    "send",
    "name",
    "before",
    "alias",
    "fanout",
    "host",
    "topic",
    "topic_since",
    "cast",
    "call",
    "either",
    "timeout",
    "monitor",
    "idempotent",
    "ack",
    "extra",
    "expected",
    "manual",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ack, Kind, Version};

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
        assert_eq!(
            (definition.topic.as_deref(), definition.versions.own),
            (Some("notes"), Version::new(2, 3))
        );
        assert_eq!((definition.namespace.as_deref(), definition.exchange), (Some("desk"), None));
        let [add, count, clear, forget] = &definition.methods[..] else { panic!("four methods") };
        let names: Vec<_> = add.arguments.iter().map(|argument| &*argument.wire_name).collect();
        assert_eq!((names, add.kind), (vec!["type", "hue"], Kind::Cast));
        assert_eq!(add.later().map(|(_, since)| since.version.minor()).collect::<Vec<_>>(), [3]);
        assert!(matches!(
            count.timeout,
            Some(Timeout::Literal { nanoseconds: 120_000_000_000, .. })
        ));
        assert_eq!(
            (count.kind, count.since.version.minor(), count.ack),
            (Kind::Call, 1, Ack::Late)
        );
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
            "blanks",
            "`exchange`",
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
    fn what_only_routes_has_no_name_on_the_wire() {
        let item = r#"trait T {
            #[rpc(host = "host")]
            async fn a(&self, ctx: Context, #[arg(route)] host: String, #[arg(name = "host")] of: String);
            async fn b(&self, ctx: Context, host: String, #[arg(name = "host")] of: String);
        }"#;
        let (definition, mistakes) = read(r#"topic = "t", version = "1.0""#, item);
        let names = definition.methods[0].sent().map(|argument| &*argument.wire_name);
        assert_eq!(names.collect::<Vec<_>>(), ["host"]);
        assert!(mistakes.len() == 1 && mistakes[0].contains("already"), "{mistakes:?}");
    }

    #[test]
    fn what_came_with_its_method_is_required_anyway() {
        let item = r#"trait T {
            #[rpc(since = "1.1")]
            async fn a(&self, ctx: Context, #[arg(since = "1.1", required, or = "drop")] of: Option<u8>);
        }"#;
        let (definition, mistakes) = read(r#"topic = "t", version = "1.1""#, item);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let method = &definition.methods[0];
        assert_eq!((method.positional().count(), method.required().count()), (1, 0));
        assert!(!method.arguments[0].is_required);
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
