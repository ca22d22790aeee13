//! Generates the mock: an implementation of the trait with the answers that a test sets.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use rpc_idl::parse::{Definition, MethodDefinition};
use syn::{Ident, Type, ext::IdentExt as _};

use super::{Names, allow_many, doc, is_deprecated, own};

/// In: a definition that asks for a mock. Out: the mock, its answers, and the trait implemented for
/// it.
pub(super) fn mock(definition: &Definition, names: &Names) -> Option<TokenStream> {
    let condition = definition.mock.as_ref()?;
    let (runtime, vis, service) = (&definition.runtime, &definition.vis, &definition.ident);
    let name = service.unraw();
    let (mock, answers) = (format_ident!("{name}Mock"), format_ident!("{name}Answers"));
    let cfg = (!condition.is_empty()).then(|| quote!(#[cfg(#condition)]));
    let fields = definition.methods.iter().map(|method| field(definition, method));
    let setters = definition.methods.iter().map(|method| setter(definition, method));
    let methods = definition.methods.iter().map(implemented);
    let construction = construction(definition, names, &mock);
    let docs = doc(format!(
        "A [`{service}`] for tests: it gives prepared answers, and records its calls."
    ));
    let answers_docs = doc(format!("The answers of a [`{mock}`]."));
    Some(quote! {
        #cfg
        #docs
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::default::Default)]
        #vis struct #mock(#runtime::mock::Mock<#answers>);

        #cfg
        #answers_docs
        #[derive(::core::fmt::Debug, ::core::default::Default)]
        #vis struct #answers {
            #(#fields)*
        }

        #cfg
        impl #mock {
            #construction
            #(#setters)*
        }

        #cfg
        impl ::core::ops::Deref for #mock {
            type Target = #runtime::mock::Mock<#answers>;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        #cfg
        impl #service for #mock {
            #(#methods)*
        }
    })
}

/// In: a definition. Out: the functions of a mock that do not belong to a method.
fn construction(definition: &Definition, names: &Names, mock: &Ident) -> TokenStream {
    let vis = &definition.vis;
    let Names { client, server, .. } = names;
    let transport = quote!(self.0.transport(#server::new(::core::clone::Clone::clone(self))));
    let made = match &definition.topic {
        Some(_) => quote!(#client::new(&#transport)),
        None => quote!(#client::on_topic(&#transport, "mock")),
    };
    let counted = definition.methods.iter().map(|method| {
        let (cfg, wire_name, ident) =
            (method.attrs_named(&["cfg"]), &method.wire_name, &method.ident);
        quote!(#(#cfg)* (#wire_name, &self.0.answers().#ident),)
    });
    let new = doc(format!("Creates a mock without answers: `{mock}::new().on_…(…)`."));
    quote! {
        #new
        #[must_use]
        #vis fn new() -> Self {
            ::core::default::Default::default()
        }

        /// Returns a client that calls this mock, whatever topic and host it names. It must be
        /// used inside a Tokio runtime.
        #[must_use]
        #vis fn client(&self) -> #client {
            #made
        }

        /// Checks that methods were called as often as expected, and that no call went without an
        /// answer.
        ///
        /// # Panics
        /// If that is not so. The message says why.
        #[track_caller]
        #vis fn verify(&self) {
            self.0.verify(&[#(#counted)*]);
        }
    }
}

/// In: a method. Out: the function type of its answer.
fn function(method: &MethodDefinition) -> TokenStream {
    let (context, types) = (&method.context.1, method.sent().map(|argument| &argument.ty));
    let output = output(method);
    quote!(::core::ops::FnMut(#context #(, #types)*) -> #output + ::core::marker::Send)
}

fn output(method: &MethodDefinition) -> TokenStream {
    method.output.as_ref().map_or_else(|| quote!(()), Type::to_token_stream)
}

/// In: a method. Out: the field that holds its answer.
fn field(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let (runtime, ident, function) = (&definition.runtime, &method.ident, function(method));
    let cfg = method.attrs_named(&["cfg"]);
    quote!(#(#cfg)* #ident: #runtime::mock::Answer<dyn #function>,)
}

/// In: a method. Out: the function that sets its answer.
fn setter(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let (runtime, vis, ident) = (&definition.runtime, &definition.vis, &method.ident);
    let (cfg, function) = (method.attrs_named(&["cfg"]), function(method));
    let setter = format_ident!("on_{}", ident.unraw(), span = ident.span());
    let docs = doc(format!("Sets the answer of `{}` for all calls from now on.", ident.unraw()));
    quote! {
        #docs
        #(#cfg)*
        #vis fn #setter(&self, answer: impl #function + 'static) -> #runtime::mock::Expectation<'_> {
            self.0.answers().#ident.set(::std::boxed::Box::new(answer))
        }
    }
}

/// In: a method. Out: its implementation, which runs the answer.
fn implemented(method: &MethodDefinition) -> TokenStream {
    let (ident, output, answer) = (&method.ident, output(method), own("answer"));
    let (ctx, context) = &method.context;
    let cfg = method.attrs_named(&["cfg"]);
    let names: Vec<_> = method.sent().map(|argument| &argument.ident).collect();
    let types = method.sent().map(|argument| &argument.ty);
    let deprecated = is_deprecated(method).then(|| quote!(#[allow(deprecated)]));
    let many = allow_many(method);
    quote! {
        #(#cfg)*
        #deprecated
        #many
        async fn #ident(&self, #ctx: #context #(, #names: #types)*) -> #output {
            self.0.answers().#ident.answer(|#answer| #answer(#ctx #(, #names)*)).await
        }
    }
}
