//! Reading: a reader over one text, which serde's types are decoded from.

mod skip;

use std::borrow::Cow;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer as _,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::{Error, value::RawValue};

use super::{
    scan::{InString, find},
    unescape::{joined, unit},
};

type Result<T> = std::result::Result<T, Error>;

/// How deep what is decoded may be nested. Decoding recurses; a stack is finite.
const MAX_DEPTH: usize = 128;

/// The name by which serde_json's raw values ask for their own text.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Decodes all of `text`.
pub(crate) fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T> {
    let mut reader = Reader::new(text);
    let value = T::deserialize(&mut reader).map_err(unquoted)?;
    reader.end()?;
    Ok(value)
}

/// Checks that `text` is one value, and keeps it as it is.
pub(crate) fn raw(text: &str) -> Result<Box<RawValue>> {
    from_str(text)
}

/// Returns how many values `text` is made of: itself, and those in its lists and objects.
pub(crate) fn count(text: &str) -> Result<usize> {
    let mut reader = Reader::new(text);
    reader.skip()?;
    reader.end()?;
    Ok(reader.values)
}

/// Hands each member of the object `text` to `take`: its key, and its value as text. Returns how many values the members
/// are made of.
///
/// A list of pairs is taken for an object, as Python's `dict` takes it.
pub(crate) fn object<'de>(
    text: &'de str,
    mut take: impl FnMut(Cow<'de, str>, &'de str),
) -> Result<usize> {
    let mut reader = Reader::new(text);
    if reader.peek() == Some(b'[') {
        return pairs(reader, take);
    }
    reader.expect(b'{', "expected an object")?;
    reader.list(b'}', |reader| {
        let key = reader.key()?;
        take(key, reader.skip()?);
        Ok(())
    })?;
    reader.end()?;
    Ok(reader.values)
}

fn pairs<'de>(
    mut reader: Reader<'de>,
    mut take: impl FnMut(Cow<'de, str>, &'de str),
) -> Result<usize> {
    reader.at += 1;
    reader.list(b']', |reader| {
        reader.expect(b'[', "expected an object")?;
        if reader.peek() != Some(b'"') {
            return Err(reader.error("expected an object"));
        }
        let key = reader.string()?;
        reader.expect(b',', "expected an object")?;
        let value = reader.skip()?;
        reader.expect(b']', "expected an object")?;
        take(key, value);
        Ok(())
    })?;
    reader.end()?;
    Ok(reader.values)
}

/// Reads one text from left to right.
pub(crate) struct Reader<'de> {
    text: &'de str,
    at: usize,
    depth: usize,
    /// How many values were passed over.
    values: usize,
}

/// A number as it stands in the text.
enum Number<'de> {
    Integer(&'de str),
    Float(f64),
}

impl<'de> Reader<'de> {
    pub(crate) fn new(text: &'de str) -> Self {
        Self { text, at: 0, depth: 0, values: 0 }
    }

    fn error(&self, what: &str) -> Error {
        // serde_json takes the place out of the text again, for `Error::line` and `Error::column`.
        let read = &self.text.as_bytes()[..self.at.min(self.text.len())];
        let line = 1 + read.iter().filter(|&&byte| byte == b'\n').count();
        let column = read.iter().rev().take_while(|&&byte| byte != b'\n').count();
        Error::custom(format_args!("{what} at line {line} column {column}"))
    }

    /// Returns the next byte that is not white space, without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.error(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads what is separated by commas, up to the bracket `end`.
    pub(super) fn list(
        &mut self,
        end: u8,
        mut one: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            one(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.error("expected `,` or the end of a list or object")),
            }
        }
    }

    fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("trailing characters")),
        }
    }

    /// Takes `word` if it comes next.
    fn word(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    fn digits(&mut self) -> usize {
        let bytes = &self.text.as_bytes()[self.at..];
        let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Result<Number<'de>> {
        let start = self.at;
        let is_integer = self.skip_number()?;
        let text = &self.text[start..self.at];
        if is_integer {
            return Ok(Number::Integer(text));
        }
        // Rust knows Python's names of what is no number.
        text.parse().map(Number::Float).map_err(|_| self.error("no number"))
    }

    /// Reads the key of a member, and the colon behind it.
    pub(super) fn key(&mut self) -> Result<Cow<'de, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key"));
        }
        let key = self.string()?;
        self.expect(b':', "expected `:`")?;
        Ok(key)
    }

    /// Passes over a string's plain part, and the quote or backslash behind it. Returns which it was.
    #[inline(always)]
    fn skip_plain(&mut self) -> Result<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        if let Some(at) = find::<InString>(rest)
            && let byte @ (b'"' | b'\\') = rest[at]
        {
            self.at += at + 1;
            return Ok(byte);
        }
        Err(self.broken())
    }

    /// Says why a string that is not ended has no escape either.
    #[cold]
    fn broken(&mut self) -> Error {
        let rest = &self.text.as_bytes()[self.at..];
        let special = find::<InString>(rest);
        self.at += special.unwrap_or(rest.len());
        self.error(match special {
            Some(_) => "a control character in a string",
            None => "a string without an end",
        })
    }

    /// Reads a string's plain part, and what stands behind it.
    #[inline(always)]
    fn plain(&mut self) -> Result<(&'de str, u8)> {
        let start = self.at;
        let end = self.skip_plain()?;
        Ok((&self.text[start..self.at - 1], end))
    }

    /// Reads a string, borrowed if it has no escapes.
    #[inline]
    fn string(&mut self) -> Result<Cow<'de, str>> {
        self.at += 1;
        match self.plain()? {
            (plain, b'"') => Ok(Cow::Borrowed(plain)),
            (plain, _) => self.escaped(plain).map(Cow::Owned),
        }
    }

    /// Reads what comes behind the first backslash of a string that begins with `plain`.
    fn escaped(&mut self, plain: &str) -> Result<String> {
        let mut string = String::with_capacity(2 * plain.len() + 16);
        string.push_str(plain);
        loop {
            self.escape(&mut string)?;
            let (plain, end) = self.plain()?;
            string.push_str(plain);
            if end == b'"' {
                return Ok(string);
            }
        }
    }

    /// Reads what stands behind a backslash.
    fn escape(&mut self, string: &mut String) -> Result<()> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        string.push(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.unit()?;
                self.pair(unit)?
            }
            _ => {
                self.at -= 1;
                return Err(self.error("an unknown escape"));
            }
        });
        Ok(())
    }

    fn unit(&mut self) -> Result<u16> {
        let unit = self.text.as_bytes().get(self.at..).and_then(unit);
        let unit = unit.ok_or_else(|| self.error("an escape without four hex digits"))?;
        self.at += 4;
        Ok(unit)
    }

    /// Joins the halves of a surrogate pair. A half on its own is U+FFFD.
    fn pair(&mut self, high: u16) -> Result<char> {
        if let 0xd800..=0xdbff = high {
            let back = self.at;
            if self.word("\\u") {
                let low = self.unit()?;
                if let Some(character) = joined(high, low) {
                    return Ok(character);
                }
                self.at = back;
            }
        }
        Ok(char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Reads what is inside brackets, one level deeper.
    pub(super) fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn sequence<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.within(|reader| {
            let value = visitor.visit_seq(Members { reader, first: true })?;
            reader.expect(b']', "expected the end of a list")?;
            Ok(value)
        })
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.within(|reader| {
            let value = visitor.visit_map(Members { reader, first: true })?;
            reader.expect(b'}', "expected the end of an object")?;
            Ok(value)
        })
    }

    /// Says that something else was expected of the value that comes next.
    fn unexpected<V: Visitor<'de>>(&mut self, visitor: &V) -> Error {
        let unexpected = match self.peek() {
            Some(b'"') => match self.string() {
                Ok(_) => Unexpected::Other(A_STRING),
                Err(error) => return error,
            },
            Some(b'[') => Unexpected::Seq,
            Some(b'{') => Unexpected::Map,
            Some(b't') => Unexpected::Bool(true),
            Some(b'f') => Unexpected::Bool(false),
            Some(b'n') => Unexpected::Unit,
            Some(_) => match self.number() {
                Ok(Number::Float(float)) => Unexpected::Float(float),
                Ok(Number::Integer(text)) => match (text.parse(), text.parse()) {
                    (Ok(number), _) => Unexpected::Unsigned(number),
                    (_, Ok(number)) => Unexpected::Signed(number),
                    _ => Unexpected::Other("a large integer"),
                },
                Err(error) => return error,
            },
            None => return self.error("expected a value"),
        };
        Error::invalid_type(unexpected, visitor)
    }
}

/// Hands an integer on exactly, whatever asks.
fn integer<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value> {
    if let Ok(number) = text.parse() {
        visitor.visit_u64(number)
    } else if let Ok(number) = text.parse() {
        visitor.visit_i64(number)
    } else if let Ok(number) = text.parse() {
        visitor.visit_u128(number)
    } else if let Ok(number) = text.parse() {
        visitor.visit_i128(number)
    } else {
        Err(Error::invalid_value(Unexpected::Other("a large integer"), &visitor))
    }
}

macro_rules! integers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.peek() {
                Some(b'-' | b'0'..=b'9' | b'N' | b'I') => {}
                _ => return Err(self.unexpected(&visitor)),
            }
            match self.number()? {
                Number::Float(float) => visitor.visit_f64(float),
                Number::Integer(text) => integer(text, visitor),
            }
        })*
    };
}

macro_rules! floats {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.peek() {
                Some(b'-' | b'0'..=b'9' | b'N' | b'I') => {}
                _ => return Err(self.unexpected(&visitor)),
            }
            match self.number()? {
                Number::Float(float) => visitor.visit_f64(float),
                // Digits read as a float, however many.
                Number::Integer(text) => visitor.visit_f64(text.parse().unwrap_or(f64::NAN)),
            }
        })*
    };
}

macro_rules! strings {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.peek() {
                Some(b'"') => visit(self.string()?, visitor),
                _ => Err(self.unexpected(&visitor)),
            }
        })*
    };
}

/// What errors call text. They never quote it: it may be a password, and errors are logged.
const A_STRING: &str = "a string";

fn visit<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

/// Takes the text out of what a type says that does not take text, in serde's words.
pub(crate) fn unquoted(error: Error) -> Error {
    const QUOTED: &str = "string \"";
    let text = error.to_string();
    let Some((before, quoted)) = text.split_once(QUOTED) else { return error };
    let mut escaped = false;
    let end = quoted.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let after = end.map_or("", |end| &quoted[end + 1..]);
    Error::custom(format_args!("{before}{A_STRING}{after}"))
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'"') => visit(self.string()?, visitor),
            Some(b'{') => self.map(visitor),
            Some(b'[') => self.sequence(visitor),
            Some(b't') if self.word("true") => visitor.visit_bool(true),
            Some(b'f') if self.word("false") => visitor.visit_bool(false),
            Some(b'n') if self.word("null") => visitor.visit_unit(),
            _ => match self.number()? {
                Number::Float(float) => visitor.visit_f64(float),
                // What takes any value has no place for more than 64 bits; serde_json rounds, too.
                Number::Integer(text)
                    if text
                        .parse::<i128>()
                        .is_ok_and(|n| (i64::MIN.into()..=u64::MAX.into()).contains(&n)) =>
                {
                    integer(text, visitor)
                }
                Number::Integer(text) => visitor.visit_f64(text.parse().unwrap_or(f64::NAN)),
            },
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    floats! { deserialize_f32 deserialize_f64 }

    strings! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b't') if self.word("true") => visitor.visit_bool(true),
            Some(b'f') if self.word("false") => visitor.visit_bool(false),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'"') => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
                Cow::Owned(text) => visitor.visit_byte_buf(text.into_bytes()),
            },
            Some(b'[') => self.sequence(visitor),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'n') && self.word("null") {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'n') && self.word("null") {
            visitor.visit_unit()
        } else {
            Err(self.unexpected(&visitor))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if name == RAW_VALUE {
            return visitor.visit_map(Raw(Some(self.skip()?)));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'[') {
            self.sequence(visitor)
        } else {
            Err(self.unexpected(&visitor))
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'{') { self.map(visitor) } else { Err(self.unexpected(&visitor)) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.peek() {
            Some(b'{') => self.map(visitor),
            Some(b'[') => self.sequence(visitor),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.peek() {
            Some(b'"') => visitor.visit_enum(Named { reader: self, has_content: false }),
            Some(b'{') => self.within(|reader| {
                let value = visitor.visit_enum(Named { reader, has_content: true })?;
                reader.expect(b'}', "expected the end of an object")?;
                Ok(value)
            }),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// The elements of a list, or the members of an object.
struct Members<'r, 'de> {
    reader: &'r mut Reader<'de>,
    first: bool,
}

impl Members<'_, '_> {
    /// Whether another one comes.
    fn more(&mut self, end: u8) -> Result<bool> {
        match self.reader.peek() {
            Some(byte) if byte == end => Ok(false),
            _ if std::mem::take(&mut self.first) => Ok(true),
            Some(b',') => {
                self.reader.at += 1;
                Ok(true)
            }
            _ => Err(self.reader.error("expected `,` or the end of a list or object")),
        }
    }
}

impl<'de> SeqAccess<'de> for Members<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if self.more(b']')? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if !self.more(b'}')? {
            return Ok(None);
        }
        let key = self.reader.key()?;
        seed.deserialize(Key(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.reader)
    }
}

/// A member's key. One that is a number in the type is a string on the wire.
struct Key<'de>(Cow<'de, str>);

macro_rules! number_keys {
    ($($method:ident $visit:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0.parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(Error::invalid_type(Unexpected::Other(A_STRING), &visitor)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visit(self.0, visitor)
    }

    number_keys! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_i128 visit_i128 deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32
        deserialize_u64 visit_u64 deserialize_u128 visit_u128 deserialize_f32 visit_f32 deserialize_f64 visit_f64
        deserialize_bool visit_bool
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// An enum's variant: its name alone, or as the key of its content.
struct Named<'r, 'de> {
    reader: &'r mut Reader<'de>,
    has_content: bool,
}

impl<'r, 'de> EnumAccess<'de> for Named<'r, 'de> {
    type Error = Error;
    type Variant = Content<'r, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'r, 'de>)> {
        let name = if self.has_content { self.reader.key()? } else { self.reader.string()? };
        let variant = seed.deserialize(Key(name))?;
        Ok((variant, Content { reader: self.reader, present: self.has_content }))
    }
}

/// What a variant holds.
struct Content<'r, 'de> {
    reader: &'r mut Reader<'de>,
    present: bool,
}

impl Content<'_, '_> {
    fn required(&self, what: &'static str) -> Result<()> {
        if self.present { Ok(()) } else { Err(Error::invalid_type(Unexpected::UnitVariant, &what)) }
    }
}

impl<'de> VariantAccess<'de> for Content<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        if self.present { Deserialize::deserialize(self.reader) } else { Ok(()) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        self.required("a newtype variant")?;
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.required("a tuple variant")?;
        self.reader.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.required("a struct variant")?;
        self.reader.deserialize_struct("", fields, visitor)
    }
}

/// A raw value's text, in the form in which serde_json's `RawValue` asks for it.
struct Raw<'de>(Option<&'de str>);

impl<'de> MapAccess<'de> for Raw<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.0.is_none() {
            return Ok(None);
        }
        seed.deserialize(Key(Cow::Borrowed(RAW_VALUE))).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(Key(Cow::Borrowed(self.0.take().unwrap_or("null"))))
    }
}
