//! How a method's return type becomes a reply: a `Result` crosses the wire as a value or a failure, anything else as
//! a value.
//!
//! The macro never looks at the type's tokens, so that an alias of `Result` works as `Result` does. The type system
//! tells the two apart: [`Returned`] has the constant `IS_RESULT` of its own for a `Result`, and takes it from
//! [`NotAResult`] for everything else.

use std::{convert::Infallible, marker::PhantomData};

use crate::{RemoteError, args::Wire};

/// Asks whether `R` is a `Result`: `Returned::<R>::IS_RESULT`, with [`NotAResult`] in scope.
#[derive(Debug)]
pub struct Returned<R>(PhantomData<R>);

impl<T, E> Returned<Result<T, E>> {
    /// It is a `Result`.
    pub const IS_RESULT: bool = true;
}

/// The answer of [`Returned`] for what is not a `Result`.
pub trait NotAResult {
    /// It is not a `Result`.
    const IS_RESULT: bool = false;
}

impl<R> NotAResult for Returned<R> {}

/// A method's return type, split into what a caller gets.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by an RPC method",
    label = "cannot cross the wire",
    note = "a method returns a type with `serde::Serialize` and `serde::de::DeserializeOwned`, or a `Result` of such a type and an error that derives `rpc_runtime::RemoteError`"
)]
pub trait Returns<const IS_RESULT: bool>: Send {
    /// What crosses the wire as the reply's result.
    type Value: Wire;
    /// What crosses the wire as the reply's failure.
    type Error: RemoteError;

    /// Splits the value from the error.
    ///
    /// # Errors
    /// The method's own error.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Wire> Returns<false> for T {
    type Value = T;
    type Error = Infallible;

    fn into_result(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Wire, E: RemoteError> Returns<true> for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}
