//! The mistakes found so far.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Collects mistakes, so that one compile shows them all.
#[derive(Debug, Default)]
pub struct Errors(Vec<syn::Error>);

impl Errors {
    /// Adds a mistake under `tokens`.
    pub(crate) fn at(&mut self, tokens: &impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds a mistake under a span.
    pub(crate) fn under(&mut self, span: Span, message: impl Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// Adds an error of a parser.
    pub fn push(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// Returns the value, or adds the error.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Returns the messages for the compiler; nothing if no mistake was found.
    #[must_use]
    pub fn into_compile_errors(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }

    /// Whether no mistake was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the texts of the mistakes.
    pub fn messages(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|error| error.into_iter().map(|error| error.to_string()))
    }
}
