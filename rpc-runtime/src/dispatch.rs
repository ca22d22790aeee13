//! From a request's name to a method: which of a server's interfaces a request is for.

use std::{borrow::Cow, future::Future, pin::Pin};

use rpc_idl::{Interface, Version};

use crate::{Args, Failure, RemoteError as _, envelope::ReplyWriter, returns::Returns};

/// Serves one interface. `#[rpc_api]` implements it for the generated server.
pub trait Dispatch: Send + Sync + 'static {
    /// The interface as data.
    const INTERFACE: &'static Interface<'static>;

    /// Runs the method called `method`, and returns what goes back.
    fn dispatch(
        &self,
        method: &str,
        args: Args<'_>,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send;
}

/// A method's result, written into the reply's body.
#[derive(Debug)]
pub struct Reply(pub(crate) ReplyWriter);

impl Reply {
    /// Writes what a method returned.
    ///
    /// # Errors
    /// The method's own error as a failure, or one that says that the result cannot be written as JSON.
    pub fn of<R: Returns<IS_RESULT>, const IS_RESULT: bool>(returned: R) -> Result<Self, Failure> {
        let value = returned.into_result().map_err(|error| error.to_failure())?;
        ReplyWriter::result(&value).map(Self).map_err(|error| {
            let message =
                format!("the method ran, but its result cannot be written as JSON: {error}");
            Failure::internal("ResultNotSerializable", &message)
        })
    }
}

/// What a server's interfaces look like from here: [`Dispatch`] with one allocation a request, so that several kinds
/// fit one list.
pub(crate) trait Service: Send + Sync {
    fn interface(&self) -> &'static Interface<'static>;

    fn run<'a>(&'a self, method: &'a str, args: Args<'a>) -> Running<'a>;
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'a>>;

impl<D: Dispatch> Service for D {
    fn interface(&self) -> &'static Interface<'static> {
        D::INTERFACE
    }

    fn run<'a>(&'a self, method: &'a str, args: Args<'a>) -> Running<'a> {
        Box::pin(self.dispatch(method, args))
    }
}

/// Returns the place of the interface that serves a request, by the original's rules (wire: section 6.4).
///
/// Interfaces are asked in order. One is compatible that has the request's namespace and serves its version; the first
/// compatible one that has the method wins.
///
/// # Errors
/// `NoSuchMethod` if one was compatible, `UnsupportedVersion` if none was. An unknown namespace is the latter, too.
pub(crate) fn find<'i>(
    interfaces: impl Iterator<Item = &'i Interface<'i>>,
    namespace: Option<&str>,
    version: Option<Cow<'_, str>>,
    method: &str,
) -> Result<usize, Failure> {
    let requested = version.as_deref().and_then(|version| version.parse::<Version>().ok());
    let mut compatible = false;
    for (at, interface) in interfaces.enumerate() {
        let serves =
            requested.as_ref().is_some_and(|requested| interface.version.serves(requested));
        if interface.namespace != namespace || !serves {
            continue;
        }
        if interface.method(method).is_some() {
            return Ok(at);
        }
        compatible = true;
    }
    if compatible {
        return Err(Failure::no_such_method(method));
    }
    Err(Failure::unsupported_version(version.as_deref().unwrap_or("None"), method))
}
