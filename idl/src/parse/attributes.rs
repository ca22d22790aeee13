//! Attribute lists: `name` or `name = value`, separated by commas.

use proc_macro2::{Group, Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{
    Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token,
    ext::IdentExt as _,
    parse::{Parse, ParseStream, Parser as _},
    punctuated::Punctuated,
    token,
};

use super::Errors;

#[derive(Debug)]
struct Entry {
    name: Ident,
    value: Option<Expr>,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = Ident::parse_any(input)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Some(ungrouped(input.parse()?))
        } else if input.peek(token::Paren) {
            // A nested list, read later by the code that knows its name.
            Some(Expr::Verbatim(input.parse::<Group>()?.into_token_stream()))
        } else {
            None
        };
        Ok(Self { name, value })
    }
}

/// Splits the leading version off a list.
fn split_version(input: ParseStream<'_>) -> syn::Result<(LitStr, TokenStream)> {
    let message = "the list begins with a version: write `before(\"3.5\", name = \"old_name\")`";
    let version =
        input.parse().map_err(|error: syn::Error| syn::Error::new(error.span(), message))?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok((version, input.parse()?))
}

/// Removes the invisible parentheses that a `macro_rules!` puts around its arguments.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        expr => expr,
    }
}

/// The entries of one attribute. Each reader removes its own.
#[derive(Debug)]
pub struct Entries {
    attribute: &'static str,
    list: Vec<Entry>,
    /// Whether the list is unreadable; then no entry counts as missing.
    unreadable: bool,
    /// Whether it had an unknown name.
    has_unknown: bool,
}

impl Entries {
    /// Reads a list. Unknown and repeated names are mistakes.
    pub(crate) fn parse(
        tokens: TokenStream,
        attribute: &'static str,
        known: &'static [&'static str],
        errors: &mut Errors,
    ) -> Self {
        let mut entries =
            Self { attribute, list: Vec::new(), unreadable: false, has_unknown: false };
        entries.add(tokens, known, errors);
        entries
    }

    fn add(&mut self, tokens: TokenStream, known: &'static [&'static str], errors: &mut Errors) {
        let parsed = Punctuated::<Entry, Token![,]>::parse_terminated.parse2(tokens);
        self.unreadable |= parsed.is_err();
        for entry in errors.ok(parsed).unwrap_or_default() {
            let name = entry.name.to_string();
            if !known.contains(&name.as_str()) {
                self.has_unknown = true;
                let attribute = self.attribute;
                let known =
                    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                errors.at(
                    &entry.name,
                    format!("unknown `{attribute}` attribute `{name}`: expected one of {known}"),
                );
            } else if name != "before" && self.list.iter().any(|other| other.name == entry.name) {
                errors.at(&entry.name, format!("`{name}` is given twice: keep one"));
            } else {
                self.list.push(entry);
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<Entry> {
        let at = self.list.iter().position(|entry| entry.name == name)?;
        Some(self.list.remove(at))
    }

    /// Removes a flag: a name without a value.
    pub fn flag(&mut self, name: &str, errors: &mut Errors) -> Option<Span> {
        let entry = self.take(name)?;
        if let Some(value) = &entry.value {
            errors.at(
                value,
                format!("`{name}` takes no value: write `#[{}({name})]`", self.attribute),
            );
        }
        Some(entry.name.span())
    }

    /// Removes a text: `name = "…"`.
    pub fn text(&mut self, name: &str, errors: &mut Errors) -> Option<LitStr> {
        let entry = self.take(name)?;
        match entry.value {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => return Some(text),
            Some(other) => errors.at(&other, format!("`{name}` is a text: write `{name} = \"…\"`")),
            None => {
                errors.at(&entry.name, format!("`{name}` needs a value: write `{name} = \"…\"`"))
            }
        }
        None
    }

    /// Removes a text that is required.
    pub(crate) fn required_text(
        &mut self,
        name: &str,
        example: &str,
        span: Span,
        errors: &mut Errors,
    ) -> Option<LitStr> {
        if self.lacks(name) {
            errors.under(
                span,
                format!("the interface needs a {name}: write `#[rpc_api({name} = {example}, …)]`"),
            );
        }
        self.text(name, errors)
    }

    /// Whether the list has no entry of this name.
    #[must_use]
    pub fn lacks(&self, name: &str) -> bool {
        !self.unreadable && !self.list.iter().any(|entry| entry.name == name)
    }

    /// Whether a name stands there without a value.
    pub(crate) fn is_bare(&self, name: &str) -> bool {
        self.list.iter().any(|entry| entry.name == name && entry.value.is_none())
    }

    /// Whether nothing is written in the list.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.unreadable && !self.has_unknown
    }

    /// Removes the runtime's path: `crate = ::path`. Default: `::rpc_runtime`.
    pub fn runtime(&mut self, errors: &mut Errors) -> Path {
        super::check::runtime(self.value("crate"), errors)
    }

    /// Removes a list, and returns it with the name before it: `previous(version = "5.13")`.
    /// Unknown names are mistakes.
    pub(crate) fn list(
        &mut self,
        name: &'static str,
        known: &'static [&'static str],
        form: &str,
        errors: &mut Errors,
    ) -> Option<(Ident, Self)> {
        let (ident, tokens) = self.tokens(name, form, errors)?;
        Some((ident, Self::parse(tokens, name, known, errors)))
    }

    /// Removes a list of any form, and returns it with the name before it.
    pub(crate) fn tokens(
        &mut self,
        name: &'static str,
        form: &str,
        errors: &mut Errors,
    ) -> Option<(Ident, TokenStream)> {
        let entry = self.take(name)?;
        let group = match &entry.value {
            Some(Expr::Verbatim(group)) => syn::parse2::<Group>(group.clone()).ok(),
            _ => None,
        };
        match group {
            Some(group) => return Some((entry.name, group.stream())),
            None => errors.at(&entry.name, format!("`{name}` is a list: write `{form}`")),
        }
        None
    }

    /// Removes all lists of a name: `before("3.5", name = "host")`. Returns the version of each,
    /// and the rest of its list.
    pub(crate) fn versioned_lists(
        &mut self,
        name: &'static str,
        known: &'static [&'static str],
        errors: &mut Errors,
    ) -> Vec<(LitStr, Self)> {
        let mut lists = Vec::new();
        while let Some(entry) = self.take(name) {
            let Some(Expr::Verbatim(group)) = &entry.value else {
                errors.at(&entry.name, format!("`{name}` is a list: write `{name}(\"3.5\", …)`"));
                continue;
            };
            let parsed = syn::parse2::<Group>(group.clone());
            let parsed = parsed.and_then(|group| split_version.parse2(group.stream()));
            if let Some((version, rest)) = errors.ok(parsed) {
                lists.push((version, Self::parse(rest, name, known, errors)));
            }
        }
        lists
    }

    /// Reports each entry as a mistake, where no entry is allowed.
    pub fn refuse(self, message: &str, errors: &mut Errors) {
        for entry in self.list {
            errors.at(&entry.name, message);
        }
    }

    /// Removes an entry of any form, and returns it with its name.
    pub(crate) fn value(&mut self, name: &str) -> Option<(Ident, Option<Expr>)> {
        self.take(name).map(|entry| (entry.name, entry.value))
    }
}

/// Removes the attributes called `name` from an item, and reads their entries.
pub fn entries_of(
    name: &'static str,
    attrs: &mut Vec<Attribute>,
    known: &'static [&'static str],
    errors: &mut Errors,
) -> Entries {
    let mut entries =
        Entries { attribute: name, list: Vec::new(), unreadable: false, has_unknown: false };
    let mut kept = Vec::with_capacity(attrs.len());
    for attr in attrs.drain(..) {
        match &attr.meta {
            meta if !meta.path().is_ident(name) => kept.push(attr),
            Meta::List(list) => entries.add(list.tokens.clone(), known, errors),
            meta => errors.at(meta, format!("write the attribute with a list: `#[{name}(…)]`")),
        }
    }
    *attrs = kept;
    entries
}

/// Returns the text of `#[doc = "…"]` attributes.
pub(crate) fn docs(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            other => Some(quote!(#other).to_string()),
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
