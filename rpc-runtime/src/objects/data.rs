//! An object's data: the fields that a struct has, and the others, which are kept as text.
//!
//! Serde tells a deserializer which fields a struct has, so what is not among them is set aside on the way in, and
//! follows the struct's fields on the way out.

mod read;
mod write;

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use serde_json::value::RawValue;

pub(super) use self::read::{decode, read};

/// A dictionary with the fields of a `T`, and whatever else came in it.
///
/// An [`Object`](super::Object) has it as its data. By itself it is an object that its sender has flattened. It
/// dereferences to the `T`, a struct; what that does not have is kept, and follows its fields.
///
/// ```
/// use rpc_runtime::objects::Fields;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Volume {
///     size: u64,
/// }
///
/// let mut volume: Fields<Volume> = serde_json::from_str(r#"{"colour": "red", "size": 4}"#)?;
/// volume.size += 1;
/// assert_eq!(serde_json::to_string(&volume)?, r#"{"size":5,"colour":"red"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields<T> {
    known: T,
    unknown: Kept,
}

impl<T> Fields<T> {
    /// Makes a dictionary of these fields alone.
    pub fn new(known: T) -> Self {
        Self { known, unknown: Kept::default() }
    }

    /// Returns what is not known, in the order in which it came.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.unknown.iter()
    }

    /// Returns the known fields, and lets go of the others.
    pub fn into_known(self) -> T {
        self.known
    }
}

impl<T> Deref for Fields<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.known
    }
}

impl<T> DerefMut for Fields<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.known
    }
}

impl<T> From<T> for Fields<T> {
    fn from(known: T) -> Self {
        Self::new(known)
    }
}

impl<T: fmt::Debug> fmt::Debug for Fields<T> {
    /// Leaves out the values of what is not known: nobody has decided that they may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields")
            .field("known", &self.known)
            .field("unknown", &self.unknown)
            .finish()
    }
}

/// What came and is not known, in the order in which it came.
#[derive(Clone, Default)]
pub(super) struct Kept(Vec<(String, Box<RawValue>)>);

impl Kept {
    pub(super) fn push(&mut self, name: String, value: Box<RawValue>) {
        self.0.push((name, value));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Kept {
    /// Compares the texts: nobody knows when two of them mean the same.
    fn eq(&self, other: &Self) -> bool {
        let own = self.iter().map(|(name, value)| (name, value.get()));
        own.eq(other.iter().map(|(name, value)| (name, value.get())))
    }
}

impl Eq for Kept {}

impl fmt::Debug for Kept {
    /// Shows the names alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}
