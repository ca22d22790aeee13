//! Generates the request of a method with later arguments: a setter for each, and then it is
//! awaited.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use rpc_idl::{
    Kind,
    parse::{ArgumentDefinition, Definition, MethodDefinition, Since},
};
use syn::ext::IdentExt as _;

use super::{
    Names,
    arguments::{taken, written_later},
    at_least, doc, ended, passed_on,
};

/// In: a method. Out: its request types: two if its caller may choose not to wait.
pub(super) fn requests(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
) -> TokenStream {
    let own = request(definition, names, method, method.kind == Kind::Call);
    let cast = method.either.then(|| request(definition, names, method, false));
    quote!(#own #cast)
}

/// In: a method, and whether its caller waits. Out: its request's type, with the setters.
fn request(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
    waits: bool,
) -> TokenStream {
    let (runtime, vis) = (&definition.runtime, &definition.vis);
    let (request, client) = (Names::later(definition, method, waits), &names.client);
    let text = format!(
        "The request that [`{client}::{}`] returns: set arguments of later versions, then await it.",
        method.ident.unraw()
    );
    let docs = doc(text);
    let attrs: Vec<_> = method.attrs_named(&["cfg"]).collect();
    let setters =
        method.later().map(|(argument, since)| setters(definition, names, method, argument, since));
    let allow = passed_on(method)
        .any(|attr| attr.path().is_ident("deprecated"))
        .then(|| quote!(#[allow(deprecated)]));
    let (ended, end) =
        (ended(definition, method, waits), if waits { quote!(call) } else { quote!(cast) });
    quote! {
        #docs
        #(#attrs)*
        #allow
        #[must_use = "a request does nothing until it is awaited"]
        #[derive(::core::fmt::Debug)]
        #vis struct #request<C>(#runtime::LaterRequest, ::core::marker::PhantomData<fn() -> C>);

        #(#attrs)*
        impl<C: #runtime::Cap> #request<C> {
            #(#setters)*
        }

        #(#attrs)*
        impl<C: #runtime::Cap> ::core::future::IntoFuture for #request<C> {
            type Output = <Self::IntoFuture as ::core::future::Future>::Output;
            type IntoFuture = #ended;
            fn into_future(self) -> Self::IntoFuture {
                self.0.#end()
            }
        }
    }
}

/// In: a later argument. Out: the setter that requires the cap at compile time, and the one that
/// checks it at run time.
fn setters(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
    since: Since,
) -> TokenStream {
    let vis = &definition.vis;
    let ArgumentDefinition { ident, wire_name, .. } = argument;
    let or_drop = format_ident!("{}_or_drop", ident.unraw(), span = ident.span());
    let bound = at_least(definition, names, since).map(|bound| quote!(where #bound,));
    let taken = taken(definition, argument, false);
    // If the compiler has not proven the cap, the request checks it when the argument is written.
    let write = written_later(definition, names, method, argument, since, argument.is_dropped);
    let write_or_drop = written_later(definition, names, method, argument, since, true);
    let version = since.version;
    let set = doc(format!("Sets `{wire_name}`, which servers know since {version}."));
    let drop = doc(format!(
        "Sets `{wire_name}` if the version cap allows {version}, and leaves it out otherwise."
    ));
    quote! {
        #set
        #vis fn #ident(self, #ident: #taken) -> Self #bound {
            Self(self.0 #write, self.1)
        }

        #drop
        #vis fn #or_drop(self, #ident: #taken) -> Self {
            Self(self.0 #write_or_drop, self.1)
        }
    }
}
