//! What an object is on the wire: five members with a prefix, and the data as text.
//!
//! The members may come in any order, so the data stays text until name and version are known.

use std::fmt;

use rpc_idl::Version;
use serde::{
    Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use super::{VersionedObject, data::Kept};
use crate::json;

/// An object whose data nobody has read yet.
#[derive(Clone, Debug)]
pub(super) struct Primitive {
    pub(super) prefix: &'static str,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) version: Version,
    pub(super) data: Box<RawValue>,
    pub(super) changes: Vec<String>,
    /// What else came beside them.
    pub(super) members: Kept,
}

impl Primitive {
    /// Reads an object with the prefix that the class `T` has.
    pub(super) fn read<'de, T: VersionedObject, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        Members { prefix: T::PREFIX }.deserialize(deserializer)
    }
}

impl Serialize for Primitive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = (&*self.name, &*self.namespace, &self.version);
        write(serializer, self.prefix, kind, &self.data, &self.changes, &self.members)
    }
}

/// Writes an object in the original's order. Its kind is name, namespace and version.
pub(super) fn write<S: Serializer, D: Serialize>(
    serializer: S,
    prefix: &str,
    (name, namespace, version): (&str, &str, &Version),
    data: &D,
    changes: &[String],
    members: &Kept,
) -> Result<S::Ok, S::Error> {
    let key = |member| format!("{prefix}.{member}");
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry(&key("name"), name)?;
    map.serialize_entry(&key("namespace"), namespace)?;
    map.serialize_entry(&key("version"), &version.to_string())?;
    map.serialize_entry(&key("data"), data)?;
    if !changes.is_empty() {
        map.serialize_entry(&key("changes"), changes)?;
    }
    for (name, value) in members.iter() {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

/// Whether a text is an object of some class, with the prefix that the class `T` has.
pub(super) fn is_object<T: VersionedObject>(text: &RawValue) -> bool {
    let mut found = false;
    let is_name = |key: &str| key.strip_prefix(T::PREFIX) == Some(".name");
    json::object(text.get(), |key, _| found |= is_name(&key)).is_ok() && found
}

/// Reads the members that begin with a prefix.
struct Members {
    prefix: &'static str,
}

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Primitive;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Primitive, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Primitive;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix;
        write!(f, "a versioned object: `{prefix}.name`, `{prefix}.data` and so on")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Primitive, A::Error> {
        let (mut name, mut namespace, mut version, mut data) = (None, None, None, None);
        let (mut changes, mut members) = (Vec::new(), Kept::default());
        while let Some(key) = map.next_key::<String>()? {
            let member = key.strip_prefix(self.prefix).and_then(|rest| rest.strip_prefix('.'));
            match member {
                Some("name") => name = Some(map.next_value()?),
                Some("namespace") => namespace = Some(map.next_value()?),
                Some("version") => version = Some(map.next_value::<String>()?),
                Some("data") => data = Some(map.next_value()?),
                Some("changes") => changes = map.next_value()?,
                _ => members.push(key, map.next_value()?),
            }
        }
        let missing = |member| {
            let prefix = self.prefix;
            de::Error::custom(format_args!("no versioned object: `{prefix}.{member}` is missing"))
        };
        Ok(Primitive {
            prefix: self.prefix,
            name: name.ok_or_else(|| missing("name"))?,
            namespace: namespace.ok_or_else(|| missing("namespace"))?,
            version: version
                .ok_or_else(|| missing("version"))?
                .parse()
                .map_err(de::Error::custom)?,
            data: data.ok_or_else(|| missing("data"))?,
            changes,
            members,
        })
    }
}
