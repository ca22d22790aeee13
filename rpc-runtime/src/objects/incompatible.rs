//! Objects that are not what this program knows: newer ones, which are read, and others, which are not.

use std::{cell::RefCell, fmt};

use rpc_idl::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Object, VersionedObject, primitive::Primitive};
use crate::{Failure, RemoteError, excerpt::Excerpt};

/// Where the original's classes of errors are.
const MODULE: &str = "oslo_versionedobjects.exception";

/// An object is of a newer minor version than this program knows. It can be read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewerVersion {
    /// The class, with its namespace: `cinder.Volume`.
    pub name: String,
    /// The version of the object.
    pub got: Version,
    /// The version that is known here.
    pub known: Version,
}

impl NewerVersion {
    pub(super) fn new<T: VersionedObject>(got: &Version) -> Self {
        let name = format!("{}.{}", T::NAMESPACE, T::NAME);
        Self { name, got: *got, known: T::VERSION }
    }
}

impl fmt::Display for NewerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is of version {}, and {} is known", self.name, self.got, self.known)
    }
}

/// An object is not one that this program can read.
///
/// A method may declare it as its error. Python knows the classes as `UnsupportedObjectError` and
/// `IncompatibleObjectVersion`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incompatible {
    /// It is of another class or namespace.
    #[error("`{}` is no object that is known here{}", Excerpt(got), in_place_of(expected.as_deref()))]
    #[non_exhaustive]
    Class {
        /// The class that came, with its namespace: `cinder.Volume`.
        got: String,
        /// The class that is known here. `None` where a Python peer refused the object, which does not say.
        expected: Option<String>,
    },
    /// It is of another major version.
    #[error("`{}` of version {got} cannot be read where {supported} is known", Excerpt(name))]
    #[non_exhaustive]
    Version {
        /// The class, without its namespace.
        name: String,
        /// The version that came.
        got: Version,
        /// The version that is known here.
        supported: Version,
    },
}

thread_local! {
    /// Why the last object on this thread was refused. Serde's errors are text, and a peer expects a class.
    static REFUSED: RefCell<Option<Incompatible>> = const { RefCell::new(None) };
}

/// Returns why an object was refused, if that is what a decoding error on this thread is about.
pub(crate) fn refused(error: &serde_json::Error) -> Option<Incompatible> {
    let refused = REFUSED.take()?;
    error.to_string().contains(&refused.to_string()).then_some(refused)
}

fn in_place_of(expected: Option<&str>) -> String {
    expected
        .map(|expected| format!(", where `{}` is expected", Excerpt(expected)))
        .unwrap_or_default()
}

impl Incompatible {
    /// Makes it the error of a deserializer, and keeps it for who wants to know more than its text.
    pub(super) fn into_error<E: de::Error>(self) -> E {
        let error = E::custom(&self);
        REFUSED.set(Some(self));
        error
    }

    /// Says why an object is none of the class `T`, if it is none.
    pub(super) fn of<T: VersionedObject>(came: &Primitive) -> Option<Self> {
        if came.name != T::NAME || came.namespace != T::NAMESPACE {
            let got = format!("{}.{}", came.namespace, came.name);
            let expected = Some(format!("{}.{}", T::NAMESPACE, T::NAME));
            return Some(Self::Class { got, expected });
        }
        let supported = T::VERSION;
        let version = || Self::Version { name: came.name.clone(), got: came.version, supported };
        (came.version.major() != T::VERSION.major()).then(version)
    }
}

impl From<Incompatible> for Failure {
    fn from(incompatible: Incompatible) -> Self {
        incompatible.to_failure()
    }
}

impl RemoteError for Incompatible {
    fn to_failure(&self) -> Failure {
        match self {
            Self::Class { got, expected } => {
                let failure =
                    Failure::of(self, MODULE, "UnsupportedObjectError").kwarg("objtype", got);
                match expected {
                    Some(expected) => failure.kwarg("expected", expected),
                    None => failure,
                }
            }
            Self::Version { name, got, supported } => {
                Failure::of(self, MODULE, "IncompatibleObjectVersion")
                    .kwarg("objname", name)
                    .kwarg("objver", &got.to_string())
                    .kwarg("supported", &supported.to_string())
            }
        }
    }

    fn from_failure(failure: Failure) -> Result<Self, Failure> {
        let text = |name| failure.kwarg_value::<String>(name);
        let version = |name| text(name)?.parse::<Version>().ok();
        let read = match (failure.module(), failure.class()) {
            (MODULE, "UnsupportedObjectError") => {
                text("objtype").map(|got| Self::Class { got, expected: text("expected") })
            }
            (MODULE, "IncompatibleObjectVersion") => {
                match (text("objname"), version("objver"), version("supported")) {
                    (Some(name), Some(got), Some(supported)) => {
                        Some(Self::Version { name, got, supported })
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        read.ok_or(failure)
    }
}

/// An object of class `T`, or another one: for who handles what is not compatible.
///
/// An [`Object`] as a parameter refuses the others, and the caller's request fails. This one takes them, too.
///
/// ```
/// use rpc_runtime::{Failure, Object, VersionedObject, objects::Received};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, VersionedObject)]
/// #[object(namespace = "cinder", version = "1.9")]
/// struct Volume {
///     id: String,
/// }
///
/// fn delete(volume: Received<Volume>) -> Result<String, Failure> {
///     let volume: Object<Volume> = volume.into_result()?;
///     Ok(volume.into_fields().id)
/// }
///
/// let came = r#"{"versioned_object.name": "Volume", "versioned_object.namespace": "cinder",
///     "versioned_object.version": "2.0", "versioned_object.data": {}}"#;
/// let failure = delete(serde_json::from_str(came)?).expect_err("another major version");
/// assert_eq!(failure.class(), "IncompatibleObjectVersion");
/// assert_eq!(failure.kwarg_value::<String>("supported").as_deref(), Some("1.9"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Received<T: VersionedObject> {
    /// One that this program can read.
    Object(Object<T>),
    /// One that it cannot.
    Other(Unread),
}

impl<T: VersionedObject> Received<T> {
    /// Returns the object.
    ///
    /// # Errors
    /// If it is of another class or major version.
    pub fn into_result(self) -> Result<Object<T>, Incompatible> {
        match self {
            Self::Object(object) => Ok(object),
            Self::Other(unread) => Err(unread.reason),
        }
    }
}

impl<T: VersionedObject> Serialize for Received<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(object) => object.serialize(serializer),
            Self::Other(unread) => unread.serialize(serializer),
        }
    }
}

impl<'de, T: VersionedObject> Deserialize<'de> for Received<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let primitive = Primitive::read::<T, D>(deserializer)?;
        match Incompatible::of::<T>(&primitive) {
            Some(reason) => Ok(Self::Other(Unread { reason, primitive })),
            None => Object::open(primitive).map(Self::Object).map_err(de::Error::custom),
        }
    }
}

/// An object that was not read. It is written as it came.
#[derive(Clone)]
pub struct Unread {
    reason: Incompatible,
    primitive: Primitive,
}

impl Unread {
    /// Returns why it was not read.
    #[must_use]
    pub fn reason(&self) -> &Incompatible {
        &self.reason
    }

    /// Returns the class, without its namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.primitive.name
    }

    /// Returns the project that the class belongs to.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.primitive.namespace
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.primitive.version
    }

    /// Returns the data as text.
    #[must_use]
    pub fn data(&self) -> &serde_json::value::RawValue {
        &self.primitive.data
    }
}

impl fmt::Debug for Unread {
    /// Leaves out the data, which nobody has decided to log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unread").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl Serialize for Unread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.primitive.serialize(serializer)
    }
}
