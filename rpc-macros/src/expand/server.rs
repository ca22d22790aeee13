//! Generates the dispatcher, which finds the user's method by its name on the wire.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use rpc_idl::parse::{ArgumentDefinition, Default, Definition, MethodDefinition};
use syn::{Ident, ext::IdentExt as _, spanned::Spanned as _};

use super::{Names, arguments::default_function, doc, is_deprecated, is_result, own, with};

/// In: a definition. Out: the server's name and its dispatch.
pub(super) fn server(definition: &Definition, names: &Names) -> TokenStream {
    let (runtime, vis, service) = (&definition.runtime, &definition.vis, &definition.ident);
    let Names { server, module, .. } = names;
    let docs = doc(format!("Serves a [`{service}`]: `{server}::new(service)`."));
    let arms = definition.methods.iter().map(|method| arm(definition, names, method));
    let args = own("args");
    let deprecated = definition.attrs.iter().any(|attr| attr.path().is_ident("deprecated"));
    let allow = deprecated.then(|| quote!(#[allow(deprecated)]));
    let unused = definition.methods.is_empty().then(|| quote!(#[allow(unused_mut)]));
    quote! {
        #docs
        #vis type #server<S> = #runtime::Service<#module::Api, S>;

        #allow
        impl<S: #service> #runtime::Dispatch<#module::Api> for #server<S> {
            #unused
            async fn dispatch(&self, mut #args: #runtime::Args<'_>) -> #runtime::Answer {
                match #args.method() {
                    #(#arms)*
                    _ => #args.no_such_method(),
                }
            }
        }
    }
}

/// In: a method. Out: the arm that reads its arguments, runs it, and writes its reply.
fn arm(definition: &Definition, names: &Names, method: &MethodDefinition) -> TokenStream {
    let (runtime, service, ident) = (&definition.runtime, &definition.ident, &method.ident);
    let (wire_name, aliases, context) = (&method.wire_name, &method.aliases, &method.context.1);
    let attrs = method.attrs_named(&["cfg"]);
    let (args, ctx) = (own("args"), own("ctx"));
    let old = method.before.iter().filter_map(|before| before.name.as_ref());
    let old = old.filter(|old| *old != wire_name);
    let renames = renames(method);
    // The rest is known only after the named arguments have been read.
    let (rest, named): (Vec<_>, Vec<_>) = method.sent().partition(|argument| argument.is_rest);
    let reads =
        named.into_iter().chain(rest).map(|argument| read(definition, names, method, argument));
    let values = method.sent().map(local);
    let allow = is_deprecated(method).then(|| quote!(#[allow(deprecated)]));
    let run = quote!(#service::#ident(&self.0, #ctx #(, #values)*));
    let answer = match &method.output {
        Some(output) => {
            let is_result = is_result(definition, output);
            let of = quote_spanned!(output.span()=> #runtime::Reply::of::<#output, #is_result>);
            quote!(#of(#run.await))
        }
        None => quote!(#runtime::Reply::after(#run).await),
    };
    let finish = (!method.ignores_extra).then(|| quote!(#args.finish()?;));
    quote! {
        #(#attrs)*
        #wire_name #(| #aliases)* #(| #old)* => {
            let #ctx = #args.context::<#context>()?;
            #renames
            #(#reads)*
            #finish
            #allow
            #answer
        }
    }
}

/// In: a method. Out: the code that renames arguments with former names.
fn renames(method: &MethodDefinition) -> TokenStream {
    let args = own("args");
    let renames = method.sent().flat_map(|argument| {
        let name = &argument.wire_name;
        let old = argument.before.iter().filter_map(|before| before.name.as_ref());
        let old = old.filter(move |old| *old != name);
        let args = &args;
        old.map(move |old| quote!(#args.rename(#old, #name);))
    });
    renames.collect()
}

/// Returns an argument's local variable. The `default` of a later argument cannot see it, because
/// its names are the user's.
fn local(argument: &ArgumentDefinition) -> Ident {
    let span = Span::mixed_site().located_at(argument.ident.span());
    let name = argument.ident.unraw().to_string();
    // The generated locals have these names. A user's argument of such a name, with underscores
    // behind it or without, gets one more, so that no two names clash.
    if matches!(name.trim_end_matches('_'), "args" | "ctx") {
        return format_ident!("{name}_", span = span);
    }
    let mut ident = argument.ident.clone();
    ident.set_span(span);
    ident
}

/// In: an argument. Out: the statement that reads it, with the type's span for the compiler's
/// messages.
fn read(
    definition: &Definition,
    names: &Names,
    method: &MethodDefinition,
    argument: &ArgumentDefinition,
) -> TokenStream {
    let runtime = &definition.runtime;
    let (name, wire_name, ty, args) =
        (local(argument), &argument.wire_name, &argument.ty, own("args"));
    if argument.is_rest {
        let take = quote_spanned!(ty.span()=> #runtime::Args::take_rest::<#ty>);
        return quote!(let #name = #take(&mut #args)?;);
    }
    if let Some(read) = with::read(definition, argument) {
        let take = match (&argument.default, argument.since.or(argument.until)) {
            (Some(Default::Expr(expr)), _) => {
                quote!(take_or::<RpcRead>(#wire_name, || RpcRead(#expr)))
            }
            (Some(Default::OfType), _) | (None, Some(_)) => {
                quote!(take_or::<RpcRead>(#wire_name, || RpcRead(::core::default::Default::default())))
            }
            (None, None) => quote!(take::<RpcRead>(#wire_name)),
        };
        return quote!(let #name = { #read #args.#take?.0 };);
    }
    // Some peers do not send later arguments, or those that end.
    match (&argument.default, argument.since.or(argument.until)) {
        (Some(Default::Expr(expr)), _) => {
            let take = quote_spanned!(ty.span()=> #runtime::Args::take_or::<#ty>);
            let default = default_function(names, method, argument);
            let default = default.unwrap_or_else(|| quote!(|| #expr));
            quote!(let #name = #take(&mut #args, #wire_name, #default)?;)
        }
        (Some(Default::OfType), _) | (None, Some(_)) => {
            let take = quote_spanned!(ty.span()=> #runtime::Args::take_or_default::<#ty>);
            quote!(let #name = #take(&mut #args, #wire_name)?;)
        }
        (None, None) => {
            let take = quote_spanned!(ty.span()=> #runtime::Args::take::<#ty>);
            quote!(let #name = #take(&mut #args, #wire_name)?;)
        }
    }
}
