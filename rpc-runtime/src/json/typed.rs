//! Typed values: `{"__type__": T, "__value__": V}`, as kombu writes what JSON has no form for (wire: section 4).
//!
//! They stand only in messages without an envelope. Each becomes the text that enveloped messages have in its place.

use std::borrow::Cow;

use serde_json::Error;
use uuid::Uuid;

use super::{from_str, read::Reader, write};
use crate::excerpt::Excerpt;

/// Replaces the typed values in `text`.
///
/// # Errors
/// If one is of an unknown type, which the original refuses, too.
pub(crate) fn untyped(text: &str) -> Result<Cow<'_, str>, Error> {
    if !text.contains("__type__") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    rewrite(&mut Reader::new(text), &mut out)?;
    Ok(Cow::Owned(out))
}

fn rewrite(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Error> {
    match reader.peek() {
        Some(b'[') => {
            out.push('[');
            let start = out.len();
            reader.within(|reader| reader.list(b']', |reader| element(reader, out, start)))?;
            out.push(']');
        }
        Some(b'{') => object(reader, out)?,
        _ => out.push_str(reader.skip()?),
    }
    Ok(())
}

fn element(reader: &mut Reader<'_>, out: &mut String, start: usize) -> Result<(), Error> {
    if out.len() > start {
        out.push_str(", ");
    }
    rewrite(reader, out)
}

fn object(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Error> {
    let start = out.len();
    out.push('{');
    let (mut members, mut type_name, mut value) = (0, None, None);
    reader.within(|reader| {
        reader.list(b'}', |reader| {
            let key = reader.key()?;
            if members > 0 {
                out.push_str(", ");
            }
            members += 1;
            out.push_str(&write::text(&*key)?);
            out.push_str(": ");
            let at = out.len();
            rewrite(reader, out)?;
            match &*key {
                "__type__" => type_name = Some(at..out.len()),
                "__value__" => value = Some(at..out.len()),
                _ => {}
            }
            Ok(())
        })
    })?;
    out.push('}');
    if let (2, Some(type_name), Some(value)) = (members, type_name, value) {
        let plain = plain(&out[type_name], &out[value])?;
        out.truncate(start);
        out.push_str(&plain);
    }
    Ok(())
}

/// Returns a value of a type as the text that stands for it elsewhere.
fn plain(type_name: &str, value: &str) -> Result<String, Error> {
    #[derive(serde::Deserialize)]
    struct Hex {
        hex: String,
    }
    let name: String = from_str(type_name)?;
    match &*name {
        "datetime" | "date" | "time" | "decimal" | "bytes" | "base64" => Ok(value.to_owned()),
        "uuid" => {
            let Hex { hex } = from_str(value)?;
            let uuid = Uuid::try_parse(&hex).map_err(serde::de::Error::custom)?;
            write::text(&uuid.hyphenated().to_string())
        }
        other => {
            let what = format_args!("a value of the unknown type `{}`", Excerpt(other));
            Err(serde::de::Error::custom(what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_values_become_their_text_at_any_place() {
        let uuid =
            r#"{"__type__": "uuid", "__value__": {"hex": "12345678123456781234567812345678"}}"#;
        let text = format!(
            r#"{{"a": [{uuid}, 1, {{"b\n": {uuid}}}], "c": {{"__value__": "5.1", "__type__": "decimal"}}, "d": NaN}}"#
        );
        let uuid = r#""12345678-1234-5678-1234-567812345678""#;
        let plain = format!(r#"{{"a": [{uuid}, 1, {{"b\n": {uuid}}}], "c": "5.1", "d": NaN}}"#);
        assert_eq!(untyped(&text).expect("known types"), plain);
    }

    #[test]
    fn what_only_looks_like_one_stays() {
        let text = r#"{"__type__": "zzz", "__value__": 1, "more": []}"#;
        assert_eq!(untyped(text).expect("no typed value"), text);
        assert!(matches!(untyped("{\"a\":1}"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn unknown_types_are_refused() {
        assert!(untyped(r#"[{"__type__": "zzz", "__value__": 1}]"#).is_err());
        assert!(untyped(r#"{"__type__": 5, "__value__": 1}"#).is_err());
    }
}
