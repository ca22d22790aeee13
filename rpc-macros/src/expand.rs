//! Generates code from a checked definition: names and types only, because behaviour belongs to the
//! runtime.

mod arguments;
mod client;
mod data;
mod later;
mod mock;
mod server;
mod service;
mod versions;
mod with;

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use rpc_idl::{
    Version,
    parse::{Definition, Errors, MethodDefinition, Since, read_trait},
};
use syn::{Attribute, Ident, Type, Visibility, ext::IdentExt as _};

/// In: the attribute's tokens and the trait. Out: all generated code, after the compile errors, if
/// any.
pub(crate) fn rpc_api(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(read) = read_trait(item.clone(), &mut errors) else {
        let errors = match not_a_trait(&item) {
            Some(error) => error.to_compile_error(),
            None => errors.into_compile_errors(),
        };
        // The original item stays, so that an editor still knows it.
        return quote!(#errors #item);
    };
    let definition = Definition::read(attribute, read, &mut errors);
    let errors = errors.into_compile_errors();
    let code = expand(&definition);
    quote!(#errors #code)
}

/// Returns the error for an item that is not a trait; `None` if the tokens are not an item.
fn not_a_trait(item: &TokenStream) -> Option<syn::Error> {
    let item = syn::parse2::<syn::Item>(item.clone()).ok()?;
    Some(syn::Error::new_spanned(
        item,
        "an RPC interface is a trait: write `#[rpc_api(…)]` before one",
    ))
}

/// In: a definition. Out: the trait, the client, the server, the module.
fn expand(definition: &Definition) -> TokenStream {
    let names = Names::new(definition);
    let service = service::service(definition);
    let client = client::client(definition, &names);
    let later = definition.methods.iter().filter(|method| method.later().next().is_some());
    let later = later.map(|method| later::requests(definition, &names, method));
    let defaults = definition.methods.iter().map(|method| arguments::defaults(&names, method));
    let server = server::server(definition, &names);
    let (module, mock) = (data::module(definition, &names), mock::mock(definition, &names));
    let runtime = &definition.runtime;
    quote! {
        #service
        #[allow(unused_imports)]
        use #runtime::NotAResult as _;
        #client
        #(#later)*
        #(#defaults)*
        #server
        #module
        #mock
    }
}

/// The names of the generated types and of the module.
struct Names {
    client: Ident,
    server: Ident,
    module: Ident,
}

impl Names {
    fn new(definition: &Definition) -> Self {
        let ident = definition.ident.unraw();
        let span = definition.ident.span();
        let snake = snake_case(&ident.to_string());
        // A trait called `Type` would otherwise have a module called `type`.
        let snake =
            if syn::parse_str::<Ident>(&snake).is_ok() { snake } else { format!("{snake}_api") };
        Self {
            client: format_ident!("{ident}Client", span = span),
            server: format_ident!("{ident}Server", span = span),
            module: Ident::new(&snake, span),
        }
    }

    /// Returns the request type of a method that has later arguments, for a caller that waits or
    /// one that does not.
    fn later(definition: &Definition, method: &MethodDefinition, waits: bool) -> Ident {
        let method_name = camel_case(&method.ident.unraw().to_string());
        let cast = if method.either && !waits { "Cast" } else { "" };
        format_ident!("{}{method_name}{cast}", definition.ident.unraw(), span = method.ident.span())
    }
}

fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, c) in chars.iter().enumerate() {
        let after_lower = at > 0 && !chars[at - 1].is_uppercase() && chars[at - 1] != '_';
        let ends_acronym = at > 0
            && chars[at - 1].is_uppercase()
            && chars.get(at + 1).is_some_and(|c| c.is_lowercase());
        if c.is_uppercase() && (after_lower || ends_acronym) {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

fn camel_case(name: &str) -> String {
    let words = name.split('_').map(str::chars);
    words
        .flat_map(|mut word| word.next().into_iter().flat_map(char::to_uppercase).chain(word))
        .collect()
}

/// Gives tokens the span that the compiler should point to.
fn respan(tokens: impl ToTokens, span: Span) -> TokenStream {
    let place = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    tokens.into_token_stream().into_iter().map(place).collect()
}

/// In: a version, and its span. Out: the bound for caps that allow it, with that span, so that the
/// compiler's note points there. A version that every cap allows has no bound.
fn at_least(definition: &Definition, names: &Names, since: Since) -> Option<TokenStream> {
    if since.version <= definition.versions.oldest {
        return None;
    }
    let (major, minor) = (since.version.major(), since.version.minor());
    let name = format_ident!("AtLeastV{major}_{minor}");
    let module = &names.module;
    let at_least = respan(quote!(#module::#name), since.span);
    Some(quote_spanned!(since.span=> C: #at_least))
}

/// In: a version. Out: the pair of numbers that a request takes.
fn pair(version: Version) -> TokenStream {
    let (major, minor) = (version.major(), version.minor());
    let (major, minor) = (Literal::u64_unsuffixed(major), Literal::u64_unsuffixed(minor));
    quote!((#major, #minor))
}

/// Returns a local variable that cannot clash with an argument of that name: the user's names keep
/// their own span.
fn own(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// In: a return type. Out: a constant that tells whether it is a `Result`.
fn is_result(definition: &Definition, output: &Type) -> TokenStream {
    let runtime = &definition.runtime;
    quote!({ #runtime::Returned::<#output>::IS_RESULT })
}

/// In: a method, and whether its caller waits. Out: the type that the caller awaits.
fn ended(definition: &Definition, method: &MethodDefinition, waits: bool) -> TokenStream {
    let runtime = &definition.runtime;
    match &method.output {
        Some(output) if waits => {
            let is_result = is_result(definition, output);
            quote!(#runtime::Call<#output, #is_result>)
        }
        _ => quote!(#runtime::Cast),
    }
}

/// Returns the trait's visibility as written inside a nested module.
fn inner_vis(definition: &Definition) -> TokenStream {
    match &definition.vis {
        Visibility::Inherited => quote!(pub(super)),
        Visibility::Restricted(restricted) if restricted.path.is_ident("self") => {
            quote!(pub(super))
        }
        Visibility::Restricted(restricted) if restricted.path.is_ident("super") => {
            quote!(pub(in super::super))
        }
        vis => quote!(#vis),
    }
}

/// Returns the attributes that all code generated for a method carries, except its documentation.
fn passed_on(method: &MethodDefinition) -> impl Iterator<Item = &Attribute> {
    method.attrs_named(&["cfg", "deprecated", "must_use"])
}

/// In: a method. Out: an `allow` for a long list of arguments, since the interface decides its
/// length.
fn allow_many(method: &MethodDefinition) -> Option<TokenStream> {
    (method.arguments.len() + 2 > 7).then(|| quote!(#[allow(clippy::too_many_arguments)]))
}

fn is_deprecated(method: &MethodDefinition) -> bool {
    method.attrs_named(&["deprecated"]).next().is_some()
}

/// In: text. Out: a `#[doc]` attribute.
fn doc(text: impl AsRef<str>) -> TokenStream {
    let text = format!(" {}", text.as_ref());
    quote!(#[doc = #text])
}

/// In: a method. Out: its documentation for callers, with the version that it needs.
fn method_docs(definition: &Definition, method: &MethodDefinition) -> TokenStream {
    let docs = method.attrs_named(&["doc"]).map(ToTokens::to_token_stream);
    let since = method.since.version;
    let since = (since > definition.versions.first()).then(|| doc(format!("Since {since}.")));
    let gap = since.as_ref().map(|_| quote!(#[doc = ""]));
    quote!(#(#docs)* #gap #since)
}
