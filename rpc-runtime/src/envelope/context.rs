//! The context of a request: each of its keys becomes a member `_context_<key>` of the message (wire: section 2.1).

use std::{borrow::Cow, fmt::Display};

use serde::{
    Serialize, Serializer,
    ser::{Error as _, Impossible, SerializeMap, SerializeStruct},
};

use crate::{
    json::{self, refuse, refuse_compounds},
    secrets::{is_secret, redacted},
};

type Error = serde_json::Error;
type Result<T = (), E = Error> = std::result::Result<T, E>;

/// How a context is written.
#[derive(Clone, Copy)]
enum Form {
    /// As it stands inside the escaped message.
    Nested,
    /// As it is, with `null` in place of secrets.
    Redacted,
    /// As it is.
    Plain,
}

/// Appends the members of `context`, as they stand inside the escaped message.
///
/// # Errors
/// If `context` is not a map or struct with string keys, has a key `self`, or holds what JSON cannot say. A `self`
/// would tear down the connection of an original server that receives it.
pub(crate) fn write_context<C: Serialize + ?Sized>(context: &C, out: &mut Vec<u8>) -> Result {
    context.serialize(Members { out, key: None, form: Form::Nested })
}

/// Appends the same as they are, `null` in place of what has the name of a secret, however deep, if `is_redacted` is asked for.
///
/// A key `self` is left out: it may have come with a request.
///
/// # Errors
/// As [`write_context`], but for that.
pub(crate) fn write_plain_context<C: Serialize + ?Sized>(
    context: &C,
    is_redacted: bool,
    out: &mut Vec<u8>,
) -> Result {
    let form = if is_redacted { Form::Redacted } else { Form::Plain };
    context.serialize(Members { out, key: None, form })
}

struct Members<'a> {
    out: &'a mut Vec<u8>,
    key: Option<String>,
    form: Form,
}

impl Members<'_> {
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        match self.form {
            Form::Nested => json::nested(self.out, value),
            Form::Redacted | Form::Plain => json::plain(self.out, value),
        }
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result {
        if key == "self" {
            return match self.form {
                Form::Nested => Err(Error::custom(
                    "a context key cannot be `self`: it kills the connection of Python servers",
                )),
                // Whoever sent it would silence whatever is told of the request.
                Form::Redacted | Form::Plain => Ok(()),
            };
        }
        self.out.extend_from_slice(b", ");
        json::prefixed(self.out, matches!(self.form, Form::Nested), "_context_", key);
        self.out.extend_from_slice(b": ");
        match self.form {
            Form::Redacted if is_secret(key) => self.write(&()),
            Form::Redacted => self.write_redacted(value),
            Form::Nested | Form::Plain => self.write(value),
        }
    }

    /// Writes a value, and looks at it again: what has the name of a secret in it becomes `null`.
    fn write_redacted<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        let begin = self.out.len();
        self.write(value)?;
        let written = std::str::from_utf8(&self.out[begin..]).map_err(Error::custom)?;
        if let Cow::Owned(redacted) = redacted(written, "null") {
            self.out.truncate(begin);
            self.out.extend_from_slice(redacted.as_bytes());
        }
        Ok(())
    }
}

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.key = Some(key.serialize(Key(|key: &str| Ok(key.to_owned())))?);
        Ok(())
    }

    /// Maps give both at once, so that no key has to be kept.
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result {
        key.serialize(Key(|key: &str| self.member(key, value)))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        let key = self.key.take().ok_or_else(|| Error::custom("a context value without a key"))?;
        self.member(&key, value)
    }

    fn end(self) -> Result {
        Ok(())
    }
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        self.member(key, value)
    }

    fn end(self) -> Result {
        Ok(())
    }
}

impl Serializer for Members<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_map(self, _: Option<usize>) -> Result<Self> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self> {
        Ok(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result {
        Ok(())
    }

    fn serialize_unit(self) -> Result {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        Ok(())
    }

    refuse! { (), "a context is a map or a struct":
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64); serialize_f32(f32);
        serialize_f64(f64); serialize_char(char); serialize_str(&str); serialize_bytes(&[u8]);
        serialize_unit_variant(&'static str, u32, &'static str);
    }
    refuse! { Impossible<(), Error>, "a context is a map or a struct":
        serialize_seq(Option<usize>); serialize_tuple(usize); serialize_tuple_struct(&'static str, usize);
        serialize_tuple_variant(&'static str, u32, &'static str, usize);
        serialize_struct_variant(&'static str, u32, &'static str, usize);
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result {
        Err(Error::custom("a context is a map or a struct"))
    }
}

/// Reads a map's key as text, and hands it on.
struct Key<F>(F);

impl<R, F: FnOnce(&str) -> Result<R>> Serializer for Key<F> {
    type Ok = R;
    type Error = Error;

    fn serialize_str(self, key: &str) -> Result<R> {
        (self.0)(key)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, key: &'static str) -> Result<R> {
        (self.0)(key)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<R> {
        value.serialize(self)
    }

    fn collect_str<T: Display + ?Sized>(self, key: &T) -> Result<R> {
        (self.0)(&key.to_string())
    }

    refuse! { R, "a context key is a string":
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64); serialize_f32(f32);
        serialize_f64(f64); serialize_char(char); serialize_bytes(&[u8]); serialize_none(); serialize_unit();
        serialize_unit_struct(&'static str);
    }
    refuse_compounds! { R, "a context key is a string" }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<R> {
        Err(Error::custom("a context key is a string"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn written<C: Serialize>(context: &C) -> std::result::Result<String, String> {
        let mut out = Vec::new();
        write_context(context, &mut out).map_err(|error| error.to_string())?;
        String::from_utf8(out).map_err(|error| error.to_string())
    }

    #[derive(Serialize)]
    struct Own {
        user_id: &'static str,
        roles: Vec<u8>,
    }

    #[test]
    fn keys_are_prefixed_and_escaped_for_the_outer_string() {
        let context = Own { user_id: "u1", roles: vec![1, 2] };
        let members = r#", \"_context_user_id\": \"u1\", \"_context_roles\": [1, 2]"#;
        assert_eq!(written(&context).as_deref(), Ok(members));
        assert_eq!(written(&Some(&context)).as_deref(), Ok(members));
        assert_eq!(written(&()).as_deref(), Ok(""));
    }

    #[derive(Serialize)]
    struct Wrapped<T>(T);

    #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
    enum Choice {
        UserId,
        Other(u8),
    }

    /// Text that is said piece by piece.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    struct Said(&'static str);

    impl Serialize for Said {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self.0)
        }
    }

    fn one<K: Ord + Serialize>(key: K) -> std::result::Result<String, String> {
        written(&BTreeMap::from([(key, 1)]))
    }

    #[test]
    fn whatever_is_text_is_a_key_and_what_wraps_a_map_is_one() {
        let wrapped = written(&Wrapped(BTreeMap::from([("user_id", 1)])));
        assert_eq!(wrapped.as_deref(), Ok(r#", \"_context_user_id\": 1"#));
        assert_eq!(one(Choice::UserId).as_deref(), Ok(r#", \"_context_UserId\": 1"#));
        assert_eq!(one(Said("a")).as_deref(), Ok(r#", \"_context_a\": 1"#));
        #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
        struct Name(&'static str);
        assert_eq!(one(Name("b")).as_deref(), Ok(r#", \"_context_b\": 1"#));
        for refused in [one(Some("a")), one(Choice::Other(1)), written(&Choice::Other(1))] {
            assert!(refused.is_err(), "{refused:?}");
        }
    }

    /// A map that gives its keys and its values one after the other.
    struct Apart;

    impl Serialize for Apart {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_key("a")?;
            map.serialize_value(&1)?;
            map.serialize_entry("b", &2)?;
            map.end()
        }
    }

    #[test]
    fn a_maps_entries_come_at_once_or_in_two_steps() {
        let members = r#", \"_context_a\": 1, \"_context_b\": 2"#;
        assert_eq!(written(&Apart).as_deref(), Ok(members));
        assert_eq!(written(&BTreeMap::from([("a", 1), ("b", 2)])).as_deref(), Ok(members));
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for refused in
            [written(&5), written(&"text"), written(&vec![1]), written(&BTreeMap::from([(1, 2)]))]
        {
            assert!(refused.is_err());
        }
    }

    #[test]
    fn secrets_are_left_out_of_what_is_redacted_however_deep() {
        let context = serde_json::json!({
            "auth": {"token": "t", "methods": ["password"], "user": {"adminPass": "p", "id": 1}},
            "auth_token": "t",
            "list": [{"secret": {"a": 1}}, 2],
            "plain": "token",
        });
        let mut out = Vec::new();
        write_plain_context(&context, true, &mut out).expect("JSON");
        let written = r#", "_context_auth": {"methods": ["password"], "token": null, "user": {"adminPass": null, "id": 1}}, "_context_auth_token": null, "_context_list": [{"secret": null}, 2], "_context_plain": "token""#;
        assert_eq!(String::from_utf8(out).as_deref(), Ok(written));
    }

    #[test]
    fn a_key_named_self_is_refused_and_left_out_of_notifications() {
        let context = BTreeMap::from([("self", 1), ("user_id", 2)]);
        assert!(written(&context).is_err());
        for is_redacted in [true, false] {
            let mut out = Vec::new();
            write_plain_context(&context, is_redacted, &mut out).expect("JSON");
            assert_eq!(out, br#", "_context_user_id": 2"#);
        }
    }
}
