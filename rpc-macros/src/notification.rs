//! `#[notification(…)]`: a struct or an enum as the payload of one event type.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use rpc_idl::parse::{Errors, entries_of};
use syn::{Ident, Item, LitStr, Path};

/// The priorities, as the attribute spells them and as the runtime names them.
const PRIORITIES: [(&str, &str); 7] = [
    ("audit", "Audit"),
    ("debug", "Debug"),
    ("info", "Info"),
    ("warn", "Warn"),
    ("error", "Error"),
    ("critical", "Critical"),
    ("sample", "Sample"),
];

/// In: the attribute's tokens, and a type. Out: the type with its `Notification`, or with the
/// compile errors.
pub(crate) fn notification(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut attrs = vec![syn::parse_quote!(#[notification(#attribute)])];
    let known = &["event_type", "priority", "crate"];
    let mut entries = entries_of("notification", &mut attrs, known, &mut errors);
    let runtime = entries.runtime(&mut errors);
    if entries.lacks("event_type") {
        let message = "a notification needs its type: `event_type = \"volume.create.end\"`";
        errors.push(syn::Error::new(proc_macro2::Span::call_site(), message));
    }
    let event_type = entries.text("event_type", &mut errors);
    let priority = entries.text("priority", &mut errors);
    if let Some(event_type) = event_type.as_ref().filter(|text| text.value().is_empty()) {
        errors.push(syn::Error::new_spanned(event_type, "an event's type cannot be empty"));
    }
    let priority = name_of(priority.as_ref(), &mut errors);
    let expanded = match (syn::parse2::<Item>(item.clone()), event_type) {
        (Ok(item @ (Item::Struct(_) | Item::Enum(_))), Some(event_type)) => {
            let implementation = expand(&item, &event_type, &priority, &runtime);
            quote!(#item #implementation)
        }
        (Ok(Item::Struct(_) | Item::Enum(_)), None) => item,
        (Ok(other), _) => {
            let message = "`notification` is for a struct or an enum: the payload of an event";
            errors.push(syn::Error::new_spanned(&other, message));
            other.into_token_stream()
        }
        (Err(error), _) => {
            errors.push(error);
            item
        }
    };
    let errors = errors.into_compile_errors();
    quote!(#errors #expanded)
}

/// Returns the runtime's name of a priority; `Info` by default.
fn name_of(priority: Option<&LitStr>, errors: &mut Errors) -> Ident {
    let name = |name: &str| Ident::new(name, proc_macro2::Span::call_site());
    let Some(priority) = priority else { return name("Info") };
    // The runtime reads them the same way: case does not matter, and `warning` is `warn`.
    let value = priority.value().to_ascii_lowercase();
    let value = if value == "warning" { "warn" } else { &value };
    let known = PRIORITIES.iter().find(|(spelled, _)| *spelled == value);
    if let Some((_, known)) = known {
        return name(known);
    }
    let spelled: Vec<_> = PRIORITIES.iter().map(|(spelled, _)| format!("`{spelled}`")).collect();
    let message =
        format!("`{}` is not a priority: there are {}", priority.value(), spelled.join(", "));
    errors.push(syn::Error::new_spanned(priority, message));
    name("Info")
}

fn expand(item: &Item, event_type: &LitStr, priority: &Ident, runtime: &Path) -> TokenStream {
    let (name, generics) = match item {
        Item::Struct(item) => (&item.ident, &item.generics),
        Item::Enum(item) => (&item.ident, &item.generics),
        _ => return TokenStream::new(),
    };
    let (parameters, arguments, bounds) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #runtime::Notification for #name #arguments #bounds {
            const EVENT_TYPE: &'static str = #event_type;
            const PRIORITY: #runtime::notify::Priority = #runtime::notify::Priority::#priority;
        }
    }
}
