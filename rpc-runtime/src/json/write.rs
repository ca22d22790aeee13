//! Writing: serde's values as `json.dumps` writes them, on their own or inside another JSON text's string.
//!
//! Peers accept any JSON. The form is kept all the same, so that a trace, a size limit or a byte-for-byte comparison
//! cannot tell this library from the original (wire: separators `", "` and `": "`, ASCII only).

use std::{fmt::Display, io::Write as _};

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, Impossible, SerializeMap, SerializeSeq, SerializeStruct,
        SerializeStructVariant, SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
    },
};
use serde_json::Error;

use super::scan::{InAscii, InString, find};

type Result<T = ()> = std::result::Result<T, Error>;

/// The name under which serde_json's raw values hand over their text.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Returns `value` as text.
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    let mut out = Vec::with_capacity(128);
    plain(&mut out, value)?;
    String::from_utf8(out).map_err(Error::custom)
}

/// Appends `value` to `out`.
pub(crate) fn plain<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result {
    value.serialize(Writer { out, nested: false })
}

/// Appends `value` to `out` as it stands inside a string of another JSON text: what is special there is escaped.
pub(crate) fn nested<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result {
    value.serialize(Writer { out, nested: true })
}

/// Appends the string that `prefix`, which needs no escapes, and `text` make together, as [`nested`] or [`plain`] would.
pub(crate) fn prefixed(out: &mut Vec<u8>, is_nested: bool, prefix: &str, text: &str) {
    let mut writer = Writer { out, nested: is_nested };
    writer.quote();
    writer.plain(prefix);
    writer.content(text);
    writer.quote();
}

/// Appends JSON text that is finished, as it stands inside a string of another JSON text.
pub(crate) fn nested_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = find::<InString>(rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            // Line breaks between tokens: what a peer sent is passed on as it came.
            control => drop(write!(out, "\\u{control:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Text that is formatted straight into the string of another JSON text.
pub(crate) struct Nested<'a>(pub(crate) &'a mut Vec<u8>);

impl std::fmt::Write for Nested<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        nested_text(self.0, text);
        Ok(())
    }
}

/// Writes one value.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Whether it stands inside a string of another JSON text.
    nested: bool,
}

impl Writer<'_> {
    fn again(&mut self) -> Writer<'_> {
        Writer { out: self.out, nested: self.nested }
    }

    /// Writes what needs no escapes.
    fn plain(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn display(&mut self, value: impl Display) {
        // A `Vec` takes everything.
        let _ = write!(self.out, "{value}");
    }

    fn quote(&mut self) {
        self.out.extend_from_slice(if self.nested { b"\\\"" } else { b"\"" });
    }

    /// Writes a string's character that has an escape of its own, given by what follows the backslash.
    fn escape(&mut self, what: u8) {
        self.out.extend_from_slice(if self.nested { b"\\\\" } else { b"\\" });
        if self.nested && matches!(what, b'"' | b'\\') {
            self.out.push(b'\\');
        }
        self.out.push(what);
    }

    fn unit(&mut self, unit: u16) {
        self.escape(b'u');
        for shift in [12, 8, 4, 0] {
            self.out.push(b"0123456789abcdef"[usize::from(unit >> shift & 0xf)]);
        }
    }

    fn string(&mut self, text: &str) {
        self.quote();
        self.content(text);
        self.quote();
    }

    #[inline(always)]
    fn content(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut plain = 0;
        while let Some(ahead) = find::<InAscii>(&bytes[plain..]) {
            let at = plain + ahead;
            self.out.extend_from_slice(&bytes[plain..at]);
            let mut rest = text[at..].chars();
            match rest.next() {
                Some(special @ ('"' | '\\')) => self.escape(special as u8),
                Some('\n') => self.escape(b'n'),
                Some('\r') => self.escape(b'r'),
                Some('\t') => self.escape(b't'),
                Some('\u{8}') => self.escape(b'b'),
                Some('\u{c}') => self.escape(b'f'),
                Some(other) => {
                    other.encode_utf16(&mut [0; 2]).iter().for_each(|&unit| self.unit(unit))
                }
                None => {}
            }
            plain = text.len() - rest.as_str().len();
        }
        self.out.extend_from_slice(&bytes[plain..]);
    }

    fn float(&mut self, value: f64) {
        if value.is_nan() {
            self.plain("NaN");
        } else if value.is_infinite() {
            self.plain(if value > 0.0 { "Infinity" } else { "-Infinity" });
        } else {
            self.plain(&float(value));
        }
    }
}

/// Returns Python's `repr` of a finite float: positional from 1e-4 up to 1e16, else with an exponent of two digits or
/// more.
fn float(value: f64) -> String {
    let exponent = format!("{value:e}");
    let Some((digits, power)) = exponent.split_once('e') else { return exponent };
    match power.parse::<i32>() {
        Ok(power) if value != 0.0 && !(-4..16).contains(&power) => {
            format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        }
        _ => format!("{value:?}"),
    }
}

/// The shortest text that reads back as this `f32` is the shortest `f64` near it, too.
fn widened(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

macro_rules! displayed {
    ($($method:ident $type:ty)*) => {
        $(fn $method(mut self, value: $type) -> Result {
            self.display(value);
            Ok(())
        })*
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    displayed! {
        serialize_bool bool serialize_i8 i8 serialize_i16 i16 serialize_i32 i32 serialize_i64 i64 serialize_i128 i128
        serialize_u8 u8 serialize_u16 u16 serialize_u32 u32 serialize_u64 u64 serialize_u128 u128
    }

    fn serialize_f32(mut self, value: f32) -> Result {
        self.float(widened(value));
        Ok(())
    }

    fn serialize_f64(mut self, value: f64) -> Result {
        self.float(value);
        Ok(())
    }

    fn serialize_char(mut self, value: char) -> Result {
        self.string(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(mut self, value: &str) -> Result {
        self.string(value);
        Ok(())
    }

    /// Bytes are text to the original; what is not UTF-8 it refuses, too.
    fn serialize_bytes(self, value: &[u8]) -> Result {
        match std::str::from_utf8(value) {
            Ok(text) => self.serialize_str(text),
            Err(_) => Err(Error::custom("bytes that are not UTF-8 have no form in JSON")),
        }
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(mut self) -> Result {
        self.plain("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        let mut items = Items::open(self, "{", "}");
        items.member(variant, value)?;
        items.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>> {
        Ok(Items::open(self, "[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>> {
        self.variant(variant);
        Ok(Items::open(self, "[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'a>> {
        Ok(Items::open(self, "{", "}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Items<'a>> {
        Ok(if name == RAW_VALUE { Items::open(self, "", "") } else { Items::open(self, "{", "}") })
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>> {
        self.variant(variant);
        Ok(Items::open(self, "{", "}}"))
    }

    fn collect_str<T: Display + ?Sized>(mut self, value: &T) -> Result {
        struct Content<'w, 'a>(&'w mut Writer<'a>);
        impl std::fmt::Write for Content<'_, '_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                self.0.content(text);
                Ok(())
            }
        }
        self.quote();
        std::fmt::write(&mut Content(&mut self), format_args!("{value}")).map_err(Error::custom)?;
        self.quote();
        Ok(())
    }
}

impl Writer<'_> {
    fn variant(&mut self, name: &str) {
        self.plain("{");
        self.string(name);
        self.plain(": ");
    }
}

/// The elements of a list or the members of an object, while they are written.
struct Items<'a> {
    writer: Writer<'a>,
    close: &'static str,
    first: bool,
}

impl<'a> Items<'a> {
    fn open(mut writer: Writer<'a>, open: &'static str, close: &'static str) -> Self {
        writer.plain(open);
        Self { writer, close, first: true }
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.writer.plain(", ");
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.separate();
        value.serialize(self.writer.again())
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.separate();
        key.serialize(Key(self.writer.again()))
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.writer.plain(": ");
        value.serialize(self.writer.again())
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
        if name == RAW_VALUE {
            return value.serialize(Raw(self.writer.again()));
        }
        self.separate();
        self.writer.string(name);
        self.value(value)
    }

    fn close(mut self) -> Result {
        self.writer.plain(self.close);
        Ok(())
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident)*) => {
        $(impl $trait for Items<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.item(value)
            }

            fn end(self) -> Result {
                self.close()
            }
        })*
    };
}

elements! {
    SerializeSeq serialize_element SerializeTuple serialize_element SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

macro_rules! members {
    ($($trait:ident)*) => {
        $(impl $trait for Items<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
                self.member(name, value)
            }

            fn end(self) -> Result {
                self.close()
            }
        })*
    };
}

members! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.value(value)
    }

    fn end(self) -> Result {
        self.close()
    }
}

/// Refuses every kind of value but the ones that the caller writes out.
macro_rules! refuse {
    ($ok:ty, $what:literal: $($method:ident($($ty:ty),*);)*) => {
        $(fn $method(self, $(_: $ty),*) -> Result<$ok> { Err(Error::custom($what)) })*
    };
}
pub(crate) use refuse;

/// Refuses lists, maps and what is like them.
macro_rules! refuse_compounds {
    ($ok:ty, $what:literal) => {
        type SerializeSeq = Impossible<$ok, Error>;
        type SerializeTuple = Impossible<$ok, Error>;
        type SerializeTupleStruct = Impossible<$ok, Error>;
        type SerializeTupleVariant = Impossible<$ok, Error>;
        type SerializeMap = Impossible<$ok, Error>;
        type SerializeStruct = Impossible<$ok, Error>;
        type SerializeStructVariant = Impossible<$ok, Error>;

        $crate::json::refuse! { Impossible<$ok, Error>, $what:
            serialize_seq(Option<usize>); serialize_tuple(usize); serialize_tuple_struct(&'static str, usize);
            serialize_tuple_variant(&'static str, u32, &'static str, usize); serialize_map(Option<usize>);
            serialize_struct(&'static str, usize); serialize_struct_variant(&'static str, u32, &'static str, usize);
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<$ok> {
            Err(Error::custom($what))
        }
    };
}
pub(crate) use refuse_compounds;

/// Writes a map's key: text, or what Python makes text of.
struct Key<'a>(Writer<'a>);

macro_rules! quoted {
    ($($method:ident $type:ty)*) => {
        $(fn $method(mut self, value: $type) -> Result {
            self.0.quote();
            self.0.display(value);
            self.0.quote();
            Ok(())
        })*
    };
}

impl Serializer for Key<'_> {
    type Ok = ();
    type Error = Error;

    quoted! {
        serialize_bool bool serialize_i8 i8 serialize_i16 i16 serialize_i32 i32 serialize_i64 i64 serialize_i128 i128
        serialize_u8 u8 serialize_u16 u16 serialize_u32 u32 serialize_u64 u64 serialize_u128 u128
    }

    fn serialize_f32(self, value: f32) -> Result {
        self.serialize_f64(widened(value))
    }

    fn serialize_f64(mut self, value: f64) -> Result {
        self.0.quote();
        self.0.float(value);
        self.0.quote();
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result {
        self.0.serialize_char(value)
    }

    fn serialize_str(self, value: &str) -> Result {
        self.0.serialize_str(value)
    }

    fn serialize_unit(self) -> Result {
        self.0.serialize_str("null")
    }

    fn serialize_none(self) -> Result {
        self.0.serialize_str("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.0.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result {
        self.0.collect_str(value)
    }

    refuse! { (), "a key has to be text or a number":
        serialize_bytes(&[u8]); serialize_unit_struct(&'static str);
    }
    refuse_compounds! { (), "a key has to be text or a number" }
}

/// Writes a raw value's text as it is.
struct Raw<'a>(Writer<'a>);

impl Serializer for Raw<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_str(mut self, text: &str) -> Result {
        if self.0.nested {
            nested_text(self.0.out, text);
        } else {
            self.0.plain(text);
        }
        Ok(())
    }

    refuse! { (), "a raw value is text":
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64); serialize_f32(f32);
        serialize_f64(f64); serialize_char(char); serialize_bytes(&[u8]); serialize_none(); serialize_unit();
        serialize_unit_struct(&'static str); serialize_unit_variant(&'static str, u32, &'static str);
    }
    refuse_compounds! { (), "a raw value is text" }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }
}
