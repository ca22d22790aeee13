//! The client: a stub for each method.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use rpc_idl::{
    Kind,
    parse::{BrokenMethod, Definition, MethodDefinition, Timeout},
};
use syn::{FnArg, ext::IdentExt as _};

use super::{
    Names, allow_many, at_least, doc, is_result, method_docs, own, passed_on, respan,
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
    let stubs = definition.methods.iter().map(|method| stub(definition, names, method));
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

/// In: a method. Out: the function that writes its request.
fn stub(definition: &Definition, names: &Names, method: &MethodDefinition) -> TokenStream {
    let (runtime, vis) = (&definition.runtime, &definition.vis);
    let (ident, context, wire_name) = (&method.ident, &method.context.1, &method.wire_name);
    let (docs, attrs, ctx) = (method_docs(definition, method), passed_on(method), own("ctx"));
    let parameters = method.positional().map(|argument| {
        let (name, ty) = (&argument.ident, &argument.ty);
        quote!(, #name: impl #runtime::Arg<#ty>)
    });
    let options = options(method);
    let arguments = method.positional().map(|argument| {
        let (name, wire_name) = (&argument.ident, &argument.wire_name);
        quote!(.arg(#wire_name, #name))
    });
    let (bounds, allow) = (bounds(definition, names, method), allow_many(method));
    let request = quote!(self.0.request(#wire_name) #options #(#arguments)*);
    let (returns, body) = if method.later().next().is_some() {
        let later = Names::later(definition, method);
        (quote!(#later<C>), quote!(#later(#request.later(#ctx), ::core::marker::PhantomData)))
    } else {
        let end = if method.kind == Kind::Call { quote!(call) } else { quote!(cast) };
        (ended(definition, method), quote!(#request.#end(#ctx)))
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
pub(super) fn ended(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let runtime = &definition.runtime;
    match &method.output {
        Some(output) if method.kind == Kind::Call => {
            let is_result = is_result(definition, output);
            quote!(#runtime::Call<#output, #is_result>)
        }
        _ => quote!(#runtime::Cast),
    }
}

/// In: a method. Out: what its attributes say about each request.
fn options(method: &MethodDefinition) -> TokenStream {
    let minor = Literal::u64_unsuffixed(method.since.minor);
    let since = (method.since.minor > 0).then(|| quote!(.since(#minor)));
    let timeout = method.timeout.as_ref().map(|timeout| match timeout {
        Timeout::Literal(nanoseconds) => {
            quote!(.timeout(::core::time::Duration::from_nanos(#nanoseconds)))
        }
        Timeout::Expr(expr) => quote!(.timeout(#expr)),
    });
    let fanout = (method.kind == Kind::Fanout).then(|| quote!(.fanout()));
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    quote!(#since #timeout #fanout #idempotent)
}

/// In: a method. Out: what the client's cap and target have to be. The bound stands where the version is written, so
/// that the compiler's note points there.
fn bounds(definition: &Definition, names: &Names, method: &MethodDefinition) -> TokenStream {
    let runtime = &definition.runtime;
    let cap = (method.since.minor > 0).then(|| {
        let at_least = at_least(definition, names, method.since);
        quote_spanned!(method.since.span=> C: #at_least,)
    });
    let target = match method.kind {
        Kind::Fanout => Some(quote!(NotOneHost)),
        _ if method.host => Some(quote!(NamesHost)),
        Kind::Call => Some(quote!(Answers)),
        Kind::Cast => None,
    };
    let target = target.map(|target| respan(quote!(T: #runtime::#target,), method.ident.span()));
    if cap.is_none() && target.is_none() { TokenStream::new() } else { quote!(where #cap #target) }
}
