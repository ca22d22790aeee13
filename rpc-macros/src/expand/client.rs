//! Generates the client: a stub for each method.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use rpc_idl::{
    Kind,
    parse::{
        ArgumentDefinition, BrokenMethod, Definition, ManualDefinition, MethodDefinition, Timeout,
        mentions,
    },
};
use syn::{FnArg, Ident, ext::IdentExt as _, parse_quote, spanned::Spanned as _};

use super::{
    Names, allow_many,
    arguments::{arguments, required, taken},
    at_least, doc, ended, is_result, method_docs, own, pair, passed_on, respan,
    versions::marker_name,
};

/// In: a definition. Out: the client's type, its constructor, its stubs, and its conversions to the
/// runtime's client.
pub(super) fn client(definition: &Definition, names: &Names) -> TokenStream {
    let (runtime, vis) = (&definition.runtime, &definition.vis);
    let Names { client, module, .. } = names;
    let docs = doc(format!("Calls a remote [`{}`].", definition.ident));
    let new = constructor(definition);
    let latest = marker_name(definition, definition.versions.own);
    let stubs = definition.methods.iter().map(|method| stubs(definition, names, method));
    let broken = definition.broken.iter().filter(|method| !method.reserved);
    let broken = broken.map(|method| broken_stub(definition, method));
    let (manual, ties) = (manual(definition, names), ties(definition, names));
    quote! {
        #docs
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client<C = #module::#latest, T = #runtime::AnyHost>(#runtime::Client<#module::Api, C, T>);

        impl #client {
            #new
        }

        impl<C: #runtime::Cap, T: #runtime::Target> #client<C, T> {
            #(#stubs)*
            #(#broken)*
        }

        #manual

        #ties
    }
}

/// In: a definition. Out: the constructor, from a transport, and from a topic if only a caller
/// knows it.
fn constructor(definition: &Definition) -> TokenStream {
    let (runtime, vis, version) = (&definition.runtime, &definition.vis, definition.versions.own);
    let docs = format!("Creates a client over `transport` that may use all of version {version}");
    if definition.topic.is_some() {
        let docs = doc(format!("{docs}."));
        return quote! {
            #docs
            #[must_use]
            #vis fn new(transport: &#runtime::Transport) -> Self {
                Self(#runtime::Client::new(transport))
            }
        };
    }
    let docs = doc(format!("{docs}, of the servers that listen on `topic`."));
    quote! {
        #docs
        #[must_use]
        #vis fn on_topic(
            transport: &#runtime::Transport,
            topic: impl ::core::convert::Into<::std::sync::Arc<str>>,
        ) -> Self {
            Self(#runtime::Client::on_topic(transport, topic))
        }
    }
}

/// In: a definition. Out: the client methods that the user has written.
fn manual(definition: &Definition, names: &Names) -> Option<TokenStream> {
    let (runtime, client) = (&definition.runtime, &names.client);
    let methods = definition.manual.iter().map(|manual| manual_method(definition, names, manual));
    (!definition.manual.is_empty()).then(|| {
        quote! {
            impl<C: #runtime::Cap> #client<C, #runtime::AnyHost> {
                #(#methods)*
            }
        }
    })
}

/// In: a method that the user has written. Out: the method, with the bound for the version that it
/// requires.
fn manual_method(definition: &Definition, names: &Names, manual: &ManualDefinition) -> TokenStream {
    let (vis, mut item) = (&definition.vis, manual.item.clone());
    if let Some(bound) = manual.since.and_then(|since| at_least(definition, names, since)) {
        item.sig.generics.make_where_clause().predicates.push(parse_quote!(#bound));
    }
    let (attrs, signature, body) = (&item.attrs, &item.sig, &item.default);
    let since = manual.since.map(|since| doc(format!("Since {}.", since.version)));
    let gap = since.as_ref().map(|_| quote!(#[doc = ""]));
    quote!(#(#attrs)* #gap #since #vis #signature #body)
}

/// In: a definition. Out: the conversions between the client and the runtime's client, which holds
/// its options.
fn ties(definition: &Definition, names: &Names) -> TokenStream {
    let runtime = &definition.runtime;
    let Names { client, module, .. } = names;
    let latest = marker_name(definition, definition.versions.own);
    let address = definition.address.as_ref().map(|address| {
        let local = own("address");
        let address = quote_spanned!(address.span()=> let #local: #runtime::AddressFn = #address;);
        quote! {
            const ADDRESS: ::core::option::Option<#runtime::AddressFn> = {
                #address
                ::core::option::Option::Some(#local)
            };
        }
    });
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
            #address
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
    let (bounds, allow) = (bounds(definition, names, method, waits), allow_many(method));
    let (begun, host) = (begun(method), host(definition, method));
    let (arguments, required) =
        (arguments(definition, method), required(definition, names, method));
    let request = quote!(self.0.#begun #options #host #arguments);
    let request = match method.later().next().is_some() || !required.is_empty() {
        true => quote!(#request.later(#ctx) #required),
        false => request,
    };
    let (returns, body) = if method.later().next().is_some() {
        let later = Names::later(definition, method, waits);
        (quote!(#later<C>), quote!(#later(#request, ::core::marker::PhantomData)))
    } else {
        let end = if waits { quote!(call) } else { quote!(cast) };
        // If arguments follow the context, it has been written already.
        let ctx = required.is_empty().then_some(&ctx);
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

/// In: a method. Out: the call that begins its request, under its present or former name.
fn begun(method: &MethodDefinition) -> TokenStream {
    let wire_name = &method.wire_name;
    if method.before.is_empty() {
        return quote!(request(#wire_name));
    }
    let before = method.before.iter().map(|before| {
        let version = pair(before.version.version);
        let name = before.name.as_ref().unwrap_or(wire_name);
        let sent_as = match &before.send {
            Some(send) => {
                let send = pair(send.version);
                quote!(::core::option::Option::Some(#send))
            }
            None => quote!(::core::option::Option::None),
        };
        quote!((#version, #name, #sent_as))
    });
    quote!(request_before(#wire_name, &[#(#before),*]))
}

/// Returns the name of a method's stub. A second stub that does not wait has another name.
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
    let (name, ty) = (&argument.ident, &argument.ty);
    if argument.is_route {
        return quote!(, #name: impl ::core::borrow::Borrow<#ty>);
    }
    // An argument that yields the host, or that a function rewrites, is borrowed before it is
    // written.
    let is_rewritten = method.before.iter().any(|before| before.with.is_some());
    let taken = taken(definition, argument, is_rewritten || routed_by(method, argument));
    quote!(, #name: #taken)
}

fn routed_by(method: &MethodDefinition, argument: &ArgumentDefinition) -> bool {
    method.host_from.as_ref().is_some_and(|host| mentions(host.to_token_stream(), &argument.ident))
}

/// In: a method. Out: the code that reads its request's host from the arguments.
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

/// In: a method with a mistake. Out: a stub that accepts anything, so that its callers do not see a
/// second error. It never runs, because the mistake stops compilation.
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

/// In: a method. Out: the calls that its attributes add to each request.
fn options(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let since = method.since.version;
    let since = (since > definition.versions.first()).then(|| {
        let version = pair(since);
        quote!(.since(#version))
    });
    let send = method.send.iter().chain(&definition.send).map(|send| {
        let version = pair(send.version);
        quote!(.sent_as(#version))
    });
    let topic = method.topic.as_ref().map(|(topic, since)| {
        let since = since.map_or(definition.versions.first(), |since| since.version);
        let version = pair(since);
        quote!(.topic(#topic, #version))
    });
    let timeout = method.timeout.as_ref().map(duration).map(|time| quote!(.timeout(#time)));
    let monitor = method.monitor.as_ref().map(duration).map(|time| quote!(.monitor(#time)));
    let fanout = (method.kind == Kind::Fanout).then(|| quote!(.fanout()));
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    quote!(#since #(#send)* #topic #timeout #monitor #fanout #idempotent)
}

/// In: a duration. Out: an expression of type `Duration`.
fn duration(time: &Timeout) -> TokenStream {
    match time {
        Timeout::Literal { nanoseconds, .. } => {
            quote!(::core::time::Duration::from_nanos(#nanoseconds))
        }
        Timeout::Expr(expr) => quote!(#expr),
    }
}

/// In: a method. Out: the bounds on the client's cap and target. They have the span of the declared
/// version, so that the compiler's note points there.
fn bounds(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
    waits: bool,
) -> TokenStream {
    let runtime = &definition.runtime;
    let cap = at_least(definition, names, method.since).map(|cap| quote!(#cap,));
    let target = match method.kind {
        Kind::Fanout => Some(quote!(NotOneHost)),
        _ if method.host => Some(quote!(NamesHost)),
        _ if waits => Some(quote!(Answers)),
        _ => None,
    };
    let target = target.map(|target| respan(quote!(T: #runtime::#target,), method.ident.span()));
    if cap.is_none() && target.is_none() { TokenStream::new() } else { quote!(where #cap #target) }
}
