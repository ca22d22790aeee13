//! Generates the interface's module: its data, its name as a type, its versions.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use rpc_idl::{
    Ack, Kind,
    parse::{ArgumentDefinition, Definition, MethodDefinition, Since, Timeout},
};
use syn::{Visibility, ext::IdentExt as _};

use super::{
    Names, doc, inner_vis, is_deprecated, pair,
    versions::{version, versions},
};

/// In: a definition. Out: the module. It names nothing outside itself except the runtime, so that
/// it can also stand in a function.
pub(super) fn module(definition: &Definition, names: &Names) -> TokenStream {
    let (vis, module) = (&definition.vis, &names.module);
    let docs = doc(format!("Versions of [`{}`], and the interface as data.", definition.ident));
    let (interface, inner, runtime) =
        (interface(definition), inner_vis(definition), &definition.runtime);
    let versions = versions(definition, names);
    // Other crates use the markers of a public interface.
    let dead = (!matches!(vis, Visibility::Public(_))).then(|| quote!(#[allow(dead_code)]));
    let (has_methods, mut sent) = (
        !definition.methods.is_empty(),
        definition.methods.iter().flat_map(MethodDefinition::sent),
    );
    let kind = has_methods.then(|| quote!(Kind,));
    let arg = sent.next().is_some().then(|| quote!(Parameter as Arg,));
    let had_names = definition.methods.iter().any(|method| !method.before.is_empty());
    let old_name = had_names.then(|| quote!(OldName,));
    let mut sent = definition.methods.iter().flat_map(MethodDefinition::sent);
    let had_forms = sent.any(|argument| !argument.before.is_empty());
    let old_form = had_forms.then(|| quote!(OldForm,));
    let used = quote!(Interface, #kind Method, #old_form #old_name #arg Pinned, Version);
    quote! {
        #docs
        #dead
        #vis mod #module {
            use #runtime::{#used};

            #interface

            /// The interface as a type.
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #inner enum Api {}

            #versions
        }
    }
}

/// In: a definition. Out: the constant that holds it as data.
fn interface(definition: &Definition) -> TokenStream {
    let (name, docs, versions) =
        (definition.ident.unraw().to_string(), definition.docs(), &definition.versions);
    let topic = definition.topic.as_ref().map(|topic| quote!(.topic(#topic)));
    let exchange = definition.exchange.as_ref().map(|exchange| quote!(.exchange(#exchange)));
    let namespace = definition.namespace.as_ref().map(|namespace| quote!(.namespace(#namespace)));
    let legacy = legacy_namespaces(definition);
    let docs = (!docs.is_empty()).then(|| quote!(.docs(#docs)));
    let own = pair(versions.own);
    let previous = versions.previous.map(pair).map(|previous| quote!(.previous(#previous)));
    let oldest = (versions.oldest > versions.first()).then(|| pair(versions.oldest));
    let oldest = oldest.map(|oldest| quote!(.oldest(#oldest)));
    let send: Vec<_> = definition.send.iter().map(|send| version(send.version)).collect();
    let send = (!send.is_empty()).then(|| quote!(.sent_as(&[#(#send),*])));
    let aliases = definition.aliases.iter().map(|(name, alias)| {
        let alias = version(*alias);
        quote!((#name, #alias))
    });
    let aliases = (!definition.aliases.is_empty()).then(|| quote!(.aliases(&[#(#aliases),*])));
    let address = definition.address.is_some().then(|| quote!(.addressed()));
    let methods = definition.methods.iter().map(method);
    let inner = inner_vis(definition);
    quote! {
        /// The interface as data.
        #inner const INTERFACE: Interface<'static> = Interface::new(#name, #own)
            #topic #docs #exchange #namespace #legacy #previous #oldest #send #aliases #address .methods(METHODS);

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
fn method(method: &MethodDefinition) -> TokenStream {
    let (wire_name, since) = (&method.wire_name, pair(method.since.version));
    let (docs, cfg) = (method.docs(), method.attrs_named(&["cfg"]));
    let kind = match method.kind {
        Kind::Call => quote!(Call),
        Kind::Cast => quote!(Cast),
        Kind::Fanout => quote!(Fanout),
    };
    let docs = (!docs.is_empty()).then(|| quote!(.docs(#docs)));
    let aliases = &method.aliases;
    let aliases = (!aliases.is_empty()).then(|| quote!(.aliases(&[#(#aliases),*])));
    let (before, options) = (names_before(method), options(method));
    let parameters = method.sent().map(parameter);
    let parameters = method.sent().next().is_some().then(|| quote!(.args(&[#(#parameters),*])));
    let reply = method.output.as_ref().map(|output| type_name(&output.to_token_stream()));
    let reply = reply.map(|reply| quote!(.reply(#reply)));
    quote! {
        #(#cfg)*
        Method::new(#wire_name, #since, Kind::#kind) #docs #aliases #before #options #parameters #reply
    }
}

/// In: a method. Out: the calls that set its attributes.
fn options(method: &MethodDefinition) -> TokenStream {
    let send = method.send.map(|send| pair(send.version));
    let send = send.map(|send| quote!(.sent_as(#send)));
    let extra = method.ignores_extra.then(|| quote!(.ignoring_extra()));
    let either = method.either.then(|| quote!(.or_cast()));
    let host = method.host.then(|| quote!(.for_one_host()));
    let from = method.host_from.as_ref().map(|from| type_name(&from.to_token_stream()));
    let from = from.map(|from| quote!(.host_from(#from)));
    let topic = method.topic.as_ref().map(|(topic, since)| {
        let since = pair(since.unwrap_or(method.since).version);
        quote!(.topic(#topic, #since))
    });
    let timeout = method.timeout.as_ref().map(time).map(|time| quote!(.timeout(#time)));
    let monitor = method.monitor.as_ref().map(time).map(|time| quote!(.monitor(#time)));
    let expected = &method.expected;
    let expected = (!expected.is_empty()).then(|| quote!(.expected(&[#(#expected),*])));
    let late = (method.ack == Ack::Late).then(|| quote!(.acknowledged_late()));
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    let deprecated = is_deprecated(method).then(|| quote!(.deprecated()));
    quote!(#send #extra #either #host #from #topic #timeout #monitor #expected #late #idempotent #deprecated)
}

/// In: a method. Out: the call that sets its former names, if it has any.
fn names_before(method: &MethodDefinition) -> Option<TokenStream> {
    let before = method.before.iter().map(|before| {
        let (name, is_rewritten) =
            (before.name.as_ref().unwrap_or(&method.wire_name), before.with.is_some());
        let (since, send) = (version(before.version.version), optional(before.send));
        quote!(OldName { version: #since, name: #name, send: #send, is_rewritten: #is_rewritten })
    });
    (!method.before.is_empty()).then(|| quote!(.before(&[#(#before),*])))
}

/// In: an optional version. Out: the expression that creates it.
fn optional(since: Option<Since>) -> TokenStream {
    match since {
        Some(since) => {
            let version = version(since.version);
            quote!(::core::option::Option::Some(#version))
        }
        None => quote!(::core::option::Option::None),
    }
}

/// Returns a duration as it is written.
fn time(time: &Timeout) -> String {
    match time {
        Timeout::Literal { text, .. } => text.clone(),
        Timeout::Expr(expr) => type_name(&expr.to_token_stream()),
    }
}

/// In: an argument. Out: its data.
fn parameter(argument: &ArgumentDefinition) -> TokenStream {
    let (name, type_name) = (&argument.wire_name, type_name(&argument.ty.to_token_stream()));
    let since = argument.since.map(|since| pair(since.version));
    let since = since.map(|since| quote!(.since(#since)));
    let in_all = argument.since.is_none() && argument.until.is_none();
    let required = in_all && argument.default.is_none() || argument.is_rest;
    let optional = (!required).then(|| quote!(.optional()));
    let until = argument.until.map(|until| pair(until.version));
    let until = until.map(|until| quote!(.until(#until)));
    let constant = argument.constant.as_ref().map(|value| value.to_token_stream().to_string());
    let constant = constant.map(|constant| quote!(.constant(#constant)));
    let module = argument.with.as_ref().map(|module| self::type_name(&module.to_token_stream()));
    let module = module.map(|module| quote!(.with(#module)));
    let rest = argument.is_rest.then(|| quote!(.rest()));
    let before = argument.before.iter().map(|before| {
        let since = version(before.version.version);
        let (name, is_converted) = (before.name.as_ref().unwrap_or(name), before.with.is_some());
        quote!(OldForm { version: #since, name: #name, is_converted: #is_converted })
    });
    let before = (!argument.before.is_empty()).then(|| quote!(.before(&[#(#before),*])));
    quote!(Arg::new(#name, #type_name) #since #optional #until #before #constant #module #rest)
}

/// Returns a type with the blanks that a person would write, whatever the tokens print with.
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
