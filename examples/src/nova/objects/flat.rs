//! Objects in the form that older servers read: dictionaries of their fields, and lists of those.

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value};

use super::Dictionary;

/// The member of Nova's objects that has their fields.
const DATA: &str = "nova_object.data";

/// A value that is written with its objects flattened. Each object becomes the dictionary of its
/// set fields, and a list of objects becomes a list. Times lose their zone, and gain microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Flat<'a, T>(pub &'a T);

impl<T: Serialize> Serialize for Flat<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(self.0).map_err(S::Error::custom)?;
        let value = serde_json::from_str(&text).map_err(S::Error::custom)?;
        flat(value).serialize(serializer)
    }
}

/// Flattens an object to a dictionary.
///
/// # Errors
/// If it cannot be written, or is not an object.
pub fn flat_dictionary<T: Serialize>(object: &T) -> Result<Dictionary, serde_json::Error> {
    serde_json::from_str(&serde_json::to_string(&Flat(object))?)
}

/// Writes a value flattened, and reads it unchanged: for `#[arg(with = as_flat)]`.
pub mod as_flat {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Flat;

    /// Writes a value with its objects flattened.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Flat(value).serialize(serializer)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

fn flat(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(flat).collect(),
        Value::Object(mut members) => match members.remove(DATA) {
            Some(Value::Object(fields)) => flat_object(fields),
            Some(other) => other,
            None => members.into_iter().map(|(key, value)| (key, flat(value))).collect(),
        },
        other => other,
    }
}

fn flat_object(mut fields: Map<String, Value>) -> Value {
    // A list class has nothing but its list.
    if fields.len() == 1
        && let Some(objects) = fields.remove("objects")
    {
        return flat(objects);
    }
    let fields = fields.into_iter().map(|(name, value)| {
        let value = if name.ends_with("_at") { without_zone(value) } else { flat(value) };
        (name, value)
    });
    fields.collect()
}

/// Writes an object's time as Python writes a time outside of objects.
fn without_zone(time: Value) -> Value {
    match &time {
        Value::String(text) => match text.strip_suffix('Z') {
            Some(time) => format!("{time}.000000").into(),
            None => time,
        },
        _ => time,
    }
}
