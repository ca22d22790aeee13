//! `#[derive(RemoteError)]`: an enum's variants as Python exceptions.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use rpc_idl::parse::{Entries, Errors, entries_of};
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Variant, ext::IdentExt as _,
};

/// In: an enum. Out: its `RemoteError`, or the compile errors.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let item = match syn::parse2::<DeriveInput>(item) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let variants = read(&item, &mut errors);
    if errors.is_empty() { expand(&item, &variants) } else { errors.into_compile_errors() }
}

/// A variant, for one class or for every other one.
struct Class<'a> {
    variant: &'a Variant,
    module: String,
    class: String,
    other: bool,
    fields: Vec<Member<'a>>,
}

/// A field of a variant.
struct Member<'a> {
    field: &'a Field,
    /// Its local variable.
    local: Ident,
    /// Its keyword; `None` for a positional one.
    keyword: Option<String>,
    default: bool,
}

/// Reads the `#[remote(…)]` of an enum, a variant or a field. `known` are the names that are
/// allowed there.
fn entries(attrs: &[Attribute], known: &'static [&'static str], errors: &mut Errors) -> Entries {
    entries_of("remote", &mut attrs.to_vec(), known, errors)
}

/// Reads a Python name: a class, or with dots, a module.
fn python_name(name: Option<LitStr>, errors: &mut Errors) -> Option<LitStr> {
    let name = name?;
    let text = name.value();
    let plain = |part: &str| {
        let fine = part.chars().all(|c| c.is_alphanumeric() || c == '_');
        fine && !part.is_empty() && !part.starts_with(|c: char| c.is_ascii_digit())
    };
    if !text.split('.').all(plain) {
        let message = format!("`{text}` cannot be a name in Python: use letters, digits and `_`");
        errors.push(syn::Error::new_spanned(&name, message));
    }
    Some(name)
}

fn read<'a>(item: &'a DeriveInput, errors: &mut Errors) -> Vec<Class<'a>> {
    let Data::Enum(data) = &item.data else {
        let message = "`RemoteError` is derived for an enum: each variant is one class of error";
        errors.push(syn::Error::new_spanned(&item.ident, message));
        return Vec::new();
    };
    if !item.generics.params.is_empty() {
        errors.push(syn::Error::new_spanned(
            &item.generics,
            "an error that crosses the wire cannot be generic",
        ));
    }
    let module = entries(&item.attrs, &["module"], errors).text("module", errors);
    let module = python_name(module, errors);
    let classes: Vec<_> = data
        .variants
        .iter()
        .map(|variant| read_variant(variant, module.as_ref(), errors))
        .collect();
    check(&classes, errors);
    classes
}

fn read_variant<'a>(
    variant: &'a Variant,
    module: Option<&LitStr>,
    errors: &mut Errors,
) -> Class<'a> {
    let mut remote = entries(&variant.attrs, &["module", "class", "other"], errors);
    let other = remote.flag("other", errors).is_some();
    let own_module = python_name(remote.text("module", errors), errors);
    let own_class = python_name(remote.text("class", errors), errors);
    if other {
        check_other(variant, own_module.as_ref().or(own_class.as_ref()), errors);
    } else if own_module.is_none() && module.is_none() {
        let message =
            "which module is this class of? write `#[remote(module = \"…\")]` on the enum or here";
        errors.push(syn::Error::new_spanned(&variant.ident, message));
    }
    let fields = variant.fields.iter().enumerate();
    let fields = fields.map(|(at, field)| read_field(field, at, other, errors)).collect();
    let class = Class {
        module: own_module.as_ref().or(module).map(LitStr::value).unwrap_or_default(),
        class: own_class.map_or_else(|| variant.ident.unraw().to_string(), |class| class.value()),
        variant,
        other,
        fields,
    };
    check_keywords(&class, errors);
    class
}

/// Checks the variant for all other classes: it holds a failure and does not name a class.
fn check_other(variant: &Variant, named: Option<&LitStr>, errors: &mut Errors) {
    if variant.fields.len() != 1 || !matches!(variant.fields, Fields::Unnamed(_)) {
        let message = "the variant for everything else holds the failure: write `Other(rpc_runtime::Failure)`";
        errors.push(syn::Error::new_spanned(&variant.ident, message));
    }
    if let Some(named) = named {
        let message =
            "the variant for everything else has no class of its own: take this away, or `other`";
        errors.push(syn::Error::new_spanned(named, message));
    }
}

/// Checks that Python can construct the exception, with each keyword once, and none called `self`.
fn check_keywords(class: &Class<'_>, errors: &mut Errors) {
    for (at, member) in class.fields.iter().enumerate() {
        let Some(keyword) = &member.keyword else { continue };
        let twin = class.fields[..at].iter().any(|other| other.keyword.as_ref() == Some(keyword));
        let message = if twin {
            format!("another field is `{keyword}` already: give one a `name = \"…\"` of its own")
        } else if keyword == "self" {
            "`self` cannot be a keyword: Python's exceptions have one of that name already".into()
        } else {
            continue;
        };
        errors.push(syn::Error::new_spanned(&member.field.ident, message));
    }
}

fn read_field<'a>(field: &'a Field, at: usize, other: bool, errors: &mut Errors) -> Member<'a> {
    let known: &[&str] = if field.ident.is_some() { &["name", "default"] } else { &["default"] };
    let mut remote = entries(&field.attrs, known, errors);
    let own = field.ident.as_ref().map(|ident| ident.unraw().to_string());
    let name = python_name(remote.text("name", errors), errors);
    let default = remote.flag("default", errors);
    if let Some(span) = default.filter(|_| other) {
        let message = "the failure is always there: take `default` away";
        errors.push(syn::Error::new(span, message));
    }
    Member {
        field,
        local: format_ident!("field{at}", span = Span::mixed_site()),
        keyword: name.map(|name| name.value()).or(own),
        default: default.is_some(),
    }
}

/// Checks the rules that concern the whole enum.
fn check(classes: &[Class<'_>], errors: &mut Errors) {
    for (at, class) in classes.iter().enumerate() {
        let mut before = classes[..at].iter();
        if class.other && before.any(|other| other.other) {
            let message = "one variant takes everything else: take `other` away from this one";
            errors.push(syn::Error::new_spanned(&class.variant.ident, message));
        } else if !class.other
            && let Some(twin) = before.find(|twin| {
                !twin.other && twin.module == class.module && twin.class == class.class
            })
        {
            let message = format!(
                "`{}` stands for this class already: give one a `class = \"…\"` of its own",
                twin.variant.ident
            );
            errors.push(syn::Error::new_spanned(&class.variant.ident, message));
        }
    }
}

/// In: an enum and its classes. Out: the conversions in both directions.
fn expand(item: &DeriveInput, classes: &[Class<'_>]) -> TokenStream {
    let ident = &item.ident;
    let to = classes.iter().map(to_failure);
    let from = classes.iter().filter(|class| !class.other).map(from_failure);
    let rest = match classes.iter().find(|class| class.other) {
        Some(other) => {
            let variant = &other.variant.ident;
            quote!(::core::result::Result::Ok(Self::#variant(failure)))
        }
        None => quote!(::core::result::Result::Err(failure)),
    };
    let to =
        if classes.is_empty() { quote!(match *self {}) } else { quote!(match self { #(#to)* }) };
    quote! {
        impl ::rpc_runtime::RemoteError for #ident {
            fn to_failure(&self) -> ::rpc_runtime::Failure {
                #to
            }

            fn from_failure(failure: ::rpc_runtime::Failure)
                -> ::core::result::Result<Self, ::rpc_runtime::Failure>
            {
                match (failure.module(), failure.class()) {
                    #(#from)*
                    _ => {}
                }
                #rest
            }
        }
    }
}

/// In: a class. Out: the match arm that converts it to a failure.
fn to_failure(class: &Class<'_>) -> TokenStream {
    let Class { variant, module, class: name, fields, .. } = class;
    let ident = &variant.ident;
    let pattern = pattern(class);
    if class.other {
        return quote!(Self::#ident(failure) => ::core::clone::Clone::clone(failure),);
    }
    let keywords = fields.iter().filter_map(|member| {
        let (keyword, local) = (member.keyword.as_ref()?, &member.local);
        Some(quote!(.kwarg(#keyword, #local)))
    });
    let positional: Vec<_> = fields
        .iter()
        .filter(|member| member.keyword.is_none())
        .map(|member| &member.local)
        .collect();
    let args = (!positional.is_empty())
        .then(|| quote!(.args(&[#(::rpc_runtime::Failure::value(#positional)),*])));
    quote! {
        Self::#ident #pattern => ::rpc_runtime::Failure::of(self, #module, #name) #(#keywords)* #args,
    }
}

/// In: a class. Out: the match arm that recognises it. If a field does not fit, the failure stays
/// as it is.
fn from_failure(class: &Class<'_>) -> TokenStream {
    let Class { variant, module, class: name, fields, .. } = class;
    let (ident, pattern) = (&variant.ident, pattern(class));
    let mut position = 0_usize;
    let (mut values, mut somes) = (Vec::new(), Vec::new());
    for Member { local, keyword, default, field } in fields {
        let ty = &field.ty;
        let value = match keyword {
            Some(keyword) => quote!(failure.kwarg_value::<#ty>(#keyword)),
            None => {
                position += 1;
                let at = position - 1;
                quote!(failure.arg_value::<#ty>(#at))
            }
        };
        let or_default = default.then(|| quote!(.or_else(|| ::core::option::Option::Some(::core::default::Default::default()))));
        values.push(quote!(#value #or_default));
        somes.push(quote!(::core::option::Option::Some(#local)));
    }
    let made = quote!(return ::core::result::Result::Ok(Self::#ident #pattern););
    if fields.is_empty() {
        return quote!((#module, #name) => { #made });
    }
    quote! {
        (#module, #name) => {
            if let (#(#somes,)*) = (#(#values,)*) {
                #made
            }
        }
    }
}

/// In: a class. Out: its variant's fields as local variables, valid as a pattern and as an
/// expression.
fn pattern(class: &Class<'_>) -> TokenStream {
    let locals = class.fields.iter().map(|member| &member.local);
    match &class.variant.fields {
        Fields::Unit => TokenStream::new(),
        Fields::Unnamed(_) => quote!((#(#locals),*)),
        Fields::Named(named) => {
            let names = named.named.iter().map(|field| &field.ident);
            quote!({ #(#names: #locals),* })
        }
    }
}
