//! From a request's name to a method: which of a server's interfaces a request is for.

use std::{
    borrow::Cow,
    future::{Future, ready},
    marker::PhantomData,
    pin::Pin,
};

use rpc_idl::{Interface, Kind, Method, Version};

use crate::{
    Api, Args, Failure, RemoteError as _,
    contain::{Caught, Kept, Panicked, contained},
    envelope::ReplyWriter,
    returns::Returns,
};

/// A service of the interface `A`: what a server serves. Generated servers are names for it.
#[derive(Clone, Debug)]
pub struct Service<A, S>(pub S, PhantomData<fn() -> A>);

impl<A: Api, S> Service<A, S> {
    /// Serves `service`.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self(service, PhantomData)
    }
}

/// Runs the methods of the interface `A`. `#[rpc_api]` implements it for every implementation of its trait.
///
/// A method that panics fails its own request, with `MethodPanicked`, also if a destructor panics:
/// a local value, the future, the panic's payload. A panic while another one unwinds aborts the
/// process, which no library can prevent.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not serve this interface",
    label = "implement the interface's trait for the service"
)]
pub trait Dispatch<A: Api>: Send + Sync + 'static {
    /// Runs the method that the request names, and returns what goes back.
    fn dispatch(&self, args: Args<'_>) -> impl Future<Output = Answer> + Send;
}

/// What goes back to a caller: a result, or why there is none.
pub type Answer = Result<Reply, Failure>;

/// A method's result, written into the reply's body.
#[derive(Debug)]
pub struct Reply(pub(crate) ReplyWriter);

impl Reply {
    /// Runs a method that returns nothing, and answers for it.
    ///
    /// # Errors
    /// None: it has the form of the others.
    pub async fn after(method: impl Future<Output = ()>) -> Answer {
        method.await;
        Self::of::<(), false>(())
    }

    /// Writes what a method returned.
    ///
    /// # Errors
    /// The method's own error as a failure, or one that says that the result cannot be written as JSON.
    pub fn of<R: Returns<IS_RESULT>, const IS_RESULT: bool>(returned: R) -> Result<Self, Failure> {
        let value = returned.into_result();
        let value = value.map_err(|error| error.to_failure().returned_by_a_method())?;
        ReplyWriter::result(&value).map(Self).map_err(|error| {
            let message =
                format!("the method ran, but its result cannot be written as JSON: {error}");
            Failure::internal("ResultNotSerializable", &message)
        })
    }
}

/// What a server's interfaces look like from here: [`Dispatch`] with one allocation a request, so that several kinds
/// fit one list.
pub(crate) trait AnyService: Send + Sync {
    fn interface(&self) -> &'static Interface<'static>;

    fn run<'a>(&'a self, args: Args<'a>) -> Running<'a>;
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'a>>;

impl<A: Api, S: Send + Sync + 'static> AnyService for Service<A, S>
where
    Self: Dispatch<A>,
{
    fn interface(&self) -> &'static Interface<'static> {
        A::INTERFACE
    }

    fn run<'a>(&'a self, args: Args<'a>) -> Running<'a> {
        Box::pin(self.dispatch(args))
    }
}

/// A service that its server, or whatever stands in for one, keeps.
impl<T: AnyService> AnyService for Kept<T> {
    fn interface(&self) -> &'static Interface<'static> {
        self.get().map_or(const { &Interface::new("", (0, 0)) }, AnyService::interface)
    }

    fn run<'a>(&'a self, args: Args<'a>) -> Running<'a> {
        match self.get() {
            Some(service) => service.run(args),
            None => Box::pin(ready(Err(panicked()))),
        }
    }
}

/// Runs a method to its end, or until the future is dropped. A panic, also of a destructor, is a
/// failure.
pub(crate) async fn run<'a>(service: &'a dyn AnyService, args: Args<'a>) -> Answer {
    let Ok(running) = contained(|| service.run(args)) else { return Err(panicked()) };
    Caught::new(running).await.unwrap_or_else(|Panicked| Err(panicked()))
}

/// The failure of a method that panicked. It says nothing of the panic's text, which may quote an
/// argument.
fn panicked() -> Failure {
    Failure::internal("MethodPanicked", "the method panicked")
}

/// The original's ping: an operator's probe asks it of any server that enables it (`rpc_ping_enabled`).
pub(crate) struct Ping;

impl Ping {
    const INTERFACE: Interface<'static> = Interface::new("Ping", (1, 0))
        .docs("Tells that a server lives.")
        .methods(&[Method::new("oslo_rpc_server_ping", (1, 0), Kind::Call).reply("String")]);
}

impl AnyService for Ping {
    fn interface(&self) -> &'static Interface<'static> {
        const { &Self::INTERFACE }
    }

    fn run<'a>(&'a self, args: Args<'a>) -> Running<'a> {
        Box::pin(async move {
            args.finish()?;
            Reply::of::<_, false>("pong".to_owned())
        })
    }
}

/// Returns the place of the interface that serves a request, and its method, by the original's rules (wire: section 6.4).
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
) -> Result<(usize, &'i Method<'i>), Failure> {
    let requested = version.as_deref().and_then(|version| version.parse::<Version>().ok());
    let (mut compatible, mut nearest) = (false, None);
    for (at, interface) in interfaces.enumerate() {
        if !interface.takes_namespace(namespace) {
            continue;
        }
        if !requested.is_some_and(|requested| interface.serves(requested)) {
            let versions = [Some(interface.version), interface.previous].into_iter().flatten();
            nearest = versions.chain(nearest).max_by_key(|version| {
                (requested.is_some_and(|requested| requested.major() == version.major()), *version)
            });
            continue;
        }
        if let Some(method) = interface.method(method) {
            return Ok((at, method));
        }
        compatible = true;
    }
    if compatible {
        return Err(Failure::no_such_method(method));
    }
    Err(Failure::unsupported_version(version.as_deref().unwrap_or("None"), method, nearest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    const CALL: Method<'static> = Method::new("get", (1, 0), Kind::Call);

    /// Returns the place of the interface and the method that a request finds, or the class of its refusal.
    fn found(
        interfaces: &[Interface<'_>],
        (namespace, version, method): (Option<&str>, Option<&str>, &str),
    ) -> Result<(usize, String), (String, String)> {
        find(interfaces.iter(), namespace, version.map(Cow::Borrowed), method)
            .map(|(at, method)| (at, method.name.to_owned()))
            .map_err(|failure| (failure.class().to_owned(), failure.message().to_owned()))
    }

    #[test]
    fn a_request_finds_the_first_interface_that_has_all_of_it() {
        let (both, one) = ([CALL, Method::new("set", (1, 0), Kind::Cast)], [CALL]);
        let interfaces = [
            Interface::new("Old", (1, 5)).methods(&one),
            Interface::new("New", (1, 9)).methods(&both),
            Interface::new("Two", (2, 0)).methods(&one),
            Interface::new("Own", (1, 0)).methods(&one).namespace("own"),
        ];
        for (request, place) in [
            ((None, Some("1.3"), "get"), 0),
            ((None, Some("1.7"), "get"), 1),
            ((None, Some("1.3"), "set"), 1),
            ((None, Some("2.0"), "get"), 2),
            ((Some("own"), Some("1.0"), "get"), 3),
        ] {
            assert_eq!(found(&interfaces, request), Ok((place, request.2.to_owned())));
        }
    }

    #[test]
    fn what_finds_nothing_is_refused_as_the_original_refuses_it() {
        let methods = [CALL];
        let interfaces = [Interface::new("One", (1, 5)).methods(&methods)];
        for (request, class, said) in [
            ((None, Some("1.5"), "set"), "NoSuchMethod", "RPC method set"),
            (
                (None, Some("1.6"), "get"),
                "UnsupportedVersion",
                "version 1.6. Attempted method: get",
            ),
            ((None, Some("2.0"), "get"), "UnsupportedVersion", "version 2.0"),
            ((Some("own"), Some("1.0"), "get"), "UnsupportedVersion", "version 1.0"),
            ((None, Some("one"), "get"), "UnsupportedVersion", "version one"),
            ((None, None, "get"), "UnsupportedVersion", "version None"),
        ] {
            let (refused, message) = found(&interfaces, request).expect_err("nobody has it");
            assert_eq!(refused, class);
            assert!(message.contains(said), "{message}");
        }
        let second = Interface::new("Two", (3, 1)).previous((2, 4)).methods(&methods);
        let interfaces =
            [interfaces[0].clone(), second, Interface::new("Own", (9, 0)).namespace("own")];
        for (version, nearest) in [("1.6", "1.5"), ("2.5", "2.4"), ("3.2", "3.1"), ("4.0", "3.1")] {
            let refused = find(interfaces.iter(), None, Some(Cow::Borrowed(version)), "get");
            let refusal = refused.expect_err("too new").refusal();
            let nearest = Some(Refusal::Version(Some(nearest.parse().expect("a version"))));
            assert_eq!(refusal, nearest, "{version}");
        }
        assert_eq!(
            found(&[], (None, Some("1.0"), "get")).expect_err("none").0,
            "UnsupportedVersion"
        );
    }

    #[tokio::test]
    async fn a_ping_is_answered_and_takes_no_arguments() {
        let find_ping =
            |version| found(&[Ping::INTERFACE], (None, Some(version), "oslo_rpc_server_ping"));
        assert!(find_ping("1.0").is_ok() && find_ping("1.1").is_err());
        assert_eq!(AnyService::interface(&Ping).name, "Ping");
    }
}
