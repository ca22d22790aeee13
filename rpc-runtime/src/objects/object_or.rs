//! A place where one peer sends an object, and another something plain.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::{Object, VersionedObject, data, primitive};

/// An object of the class `T`; or a `P`, which a peer that knows no objects sends in its place, such as a dictionary.
///
/// What has a member `versioned_object.name` is an object, and everything else is plain.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use rpc_runtime::{VersionedObject, objects::ObjectOr};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, VersionedObject)]
/// #[object(namespace = "cinder", version = "1.0")]
/// struct LogLevel {
///     prefix: String,
/// }
///
/// let level = r#"{"prefix": "cinder"}"#;
/// let level: ObjectOr<LogLevel, BTreeMap<String, String>> = serde_json::from_str(level)?;
/// assert!(level.object().is_none());
/// assert_eq!(level.plain().expect("no object")["prefix"], "cinder");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectOr<T: VersionedObject, P> {
    /// An object.
    Object(Object<T>),
    /// Something else.
    Plain(P),
}

impl<T: VersionedObject, P> ObjectOr<T, P> {
    /// Returns the object, if it is one.
    #[must_use]
    pub const fn object(&self) -> Option<&Object<T>> {
        match self {
            Self::Object(object) => Some(object),
            Self::Plain(_) => None,
        }
    }

    /// Returns what came in place of an object.
    #[must_use]
    pub const fn plain(&self) -> Option<&P> {
        match self {
            Self::Object(_) => None,
            Self::Plain(plain) => Some(plain),
        }
    }
}

impl<T: VersionedObject, P> From<Object<T>> for ObjectOr<T, P> {
    fn from(object: Object<T>) -> Self {
        Self::Object(object)
    }
}

impl<T: VersionedObject, P: Serialize> Serialize for ObjectOr<T, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(object) => object.serialize(serializer),
            Self::Plain(plain) => plain.serialize(serializer),
        }
    }
}

impl<'de, T: VersionedObject, P: for<'a> Deserialize<'a>> Deserialize<'de> for ObjectOr<T, P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Its members tell what it is, and they come in any order: so it is text first.
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let read = if primitive::is_object::<T>(&text) {
            data::decode(&text).map(Self::Object)
        } else {
            data::decode(&text).map(Self::Plain)
        };
        read.map_err(D::Error::custom)
    }
}
