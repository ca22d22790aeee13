//! Generates the trait as implementors see it.

use proc_macro2::TokenStream;
use quote::quote;
use rpc_idl::parse::{Definition, MethodDefinition};

use super::allow_many;

/// In: a definition. Out: the trait, whose methods return `Send` futures.
pub(super) fn service(definition: &Definition) -> TokenStream {
    let Definition { attrs, vis, ident, supertraits, .. } = definition;
    let methods = definition.methods.iter().map(method);
    let broken = definition.broken.iter().map(|method| &method.declaration);
    let supertraits = supertraits.iter();
    quote! {
        #(#attrs)*
        #vis trait #ident: ::core::marker::Send + ::core::marker::Sync + 'static #(+ #supertraits)* {
            #(#methods)*
            #(#[allow(async_fn_in_trait, unused)] #broken)*
        }
    }
}

/// In: a method. Out: its declaration.
fn method(method: &MethodDefinition) -> TokenStream {
    let MethodDefinition { attrs, ident, context: (ctx, context), output, .. } = method;
    let names = method.sent().map(|argument| &argument.ident);
    let types = method.sent().map(|argument| &argument.ty);
    let allow = allow_many(method);
    let output = output.as_ref().map_or_else(|| quote!(()), |output| quote!(#output));
    quote! {
        #(#attrs)*
        #allow
        fn #ident(&self, #ctx: #context #(, #names: #types)*)
            -> impl ::core::future::Future<Output = #output> + ::core::marker::Send;
    }
}
