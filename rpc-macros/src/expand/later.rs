//! The request of a method with later arguments: a setter for each, then it is awaited.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use rpc_idl::{
    Kind,
    parse::{ArgumentDefinition, Default, Definition, MethodDefinition, Since},
};
use syn::ext::IdentExt as _;

use super::{
    Names,
    arguments::{forms, taken},
    at_least,
    client::ended,
    doc, pair, passed_on, with,
};

/// In: a method. Out: its requests' types: two for a method that a caller may wait for or not.
pub(super) fn requests(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
) -> TokenStream {
    let own = request(definition, names, method, method.kind == Kind::Call);
    let cast = method.either.then(|| request(definition, names, method, false));
    quote!(#own #cast)
}

/// In: a method. Out: functions that make the defaults of its later arguments, which both sides ask: so that a wrong one is
/// one mistake.
pub(super) fn defaults(names: &Names, method: &MethodDefinition) -> Option<TokenStream> {
    let module = &names.module;
    let cfg = method.attrs_named(&["cfg"]);
    let functions = method.sent().filter_map(|argument| {
        let (ty, expr) = (&argument.ty, shared_default(argument)?);
        let name = default_name(method, argument);
        Some(quote!(fn #name() -> #ty { #expr }))
    });
    let functions: Vec<_> = functions.collect();
    (!functions.is_empty()).then(|| quote!(#(#cfg)* impl #module::Api { #(#functions)* }))
}

/// Returns the default of an argument, if both sides ask for it.
fn shared_default(argument: &ArgumentDefinition) -> Option<&syn::Expr> {
    match argument
        .default
        .as_ref()
        .filter(|_| argument.with.is_none() && argument.since.is_some())?
    {
        Default::Expr(expr) => Some(expr),
        Default::OfType => None,
    }
}

fn default_name(method: &MethodDefinition, argument: &ArgumentDefinition) -> syn::Ident {
    format_ident!("{}_of_{}", argument.ident.unraw(), method.ident.unraw())
}

/// In: an argument. Out: the function that makes its default, if both sides ask for it.
pub(super) fn default_function(
    names: &Names,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
) -> Option<TokenStream> {
    let (module, name) = (&names.module, default_name(method, argument));
    shared_default(argument).map(|_| quote!(#module::Api::#name))
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
        "The request that [`{client}::{}`] makes: set what came in later versions, then await it.",
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

/// In: a later argument. Out: the setter that needs the cap, and the one that asks it.
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
    let bound = at_least(definition, names, since).map(|bound| quote!(where #bound));
    let taken = taken(definition, argument, false);
    // What the compiler has not proven of the cap shows when the request is written.
    let write = written(definition, names, method, argument, since, argument.is_dropped);
    let write_or_drop = written(definition, names, method, argument, since, true);
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

/// In: a later argument, and whether a cap that is too old drops it. Out: what writes it, in the form that the cap asks
/// for.
pub(super) fn written(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
    since: Since,
    is_dropped: bool,
) -> TokenStream {
    let default = default(names, method, argument);
    let write = |name: &str, version: TokenStream, value: TokenStream| match &default {
        _ if is_dropped => quote!(.arg_or_drop(#name, #version, #value)),
        Some(default) => quote!(.arg_or_default(#name, #version, #value, #default)),
        None => quote!(.arg(#name, #version, #value)),
    };
    if !argument.before.is_empty() || argument.until.is_some() {
        let value = argument.ident.to_token_stream();
        return forms(definition, argument, &value, Some(since), &write);
    }
    let value = with::written(definition, argument, &argument.ident.to_token_stream());
    write(&argument.wire_name, pair(since.version), value)
}

/// In: an argument. Out: what makes what servers take where it is left out, if that is said and serde writes it.
fn default(
    names: &Names,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
) -> Option<TokenStream> {
    let ty = &argument.ty;
    match argument.default.as_ref().filter(|_| argument.with.is_none())? {
        Default::OfType => Some(quote!(<#ty as ::core::default::Default>::default)),
        Default::Expr(_) => default_function(names, method, argument),
    }
}
