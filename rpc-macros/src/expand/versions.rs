//! Generates the version markers: one type for each version, and one trait for "this version or
//! newer".

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use rpc_idl::{Version, parse::Definition};
use syn::Ident;

use super::{Names, doc, inner_vis, respan};

/// In: a definition. Out: the markers from the oldest version to this one, and the traits that
/// order them.
pub(super) fn versions(definition: &Definition, names: &Names) -> TokenStream {
    let all: Vec<_> = definition.versions.all().collect();
    let markers = all.iter().map(|version| marker(definition, *version));
    let traits = (1..all.len()).map(|at| at_least(definition, names, &all, at));
    quote! {
        #(#markers)*
        #(#traits)*
    }
}

/// In: a version. Out: the expression that creates it.
pub(super) fn version(version: Version) -> TokenStream {
    let (major, minor) = (version.major(), version.minor());
    let (major, minor) = (Literal::u64_unsuffixed(major), Literal::u64_unsuffixed(minor));
    quote!(Version::new(#major, #minor))
}

pub(super) fn marker_name(definition: &Definition, version: Version) -> Ident {
    let (major, minor) = (version.major(), version.minor());
    format_ident!("V{major}_{minor}", span = definition.version_span)
}

fn trait_name(definition: &Definition, version: Version) -> Ident {
    let (major, minor) = (version.major(), version.minor());
    format_ident!("AtLeastV{major}_{minor}", span = definition.version_span)
}

/// In: a version. Out: the type that caps a client at it. It has the span of the interface's
/// version, so that the compiler points there.
fn marker(definition: &Definition, cap: Version) -> TokenStream {
    let (marker, version) = (marker_name(definition, cap), version(cap));
    let docs = doc(format!("Caps a client at version {cap}."));
    let inner = respan(inner_vis(definition), definition.version_span);
    quote_spanned! {definition.version_span=>
        #docs
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #inner struct #marker;
        impl Pinned for #marker {
            type Api = Api;
            const VERSION: Version = #version;
        }
    }
}

/// In: all versions, and the index of one that is not the oldest. Out: the trait for caps that
/// allow it, with the compiler message for caps that do not.
fn at_least(definition: &Definition, names: &Names, all: &[Version], at: usize) -> TokenStream {
    let (runtime, version) = (&definition.runtime, all[at]);
    let name = trait_name(definition, version);
    let older = match at {
        1 => quote!(#runtime::Cap),
        _ => trait_name(definition, all[at - 1]).to_token_stream(),
    };
    let newer = all[at..].iter().map(|newer| marker_name(definition, *newer));
    let docs = doc(format!("Caps that allow version {version}."));
    let called = definition.topic.clone().unwrap_or_else(|| definition.ident.to_string());
    let called = called.replace('{', "{{").replace('}', "}}");
    let message = format!(
        "needs version {version} of the RPC API \"{called}\", but this client is capped at `{{Self}}`"
    );
    let label = format!("not in `{{Self}}`: added in {version}");
    let (client, module, marker) = (&names.client, &names.module, marker_name(definition, version));
    let note = format!(
        "pin a newer cap: `{client}<{module}::{marker}>`, or ask at run time: \
         `if let Some(client) = client.narrow::<{module}::{marker}>() {{{{ … }}}}`"
    );
    let inner = respan(inner_vis(definition), definition.version_span);
    quote_spanned! {definition.version_span=>
        #docs
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        #inner trait #name: #older {}
        #(#[diagnostic::do_not_recommend] impl #name for #newer {})*
        #[diagnostic::do_not_recommend] impl #name for #runtime::Unchecked {}
    }
}
