//! A field that may be unset: not loaded, which is something else than null.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

/// A field of a versioned object that may be absent.
///
/// Serde has to leave it out where it is unset, and to make it unset where it is absent: that is what
/// [`leave_out_unset`](super::leave_out_unset) says for all fields of a struct.
///
/// ```
/// use rpc_runtime::objects::Field;
///
/// let mut host: Field<Option<String>> = Field::Unset;
/// assert_eq!(host.get(), None);
/// host = None.into(); // null
/// assert_eq!(host.get(), Some(&None));
/// host = Some("node-1".to_owned()).into();
/// assert_eq!(host.value().map(String::as_str), Some("node-1"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field<T> {
    /// Absent: the sender has not loaded it.
    #[default]
    Unset,
    /// There. `Set(None)` is null where `T` is an `Option`.
    Set(T),
}

impl<T> Field<T> {
    /// Whether it is absent.
    #[must_use]
    pub const fn is_unset(&self) -> bool {
        matches!(self, Self::Unset)
    }

    /// Returns the value, if there is one.
    #[must_use]
    pub const fn get(&self) -> Option<&T> {
        match self {
            Self::Unset => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Returns the value, if there is one, to be changed.
    #[must_use]
    pub const fn get_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Unset => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Takes the value, if there is one.
    #[must_use]
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Unset => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<T> Field<Option<T>> {
    /// Returns what is there: neither unset nor null.
    #[must_use]
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(Some(value)) => Some(value),
            Self::Set(None) | Self::Unset => None,
        }
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => value.serialize(serializer),
            Self::Unset => Err(ser::Error::custom(
                "an unset field has no value: `#[serde(skip_serializing_if = \"Field::is_unset\")]` leaves it out",
            )),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Set)
    }
}
