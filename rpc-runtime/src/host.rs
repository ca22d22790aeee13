//! Where a request's host is found among its arguments.

use std::sync::Arc;

use crate::objects::Field;

/// What may say a host: text, or text that may be missing.
///
/// `#[rpc(host = "backup.host")]` has a value of such a type after the `=`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no host",
    label = "expected text, or an `Option` or `Field` of it",
    note = "`host = \"…\"` in `#[rpc(…)]` is an expression over the arguments whose value is the host"
)]
pub trait Host {
    /// Returns the host, if there is one. An empty text is none.
    fn host(&self) -> Option<Arc<str>>;
}

impl Host for str {
    fn host(&self) -> Option<Arc<str>> {
        (!self.is_empty()).then(|| self.into())
    }
}

impl Host for String {
    fn host(&self) -> Option<Arc<str>> {
        self.as_str().host()
    }
}

impl Host for Arc<str> {
    fn host(&self) -> Option<Arc<str>> {
        (!self.is_empty()).then(|| Self::clone(self))
    }
}

impl<H: Host + ?Sized> Host for &H {
    fn host(&self) -> Option<Arc<str>> {
        (**self).host()
    }
}

impl<H: Host> Host for Option<H> {
    fn host(&self) -> Option<Arc<str>> {
        self.as_ref().and_then(Host::host)
    }
}

impl<H: Host> Host for Field<H> {
    fn host(&self) -> Option<Arc<str>> {
        self.get().and_then(Host::host)
    }
}
