//! Generates the code that writes a request's arguments, in the form that the client's cap
//! requires.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use rpc_idl::parse::{ArgumentDefinition, Default, Definition, MethodDefinition, Since};
use syn::{ext::IdentExt as _, spanned::Spanned as _};

use super::{Names, own, pair, with};

/// In: a method. Out: the code that writes the arguments of its own version, and the constant ones.
pub(super) fn arguments(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let written = own_arguments(method).map(|argument| written(definition, method, argument));
    let constants = constants(definition, method);
    rewritten(method, &quote!(#(#written)* #constants))
}

/// Returns the arguments of a method's own version that its caller gives.
fn own_arguments(method: &MethodDefinition) -> impl Iterator<Item = &ArgumentDefinition> {
    method.positional().filter(|argument| !argument.is_route && !argument.is_required)
}

/// In: a method. Out: the code that writes the later arguments that every caller gives.
pub(super) fn required(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
) -> TokenStream {
    let required = method.required();
    let written = required.map(|(argument, since)| {
        written_later(definition, names, method, argument, since, argument.is_dropped)
    });
    written.collect()
}

/// In: a method, and the code that writes its arguments. Out: the same, except under caps where a
/// function writes them.
fn rewritten(method: &MethodDefinition, arguments: &TokenStream) -> TokenStream {
    let request = own("request");
    let rewrites = method.before.iter().filter_map(|before| Some((before, before.with.as_ref()?)));
    let rewrites: Vec<_> = rewrites.collect();
    let Some((newest, _)) = rewrites.last() else { return arguments.clone() };
    let newest = pair(newest.version.version);
    let mut writes = quote!(#request.since(#newest) #arguments);
    for (before, rewrite) in rewrites.iter().rev() {
        let version = pair(before.version.version);
        let looks = own_arguments(method)
            .map(|argument| look(argument, &argument.ident.to_token_stream(), rewrite.span()));
        let old = quote_spanned!(rewrite.span()=> #rewrite(#request #(, #looks)*));
        writes = quote!(if #request.is_before(#version) { #old } else { #writes });
    }
    quote!(.with(|#request| #writes))
}

/// In: an argument that can be borrowed, its value, and the span of the function that borrows it.
/// Out: a reference to the value.
fn look(argument: &ArgumentDefinition, value: &TokenStream, span: Span) -> TokenStream {
    let ty = &argument.ty;
    quote_spanned!(span=> ::core::borrow::Borrow::<#ty>::borrow(&#value))
}

/// In: an argument that every caller gives. Out: the code that writes it, in the form that the cap
/// requires.
fn written(
    definition: &Definition,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
) -> TokenStream {
    let (wire_name, value) = (&argument.wire_name, argument.ident.to_token_stream());
    if argument.is_rest {
        let named = method.sent().filter(|argument| !argument.is_rest);
        let named = named.map(|argument| &argument.wire_name);
        return quote!(.rest(#value, &[#(#named),*]));
    }
    if argument.before.is_empty() && argument.until.is_none() {
        let value = with::written(definition, argument, &value);
        return quote!(.arg(#wire_name, #value));
    }
    let write = |name: &str, since, value| quote!(.arg_since(#name, #since, #value));
    forms(definition, argument, &value, None, &write)
}

/// In: a name, a version, and a value. Out: the call that writes an argument.
type Write<'a> = &'a dyn Fn(&str, TokenStream, TokenStream) -> TokenStream;

/// In: an argument whose form changes or that ends, its value, its version if later than its
/// method's, and the code that writes it. Out: the code that writes it in the form that the cap
/// requires.
fn forms(
    definition: &Definition,
    argument: &ArgumentDefinition,
    value: &TokenStream,
    came: Option<Since>,
    write: Write<'_>,
) -> TokenStream {
    let (wire_name, request) = (&argument.wire_name, own("request"));
    let came = came.map_or_else(|| definition.versions.first(), |came| came.version);
    let newest = argument.before.last().map_or(came, |before| before.version.version);
    let present = with::written(definition, argument, value);
    let write_present = write(wire_name, pair(newest), present);
    let mut writes = quote!(#request #write_present);
    for (at, before) in argument.before.iter().enumerate().rev() {
        let version = pair(before.version.version);
        let name = before.name.as_ref().unwrap_or(wire_name);
        let old = match &before.with {
            Some(with) => {
                let look = look(argument, value, with.span());
                quote_spanned!(with.span()=> #with(#look))
            }
            None => with::written(definition, argument, value),
        };
        let older = at.checked_sub(1).map(|older| argument.before[older].version.version);
        let write_old = write(name, pair(older.unwrap_or(came)), old);
        writes = quote! {
            if #request.is_before(#version) { #request #write_old } else { #writes }
        };
    }
    while_owed(argument, &writes)
}

/// In: an argument, and the code that writes it. Out: the code that writes it while the cap still
/// requires it. A request without it carries the version that removed it, because older servers
/// require it.
fn while_owed(argument: &ArgumentDefinition, writes: &TokenStream) -> TokenStream {
    let request = own("request");
    match &argument.until {
        None => quote!(.with(|#request| #writes)),
        Some(until) => {
            let version = pair(until.version);
            quote!(.with(|#request| if #request.is_before(#version) { #writes } else { #request.since(#version) }))
        }
    }
}

/// In: a method. Out: the code that writes its constant arguments. Under older caps it omits later
/// ones.
fn constants(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let constants = method.constants().map(|(argument, value)| {
        let (name, ty, constant) = (&argument.wire_name, &argument.ty, own("constant"));
        let version = argument.since.map_or(definition.versions.first(), |since| since.version);
        let (version, is_plain) = (pair(version), argument.with.is_none());
        if is_plain && argument.until.is_none() && argument.before.is_empty() {
            let value = quote!({ let #constant: #ty = #value; #constant });
            return quote!(.arg_or_drop(#name, #version, #value));
        }
        let (request, local) = (own("request"), constant.to_token_stream());
        let write = |name: &str, since, value| quote!(.arg_or_drop(#name, #since, #value));
        let writes = forms(definition, argument, &local, argument.since, &write);
        quote!(.with(|#request| { let #constant: #ty = #value; #request #writes }))
    });
    constants.collect()
}

/// In: an argument, and whether other code than its writer borrows it. Out: the type that a caller
/// may pass for it.
pub(super) fn taken(
    definition: &Definition,
    argument: &ArgumentDefinition,
    is_looked_at: bool,
) -> TokenStream {
    let (runtime, ty) = (&definition.runtime, &argument.ty);
    let is_lowered = argument.before.iter().any(|before| before.with.is_some());
    match (&argument.with, is_lowered || is_looked_at) {
        (Some(_), _) => quote!(impl ::core::borrow::Borrow<#ty>),
        (None, true) => quote!(impl #runtime::Arg<#ty> + ::core::borrow::Borrow<#ty>),
        (None, false) => quote!(impl #runtime::Arg<#ty>),
    }
}

/// In: a later argument, and whether a cap that is too old drops it. Out: the code that writes it,
/// in the form that the cap requires.
pub(super) fn written_later(
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

/// In: an argument. Out: a function for the value that servers use without it, if it is declared
/// and serde writes the argument.
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

/// In: a method. Out: functions that return the defaults of its later arguments. Client and server
/// share them, so that a wrong default is one mistake.
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

/// Returns the default of an argument, if client and server share it.
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

/// In: an argument. Out: the function that returns its default, if client and server share it.
pub(super) fn default_function(
    names: &Names,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
) -> Option<TokenStream> {
    let (module, name) = (&names.module, default_name(method, argument));
    shared_default(argument).map(|_| quote!(#module::Api::#name))
}
