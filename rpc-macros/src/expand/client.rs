//! The client: a stub for each method.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use rpc_idl::{
    Kind,
    parse::{ArgumentDefinition, BrokenMethod, Definition, MethodDefinition, Timeout, mentions},
};
use syn::{FnArg, Ident, ext::IdentExt as _, spanned::Spanned as _};

use super::{
    Names, allow_many, at_least, doc, is_result, method_docs, own, passed_on, respan, sent_as,
    versions::marker_name,
};

/// In: a definition. Out: the client's type, its constructor, its stubs, and what ties it to the runtime's.
pub(super) fn client(definition: &Definition, names: &Names) -> TokenStream {
    let (runtime, vis) = (&definition.runtime, &definition.vis);
    let Names { client, module, .. } = names;
    let docs = doc(format!("Calls a [`{}`] somewhere else.", definition.ident));
    let new = doc(format!(
        "Makes a client over `transport` that may use all of version {}.",
        definition.version
    ));
    let latest = marker_name(definition, definition.version.minor());
    let stubs = definition.methods.iter().map(|method| stubs(definition, names, method));
    let broken = definition.broken.iter().filter(|method| !method.reserved);
    let broken = broken.map(|method| broken_stub(definition, method));
    let ties = ties(definition, names);
    quote! {
        #docs
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client<C = #module::#latest, T = #runtime::AnyHost>(#runtime::Client<#module::Api, C, T>);

        impl #client {
            #new
            #[must_use]
            #vis fn new(transport: &#runtime::Transport) -> Self {
                Self(#runtime::Client::new(transport))
            }
        }

        impl<C: #runtime::Cap, T: #runtime::Target> #client<C, T> {
            #(#stubs)*
            #(#broken)*
        }

        #ties
    }
}

/// In: a definition. Out: the conversions between the client and the runtime's, whose options it has.
fn ties(definition: &Definition, names: &Names) -> TokenStream {
    let runtime = &definition.runtime;
    let Names { client, module, .. } = names;
    let latest = marker_name(definition, definition.version.minor());
    quote! {
        impl<C, T> ::core::ops::Deref for #client<C, T> {
            type Target = #runtime::Client<#module::Api, C, T>;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl #runtime::Api for #module::Api {
            type Client<C: #runtime::Cap, T: #runtime::Target> = #client<C, T>;
            type Latest = #module::#latest;
            const INTERFACE: &'static #runtime::Interface<'static> = &#module::INTERFACE;
            fn client<C: #runtime::Cap, T: #runtime::Target>(client: #runtime::Client<Self, C, T>) -> #client<C, T> {
                #client(client)
            }
        }
    }
}

/// In: a method. Out: the functions that write its request.
fn stubs(definition: &Definition, names: &Names, method: &MethodDefinition) -> TokenStream {
    let waits = method.kind == Kind::Call;
    let own = stub(definition, names, method, waits);
    let cast = method.either.then(|| stub(definition, names, method, false));
    quote!(#own #cast)
}

/// In: a method, and whether its caller waits. Out: the function that writes its request.
fn stub(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
    waits: bool,
) -> TokenStream {
    let vis = &definition.vis;
    let context = &method.context.1;
    let ident = stub_name(method, waits);
    let (docs, attrs, ctx) = (method_docs(definition, method), passed_on(method), own("ctx"));
    let parameters = method.positional().map(|argument| parameter(definition, method, argument));
    let options = options(definition, method);
    let sent = method.positional().filter(|argument| !argument.is_route);
    let arguments = sent.map(written);
    let (bounds, allow) = (bounds(definition, names, method, waits), allow_many(method));
    let (host, constants) = (host(definition, method), constants(method));
    let begun = begun(method);
    let request = quote!(self.0.#begun #options #host #(#arguments)*);
    let request = match method.later().next().is_some() || !constants.is_empty() {
        true => quote!(#request.later(#ctx) #constants),
        false => request,
    };
    let (returns, body) = if method.later().next().is_some() {
        let later = Names::later(definition, method, waits);
        (quote!(#later<C>), quote!(#later(#request, ::core::marker::PhantomData)))
    } else {
        let end = if waits { quote!(call) } else { quote!(cast) };
        // Where constants follow the context, it is written already.
        let ctx = constants.is_empty().then_some(&ctx);
        (ended(definition, method, waits), quote!(#request.#end(#ctx)))
    };
    quote! {
        #docs
        #(#attrs)*
        #allow
        #vis fn #ident(&self, #ctx: &#context #(#parameters)*) -> #returns #bounds {
            #body
        }
    }
}

/// In: a method. Out: what begins its request, under the name that it has or had.
fn begun(method: &MethodDefinition) -> TokenStream {
    let wire_name = &method.wire_name;
    if method.before.is_empty() {
        return quote!(request(#wire_name));
    }
    let before = method.before.iter().map(|before| {
        let (minor, name) = (Literal::u64_unsuffixed(before.version.minor), &before.name);
        let sent_as = match &before.send {
            Some(send) => {
                let minor = Literal::u64_unsuffixed(send.minor);
                quote!(::core::option::Option::Some(#minor))
            }
            None => quote!(::core::option::Option::None),
        };
        quote!((#minor, #name, #sent_as))
    });
    quote!(request_before(#wire_name, &[#(#before),*]))
}

/// In: an argument that every caller gives. Out: what writes it, in the form that the cap asks for.
fn written(argument: &ArgumentDefinition) -> TokenStream {
    let (wire_name, value) = (&argument.wire_name, argument.ident.to_token_stream());
    if argument.before.is_empty() && argument.until.is_none() {
        return quote!(.arg(#wire_name, #value));
    }
    forms(argument, &value, 0, &quote!(arg_since))
}

/// In: an argument that has changed or goes, its value, the minor version that it came with, and the function that
/// writes it. Out: what writes it in the form that the cap asks for.
pub(super) fn forms(
    argument: &ArgumentDefinition,
    value: &TokenStream,
    came: u64,
    write: &TokenStream,
) -> TokenStream {
    let (wire_name, request) = (&argument.wire_name, own("request"));
    let newest = argument.before.last().map_or(came, |before| before.version.minor);
    let newest = Literal::u64_unsuffixed(newest);
    let mut writes = quote!(#request.#write(#wire_name, #newest, #value));
    for (at, before) in argument.before.iter().enumerate().rev() {
        let minor = Literal::u64_unsuffixed(before.version.minor);
        let name = before.name.as_ref().unwrap_or(wire_name);
        let old = match &before.with {
            Some(with) => {
                quote_spanned!(with.span()=> #with(::core::borrow::Borrow::borrow(&#value)))
            }
            None => value.clone(),
        };
        let older = at.checked_sub(1).map(|older| argument.before[older].version.minor);
        let since = Literal::u64_unsuffixed(older.unwrap_or(came));
        writes = quote! {
            if #request.is_before(#minor) { #request.#write(#name, #since, #old) } else { #writes }
        };
    }
    if let Some(until) = &argument.until {
        let minor = Literal::u64_unsuffixed(until.minor);
        writes = quote!(if #request.is_before(#minor) { #writes } else { #request });
    }
    quote!(.with(|#request| #writes))
}

/// Returns the name of a method's stub: the one that does not wait for an answer has another.
fn stub_name(method: &MethodDefinition, waits: bool) -> Ident {
    if method.either && !waits {
        return format_ident!("{}_cast", method.ident.unraw(), span = method.ident.span());
    }
    method.ident.clone()
}

/// In: an argument that every caller gives. Out: the stub's parameter.
fn parameter(
    definition: &Definition,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
) -> TokenStream {
    let (runtime, name, ty) = (&definition.runtime, &argument.ident, &argument.ty);
    if argument.is_route {
        return quote!(, #name: impl ::core::borrow::Borrow<#ty>);
    }
    // What the host is read from has to be looked at before it is written.
    let is_lowered = argument.before.iter().any(|before| before.with.is_some());
    let looked_at =
        (is_lowered || routed_by(method, argument)).then(|| quote!(+ ::core::borrow::Borrow<#ty>));
    quote!(, #name: impl #runtime::Arg<#ty> #looked_at)
}

fn routed_by(method: &MethodDefinition, argument: &ArgumentDefinition) -> bool {
    method.host_from.as_ref().is_some_and(|host| mentions(host.to_token_stream(), &argument.ident))
}

/// In: a method. Out: what reads its request's host from the arguments.
fn host(definition: &Definition, method: &MethodDefinition) -> Option<TokenStream> {
    let (runtime, expr) = (&definition.runtime, method.host_from.as_ref()?);
    let host = quote_spanned!(expr.span()=> #runtime::Host::host(&#expr));
    let looks =
        method.positional().filter(|argument| routed_by(method, argument)).map(|argument| {
            let (name, ty) = (&argument.ident, &argument.ty);
            quote!(let #name: &#ty = ::core::borrow::Borrow::borrow(&#name);)
        });
    Some(quote!(.to_host({ #(#looks)* #host })))
}

/// In: a method. Out: what writes the arguments that are always the same. Later ones are left out under older caps.
fn constants(method: &MethodDefinition) -> TokenStream {
    let constants = method.constants().map(|(argument, value)| {
        let (name, ty) = (&argument.wire_name, &argument.ty);
        let value = quote!({ let constant: #ty = #value; constant });
        let minor = Literal::u64_unsuffixed(argument.since.map_or(0, |since| since.minor));
        let write = quote!(.arg_or_drop(#name, #minor, #value));
        match &argument.until {
            None => write,
            Some(until) => {
                let (minor, request) = (Literal::u64_unsuffixed(until.minor), own("request"));
                quote!(.with(|#request| if #request.is_before(#minor) { #request #write } else { #request }))
            }
        }
    });
    constants.collect()
}

/// In: a method with a mistake. Out: a function that takes anything, so that its callers do not hear of it again. The
/// mistake keeps it from ever running.
fn broken_stub(definition: &Definition, method: &BrokenMethod) -> TokenStream {
    let (runtime, vis) = (&definition.runtime, &definition.vis);
    let signature = &method.declaration.sig;
    let (ident, name) = (&signature.ident, signature.ident.unraw().to_string());
    let typed = signature.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_)));
    let anything = typed.map(|_| quote!(, _: impl ::core::marker::Sized));
    let attrs = method.declaration.attrs.iter().filter(|attr| !attr.path().is_ident("must_use"));
    let (returns, end) = match &method.output {
        Some(output) => {
            let is_result = is_result(definition, output);
            (quote!(#runtime::Call<#output, #is_result>), quote!(call))
        }
        None => (quote!(#runtime::Cast), quote!(cast)),
    };
    quote! {
        #(#attrs)*
        #vis fn #ident(&self #(#anything)*) -> #returns {
            self.0.request(#name).#end(&())
        }
    }
}

/// In: a method. Out: the type that its caller awaits.
pub(super) fn ended(
    definition: &Definition,
    method: &MethodDefinition,
    waits: bool,
) -> TokenStream {
    let runtime = &definition.runtime;
    match &method.output {
        Some(output) if waits => {
            let is_result = is_result(definition, output);
            quote!(#runtime::Call<#output, #is_result>)
        }
        _ => quote!(#runtime::Cast),
    }
}

/// In: a method. Out: what its attributes say about each request.
fn options(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let minor = Literal::u64_unsuffixed(method.since.minor);
    let since = (method.since.minor > 0).then(|| quote!(.since(#minor)));
    let send = sent_as(definition, method).map(|minor| quote!(.sent_as(#minor)));
    let timeout = method.timeout.as_ref().map(duration).map(|time| quote!(.timeout(#time)));
    let monitor = method.monitor.as_ref().map(duration).map(|time| quote!(.monitor(#time)));
    let fanout = (method.kind == Kind::Fanout).then(|| quote!(.fanout()));
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    quote!(#since #send #timeout #monitor #fanout #idempotent)
}

/// In: a time. Out: an expression of type `Duration`.
fn duration(time: &Timeout) -> TokenStream {
    match time {
        Timeout::Literal(nanoseconds) => quote!(::core::time::Duration::from_nanos(#nanoseconds)),
        Timeout::Expr(expr) => quote!(#expr),
    }
}

/// In: a method. Out: what the client's cap and target have to be. The bound stands where the version is written, so
/// that the compiler's note points there.
fn bounds(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
    waits: bool,
) -> TokenStream {
    let runtime = &definition.runtime;
    let cap = (method.since.minor > 0).then(|| {
        let at_least = at_least(definition, names, method.since);
        quote_spanned!(method.since.span=> C: #at_least,)
    });
    let target = match method.kind {
        Kind::Fanout => Some(quote!(NotOneHost)),
        _ if method.host => Some(quote!(NamesHost)),
        _ if waits => Some(quote!(Answers)),
        _ => None,
    };
    let target = target.map(|target| respan(quote!(T: #runtime::#target,), method.ident.span()));
    if cap.is_none() && target.is_none() { TokenStream::new() } else { quote!(where #cap #target) }
}
