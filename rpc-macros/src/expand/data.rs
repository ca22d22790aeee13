//! The interface's module: its data, its name in types, its versions.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens as _, quote};
use rpc_idl::{
    Ack, Kind,
    parse::{ArgumentDefinition, Definition, MethodDefinition},
};
use syn::{Visibility, ext::IdentExt as _};

use super::{Names, doc, inner_vis, is_deprecated, sent_as, versions::versions};

/// In: a definition. Out: the module. It names nothing outside of itself but the runtime, so that it can stand in a
/// function, too.
pub(super) fn module(definition: &Definition, names: &Names) -> TokenStream {
    let (vis, module) = (&definition.vis, &names.module);
    let docs = doc(format!("Versions of [`{}`], and the interface as data.", definition.ident));
    let (interface, inner, runtime) =
        (interface(definition), inner_vis(definition), &definition.runtime);
    let versions = versions(definition, names);
    // Markers of a public interface are there for others.
    let dead = (!matches!(vis, Visibility::Public(_))).then(|| quote!(#[allow(dead_code)]));
    let used = if definition.methods.is_empty() {
        quote!(Interface, Method, Pinned, Version)
    } else if definition.methods.iter().all(|method| method.sent().next().is_none()) {
        quote!(Interface, Kind, Method, Pinned, Version)
    } else {
        quote!(Interface, Kind, Method, Parameter as Arg, Pinned, Version)
    };
    quote! {
        #docs
        #dead
        #vis mod #module {
            use #runtime::{#used};

            #interface

            /// Names the interface in types.
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #inner enum Api {}

            #versions
        }
    }
}

/// In: a definition. Out: the constant that holds all of it.
fn interface(definition: &Definition) -> TokenStream {
    let (name, docs, topic) =
        (definition.ident.unraw().to_string(), definition.docs(), &definition.topic);
    let exchange = definition.exchange.as_ref().map(|exchange| quote!(.exchange(#exchange)));
    let namespace = definition.namespace.as_ref().map(|namespace| quote!(.namespace(#namespace)));
    let legacy = legacy_namespaces(definition);
    let docs = (!docs.is_empty()).then(|| quote!(.docs(#docs)));
    let major = Literal::u64_unsuffixed(definition.version.major());
    let minor = Literal::u64_unsuffixed(definition.version.minor());
    let methods = definition.methods.iter().map(|one| method(definition, one));
    let inner = inner_vis(definition);
    quote! {
        /// The interface as data.
        #inner const INTERFACE: Interface<'static> =
            Interface::new(#name, #major, #minor).topic(#topic) #docs #exchange #namespace #legacy .methods(METHODS);

        const METHODS: &[Method<'static>] = &[#(#methods),*];
    }
}

/// In: a definition. Out: the call that sets its legacy namespaces, if it has any.
fn legacy_namespaces(definition: &Definition) -> Option<TokenStream> {
    let namespaces = &definition.legacy_namespaces;
    let items = namespaces.iter().map(|namespace| match namespace {
        Some(namespace) => quote!(::core::option::Option::Some(#namespace)),
        None => quote!(::core::option::Option::None),
    });
    (!namespaces.is_empty()).then(|| quote!(.legacy_namespaces(&[#(#items),*])))
}

/// In: a method. Out: its data.
fn method(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let wire_name = &method.wire_name;
    let (docs, cfg) = (method.docs(), method.attrs_named(&["cfg"]));
    let minor = Literal::u64_unsuffixed(method.since.minor);
    let kind = match method.kind {
        Kind::Call => quote!(Call),
        Kind::Cast => quote!(Cast),
        Kind::Fanout => quote!(Fanout),
    };
    let docs = (!docs.is_empty()).then(|| quote!(.docs(#docs)));
    let old = method.before.iter().filter_map(|before| before.name.as_ref());
    let aliases: Vec<_> = method.aliases.iter().chain(old).collect();
    let aliases = (!aliases.is_empty()).then(|| quote!(.aliases(&[#(#aliases),*])));
    let send = sent_as(definition, method).map(|minor| quote!(.sent_as(#minor)));
    let extra = method.ignores_extra.then(|| quote!(.ignoring_extra()));
    let host = method.host.then(|| quote!(.for_one_host()));
    let late = (method.ack == Ack::Late).then(|| quote!(.acknowledged_late()));
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    let deprecated = is_deprecated(method).then(|| quote!(.deprecated()));
    let parameters = method.sent().map(|argument| parameter(method, argument));
    let parameters = method.sent().next().is_some().then(|| quote!(.args(&[#(#parameters),*])));
    let reply = method.output.as_ref().map(|output| type_name(&output.to_token_stream()));
    let reply = reply.map(|reply| quote!(.reply(#reply)));
    quote! {
        #(#cfg)*
        Method::new(#wire_name, #minor, Kind::#kind)
            #docs #aliases #send #extra #host #late #idempotent #deprecated #parameters #reply
    }
}

/// In: an argument. Out: its data.
fn parameter(method: &MethodDefinition, argument: &ArgumentDefinition) -> TokenStream {
    let name = &argument.wire_name;
    let type_name = type_name(&argument.ty.to_token_stream());
    let minor = Literal::u64_unsuffixed(argument.since.unwrap_or(method.since).minor);
    let in_all = argument.since.is_none() && argument.until.is_none();
    let required = in_all && argument.default.is_none();
    let optional = (!required).then(|| quote!(.optional()));
    quote!(Arg::new(#name, #minor, #type_name) #optional)
}

/// Returns a type as a person would write it, whatever blanks the tokens print with.
fn type_name(tokens: &TokenStream) -> String {
    let text = tokens.to_string();
    let mut name = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '"';
        let between_words =
            name.chars().last().is_some_and(|last| word(last) || last == ',' || last == ';')
                && rest.peek().is_some_and(|&next| word(next) || "([&'".contains(next));
        let after_comma = name.ends_with([',', ';']);
        if c != ' ' || after_comma || (between_words && rest.peek().is_some_and(|&next| word(next)))
        {
            name.push(c);
        }
    }
    name
}
