//! The rules of a definition. Each message says what to write instead.

mod argument;
mod before;
mod method;
mod versions;

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Expr, ExprLit, Ident, ItemTrait, Lit, LitStr, Path, ext::IdentExt as _};

pub(crate) use self::{
    argument::argument,
    before::method_before,
    method::{ack, aliases, expected, extra, host, kind, method_topic, monitor, time},
    versions::{interface_version, version_aliases, version_of, versions},
};
use super::{Definition, Entries, Errors, ManualDefinition, MethodDefinition, Versions};
/// The names that a generated client defines itself.
const RESERVED: &[&str] = &[
    "prepare",
    "version_cap",
    "negotiated",
    "narrow",
    "unchecked",
    "can_send_version",
    "request",
    "clone",
    "deref",
    "server",
    "fanout",
    "timeout",
    "exchange",
    "topic",
    "on_topic",
    "namespace",
    "transport",
    "transport_by",
    "retry",
    "monitor",
    "mandatory",
    "unversioned",
    "client",
    "from",
    "into",
    "fmt",
];

/// Reads the interface's topic, or `runtime` if only a caller knows it.
pub(crate) fn topic(entries: &mut Entries, span: Span, errors: &mut Errors) -> Option<String> {
    if entries.lacks("topic") {
        errors.under(span, "the interface needs a topic: write `#[rpc_api(topic = \"cinder-scheduler\", …)]`, or `topic = runtime` if only a caller knows it");
    }
    let text = match entries.value("topic")? {
        (_, Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. }))) => text,
        (_, Some(Expr::Path(path))) if path.path.is_ident("runtime") => return None,
        (_, Some(other)) => {
            errors.at(
                &other,
                "`topic` is a text, or `runtime` if only a caller knows it: write `topic = \"…\"`",
            );
            return Some(String::new());
        }
        (name, None) => {
            errors.at(&name, "`topic` needs a value: write `topic = \"…\"`");
            return Some(String::new());
        }
    };
    name_of_topic(&text, errors);
    Some(text.value())
}

/// Checks a topic, which is a routing key and the beginning of queue names.
fn name_of_topic(text: &LitStr, errors: &mut Errors) {
    const LONGEST: usize = 200;
    let value = text.value();
    if value.is_empty() {
        errors.at(text, "a topic cannot be empty: write the name that its servers listen on");
    } else if value.contains(['*', '#']) {
        errors.at(text, "a topic cannot contain `*` or `#`: the broker reads them as wildcards");
    } else if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        errors.at(text, "a topic cannot contain blanks or control characters");
    } else if value.len() > LONGEST {
        errors.at(
            text,
            format!("a topic cannot be longer than {LONGEST} bytes: queue names are made of it"),
        );
    }
}

/// Reads `mock`, or `mock(test)` with the `cfg` under which the mock exists.
pub(crate) fn mock(entries: &mut Entries, errors: &mut Errors) -> Option<TokenStream> {
    const FORM: &str = "mock(feature = \"mocks\")";
    if entries.is_bare("mock") {
        entries.flag("mock", errors);
        return Some(TokenStream::new());
    }
    let (name, condition) = entries.tokens("mock", FORM, errors)?;
    if condition.is_empty() {
        errors.at(&name, format!("say when there is a mock, `{FORM}`, or write `mock` for always"));
    }
    Some(condition)
}

/// Reads a client method that the user has written.
pub(crate) fn manual(
    item: syn::TraitItemFn,
    span: Span,
    mut entries: Entries,
    versions: &Versions,
    errors: &mut Errors,
) -> Option<ManualDefinition> {
    let since = version_of("since", entries.text("since", errors), versions, errors);
    entries.refuse(
        "a `manual` method is the client's own, and not a request: it takes `since` and nothing else",
        errors,
    );
    let ident = &item.sig.ident;
    if item.default.is_none() {
        errors.under(
            span,
            format!("`{ident}` is `manual`, so it needs a body: write `{{ self.prepare()… }}`"),
        );
        return None;
    }
    if is_constructor(ident, errors) || reserved(ident, RESERVED, errors) {
        return None;
    }
    Some(ManualDefinition { item, since })
}

/// Reads a path to a function or a module, given as a path or as text.
pub(crate) fn path(
    what: &str,
    value: Option<(Ident, Option<Expr>)>,
    example: &str,
    errors: &mut Errors,
) -> Option<Path> {
    let (name, value) = value?;
    let form = format!("write `{what} = {example}`");
    match value {
        Some(Expr::Path(path)) if path.qself.is_none() => return Some(path.path),
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => match text.parse() {
            Ok(path) => return Some(path),
            Err(_) => errors.at(&text, format!("`{what}` is a path: {form}")),
        },
        Some(other) => errors.at(&other, format!("`{what}` is a path: {form}")),
        None => errors.at(&name, format!("`{what}` needs a value: {form}")),
    }
    None
}

/// Reads `legacy_namespaces = ["…", None]`.
pub(crate) fn legacy_namespaces(
    entry: Option<(Ident, Option<Expr>)>,
    errors: &mut Errors,
) -> Vec<Option<String>> {
    const FORM: &str = "write `legacy_namespaces = [\"…\", None]`: texts, and `None` for requests without a namespace";
    let Some((name, value)) = entry else { return Vec::new() };
    let Some(Expr::Array(list)) = value else {
        errors.at(&name, FORM);
        return Vec::new();
    };
    let mut namespaces = Vec::new();
    for item in &list.elems {
        match item {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => namespaces.push(Some(text.value())),
            Expr::Path(path) if path.path.is_ident("None") => namespaces.push(None),
            other => errors.at(other, FORM),
        }
    }
    namespaces
}

/// Checks that a name is not empty.
pub(crate) fn named(text: Option<LitStr>, what: &str, errors: &mut Errors) -> Option<String> {
    let text = text?;
    if text.value().is_empty() {
        errors.at(&text, format!("`{what}` cannot be empty: leave it out to have none"));
        return None;
    }
    Some(text.value())
}

/// Reads the runtime's path.
pub(crate) fn runtime(value: Option<(Ident, Option<Expr>)>, errors: &mut Errors) -> Path {
    let default = || syn::parse_quote!(::rpc_runtime);
    let Some((name, value)) = value else { return default() };
    match value {
        Some(Expr::Path(path))
            if path.attrs.is_empty() && path.qself.is_none() && is_absolute(&path.path) =>
        {
            path.path
        }
        Some(other) => {
            errors.at(
                &other,
                "`crate` is an absolute path: write `crate = ::name` or `crate = crate::path`",
            );
            default()
        }
        None => {
            errors.at(
                &name,
                "`crate` needs a value: write `crate = ::name` or `crate = crate::path`",
            );
            default()
        }
    }
}

fn is_absolute(path: &Path) -> bool {
    path.leading_colon.is_some()
        || path.segments.first().is_some_and(|first| first.ident == "crate")
}

/// Rejects syntax that an interface's trait cannot have.
pub(crate) fn trait_syntax(item: &ItemTrait, errors: &mut Errors) {
    if !item.generics.params.is_empty() {
        errors.at(
            &item.generics,
            "an RPC interface cannot be generic: its types are part of the interface",
        );
    }
    if let Some(clause) = &item.generics.where_clause {
        errors.at(clause, "an RPC interface has no bounds: take the `where` clause away");
    }
    if let Some(unsafety) = &item.unsafety {
        errors.at(unsafety, "an RPC interface cannot be `unsafe`: take that away");
    }
    if let Err(error) = item.modifiers.require_empty() {
        errors.push(error);
    }
}

/// Returns the name on the wire.
pub(crate) fn wire_name(text: Option<LitStr>, ident: &Ident, errors: &mut Errors) -> String {
    let Some(text) = text else { return ident.unraw().to_string() };
    let value = text.value();
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !plain || value.is_empty() || value.starts_with(|c: char| c.is_ascii_digit()) {
        errors.at(
            &text,
            format!("`{value}` cannot be a name in Python: use letters, digits and `_`"),
        );
        return ident.unraw().to_string();
    }
    value
}

/// Checks the rules that concern the whole definition.
pub(crate) fn definition(definition: &mut Definition, errors: &mut Errors) {
    let mut names = BTreeMap::new();
    for method in &definition.methods {
        // `#[cfg]` may keep only one of two methods, so they may share a name.
        let conditional = method.attrs_named(&["cfg"]).next().is_some();
        let old = method.before.iter().filter_map(|before| before.name.as_ref());
        let old = old.filter(|old| **old != method.wire_name);
        for name in std::iter::once(&method.wire_name).chain(&method.aliases).chain(old) {
            if !conditional && let Some(other) = names.insert(name.clone(), &method.ident) {
                errors.at(&method.ident, format!("`{name}` is the wire name of `{other}` already: give one a `name = \"…\"` of its own"));
            }
        }
        reserved(&method.ident, RESERVED, errors);
    }
    definition.methods.iter_mut().for_each(|method| arguments(method, errors));
    definition.methods.iter_mut().for_each(|method| routes(method, errors));
    casts(definition, errors);
    manuals(definition, errors);
}

/// Checks that no two methods of the client share a name.
fn manuals(definition: &mut Definition, errors: &mut Errors) {
    let methods = &definition.methods;
    definition.manual.retain(|manual| {
        let ident = &manual.item.sig.ident;
        let is_taken = methods.iter().any(|method| method.ident == *ident);
        if is_taken {
            let name = ident.unraw();
            errors.at(ident, format!("`{name}` is another method already: choose another name"));
        }
        !is_taken
    });
}

/// Checks that every argument for routing is used for it.
fn routes(method: &mut MethodDefinition, errors: &mut Errors) {
    let host = method.host_from.as_ref();
    for argument in method.arguments.iter_mut().filter(|argument| argument.is_route) {
        let name = argument.ident.unraw();
        if !host.is_some_and(|host| mentions(host.to_token_stream(), &argument.ident)) {
            // From here on it is an ordinary argument.
            argument.is_route = false;
            errors.at(
                &argument.ident,
                format!(
                    "nothing routes by `{name}`: write `#[rpc(host = \"{name}\")]` on the method"
                ),
            );
        }
    }
}

/// Whether an expression mentions a name.
#[must_use]
pub fn mentions(tokens: TokenStream, ident: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(other) => other == *ident,
        TokenTree::Group(group) => mentions(group.stream(), ident),
        _ => false,
    })
}

/// Checks that the generated `…_cast` stubs do not clash with methods.
fn casts(definition: &mut Definition, errors: &mut Errors) {
    let names: Vec<_> = definition.methods.iter().map(|method| method.ident.clone()).collect();
    for method in definition.methods.iter_mut().filter(|method| method.either) {
        let cast = format!("{}_cast", method.ident.unraw());
        if let Some(other) = names.iter().find(|other| **other == cast) {
            let name = method.ident.unraw();
            method.either = false;
            errors.at(other, format!("`{name}` is `either`, so the client has a `{cast}` of its own: choose another name"));
        }
    }
}

/// Checks that a method does not have the name of the client's constructor, with which it could not
/// coexist.
pub(crate) fn is_constructor(ident: &Ident, errors: &mut Errors) -> bool {
    reserved(ident, &["new"], errors)
}

/// Checks that a method's name is free in the client. Returns whether it is reserved.
fn reserved(ident: &Ident, names: &[&str], errors: &mut Errors) -> bool {
    let name = ident.unraw().to_string();
    let reserved = names.contains(&name.as_str());
    if reserved {
        errors.at(
            ident,
            format!("the client has a `{name}` of its own: choose another name, and `#[rpc(name = \"{name}\")]`"),
        );
    }
    reserved
}

fn arguments(method: &mut MethodDefinition, errors: &mut Errors) {
    rest(method, errors);
    let mut names = BTreeMap::new();
    let all = method.sent().flat_map(|argument| {
        let old = argument.before.iter().filter_map(|before| before.name.as_ref());
        let old = old.filter(|old| **old != argument.wire_name);
        std::iter::once(&argument.wire_name).chain(old).map(move |name| (name, argument))
    });
    for (name, argument) in all {
        if let Some(other) = names.insert(name.as_str(), &argument.ident) {
            errors.at(
                &argument.ident,
                format!("`{name}` is the wire name of the argument `{other}` already: give one a `name = \"…\"` of its own"),
            );
        }
    }
    let setters: Vec<_> =
        method.later().map(|(argument, _)| argument.ident.unraw().to_string()).collect();
    for argument in method.arguments.iter_mut().filter(|argument| argument.since.is_some()) {
        let setter = argument.ident.unraw().to_string();
        let twin = setter
            .strip_suffix("_or_drop")
            .is_some_and(|twin| setters.iter().any(|other| other == twin));
        if twin || setter == "into_future" {
            errors.at(
                &argument.ident,
                format!("the request has a `{setter}` of its own: choose another name, and `#[arg(name = \"{setter}\")]`"),
            );
            // Without a setter there is no clash.
            argument.since = None;
        }
    }
}

/// Checks that at most one argument is a `rest`.
fn rest(method: &mut MethodDefinition, errors: &mut Errors) {
    let mut first: Option<Ident> = None;
    for argument in method.arguments.iter_mut().filter(|argument| argument.is_rest) {
        if let Some(first) = &first {
            argument.is_rest = false;
            let message = format!("`{}` is a `rest` already: keep one", first.unraw());
            errors.at(&argument.ident, message);
        }
        first.get_or_insert_with(|| argument.ident.clone());
    }
    if let Some(first) = first.filter(|_| method.ignores_extra) {
        errors.at(
            &first,
            "`rest` takes what `extra = \"ignore\"` would leave out: keep one of the two",
        );
    }
}
