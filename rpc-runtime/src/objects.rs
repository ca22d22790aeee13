//! Versioned objects: arguments and results that say which class they are, of which project, in which version.
//!
//! This is the wire shape of `oslo.versionedobjects`. A struct with `#[derive(VersionedObject)]` describes the fields of
//! a class; [`Object`] is one instance as it crosses the wire, and reads like the struct.
//!
//! ```
//! use rpc_runtime::{Object, VersionedObject, objects::{Field, leave_out_unset}};
//! use serde::{Deserialize, Serialize};
//!
//! #[leave_out_unset]
//! #[derive(Debug, Default, Serialize, Deserialize, VersionedObject)]
//! #[object(namespace = "cinder", version = "1.9")]
//! struct Volume {
//!     id: String,
//!     status: Field<Option<String>>,
//!     snapshot_id: Field<Option<String>>,
//! }
//!
//! let came = r#"{"versioned_object.name": "Volume", "versioned_object.namespace": "cinder",
//!     "versioned_object.version": "1.10", "versioned_object.changes": ["status"],
//!     "versioned_object.data": {"id": "v1", "status": "available", "colour": "red"}}"#;
//! let volume: Object<Volume> = serde_json::from_str(came)?;
//! assert_eq!(volume.id, "v1");
//! assert_eq!(volume.status, Field::Set(Some("available".into())));
//! assert!(volume.snapshot_id.is_unset());
//! assert_eq!(volume.changes(), ["status"]);
//!
//! // A newer peer sent it. What this program does not know goes on with the object.
//! let newer = volume.newer().expect("1.10 is newer than 1.9");
//! assert_eq!(newer.to_string(), "`cinder.Volume` is of version 1.10, and 1.9 is known");
//! assert!(serde_json::to_string(&volume)?.contains(r#""colour":"red""#));
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # In an interface
//!
//! A parameter or a result is an `Object<Volume>`, not a `Volume`: only the first says on the wire what it is. So is a
//! field that holds another object; `Option<Object<T>>` is one that may be null, and a list class such as `VolumeList`
//! is a struct with the one field `objects: Vec<Object<Volume>>`. [`ObjectOr`] is for where some peers send something
//! plain, [`Fields`] for objects that their sender has flattened to dictionaries.
//!
//! # Fields
//!
//! A field that is not loaded is absent from the data. [`Field`] keeps this state apart from null, which is `None`:
//!
//! | The original's field | Here |
//! |---|---|
//! | always loaded | `id: String` |
//! | always loaded, nullable | `host: Option<String>` |
//! | may be unset | `size: Field<u64>` |
//! | may be unset, nullable | `host: Field<Option<String>>` |
//!
//! [`leave_out_unset`] has serde leave out a `Field` that is unset. Without it, each needs
//! `#[serde(default, skip_serializing_if = "Field::is_unset")]`, and the derive asks for that. A nullable field that may
//! be written although it came unset can be an `Option` as serde has it: absent and null are `None`, and it writes null.
//!
//! Data may be nested to 64 levels, of which each object within it takes two.
//!
//! # Versions
//!
//! | What came | What happens |
//! |---|---|
//! | the known version, or an older one of the same major | it is read |
//! | a newer minor | it is read, and [`Object::newer`] tells; fields that are not known are kept |
//! | a newer revision of a known minor | it is read: a revision changes no field |
//! | another major, name or namespace | it is not read: an error, or [`Received::Other`] for who asks for that |
//!
//! A caller whose argument is not read gets the original's `IncompatibleObjectVersion` or `UnsupportedObjectError`, which
//! [`Incompatible`] is here.
//!
//! An object keeps the version that it came with. One that is made here has the version of its class, or the older one
//! that its receiver knows: [`Object::with_version`].

mod data;
mod field;
mod incompatible;
mod object_or;
mod primitive;

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use rpc_idl::Version;
pub use rpc_macros::leave_out_unset;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

pub(crate) use self::incompatible::refused;
pub use self::{
    data::Fields,
    field::Field,
    incompatible::{Incompatible, NewerVersion, Received, Unread},
    object_or::ObjectOr,
};
use self::{data::Kept, primitive::Primitive};
use crate::Wire;

/// A class of versioned objects: its name, its project, and the version that this program knows.
///
/// Derive it, for a struct whose named fields are the class's fields: `#[derive(VersionedObject)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no class of versioned objects",
    label = "not a versioned object",
    note = "`#[derive(VersionedObject)]` and `#[object(namespace = \"…\", version = \"…\")]` make it one"
)]
pub trait VersionedObject: Wire {
    /// The class's name, such as `Volume`.
    const NAME: &'static str;
    /// The project that the class belongs to, such as `cinder`.
    const NAMESPACE: &'static str;
    /// The version of the class that the fields describe.
    const VERSION: Version;
    /// What the members begin with: `versioned_object`, but `nova_object` in Nova.
    const PREFIX: &'static str = "versioned_object";
}

/// A versioned object: the fields of a `T`, the version they have, and which of them were changed.
///
/// It dereferences to its fields. Fields and members that came and are not known are kept, and follow the known ones
/// when the object is sent on.
#[derive(Clone, PartialEq, Eq)]
pub struct Object<T: VersionedObject> {
    fields: Fields<T>,
    version: Version,
    changes: Vec<String>,
    members: Kept,
}

impl<T: VersionedObject> Object<T> {
    /// Makes an object of the version that this program knows, with no change noted.
    #[must_use]
    pub fn new(fields: T) -> Self {
        Self {
            fields: Fields::new(fields),
            version: T::VERSION,
            changes: Vec::new(),
            members: Kept::default(),
        }
    }

    /// Replaces the names of the changed fields, which a Python peer saves.
    #[must_use]
    pub fn with_changes<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.changes = names.into_iter().map(Into::into).collect();
        self
    }

    /// Says that it is of another version of its class, for a peer that knows only an older one.
    ///
    /// The fields stay as they are: those that this version does not have are to be unset.
    #[must_use]
    pub fn with_version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Returns the version: the one that it came with, or the class's.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Returns the names of the changed fields, as the peer or [`with_changes`](Self::with_changes) gave them. They do
    /// not follow what is assigned to the fields.
    #[must_use]
    pub fn changes(&self) -> &[String] {
        &self.changes
    }

    /// Tells if the object is of a newer minor version than the known one, so that it may have more fields.
    #[must_use]
    pub fn newer(&self) -> Option<NewerVersion> {
        (self.version.minor() > T::VERSION.minor()).then(|| NewerVersion::new::<T>(&self.version))
    }

    /// Returns the fields that are not known, in the order in which they came.
    pub fn unknown_fields(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.fields.unknown()
    }

    /// Returns the known fields, and lets go of everything else.
    #[must_use]
    pub fn into_fields(self) -> T {
        self.fields.into_known()
    }

    /// Reads the data of an object that is known to be compatible.
    fn open(primitive: Primitive) -> Result<Self, serde_json::Error> {
        let Primitive { name, version, data, changes, members, .. } = primitive;
        let fields = data::read(&data, &format!("{name} {version}"))?;
        Ok(Self { fields, version, changes, members })
    }
}

impl<T: VersionedObject> Deref for Object<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.fields
    }
}

impl<T: VersionedObject> DerefMut for Object<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.fields
    }
}

impl<T: VersionedObject> From<T> for Object<T> {
    fn from(fields: T) -> Self {
        Self::new(fields)
    }
}

impl<T: VersionedObject + Default> Default for Object<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: VersionedObject + fmt::Debug> fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("version", &format_args!("{}", self.version))
            .field("fields", &self.fields)
            .field("changes", &self.changes)
            .field("members", &self.members)
            .finish()
    }
}

impl<T: VersionedObject> Serialize for Object<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = (T::NAME, T::NAMESPACE, &self.version);
        primitive::write(serializer, T::PREFIX, kind, &self.fields, &self.changes, &self.members)
    }
}

impl<'de, T: VersionedObject> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let primitive = Primitive::read::<T, D>(deserializer)?;
        match Incompatible::of::<T>(&primitive) {
            Some(incompatible) => Err(incompatible.into_error()),
            None => Self::open(primitive).map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
