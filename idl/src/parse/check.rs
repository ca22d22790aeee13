//! The rules of a definition, each with a message that says what to write instead.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Expr, ExprLit, Ident, ItemTrait, Lit, LitStr, Path, Type, ext::IdentExt as _};

use super::{
    ArgumentDefinition, Before, Default, Definition, Errors, MethodDefinition, Since, Timeout,
    attributes::Entries,
    signature::{Argument, Parts},
};
use crate::{Ack, Kind, Version};

/// What a generated client has already.
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
    "namespace",
    "retry",
    "monitor",
    "mandatory",
    "unversioned",
    "client",
    "from",
    "into",
    "fmt",
];

/// Reads a version of an attribute: `MAJOR.MINOR`.
fn version(text: &LitStr, errors: &mut Errors) -> Option<Version> {
    let value = text.value();
    let number =
        |part: &str| part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    let parsed = value
        .split_once('.')
        .and_then(|(major, minor)| Some(Version::new(number(major)?, number(minor)?)));
    if parsed.is_none() {
        errors.at(
            text,
            format!(
                "`{value}` is not a version of an RPC API: write \"MAJOR.MINOR\", such as \"2.1\""
            ),
        );
    }
    parsed
}

/// Stands for a version that could not be read, under which nothing else is checked. No attribute can say it.
const UNREADABLE: Version = Version::with_revision(0, 0, 1);

/// Reads the interface's version.
pub(crate) fn interface_version(
    text: Option<LitStr>,
    span: Span,
    errors: &mut Errors,
) -> (Version, Span) {
    const MOST: u64 = 500;
    let Some(text) = text else { return (UNREADABLE, span) };
    let Some(version) = version(&text, errors) else { return (UNREADABLE, text.span()) };
    if version.minor() > MOST {
        errors.at(
            &text,
            format!("a minor version above {MOST} is beyond reason: begin a new major version"),
        );
        return (UNREADABLE, text.span());
    }
    (version, text.span())
}

/// Reads a version of the interface's, such as `since`. One that is wrong counts as not given.
pub(crate) fn version_of(
    name: &str,
    text: Option<LitStr>,
    interface: &Version,
    errors: &mut Errors,
) -> Option<Since> {
    let text = text?;
    let since = version(&text, errors)?;
    if *interface == UNREADABLE {
        return None;
    }
    if since.major() != interface.major() {
        let value = text.value();
        errors.at(
            &text,
            format!("{name} = \"{value}\" has another major version than the interface, which is {interface}: a new major version is a new trait"),
        );
        return None;
    }
    if since > *interface {
        let value = text.value();
        errors.at(
            &text,
            format!("{name} = \"{value}\" is newer than the interface, which is {interface}: raise `version` in `#[rpc_api]`"),
        );
        return None;
    }
    Some(Since { minor: since.minor(), span: text.span() })
}

/// Checks a topic: it is a routing key and the beginning of queue names.
pub(crate) fn topic(topic: Option<&LitStr>, errors: &mut Errors) {
    const LONGEST: usize = 200;
    let Some(text) = topic else { return };
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

/// Checks a name that may not be empty.
pub(crate) fn named(text: Option<LitStr>, what: &str, errors: &mut Errors) -> Option<String> {
    let text = text?;
    if text.value().is_empty() {
        errors.at(&text, format!("`{what}` cannot be empty: leave it out to have none"));
        return None;
    }
    Some(text.value())
}

/// Reads where the runtime lives.
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

/// Checks what a trait may not have.
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

/// Reads `host`, or `host = "…"` with an expression over the arguments. Returns where it is written, and the expression.
pub(crate) fn host(
    entry: Option<(Ident, Option<Expr>)>,
    errors: &mut Errors,
) -> (Option<Span>, Option<Expr>) {
    const FORM: &str = "write `host` for a host that the client names, or `host = \"argument.field\"` for one that an argument says";
    let Some((name, value)) = entry else { return (None, None) };
    let text = match value {
        None => return (Some(name.span()), None),
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => text,
        Some(other) => {
            errors.at(&other, FORM);
            return (None, None);
        }
    };
    match text.parse::<Expr>() {
        Ok(expr) => (Some(name.span()), Some(expr)),
        Err(_) => {
            errors.at(&text, FORM);
            (None, None)
        }
    }
}

/// Checks a method that a caller may wait for or not.
pub(crate) fn either(
    either: Option<Span>,
    other: Option<Span>,
    parts: &Parts,
    errors: &mut Errors,
) -> bool {
    let Some(span) = either else { return false };
    if other.is_some() {
        errors.under(
            span,
            "`either` makes a call and a cast of a method: take `cast` or `fanout` away",
        );
        return false;
    }
    if parts.output.is_none() {
        errors.under(
            span,
            "`either` is for a method with an answer: write what it returns, `-> ()` if nothing",
        );
        return false;
    }
    true
}

/// Checks that a method's target makes sense.
pub(crate) fn addressing(
    fanout: Option<Span>,
    host: Option<Span>,
    parts: &Parts,
    errors: &mut Errors,
) {
    let Some(span) = fanout else { return };
    if host.is_some() {
        errors.under(span, "`fanout` goes to every server, `host` to one: keep one of them");
    }
    if let Some(output) = &parts.output {
        errors.at(output, "a fanout cast has no answer: take the return type away, or `fanout`");
    }
}

/// Reads how long a method's server may be silent.
pub(crate) fn monitor(
    value: Option<(Ident, Option<Expr>)>,
    kind: Kind,
    errors: &mut Errors,
) -> Option<Timeout> {
    let name = value.as_ref().map(|(name, _)| name.clone())?;
    if kind != Kind::Call {
        errors.at(&name, "`monitor` is for calls: nobody waits for a cast to end");
        return None;
    }
    time("monitor", value, errors)
}

/// Reads whether unknown arguments are ignored.
pub(crate) fn extra(text: Option<LitStr>, errors: &mut Errors) -> bool {
    let Some(text) = text else { return false };
    match text.value().as_str() {
        "ignore" => return true,
        "refuse" => {}
        other => errors.at(
            &text,
            format!(
                "`{other}` is nothing to do with extra arguments: write \"ignore\" or \"refuse\""
            ),
        ),
    }
    false
}

/// Reads `alias = "…"` or `alias = ["…", "…"]`.
pub(crate) fn aliases(entry: Option<(Ident, Option<Expr>)>, errors: &mut Errors) -> Vec<String> {
    const FORM: &str =
        "write `alias = \"old_name\"`, or a list of names: `alias = [\"older\", \"oldest\"]`";
    let Some((name, value)) = entry else { return Vec::new() };
    let texts = match value {
        Some(Expr::Array(list)) => list.elems.into_iter().collect(),
        Some(one) => vec![one],
        None => {
            errors.at(&name, FORM);
            Vec::new()
        }
    };
    let mut aliases = Vec::new();
    for text in texts {
        match text {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                aliases.push(wire_name(Some(text), &name, errors));
            }
            other => errors.at(&other, FORM),
        }
    }
    aliases
}

/// Reads a time that a method has.
pub(crate) fn time(
    what: &str,
    value: Option<(Ident, Option<Expr>)>,
    errors: &mut Errors,
) -> Option<Timeout> {
    let (name, value) = value?;
    match value {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            match nanoseconds(&text.value()) {
                Some(nanoseconds) => Some(Timeout::Literal(nanoseconds)),
                None => {
                    let value = text.value();
                    errors.at(&text, format!("`{value}` is no time above zero: write \"250ms\", \"5s\", \"2m\" or \"1h\""));
                    None
                }
            }
        }
        Some(expr @ (Expr::Path(_) | Expr::Call(_) | Expr::MethodCall(_))) => {
            Some(Timeout::Expr(expr))
        }
        Some(other) => {
            let message = format!("`{what}` is a text such as \"5s\", or a path to a `Duration`");
            errors.at(&other, message);
            None
        }
        None => {
            errors.at(&name, format!("`{what}` needs a value: write `{what} = \"5s\"`"));
            None
        }
    }
}

fn nanoseconds(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale).filter(|&nanoseconds| nanoseconds > 0)
}

/// Reads when a request is acknowledged.
pub(crate) fn ack(text: Option<LitStr>, errors: &mut Errors) -> Ack {
    let Some(text) = text else { return Ack::Early };
    match text.value().as_str() {
        "early" => {}
        "late" => return Ack::Late,
        other => errors
            .at(&text, format!("`{other}` is no way to acknowledge: write \"early\" or \"late\"")),
    }
    Ack::Early
}

/// Reads what something was under older caps, the oldest first.
pub(crate) fn before(
    entries: &mut Entries,
    known: &'static [&'static str],
    interface: &Version,
    since: Since,
    errors: &mut Errors,
) -> Vec<Before> {
    let mut all: Vec<Before> = Vec::new();
    for (version, mut list) in entries.versioned_lists("before", known, errors) {
        let text = version.clone();
        let Some(version) = version_of("before", Some(version), interface, errors) else {
            continue;
        };
        if version.minor <= since.minor {
            let (value, major, own) = (text.value(), interface.major(), since.minor);
            errors
                .at(&text, format!("there is nothing before {value}: it came with {major}.{own}"));
            continue;
        }
        if all.iter().any(|other| other.version.minor == version.minor) {
            let value = text.value();
            errors.at(&text, format!("what it was before {value} is said twice: keep one"));
            continue;
        }
        let says_nothing = list.lacks("name") && list.lacks("with");
        let name = list.text("name", errors);
        let name =
            name.map(|name| wire_name(Some(name.clone()), &Ident::new("_", name.span()), errors));
        let send = version_of("send", list.text("send", errors), interface, errors);
        let with = path("with", list.value("with"), errors);
        if says_nothing {
            errors.at(&text, "say what it was: write `before(\"3.5\", name = \"old_name\")`");
        }
        if name.is_none() && with.is_none() {
            continue;
        }
        all.push(Before { version, name, send, with });
    }
    all.sort_by_key(|before| before.version.minor);
    all
}

/// Reads a path to a function.
fn path(what: &str, value: Option<(Ident, Option<Expr>)>, errors: &mut Errors) -> Option<Path> {
    let (name, value) = value?;
    match value {
        Some(Expr::Path(path)) if path.qself.is_none() => return Some(path.path),
        Some(other) => errors
            .at(&other, format!("`{what}` is a path to a function: write `{what} = old_form`")),
        None => errors.at(&name, format!("`{what}` needs a value: write `{what} = old_form`")),
    }
    None
}

/// Checks an argument.
pub(crate) fn argument(
    argument: Argument,
    interface: &Version,
    method: Since,
    errors: &mut Errors,
) -> ArgumentDefinition {
    let Argument { ident, ty, mut entries } = argument;
    let name = entries.text("name", errors);
    let named = name.as_ref().map_or_else(|| ident.to_token_stream(), LitStr::to_token_stream);
    let wire_name = wire_name(name, &ident, errors);
    if wire_name == "self" || wire_name == "ctxt" {
        let message = format!(
            "`{wire_name}` cannot be an argument, as Python servers have one of that name: choose another, or `#[arg(name = \"…\")]`"
        );
        errors.at(&named, message);
    }
    let default = match entries.value("default") {
        None => None,
        Some((_, None)) => Some(Default::OfType),
        Some((_, Some(expr))) => Some(Default::Expr(expr)),
    };
    let since = version_of("since", entries.text("since", errors), interface, errors);
    let is_route = route(entries.flag("route", errors), since, default.is_some(), errors);
    let since = since.filter(|_| !is_route);
    let (until, value) = until(&mut entries, interface, method, errors);
    let constant = constant(entries.value("constant"), is_route, errors).or(value);
    if let Some(until) = until
        && default.is_none()
        && !is_option(&ty)
    {
        let (major, minor) = (interface.major(), until.minor);
        errors.at(
            &ty,
            format!("an argument that goes is an `Option`, or has a `default`: a client does not send it to servers of {major}.{minor} and newer"),
        );
    }
    let came = since.unwrap_or(method);
    let before = before(&mut entries, &["name", "with"], interface, came, errors);
    if let Some(since) = since {
        if since.minor < method.minor {
            let major = interface.major();
            let (own, older) = (method.minor, since.minor);
            errors.under(
                since.span,
                format!("since = \"{major}.{older}\" is older than the method, which came with {major}.{own}: leave it out"),
            );
        }
        if default.is_none() && !is_option(&ty) {
            let (major, minor) = (interface.major(), since.minor);
            errors.at(
                &ty,
                format!("an argument of a later version is an `Option`, or has a `default`: a client older than {major}.{minor} does not send it"),
            );
        }
    }
    // What came with the method itself is an argument like any other.
    let since = since.filter(|since| since.minor > method.minor);
    ArgumentDefinition { ident, wire_name, ty, since, default, before, until, is_route, constant }
}

/// Reads until when an argument is sent, and what is sent then if its caller is not asked.
fn until(
    entries: &mut Entries,
    interface: &Version,
    method: Since,
    errors: &mut Errors,
) -> (Option<Since>, Option<Expr>) {
    let value = entries.value("value");
    let text = entries.text("until", errors);
    let until = version_of("until", text.clone(), interface, errors);
    if let (Some(until), Some(text)) = (until, &text)
        && until.minor <= method.minor
    {
        let (major, own) = (interface.major(), method.minor);
        errors.at(text, format!("it would never be sent: the method came with {major}.{own}"));
        return (None, None);
    }
    match value {
        Some((name, _)) if text.is_none() => {
            errors.at(
                &name,
                "`value` goes with `until`: write `constant = …` for what is always sent",
            );
            (until, None)
        }
        Some((name, None)) => {
            errors.at(&name, "`value` needs a value: write `value = None`");
            (until, None)
        }
        Some((_, value)) => (until, value),
        None => (until, None),
    }
}

/// Checks an argument that is not sent.
fn route(route: Option<Span>, since: Option<Since>, default: bool, errors: &mut Errors) -> bool {
    let Some(span) = route else { return false };
    if since.is_some() || default {
        errors.under(
            span,
            "a `route` is not sent, so it has neither `since` nor `default`: keep one",
        );
    }
    true
}

/// Reads the value of an argument that is always the same.
fn constant(
    entry: Option<(Ident, Option<Expr>)>,
    is_route: bool,
    errors: &mut Errors,
) -> Option<Expr> {
    let (name, value) = entry?;
    if value.is_none() {
        errors.at(&name, "`constant` needs a value: write `constant = true`");
    } else if is_route {
        errors.at(&name, "a `route` is not sent, and a `constant` always is: keep one");
        return None;
    }
    value
}

/// Whether a type is written as an `Option`. An alias of one needs `default`, as every other type does.
fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_option(&group.elem),
        Type::Paren(paren) => is_option(&paren.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Option"),
        _ => false,
    }
}

/// Checks what only shows in the whole definition.
pub(crate) fn definition(definition: &mut Definition, errors: &mut Errors) {
    let mut names = BTreeMap::new();
    for method in &definition.methods {
        // Two methods of which `#[cfg]` keeps one may share a name.
        let conditional = method.attrs_named(&["cfg"]).next().is_some();
        let old = method.before.iter().filter_map(|before| before.name.as_ref());
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
}

/// Checks that whatever is there to route by is used for it.
fn routes(method: &mut MethodDefinition, errors: &mut Errors) {
    let host = method.host_from.as_ref();
    for argument in method.arguments.iter_mut().filter(|argument| argument.is_route) {
        let name = argument.ident.unraw();
        if !host.is_some_and(|host| mentions(host.to_token_stream(), &argument.ident)) {
            // Then it is an argument like any other.
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

/// Whether an expression has a name in it.
#[must_use]
pub fn mentions(tokens: TokenStream, ident: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(other) => other == *ident,
        TokenTree::Group(group) => mentions(group.stream(), ident),
        _ => false,
    })
}

/// Checks that the stubs which do not wait meet no method.
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

/// Checks that a method is not called as the function that makes a client, beside which it could not even stand.
pub(crate) fn is_constructor(ident: &Ident, errors: &mut Errors) -> bool {
    reserved(ident, &["new"], errors)
}

/// Checks that the client has nothing else of a method's name. Returns whether it has.
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
    let mut names = BTreeMap::new();
    let all = method.arguments.iter().flat_map(|argument| {
        let old = argument.before.iter().filter_map(|before| before.name.as_ref());
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
            // Without a setter there is nothing that clashes.
            argument.since = None;
        }
    }
}
