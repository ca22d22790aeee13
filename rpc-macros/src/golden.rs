//! Compares expansions with reviewed ones: each `golden/name.rs` has its `golden/name.expanded.rs`.

use std::{env, fs, path::PathBuf};

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{File, Item, Meta};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_default()
}

/// Expands the one item of a file.
fn expand(source: &str) -> String {
    let file: File = syn::parse_file(source).expect("a sample is Rust");
    let expanded = match file.items.into_iter().next() {
        Some(Item::Trait(mut item)) => {
            let at = item
                .attrs
                .iter()
                .position(|attr| attr.path().is_ident("rpc_api"))
                .expect("an interface");
            let attribute = match item.attrs.remove(at).meta {
                Meta::List(list) => list.tokens,
                _ => TokenStream::new(),
            };
            crate::expand::rpc_api(attribute, item.into_token_stream())
        }
        Some(Item::Enum(item)) => crate::remote_error::derive(quote!(#item)),
        Some(Item::Struct(mut item)) if has(&item.attrs, "notification") => {
            let at = item.attrs.iter().position(|attr| attr.path().is_ident("notification"));
            let attribute = match item.attrs.remove(at.expect("there it is")).meta {
                Meta::List(list) => list.tokens,
                _ => TokenStream::new(),
            };
            crate::notification::notification(attribute, quote!(#item))
        }
        Some(Item::Struct(mut item)) => {
            let at = item.attrs.iter().position(|attr| attr.path().is_ident("leave_out_unset"));
            item.attrs.remove(at.expect("an object"));
            let item = crate::unset::leave_out(TokenStream::new(), quote!(#item));
            let class = crate::versioned_object::derive(item.clone());
            quote!(#item #class)
        }
        _ => panic!("a sample is a trait, an enum or a struct"),
    };
    prettyplease::unparse(&syn::parse2(expanded).expect("an expansion is Rust"))
}

fn has(attrs: &[syn::Attribute], name: &str) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident(name))
}

fn check(name: &str) {
    let expanded = expand(&read(&format!("{name}.rs")));
    let golden = format!("{name}.expanded.rs");
    if env::var_os("BLESS").is_some() {
        fs::write(path(&golden), &expanded).expect("the golden file can be written");
    }
    assert_eq!(expanded, read(&golden), "{golden} differs: look at it, then `cargo xtask bless`");
}

#[test]
fn a_small_interface_expands_as_reviewed() {
    check("two_methods");
}

#[test]
fn every_attribute_expands_as_reviewed() {
    check("versions");
}

#[test]
fn an_error_expands_as_reviewed() {
    check("remote_error");
}

#[test]
fn a_versioned_object_expands_as_reviewed() {
    check("versioned_object");
}

#[test]
fn a_notification_expands_as_reviewed() {
    check("notification");
}

#[test]
fn two_methods_expand_to_a_screen_or_two_without_a_panic() {
    let expanded = expand(&read("two_methods.rs"));
    let lines = expanded.lines().count();
    assert!(lines < 130, "{lines} lines");
    for word in ["panic!", "unwrap", "expect(", "unreachable!", "todo!"] {
        for name in [
            "two_methods.rs",
            "versions.rs",
            "remote_error.rs",
            "versioned_object.rs",
            "notification.rs",
        ] {
            assert!(!expand(&read(name)).contains(word), "{name} has {word}");
        }
    }
}

#[test]
fn a_half_typed_trait_still_has_its_client() {
    let item =
        "pub trait Scheduler { async fn get_pools(&self, ctx: Context) -> u32; async fn cre }";
    let attribute = "topic = \"scheduler\", version = \"1.0\"".parse().expect("tokens");
    let expanded = crate::expand::rpc_api(attribute, item.parse().expect("tokens")).to_string();
    for part in ["compile_error", "struct SchedulerClient", "fn get_pools", "trait Scheduler"] {
        assert!(expanded.contains(part), "{part}: {expanded}");
    }
    assert_eq!(expanded.matches("compile_error").count(), 1, "{expanded}");
}
