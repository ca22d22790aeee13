//! The version markers: one type for each minor version, one trait for "this version or newer".

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use rpc_idl::parse::Definition;
use syn::Ident;

use super::{Names, doc, inner_vis, respan};

/// In: a definition. Out: the markers from the major's first version to this one, and the traits that order them.
pub(super) fn versions(definition: &Definition, names: &Names) -> TokenStream {
    let minors = 0..=definition.version.minor();
    let markers = minors.clone().map(|minor| marker(definition, minor));
    let traits = minors.skip(1).map(|minor| at_least(definition, names, minor));
    quote! {
        #(#markers)*
        #(#traits)*
    }
}

/// In: a version. Out: the expression that makes it.
pub(super) fn version(major: u64, minor: u64) -> TokenStream {
    let (major, minor) = (Literal::u64_unsuffixed(major), Literal::u64_unsuffixed(minor));
    quote!(Version::new(#major, #minor))
}

pub(super) fn marker_name(definition: &Definition, minor: u64) -> Ident {
    format_ident!("V{}_{minor}", definition.version.major(), span = definition.version_span)
}

fn trait_name(definition: &Definition, minor: u64) -> Ident {
    format_ident!("AtLeastV{}_{minor}", definition.version.major(), span = definition.version_span)
}

/// In: a minor version. Out: the type that caps a client at it, spanned where the version is written, which is where
/// the compiler then points.
fn marker(definition: &Definition, minor: u64) -> TokenStream {
    let major = definition.version.major();
    let (marker, version) = (marker_name(definition, minor), version(major, minor));
    let docs = doc(format!("Caps a client at version {major}.{minor}."));
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

/// In: a minor version. Out: the trait of the caps that allow it, with what the compiler says of those that do not.
fn at_least(definition: &Definition, names: &Names, minor: u64) -> TokenStream {
    let (runtime, major, topic) =
        (&definition.runtime, definition.version.major(), &definition.topic);
    let name = trait_name(definition, minor);
    let older = match minor {
        1 => quote!(#runtime::Cap),
        _ => trait_name(definition, minor - 1).to_token_stream(),
    };
    let newer = (minor..=definition.version.minor()).map(|newer| marker_name(definition, newer));
    let docs = doc(format!("Caps that allow version {major}.{minor}."));
    let topic = topic.replace('{', "{{").replace('}', "}}");
    let message = format!(
        "needs version {major}.{minor} of the RPC API \"{topic}\", but this client is capped at `{{Self}}`"
    );
    let label = format!("not in `{{Self}}`: added in {major}.{minor}");
    let (client, module) = (&names.client, &names.module);
    let note = format!(
        "pin a newer cap: `{client}<{module}::V{major}_{minor}>`, or ask at run time: \
         `if let Some(client) = client.narrow::<{module}::V{major}_{minor}>() {{{{ … }}}}`"
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
