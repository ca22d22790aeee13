//! Reads a trait that is being typed: every part that can be read, so that an editor keeps knowing
//! it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{ItemTrait, TraitItem};

use super::Errors;

/// Reads a trait. From an incomplete trait it reads each item that is complete, as if the others
/// did not exist. Mistakes are added to `errors`. Returns `None` if the tokens are not a trait.
pub fn read_trait(tokens: TokenStream, errors: &mut Errors) -> Option<ItemTrait> {
    match syn::parse2::<ItemTrait>(tokens.clone()) {
        Ok(item) => Some(item),
        Err(error) => {
            let read = half_typed(tokens);
            errors.push(error);
            read
        }
    }
}

/// Reads the complete items of an incomplete trait.
fn half_typed(tokens: TokenStream) -> Option<ItemTrait> {
    let mut head: Vec<_> = tokens.into_iter().collect();
    let Some(TokenTree::Group(body)) = head.pop() else { return None };
    if body.delimiter() != Delimiter::Brace {
        return None;
    }
    let head: TokenStream = head.into_iter().collect();
    let mut item = syn::parse2::<ItemTrait>(quote::quote!(#head {})).ok()?;
    item.items = chunks(body.stream()).filter_map(whole).collect();
    Some(item)
}

/// Reads an item, even one without its end.
fn whole(chunk: Vec<TokenTree>) -> Option<TraitItem> {
    let chunk: TokenStream = chunk.into_iter().collect();
    let item = syn::parse2::<TraitItem>(chunk.clone());
    let item = item.or_else(|_| syn::parse2::<TraitItem>(quote::quote!(#chunk ;)));
    // Drops an item that cannot be read.
    item.ok().filter(|item| !matches!(item, TraitItem::Verbatim(_)))
}

/// Splits the body of a trait where an item ends, or where one begins before the previous one has
/// ended.
fn chunks(body: TokenStream) -> impl Iterator<Item = Vec<TokenTree>> {
    let (mut chunks, mut chunk) = (Vec::new(), Vec::new());
    let mut is_named = false;
    for token in body {
        let begins = match &token {
            TokenTree::Punct(punct) => punct.as_char() == '#',
            TokenTree::Ident(ident) => ident == "async" || ident == "fn" && !follows_async(&chunk),
            _ => false,
        };
        if begins && is_named {
            chunks.push(std::mem::take(&mut chunk));
            is_named = false;
        }
        is_named |= matches!(&token, TokenTree::Ident(ident) if ident != "async");
        let ends = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => is_named && group.delimiter() == Delimiter::Brace,
            _ => false,
        };
        chunk.push(token);
        if ends {
            chunks.push(std::mem::take(&mut chunk));
            is_named = false;
        }
    }
    chunks.push(chunk);
    chunks.into_iter().filter(|chunk| !chunk.is_empty())
}

fn follows_async(chunk: &[TokenTree]) -> bool {
    matches!(chunk.last(), Some(TokenTree::Ident(ident)) if ident == "async")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(text: &str) -> (Vec<String>, usize) {
        let mut errors = Errors::default();
        let item = read_trait(text.parse().expect("tokens"), &mut errors).expect("a trait");
        let names = item.items.iter().filter_map(|item| match item {
            TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
            _ => None,
        });
        (names.collect(), errors.messages().count())
    }

    #[test]
    fn what_is_whole_of_a_half_typed_trait_is_read() {
        for (half, wanted) in [
            ("async fn", &["a", "z"][..]),
            ("async fn ge", &["a", "z"]),
            ("async fn get(", &["a", "get", "z"]),
            ("async fn get(&self, ctx: Context, volume:", &["a", "z"]),
            ("async fn get(&self, ctx: Context)", &["a", "get", "z"]),
            ("async fn get(&self, ctx: Context) -> ", &["a", "z"]),
            ("async fn get(&self, ctx: Context) -> u32", &["a", "get", "z"]),
            ("#[rpc(since = )] async fn get(&self, ctx: Context);", &["a", "get", "z"]),
            ("/// Docs.\n#[rpc(", &["a", "z"]),
            ("wha", &["a", "z"]),
        ] {
            // An editor closes open parentheses.
            let open = half.matches('(').count() - half.matches(')').count();
            let half = format!("{half}{}", ")".repeat(open));
            let half = half.replace("#[rpc()", "#[rpc()]");
            let text = format!(
                "pub trait T: Clone {{ async fn a(&self, ctx: Context); {half}\n#[rpc(cast)] async fn z(&self, ctx: Context) -> u32; }}"
            );
            let (names, _) = methods(&text);
            assert_eq!(names, wanted, "{text}");
        }
        assert_eq!(methods("trait T { async fn a(&self, ctx: Context); }").1, 0);
    }
}
