//! Why a server has no result: what crosses the wire, and how a method's own error becomes that and back.

use std::{convert::Infallible, fmt};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use rpc_idl::Version;

use crate::{
    excerpt::{Excerpt, cut},
    json,
    limits::TooLarge,
    refusal::Refusal,
};

/// The module of failures that are this library's own.
const INTERNAL: &str = "rpc_runtime";

/// The class of a server that has no room for a call.
const OVERLOADED: &str = "Overloaded";
const INTERRUPTED: &str = "Interrupted";
/// How much of what a caller wrote comes back to it in a refusal, in bytes.
const LONGEST: usize = 1000;

/// The module whose classes the original's dispatcher raises (wire: section 3.1).
pub(crate) const DISPATCHER: &str = "oslo_messaging.rpc.dispatcher";

/// A failure as it crosses the wire: a class in a module, a message, a traceback, and the values it was made with.
///
/// This is what a caller gets when a method fails with an error that its interface does not
/// declare; declared ones arrive as the type that derives [`RemoteError`]. A refusal before the
/// method begins is a variant of [`CallError`](crate::CallError) of its own, where that is certain.
/// Nothing of it is ever executed: a class is a name here.
///
/// What this library's servers say for themselves has the module `rpc_runtime`. The classes are `MethodPanicked`,
/// `ResultNotSerializable`, `ServerStopped` and `TimeLimitExceeded`, for methods that have begun, `DeliveryLimitExceeded`
/// for one that may have, again and again, and `Overloaded`, which callers get as
/// [`CallError::Overloaded`](crate::CallError::Overloaded).
#[derive(Clone)]
pub struct Failure(Box<Parts>);

/// Boxed, so that a failure takes no room in the results of what succeeds.
#[derive(Clone, Default)]
struct Parts {
    class: String,
    module: String,
    message: String,
    traceback: Vec<String>,
    args: Vec<Box<RawValue>>,
    kwargs: Vec<(String, Box<RawValue>)>,
    /// Whether a method returned it here. Not on the wire.
    is_of_a_method: bool,
    /// Set only where a server refuses a request before its method begins. It does not cross the
    /// wire with the failure, and is taken off a failure that a method returns.
    refusal: Option<Refusal>,
}

impl Failure {
    /// Makes a failure of `class` in `module` whose message is how `error` displays.
    ///
    /// Python rebuilds an exception as `class(*args, **kwargs)`. The message is the one positional argument until
    /// [`args`](Self::args) replaces it.
    pub fn of(error: &(impl fmt::Display + ?Sized), module: &str, class: &str) -> Self {
        let message = error.to_string();
        let traceback = vec![format!("{module}.{class}: {message}\n")];
        let args = vec![Self::value(&message)];
        Self(Box::new(Parts {
            class: class.into(),
            module: module.into(),
            message,
            traceback,
            args,
            kwargs: Vec::new(),
            is_of_a_method: false,
            refusal: None,
        }))
    }

    /// Adds a keyword argument that the exception is made with.
    #[must_use]
    pub fn kwarg<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        self.0.kwargs.push((name.into(), Self::value(value)));
        self
    }

    /// Replaces the positional arguments that the exception is made with.
    #[must_use]
    pub fn args(mut self, args: &[Box<RawValue>]) -> Self {
        self.0.args = args.to_vec();
        self
    }

    /// Encodes one value for [`args`](Self::args). What JSON cannot say becomes `null`, so that a failure always has
    /// an answer.
    pub fn value<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
        json::text(value)
            .and_then(|text| json::raw(&text))
            .unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// Returns the name of the exception's class, without a module.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.0.class
    }

    /// Returns the module of the exception's class, such as `cinder.exception` or `builtins`.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.0.module
    }

    /// Returns what the exception says.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the lines of the server's traceback, each with its own line end.
    #[must_use]
    pub fn traceback(&self) -> &[String] {
        &self.0.traceback
    }

    /// Decodes a keyword argument. `None` if it is absent or not a `T`.
    #[must_use]
    pub fn kwarg_value<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let (_, value) = self.0.kwargs.iter().rfind(|(key, _)| key == name)?;
        json::from_str(value.get()).ok()
    }

    /// Decodes a positional argument. `None` if it is absent or not a `T`.
    #[must_use]
    pub fn arg_value<T: DeserializeOwned>(&self, at: usize) -> Option<T> {
        json::from_str(self.0.args.get(at)?.get()).ok()
    }

    /// Whether this is a failure of the server's own: a method that panicked, or was given up, or whose result cannot be
    /// written.
    pub(crate) fn is_internal(&self) -> bool {
        self.0.module == INTERNAL
    }

    /// Notes that a method returned it here: it is not a refusal of the method's request, whatever
    /// it says.
    pub(crate) fn returned_by_a_method(mut self) -> Self {
        self.0.is_of_a_method = true;
        self.0.refusal = None;
        self
    }

    /// Whether a method returned it here.
    pub(crate) fn is_of_a_method(&self) -> bool {
        self.0.is_of_a_method
    }

    /// The failure of a server that has the version, but not the method.
    pub(crate) fn no_such_method(method: &str) -> Self {
        let message = format!("Endpoint does not support RPC method {}", cut(method, LONGEST));
        Self::of(&message, DISPATCHER, "NoSuchMethod").refusing(Some(Refusal::Method))
    }

    /// The failure of a server that serves no interface of this version and namespace. `serves` is
    /// the nearest version that it has of that namespace.
    pub(crate) fn unsupported_version(
        version: &str,
        method: &str,
        serves: Option<Version>,
    ) -> Self {
        let (version, method) = (cut(version, LONGEST), cut(method, LONGEST));
        let message =
            format!("Endpoint does not support RPC version {version}. Attempted method: {method}");
        let failure = Self::of(&message, DISPATCHER, "UnsupportedVersion");
        failure.refusing(Some(Refusal::Version(serves)))
    }

    /// The failure of a request whose arguments do not fit the method; Python raises the same class.
    pub(crate) fn bad_arguments(message: &str) -> Self {
        let failure = Self::of(&*cut(message, LONGEST), "builtins", "TypeError");
        failure.refusing(Some(Refusal::Arguments))
    }

    /// Says that a request is refused with this failure before its method begins, or that it is
    /// not.
    pub(crate) fn refusing(mut self, refusal: Option<Refusal>) -> Self {
        self.0.refusal = refusal;
        self
    }

    /// Why a request was refused with this failure before its method began, if it was.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.0.refusal
    }

    /// The failure of a request that would take too much memory to read.
    pub(crate) fn too_many_values(values: usize, most: usize) -> Self {
        let message = format!("the request is made of {values} values, where {most} are allowed");
        Self::of(&message, INTERNAL, "RequestTooLarge").refusing(Some(Refusal::Arguments))
    }

    /// The failure of a request whose answer may not be sent.
    pub(crate) fn reply_too_large(size: TooLarge) -> Self {
        let message = format!("the method ran, but its reply is larger than it may be: {size}");
        Self::of(&message, INTERNAL, "ReplyTooLarge")
    }

    /// A failure of this library's own making, which no Python class can stand for.
    pub(crate) fn internal(class: &str, message: &str) -> Self {
        Self::of(message, INTERNAL, class)
    }

    /// The failure of a call that a server has no room for. It has surely not begun.
    pub(crate) fn overloaded(host: &str) -> Self {
        let message = format!("the server on `{host}` has no room for the call");
        Self::internal(OVERLOADED, &message).kwarg("host", host)
    }

    /// The failure of a call that may be with no server any more.
    #[cfg(feature = "rabbit")]
    pub(crate) fn interrupted() -> Self {
        let message =
            "the server's connection went before the call could begin: it may be with nobody";
        Self::internal(INTERRUPTED, message)
    }

    /// Whether the call may be with no server any more.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_internal() && self.0.class == INTERRUPTED
    }

    /// The failure of a method that its server gave up because it stops.
    pub(crate) fn server_stopped() -> Self {
        Self::internal("ServerStopped", "the server stopped before the method ended")
    }

    /// Returns the host of the server that had no room, if that is why the call failed.
    pub(crate) fn overloaded_host(&self) -> Option<String> {
        let is_overloaded = self.is_internal() && self.0.class == OVERLOADED;
        is_overloaded.then(|| self.kwarg_value("host").unwrap_or_default())
    }

    /// What a method failed with. One that passes on what became of a call of its own has begun all the same.
    pub(crate) fn of_a_method(mut self) -> Self {
        if self.is_internal() && matches!(&*self.0.class, OVERLOADED | INTERRUPTED) {
            self.0.class.insert_str(0, "Nested");
        }
        self
    }

    /// Returns the JSON text that goes into the reply's `failure` (wire: section 3.1).
    pub(crate) fn encode(&self) -> String {
        json::text(self).unwrap_or_else(|_| "{}".into())
    }

    /// Reads the JSON text of a reply's `failure`. Absent and `null` members are empty ones.
    pub(crate) fn decode(text: &str) -> Result<Self, serde_json::Error> {
        json::from_str(text)
    }
}

/// Shows class and message, in one line and cut: [`message`](Failure::message) has all of it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { module, class, message, .. } = &*self.0;
        write!(f, "{}.{}: {}", Excerpt(module), Excerpt(class), Excerpt(message))
    }
}

impl fmt::Debug for Failure {
    /// Leaves out the arguments: they may hold what the caller sent, and failures are logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("class", &self.0.class)
            .field("module", &self.0.module)
            .field("message", &self.0.message)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Failure {}

impl Serialize for Failure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A failure that came from another server travels on under its own name.
        let remote = self.0.class.ends_with("_Remote") && self.0.module.ends_with("_Remote");
        let own = |name: &'_ str| match name.strip_suffix("_Remote") {
            Some(own) if remote => own.to_owned(),
            _ => name.to_owned(),
        };
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("class", &own(&self.0.class))?;
        map.serialize_entry("module", &own(&self.0.module))?;
        map.serialize_entry("message", &self.0.message)?;
        map.serialize_entry("tb", &self.0.traceback)?;
        map.serialize_entry("args", &self.0.args)?;
        map.serialize_entry("kwargs", &Keywords(&self.0.kwargs))?;
        map.end()
    }
}

struct Keywords<'a>(&'a [(String, Box<RawValue>)]);

impl Serialize for Keywords<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FailureVisitor)
    }
}

struct FailureVisitor;

impl<'de> Visitor<'de> for FailureVisitor {
    type Value = Failure;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a failure: an object with `class`, `module` and `message`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Failure, A::Error> {
        let mut failure = Failure(Box::default());
        // A peer's odd member costs that member, never the failure: each is kept as text and read for itself.
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "class" => failure.0.class = lenient(&map.next_value::<Box<RawValue>>()?),
                "module" => failure.0.module = module(lenient(&map.next_value::<Box<RawValue>>()?)),
                "message" => failure.0.message = lenient(&map.next_value::<Box<RawValue>>()?),
                "tb" => failure.0.traceback = traceback(&map.next_value::<Box<RawValue>>()?),
                "args" => failure.0.args = lenient(&map.next_value::<Box<RawValue>>()?),
                "kwargs" => failure.0.kwargs = keywords(&map.next_value::<Box<RawValue>>()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(failure)
    }
}

fn lenient<T: DeserializeOwned + Default>(value: &RawValue) -> T {
    json::from_str(value.get()).unwrap_or_default()
}

/// Python 2 called the module of its own exceptions otherwise.
fn module(name: String) -> String {
    if name == "exceptions" { "builtins".to_owned() } else { name }
}

/// A traceback is a list of lines. One text is taken for one line.
fn traceback(value: &RawValue) -> Vec<String> {
    match json::from_str(value.get()) {
        Ok(lines) => lines,
        Err(_) => json::from_str(value.get()).map(|text| vec![text]).unwrap_or_default(),
    }
}

fn keywords(value: &RawValue) -> Vec<(String, Box<RawValue>)> {
    let map: std::collections::BTreeMap<String, Box<RawValue>> = lenient(value);
    map.into_iter().collect()
}

/// An error that an interface declares for a method, and that crosses the wire as a class with arguments.
///
/// Derive it: `#[derive(RemoteError)]` maps each variant of an enum to a class.
///
/// ```
/// use rpc_runtime::{Failure, RemoteError};
///
/// #[derive(Debug, thiserror::Error, RemoteError)]
/// #[remote(module = "cinder.exception")]
/// enum VolumeError {
///     #[error("Volume {volume_id} could not be found.")]
///     VolumeNotFound { volume_id: String }, // class `VolumeNotFound`, keyword `volume_id`
///     #[error("{0}")]
///     #[remote(module = "builtins", class = "ValueError")]
///     Bad(String), // a positional argument
///     #[error(transparent)]
///     #[remote(other)]
///     Other(Failure), // whatever else the server raises
/// }
///
/// let failure = VolumeError::VolumeNotFound { volume_id: "v1".into() }.to_failure();
/// assert_eq!((failure.module(), failure.class()), ("cinder.exception", "VolumeNotFound"));
/// assert!(matches!(VolumeError::from_failure(failure), Ok(VolumeError::VolumeNotFound { volume_id }) if volume_id == "v1"));
/// ```
pub trait RemoteError: fmt::Debug + Sized + Send + 'static {
    /// Returns what crosses the wire.
    fn to_failure(&self) -> Failure;

    /// Recognises a failure as one of this type.
    ///
    /// # Errors
    /// Gives the failure back if it is none of this type's classes; the caller then gets it as it is.
    fn from_failure(failure: Failure) -> Result<Self, Failure>;
}

impl RemoteError for Infallible {
    fn to_failure(&self) -> Failure {
        match *self {}
    }

    fn from_failure(failure: Failure) -> Result<Self, Failure> {
        Err(failure)
    }
}

impl RemoteError for Failure {
    fn to_failure(&self) -> Failure {
        self.clone()
    }

    fn from_failure(failure: Failure) -> Result<Self, Failure> {
        Ok(failure)
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_in_the_recorded_order() {
        let failure = Failure::of("no vm-1", "wire_exc", "CustomKw").kwarg("name", "vm-1");
        assert_eq!(
            failure.encode(),
            r#"{"class": "CustomKw", "module": "wire_exc", "message": "no vm-1", "tb": ["wire_exc.CustomKw: no vm-1\n"], "args": ["no vm-1"], "kwargs": {"name": "vm-1"}}"#
        );
    }

    #[test]
    fn a_failure_reads_back() {
        let failure = Failure::decode(&Failure::of("m", "a.b", "C").kwarg("n", &5).encode())
            .expect("our own form");
        assert_eq!((failure.module(), failure.class(), failure.message()), ("a.b", "C", "m"));
        assert_eq!(failure.kwarg_value::<u32>("n"), Some(5));
        assert_eq!(failure.arg_value::<String>(0).as_deref(), Some("m"));
    }

    #[test]
    fn odd_members_cost_only_themselves() {
        let failure =
            Failure::decode(r#"{"class": "C", "module": null, "tb": 5, "args": null, "x": [1]}"#)
                .expect("an object");
        assert_eq!((failure.class(), failure.module(), failure.traceback().len()), ("C", "", 0));
        assert!(Failure::decode("[]").is_err());
    }

    #[test]
    fn a_remote_failure_travels_on_under_its_own_name() {
        assert!(
            Failure::of("m", "a_Remote", "C_Remote")
                .encode()
                .starts_with(r#"{"class": "C", "module": "a", "#)
        );
        assert!(
            Failure::of("m", "a", "C_Remote")
                .encode()
                .starts_with(r#"{"class": "C_Remote", "module": "a", "#)
        );
    }
}
