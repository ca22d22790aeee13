//! The rules of an argument and its `#[arg(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::{Expr, Ident, LitStr, Type, ext::IdentExt as _};

use super::{before::argument_before, path, version_of, wire_name};
use crate::parse::{
    ArgumentDefinition, Default, Errors, Since, Versions, attributes::Entries, signature::Argument,
};

/// Checks an argument.
pub(crate) fn argument(
    argument: Argument,
    versions: &Versions,
    method: Since,
    errors: &mut Errors,
) -> ArgumentDefinition {
    let Argument { ident, ty, mut entries } = argument;
    if entries.flag("rest", errors).is_some() {
        return rest(ident, ty, entries, errors);
    }
    let name = entries.text("name", errors);
    let named = name.as_ref().map_or_else(|| ident.to_token_stream(), LitStr::to_token_stream);
    let wire_name = wire_name(name, &ident, errors);
    not_pythons(&wire_name, &named, errors);
    let default = match entries.value("default") {
        None => None,
        Some((_, None)) => Some(Default::OfType),
        Some((_, Some(expr))) => Some(Default::Expr(expr)),
    };
    let since = version_of("since", entries.text("since", errors), versions, errors);
    let is_route = route(entries.flag("route", errors), since, default.is_some(), errors);
    let since = since.filter(|_| !is_route);
    let (until, value) = until(&mut entries, versions, method, errors);
    let constant = constant(entries.value("constant"), is_route, errors).or(value);
    let came = since.unwrap_or(method);
    let before = argument_before(&mut entries, versions, came, errors);
    let has_choice = !entries.lacks("or");
    let is_dropped = dropped(entries.text("or", errors), since, errors);
    let is_required =
        is_required(entries.flag("required", errors), has_choice, since, &constant, errors);
    let with = path("with", entries.value("with"), "module", errors);
    not_older(since, method, errors);
    if default.is_none() {
        never_required(&ty, since, until, errors);
    }
    // An argument of the method's own version is an ordinary argument.
    let since = since.filter(|since| since.version > method.version);
    ArgumentDefinition {
        ident,
        wire_name,
        ty,
        since,
        default,
        before,
        until,
        is_route,
        constant,
        with,
        is_rest: false,
        is_dropped,
        is_required: is_required && since.is_some(),
    }
}

/// Checks that an argument did not come before its method.
fn not_older(since: Option<Since>, method: Since, errors: &mut Errors) {
    if let Some(since) = since.filter(|since| since.version < method.version) {
        let (own, older) = (method.version, since.version);
        errors.under(
            since.span,
            format!(
                "since = \"{older}\" is older than the method, which came with {own}: leave it out"
            ),
        );
    }
}

/// Checks that an argument's name is not one that Python servers use themselves.
fn not_pythons(name: &str, named: &TokenStream, errors: &mut Errors) {
    if name == "self" || name == "ctxt" {
        let message = format!(
            "`{name}` cannot be an argument, as Python servers have one of that name: choose another, or `#[arg(name = \"…\")]`"
        );
        errors.at(named, message);
    }
}

/// Checks that a server does not require an argument that a client may omit.
fn never_required(ty: &Type, since: Option<Since>, until: Option<Since>, errors: &mut Errors) {
    if is_option(ty) {
        return;
    }
    if let Some(until) = until {
        let until = until.version;
        errors.at(
            ty,
            format!("an argument with `until` is an `Option`, or has a `default`: a client does not send it to servers of {until} and newer"),
        );
    }
    if let Some(since) = since {
        let since = since.version;
        errors.at(
            ty,
            format!("an argument of a later version is an `Option`, or has a `default`: a client older than {since} does not send it"),
        );
    }
}

/// Checks an argument that collects all others.
fn rest(ident: Ident, ty: Type, entries: Entries, errors: &mut Errors) -> ArgumentDefinition {
    entries.refuse(
        "a `rest` takes all arguments that have no name here, so nothing else can be said of it",
        errors,
    );
    ArgumentDefinition {
        wire_name: ident.unraw().to_string(),
        ident,
        ty,
        since: None,
        default: None,
        before: Vec::new(),
        until: None,
        is_route: false,
        constant: None,
        with: None,
        is_rest: true,
        is_dropped: false,
        is_required: false,
    }
}

/// Reads whether an argument is dropped under a cap that does not allow it and that the compiler
/// does not know.
fn dropped(text: Option<LitStr>, since: Option<Since>, errors: &mut Errors) -> bool {
    let Some(text) = text else { return false };
    if since.is_none() {
        errors.at(&text, "`or` goes with `since`: say which version added the argument");
        return false;
    }
    match text.value().as_str() {
        "drop" => return true,
        "error" => {}
        other => errors.at(
            &text,
            format!("`{other}` does not say what an older cap does: write \"drop\" or \"error\""),
        ),
    }
    false
}

/// Reads whether every caller gives an argument that was added later.
fn is_required(
    required: Option<Span>,
    has_choice: bool,
    since: Option<Since>,
    constant: &Option<Expr>,
    errors: &mut Errors,
) -> bool {
    let Some(span) = required else { return false };
    if constant.is_some() {
        errors.under(span, "no caller gives what is always the same: take `required` away");
    } else if since.is_none() {
        errors.under(
            span,
            "`required` goes with `since`: what came with the method is given by every caller",
        );
    } else if !has_choice {
        errors.under(
            span,
            "say what becomes of it under an older cap: `or = \"drop\"` leaves it out, `or = \"error\"` does not send the request",
        );
    }
    since.is_some()
}

/// Reads until when an argument is sent, and the value that is sent if the caller is not asked.
fn until(
    entries: &mut Entries,
    versions: &Versions,
    method: Since,
    errors: &mut Errors,
) -> (Option<Since>, Option<Expr>) {
    let value = entries.value("value");
    let text = entries.text("until", errors);
    let until = version_of("until", text.clone(), versions, errors);
    if let (Some(until), Some(text)) = (until, &text)
        && until.version <= method.version
    {
        let own = method.version;
        errors.at(text, format!("it would never be sent: the method came with {own}"));
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

/// Whether a type is written as an `Option`. An alias of one needs `default`, like every other
/// type.
fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_option(&group.elem),
        Type::Paren(paren) => is_option(&paren.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Option"),
        _ => false,
    }
}
