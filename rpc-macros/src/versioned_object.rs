//! `#[derive(VersionedObject)]`: a struct as a class of versioned objects.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use rpc_idl::{
    Version,
    parse::{Errors, entries_of},
};
use syn::{
    Data, DeriveInput, Field, Fields, Ident, LitStr, Path, ext::IdentExt as _,
    spanned::Spanned as _,
};

use crate::unset::{has_entry, may_be_unset, serde_entries};

/// In: a struct. Out: its `VersionedObject`, or the compile errors.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let item = match syn::parse2::<DeriveInput>(item) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let class = read(&item, &mut errors);
    if !item.generics.params.is_empty() {
        return errors.into_compile_errors();
    }
    // After a mistake the class is still generated, so that its uses do not cause further errors.
    let expanded = expand(&item.ident, &class);
    let errors = errors.into_compile_errors();
    quote!(#errors #expanded)
}

/// The contents of a struct's `#[object(…)]`.
struct Class {
    name: String,
    namespace: String,
    version: Version,
    prefix: Option<String>,
    runtime: Path,
}

fn read(item: &DeriveInput, errors: &mut Errors) -> Class {
    let known = &["namespace", "version", "name", "prefix", "crate"];
    let mut entries = entries_of("object", &mut item.attrs.clone(), known, errors);
    let mut required = |name, example, errors: &mut Errors| {
        if entries.lacks(name) {
            let message = format!(
                "a versioned object has a {name}: write `#[object({name} = \"{example}\", …)]`"
            );
            errors.push(syn::Error::new(item.ident.span(), message));
        }
        entries.text(name, errors)
    };
    let namespace = required("namespace", "cinder", errors);
    let version = required("version", "1.0", errors);
    let class = Class {
        namespace: text(namespace, errors).unwrap_or_default(),
        version: version.and_then(|text| read_version(&text, errors)).unwrap_or(Version::new(1, 0)),
        name: text(entries.text("name", errors), errors)
            .unwrap_or_else(|| item.ident.unraw().to_string()),
        prefix: text(entries.text("prefix", errors), errors),
        runtime: entries.runtime(errors),
    };
    check_struct(item, errors);
    class
}

/// Reads a text that is not empty.
fn text(text: Option<LitStr>, errors: &mut Errors) -> Option<String> {
    let text = text?;
    if text.value().trim().is_empty() {
        errors.push(syn::Error::new_spanned(&text, "this cannot be empty: a peer compares it"));
    }
    Some(text.value())
}

/// Reads a version: `MAJOR.MINOR`, or with a revision.
fn read_version(text: &LitStr, errors: &mut Errors) -> Option<Version> {
    let value = text.value();
    let version = value.parse::<Version>().ok().filter(|version| version.to_string() == value);
    if version.is_none() {
        let message = format!(
            "`{value}` is not a version of an object: write \"MAJOR.MINOR\", such as \"1.9\""
        );
        errors.push(syn::Error::new_spanned(text, message));
    }
    version
}

/// Checks that the data of an object can be written and read as a struct.
fn check_struct(item: &DeriveInput, errors: &mut Errors) {
    let Data::Struct(data) = &item.data else {
        let message =
            "`VersionedObject` is derived for a struct: its fields are those of the class";
        return errors.push(syn::Error::new_spanned(&item.ident, message));
    };
    if !item.generics.params.is_empty() {
        let message = "a versioned object cannot be generic: its fields belong to its version";
        errors.push(syn::Error::new_spanned(&item.generics, message));
    }
    let Fields::Named(fields) = &data.fields else {
        let message = "the fields of a versioned object have names: write `struct Name { … }`";
        return errors.push(syn::Error::new_spanned(&item.ident, message));
    };
    let on_struct = serde_entries(&item.attrs);
    if let Some(form) =
        on_struct.iter().find(|entry| FORMS.iter().any(|form| entry.path().is_ident(form)))
    {
        let message = "the data of a versioned object is written as a struct: take this away";
        errors.push(syn::Error::new_spanned(form, message));
    }
    let default = has_entry(&item.attrs, "default");
    for field in &fields.named {
        check_field(field, default, errors);
    }
}

/// The serde attributes that write a struct in another form.
const FORMS: &[&str] = &["transparent", "tag", "untagged", "into", "from", "try_from"];

/// Checks that a field keeps unknown fields and unset values intact.
fn check_field(field: &Field, default: bool, errors: &mut Errors) {
    let serde = serde_entries(&field.attrs);
    if let Some(flatten) = serde.iter().find(|entry| entry.path().is_ident("flatten")) {
        let message =
            "`flatten` would take the unknown fields, which `Object` keeps: write the fields out";
        errors.push(syn::Error::new_spanned(flatten, message));
    }
    let has = |name| has_entry(&field.attrs, name);
    let fine = (default || has("default")) && has("skip_serializing_if");
    if may_be_unset(field) && !fine {
        let message = "an unset field has to be left out: write `#[leave_out_unset]` above the derives, or `#[serde(default, skip_serializing_if = \"Field::is_unset\")]` here";
        errors.push(syn::Error::new(field.ty.span(), message));
    }
}

/// In: a struct's name and its class. Out: the implementation.
fn expand(ident: &Ident, class: &Class) -> TokenStream {
    let Class { name, namespace, version, prefix, runtime } = class;
    let [major, minor, revision] =
        [version.major(), version.minor(), version.revision()].map(Literal::u64_unsuffixed);
    let version = match version.revision() {
        0 => quote!(#runtime::Version::new(#major, #minor)),
        _ => quote!(#runtime::Version::with_revision(#major, #minor, #revision)),
    };
    let prefix = prefix.as_ref().map(|prefix| quote!(const PREFIX: &'static str = #prefix;));
    quote! {
        impl #runtime::VersionedObject for #ident {
            const NAME: &'static str = #name;
            const NAMESPACE: &'static str = #namespace;
            const VERSION: #runtime::Version = #version;
            #prefix
        }
    }
}
