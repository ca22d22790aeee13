//! Arguments: what a caller may give for a parameter, and how a server reads them.

use std::{any::Any, borrow::Cow, fmt};

use serde::{
    Serialize,
    de::{
        DeserializeOwned, DeserializeSeed, MapAccess,
        value::{BorrowedStrDeserializer, MapAccessDeserializer},
    },
};

use crate::{
    Answer, Context, Failure,
    context::{self, Standing},
    envelope::Arguments,
    json, objects,
    refusal::Refusal,
};

/// A type that can cross the wire as an argument or a result: serde can write it, and read it back.
///
/// Never implemented by hand; derive `serde::Serialize` and `serde::Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent",
    label = "not serializable",
    note = "arguments and results need `serde::Serialize` and `serde::de::DeserializeOwned`, `Send` and `'static`: derive the first two"
)]
pub trait Wire: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Wire for T {}

/// What a client takes for a parameter of type `T`: a `T`, a reference to one, a plain value for an `Option`, text
/// for a `String`, a slice for a `Vec`.
///
/// Arguments are written into the message at once, so that nothing has to be cloned or owned.
#[diagnostic::on_unimplemented(
    message = "the argument has to be `{T}` or `&{T}`, not `{Self}`",
    label = "expected `{T}` or `&{T}`"
)]
pub trait Arg<T: ?Sized>: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Arg<T> for T {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Arg<T> for &T {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Arg<Option<T>> for T {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Arg<Option<T>> for &T {}

#[diagnostic::do_not_recommend]
impl Arg<String> for &str {}

#[diagnostic::do_not_recommend]
impl Arg<Option<String>> for &str {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Arg<Vec<T>> for &[T] {}

/// The arguments and the context of a request, while a generated dispatcher takes them out one by one.
///
/// A wrong, missing or unknown argument is a `TypeError` that names it, as a Python server answers.
pub struct Args<'a> {
    method: &'a str,
    values: Arguments<'a>,
    context: &'a [(Cow<'a, str>, &'a str)],
    standing: Standing,
}

impl<'a> Args<'a> {
    pub(crate) fn new(
        method: &'a str,
        values: Arguments<'a>,
        context: &'a [(Cow<'a, str>, &'a str)],
        standing: Standing,
    ) -> Self {
        Self { method, values, context, standing }
    }

    /// Returns the name of the method that the request is for.
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// Says that there is no such method.
    ///
    /// # Errors
    /// Always: that is the answer.
    pub fn no_such_method(&self) -> Answer {
        Err(Failure::no_such_method(self.method))
    }

    /// Reads the context.
    ///
    /// # Errors
    /// A failure for the caller, if what it sent is not a `C`.
    pub fn context<C: DeserializeOwned + Any>(&self) -> Result<C, Failure> {
        // Ours takes the entries as they are.
        let mut ours = None::<C>;
        if let Some(ours) = (&mut ours as &mut dyn Any).downcast_mut::<Option<Context>>() {
            *ours = Some(Context::of(self.context));
        }
        let mut read = match ours {
            Some(ours) => ours,
            None => self.decode_context()?,
        };
        context::set_standing(&mut read, &self.standing);
        Ok(read)
    }

    fn decode_context<C: DeserializeOwned>(&self) -> Result<C, Failure> {
        let entries = Entries { rest: self.context, value: "null" };
        let read = C::deserialize(MapAccessDeserializer::new(entries)).map_err(json::unquoted);
        read.map_err(|error| {
            Failure::bad_arguments(&format!(
                "{}() got a context that does not fit: {error}",
                self.method
            ))
        })
    }

    /// Takes out the argument `name`.
    ///
    /// # Errors
    /// A failure for the caller, if it is absent or not a `T`. For a versioned object of another class or major version
    /// it is the original's.
    pub fn take<T: Wire>(&mut self, name: &str) -> Result<T, Failure> {
        match self.remove(name)? {
            Some(value) => Ok(value),
            None => {
                let message =
                    format!("{}() missing 1 required positional argument: '{name}'", self.method);
                Err(Failure::bad_arguments(&message))
            }
        }
    }

    /// Takes out the argument `name`, or makes its value with `default` if the caller did not send it.
    ///
    /// # Errors
    /// A failure for the caller, if it is there and not a `T`.
    pub fn take_or<T: Wire>(
        &mut self,
        name: &str,
        default: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        Ok(self.remove(name)?.unwrap_or_else(default))
    }

    /// Takes out the argument `name`, or the default of its type if the caller did not send it.
    ///
    /// # Errors
    /// A failure for the caller, if it is there and not a `T`.
    pub fn take_or_default<T: Wire + Default>(&mut self, name: &str) -> Result<T, Failure> {
        self.take_or(name, T::default)
    }

    /// Takes out all arguments that are left, as a map.
    ///
    /// # Errors
    /// A failure for the caller, if they are not a `T`.
    pub fn take_rest<T: Wire>(&mut self) -> Result<T, Failure> {
        let entries = Entries { rest: &self.values, value: "null" };
        let read = T::deserialize(MapAccessDeserializer::new(entries)).map_err(json::unquoted);
        let read = read.map_err(|error| {
            Failure::bad_arguments(&format!("{}() got wrong arguments: {error}", self.method))
        })?;
        self.values.clear();
        Ok(read)
    }

    /// Takes the argument `old` for `name`, if an older peer sent that.
    pub fn rename(&mut self, old: &str, name: &'a str) {
        if self.values.iter().any(|(key, _)| key == name) {
            return;
        }
        for (key, _) in self.values.iter_mut().filter(|(key, _)| key == old) {
            *key = Cow::Borrowed(name);
        }
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// A failure for the caller that names the first argument the method does not have.
    pub fn finish(self) -> Result<(), Failure> {
        let Some((name, _)) = self.values.first() else { return Ok(()) };
        Err(Failure::bad_arguments(&format!(
            "{}() got an unexpected keyword argument '{name}'",
            self.method
        )))
    }

    fn remove<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        // The last of a repeated argument counts, as in Python, so all of that name go.
        let Some(at) = self.values.iter().rposition(|(key, _)| key == name) else {
            return Ok(None);
        };
        let (_, value) = self.values.swap_remove(at);
        self.values.retain(|(key, _)| key != name);
        json::from_str(value).map(Some).map_err(|error| {
            if let Some(incompatible) = objects::refused(&error) {
                return Failure::from(incompatible).refusing(Some(Refusal::Arguments));
            }
            let message =
                format!("{}() got a wrong value for argument '{name}': {error}", self.method);
            Failure::bad_arguments(&message)
        })
    }
}

impl fmt::Debug for Args<'_> {
    /// Leaves out the values: one may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.values.iter().map(|(name, _)| name).collect();
        f.debug_struct("Args")
            .field("method", &self.method)
            .field("names", &names)
            .finish_non_exhaustive()
    }
}

/// The entries of a context, as serde reads a map.
struct Entries<'a> {
    rest: &'a [(Cow<'a, str>, &'a str)],
    /// The value of the key that was read last.
    value: &'a str,
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let Some(((key, value), rest)) = self.rest.split_first() else { return Ok(None) };
        (self.rest, self.value) = (rest, value);
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        seed.deserialize(&mut json::Reader::new(self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args<'a>(values: &[(&'a str, &'a str)]) -> Args<'a> {
        let values = values.iter().map(|&(name, value)| (Cow::Borrowed(name), value)).collect();
        Args::new("m", values, &[], Standing::default())
    }

    #[test]
    fn wrong_missing_and_unknown_arguments_are_named() {
        let values = [("a", "\"text\""), ("b", "1")];
        let mut read = args(&values);
        let wrong = read.take::<u32>("a").expect_err("text is no number");
        assert_eq!((wrong.module(), wrong.class()), ("builtins", "TypeError"));
        assert!(wrong.message().starts_with("m() got a wrong value for argument 'a'"), "{wrong}");
        let missing = read.take::<u32>("c").expect_err("nobody sent it");
        assert_eq!(missing.message(), "m() missing 1 required positional argument: 'c'");
        let unknown = read.finish().expect_err("b is left");
        assert_eq!(unknown.message(), "m() got an unexpected keyword argument 'b'");
    }

    #[test]
    fn the_last_of_a_repeated_argument_counts() {
        let values = [("a", "1"), ("b", "2"), ("a", "3")];
        let mut read = args(&values);
        assert_eq!(read.take::<u32>("a").ok(), Some(3));
        assert_eq!(read.take_or("b", || 9).ok(), Some(2));
        assert_eq!(read.take_or_default::<Option<u8>>("c").ok(), Some(None));
        assert!(read.finish().is_ok());
    }
}
