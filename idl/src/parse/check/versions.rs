//! The rules of versions: the interface's own, those of the previous major, and their aliases.

use proc_macro2::Span;
use syn::{
    Expr, ExprLit, Ident, Lit, LitStr, Token, ext::IdentExt as _, parse::Parser as _,
    punctuated::Punctuated,
};

use crate::{
    Version,
    parse::{Entries, Errors, Since, Versions},
};

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

/// The placeholder for a version that could not be read; it turns later checks off. An attribute
/// cannot contain it.
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

/// Reads the versions beside the interface's own: the previous major, and the oldest cap. Also
/// returns the version that requests of the previous major carry.
pub(crate) fn versions(
    entries: &mut Entries,
    own: Version,
    errors: &mut Errors,
) -> (Versions, Option<Since>) {
    let first = Version::new(own.major(), 0);
    let mut versions = Versions { own, previous: None, oldest: first };
    let previous =
        entries.list("previous", &["version", "send"], "previous(version = \"5.13\")", errors);
    let mut sent = None;
    if let Some((name, mut list)) = previous {
        versions.previous = previous_version(&name, &mut list, own, errors);
        versions.oldest = versions.first();
        let send = list.text("send", errors).filter(|_| versions.previous.is_some());
        let send = version_of("send", send, &versions, errors);
        sent = send.filter(|send| {
            let is_old = send.version.major() != own.major();
            if !is_old {
                errors.under(send.span, "`send` for the interface's own major stands beside `version`, not in `previous`");
            }
            is_old
        });
    }
    if let Some(since) = version_of("since", entries.text("since", errors), &versions, errors) {
        versions.oldest = since.version;
    }
    (versions, sent)
}

fn previous_version(
    name: &Ident,
    list: &mut Entries,
    own: Version,
    errors: &mut Errors,
) -> Option<Version> {
    if list.lacks("version") {
        errors.at(name, "say its newest version: write `previous(version = \"5.13\")`");
    }
    let text = list.text("version", errors)?;
    let (previous, _) = interface_version(Some(text.clone()), name.span(), errors);
    if own == UNREADABLE || previous == UNREADABLE {
        return None;
    }
    if own.major() != previous.major() + 1 {
        let value = text.value();
        errors.at(
            &text,
            format!("{value} is not of the major before {own}: the two majors must be consecutive"),
        );
        return None;
    }
    Some(previous)
}

/// Reads a version within the interface's, such as `since`. A wrong one counts as not given.
pub(crate) fn version_of(
    name: &str,
    text: Option<LitStr>,
    versions: &Versions,
    errors: &mut Errors,
) -> Option<Since> {
    let text = text?;
    let since = version(&text, errors)?;
    let Versions { own, previous, .. } = versions;
    if *own == UNREADABLE {
        return None;
    }
    let mut newest = previous.iter().chain([own]);
    let Some(&newest) = newest.find(|newest| newest.major() == since.major()) else {
        let value = text.value();
        errors.at(
            &text,
            format!("{name} = \"{value}\" has another major version than the interface, which is {own}: a new major version is a new trait"),
        );
        return None;
    };
    if since > newest {
        let (value, place) = (text.value(), if newest == *own { "" } else { "previous(…)` of `" });
        errors.at(
            &text,
            format!("{name} = \"{value}\" is newer than the interface, which is {newest}: raise `version` in `{place}#[rpc_api]`"),
        );
        return None;
    }
    Some(Since { version: since, span: text.span() })
}

/// Reads `aliases(wallaby = "6.0", "2023.1" = "6.2")`.
pub(crate) fn version_aliases(
    entries: &mut Entries,
    versions: &Versions,
    errors: &mut Errors,
) -> Vec<(String, Version)> {
    const FORM: &str = "aliases(wallaby = \"6.0\", \"2023.1\" = \"6.2\")";
    let Some((_, tokens)) = entries.tokens("aliases", FORM, errors) else { return Vec::new() };
    let parser = Punctuated::<Alias, Token![,]>::parse_terminated;
    let mut aliases: Vec<(String, Version)> = Vec::new();
    for Alias { name, span, version } in errors.ok(parser.parse2(tokens)).unwrap_or_default() {
        if aliases.iter().any(|(other, _)| *other == name) {
            errors.under(span, format!("`{name}` is given twice: keep one"));
        } else if name.parse().is_ok_and(|name: Version| versions.speaks(name.major())) {
            errors.under(
                span,
                format!("`{name}` is a version itself: an operator could not pin that"),
            );
        } else if let Some(since) = version_of(&name, Some(version), versions, errors) {
            aliases.push((name, since.version));
        }
    }
    aliases
}

/// A name for a version.
struct Alias {
    name: String,
    span: Span,
    version: LitStr,
}

impl syn::parse::Parse for Alias {
    fn parse(input: syn::parse::ParseStream<'_>) -> syn::Result<Self> {
        let (name, span) = if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            (text.value(), text.span())
        } else {
            let ident = Ident::parse_any(input)?;
            (ident.unraw().to_string(), ident.span())
        };
        let form = format!("an alias stands for a version: write `{name} = \"6.0\"`");
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(span, form));
        }
        input.parse::<Token![=]>()?;
        match input.parse()? {
            Expr::Lit(ExprLit { lit: Lit::Str(version), .. }) => Ok(Self { name, span, version }),
            other => Err(syn::Error::new_spanned(other, form)),
        }
    }
}
