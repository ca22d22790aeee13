//! What `#[arg(…)]` says of an argument, and what it or a method was before.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{Expr, Ident, LitStr, Path, Type};

use super::{version_of, wire_name};
use crate::{
    Version,
    parse::{
        ArgumentDefinition, Before, Default, Errors, Since, attributes::Entries,
        signature::Argument,
    },
};

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
