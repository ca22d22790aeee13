//! `#[leave_out_unset]`: serde attributes for the fields of a struct that may be unset.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use rpc_idl::parse::{Errors, entries_of};
use syn::{Attribute, Field, Fields, ItemStruct, Meta, Path, Token, Type, punctuated::Punctuated};

/// In: `crate = path` or nothing, and a struct. Out: the struct with more attributes, or with the
/// compile errors.
pub(crate) fn leave_out(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut attrs = vec![syn::parse_quote!(#[leave_out_unset(#attribute)])];
    let mut entries = entries_of("leave_out_unset", &mut attrs, &["crate"], &mut errors);
    let runtime = entries.runtime(&mut errors);
    let expanded = match syn::parse2::<ItemStruct>(item.clone()) {
        Ok(item) => expand(item, &runtime, &mut errors),
        Err(error) => {
            errors.push(syn::Error::new(error.span(), "`leave_out_unset` is for a struct"));
            item
        }
    };
    let errors = errors.into_compile_errors();
    quote!(#errors #expanded)
}

/// In: a struct. Out: the struct, with attributes that omit its unset `Field<…>` fields.
fn expand(mut item: ItemStruct, runtime: &Path, errors: &mut Errors) -> TokenStream {
    let Fields::Named(fields) = &mut item.fields else {
        let message = "`leave_out_unset` is for a struct with named fields";
        errors.push(syn::Error::new_spanned(&item.ident, message));
        return item.into_token_stream();
    };
    // Serde parses this path from text, so its blanks do not matter. They are removed for readers
    // of the expansion.
    let is_unset = quote!(#runtime::objects::Field::is_unset).to_string().replace(' ', "");
    let with_default = has_entry(&item.attrs, "default");
    for field in fields.named.iter_mut().filter(|field| may_be_unset(field)) {
        let default = !with_default && !has_entry(&field.attrs, "default");
        let default = default.then(|| quote!(default,));
        if !has_entry(&field.attrs, "skip_serializing_if") {
            field.attrs.push(syn::parse_quote!(#[serde(#default skip_serializing_if = #is_unset)]));
        } else if default.is_some() {
            field.attrs.push(syn::parse_quote!(#[serde(default)]));
        }
    }
    item.into_token_stream()
}

/// Whether a field is spelled `Field<…>`, and serde handles it.
pub(crate) fn may_be_unset(field: &Field) -> bool {
    let Type::Path(path) = &field.ty else { return false };
    let last = path.path.segments.last();
    let spelled = last.is_some_and(|last| last.ident == "Field" && !last.arguments.is_empty());
    spelled && !has_entry(&field.attrs, "skip") && !has_entry(&field.attrs, "with")
}

/// Whether `#[serde(…)]` has an entry `name`.
pub(crate) fn has_entry(attrs: &[Attribute], name: &str) -> bool {
    serde_entries(attrs).iter().any(|entry| entry.path().is_ident(name))
}

/// Returns the entries of `#[serde(…)]`. Serde itself reports those that cannot be read.
pub(crate) fn serde_entries(attrs: &[Attribute]) -> Vec<Meta> {
    let lists = attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    let entries = lists.filter_map(|attr| {
        attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()
    });
    entries.flatten().collect()
}
