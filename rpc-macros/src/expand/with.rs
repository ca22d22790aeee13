//! Generates code for arguments that a module writes and reads instead of serde.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use rpc_idl::parse::{ArgumentDefinition, Definition};
use syn::spanned::Spanned as _;

/// In: an argument, and its value. Out: the expression to write for it.
pub(super) fn written(
    definition: &Definition,
    argument: &ArgumentDefinition,
    value: &TokenStream,
) -> TokenStream {
    let Some(module) = &argument.with else { return value.clone() };
    let (serde, ty) = (serde(definition), &argument.ty);
    let serialize = quote_spanned!(module.span()=> #module::serialize(self.0, serializer));
    quote!({
        struct RpcWritten<'a>(&'a #ty);
        impl #serde::Serialize for RpcWritten<'_> {
            fn serialize<S: #serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                #serialize
            }
        }
        RpcWritten(::core::borrow::Borrow::borrow(&#value))
    })
}

/// In: an argument that a module reads. Out: the wrapper type to read instead.
pub(super) fn read(definition: &Definition, argument: &ArgumentDefinition) -> Option<TokenStream> {
    let (module, serde, ty) = (argument.with.as_ref()?, serde(definition), &argument.ty);
    let serialize = quote_spanned!(module.span()=> #module::serialize(&self.0, serializer));
    let deserialize =
        quote_spanned!(module.span()=> #module::deserialize(deserializer).map(RpcRead));
    Some(quote! {
        struct RpcRead(#ty);
        impl<'de> #serde::Deserialize<'de> for RpcRead {
            fn deserialize<D: #serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                #deserialize
            }
        }
        impl #serde::Serialize for RpcRead {
            fn serialize<S: #serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                #serialize
            }
        }
    })
}

fn serde(definition: &Definition) -> TokenStream {
    let runtime = &definition.runtime;
    quote!(#runtime::serde)
}
