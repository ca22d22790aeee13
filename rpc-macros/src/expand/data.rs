//! The interface's module: its data, its name in types, its versions.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use rpc_idl::{
    Ack, Kind,
    parse::{ArgumentDefinition, Definition, MethodDefinition},
};

use super::{Names, doc, inner_vis, is_deprecated, versions::versions};

/// In: a definition. Out: the module. It names nothing outside of itself but the runtime, so that it can stand in a
/// function, too.
pub(super) fn module(definition: &Definition, names: &Names) -> TokenStream {
    let (vis, module) = (&definition.vis, &names.module);
    let docs = doc(format!("Versions of [`{}`], and the interface as data.", definition.ident));
    let (interface, inner) = (interface(definition), inner_vis(definition));
    let versions = versions(definition, names);
    quote! {
        #docs
        #[allow(dead_code)]
        #vis mod #module {
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
    let (runtime, name, docs) =
        (&definition.runtime, definition.ident.to_string(), definition.docs());
    let (topic, exchange, namespace) = (
        &definition.topic,
        option(definition.exchange.as_deref()),
        option(definition.namespace.as_deref()),
    );
    let (major, minor) = (definition.version.major(), definition.version.minor());
    let methods = definition.methods.iter().map(|item| method(definition, item));
    let inner = inner_vis(definition);
    quote! {
        /// The interface as data.
        #inner const INTERFACE: #runtime::Interface<'static> = #runtime::Interface {
            name: #name,
            docs: #docs,
            topic: #topic,
            exchange: #exchange,
            namespace: #namespace,
            version: #runtime::Version::new(#major, #minor),
            methods: &[#(#methods),*],
        };
    }
}

fn option(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// In: a method. Out: its data.
fn method(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let runtime = &definition.runtime;
    let MethodDefinition { wire_name, host, idempotent, .. } = method;
    let (docs, deprecated, cfg) =
        (method.docs(), is_deprecated(method), method.attrs_named(&["cfg"]));
    let (major, minor) = (definition.version.major(), method.since.minor);
    let kind = match method.kind {
        Kind::Call => quote!(Call),
        Kind::Cast => quote!(Cast),
        Kind::Fanout => quote!(Fanout),
    };
    let ack = if method.ack == Ack::Late { quote!(Late) } else { quote!(Early) };
    let reply = method
        .output
        .as_ref()
        .map(|output| type_name(&output.to_token_stream()))
        .unwrap_or_default();
    let parameters =
        method.arguments.iter().map(|argument| parameter(definition, method, argument));
    quote! {
        #(#cfg)*
        #runtime::Method {
            name: #wire_name,
            docs: #docs,
            since: #runtime::Version::new(#major, #minor),
            kind: #runtime::Kind::#kind,
            host: #host,
            ack: #runtime::Ack::#ack,
            idempotent: #idempotent,
            deprecated: #deprecated,
            parameters: &[#(#parameters),*],
            reply: #reply,
        }
    }
}

/// In: an argument. Out: its data.
fn parameter(
    definition: &Definition,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
) -> TokenStream {
    let (runtime, name) = (&definition.runtime, &argument.wire_name);
    let type_name = type_name(&argument.ty.to_token_stream());
    let (major, minor) = (definition.version.major(), argument.since.unwrap_or(method.since).minor);
    let required = argument.since.is_none() && argument.default.is_none();
    quote! {
        #runtime::Parameter {
            name: #name,
            type_name: #type_name,
            since: #runtime::Version::new(#major, #minor),
            required: #required,
        }
    }
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
