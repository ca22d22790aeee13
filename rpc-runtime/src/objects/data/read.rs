//! Reads data into a struct, and keeps the fields that the struct does not have.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, MapAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, value::RawValue};

use super::{Fields, Kept};
use crate::json::from_str;

/// How deep data may be nested: 32 objects in each other.
///
/// Each object begins to read its data anew, so the reader of JSON does not see how deep it is. Its own limit would be
/// too much: an object takes more of the stack than a list does.
const DEEPEST: usize = 64;

/// Reads the data of `what`, which an error names.
///
/// # Errors
/// If it does not fit.
pub(in super::super) fn read<T: DeserializeOwned>(
    data: &RawValue,
    what: &str,
) -> Result<Fields<T>, Error> {
    decode(data).map_err(|error| {
        // The place is one in the data, and would be taken for one in the whole.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = error.to_string();
        let text = text.strip_suffix(&place).unwrap_or(&text);
        Error::custom(format_args!("the data of {what} does not fit: {text}"))
    })
}

/// Decodes a text within another one.
///
/// # Errors
/// If it does not fit.
pub(in super::super) fn decode<T: DeserializeOwned>(text: &RawValue) -> Result<T, Error> {
    if depth(text.get()) > DEEPEST {
        return Err(Error::custom("it is nested too deeply"));
    }
    from_str(text.get())
}

/// Returns how deep lists and objects are nested in a JSON text.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut unknown = Kept::default();
        let known = T::deserialize(Keeping { deserializer, unknown: &mut unknown })?;
        Ok(Self { known, unknown })
    }
}

/// Gives a struct its own fields alone.
struct Keeping<'a, D> {
    deserializer: D,
    unknown: &'a mut Kept,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Keeping<'_, D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = KeepingVisitor { visitor, fields, unknown: self.unknown };
        self.deserializer.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserializer.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.deserializer.is_human_readable()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct KeepingVisitor<'a, V> {
    visitor: V,
    fields: &'static [&'static str],
    unknown: &'a mut Kept,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for KeepingVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let Self { visitor, fields, unknown } = self;
        visitor.visit_map(KeepingMap { map, fields, unknown })
    }
}

struct KeepingMap<'a, A> {
    map: A,
    fields: &'static [&'static str],
    unknown: &'a mut Kept,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KeepingMap<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.map.next_key::<String>()? {
            if self.fields.contains(&&*name) {
                return seed.deserialize(StrDeserializer::new(&name)).map(Some);
            }
            self.unknown.push(name, self.map.next_value()?);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_text_do_not_count_as_depth() {
        for (text, deep) in [("1", 0), ("[]", 1), (r#"{"a": [{}, [[]]]}"#, 4), (r#"["[{\"[["]"#, 1)]
        {
            assert_eq!(depth(text), deep, "{text}");
        }
    }
}
