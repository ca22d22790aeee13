//! The context of a request: who asks, for which project, under which request id, and until when.

use std::{any::Any, fmt, sync::Arc, time::Instant};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{Failure, json};

/// The keys whose values no log may show.
const SECRETS: [&str; 2] = ["auth_token", "service_catalog"];

/// An open map of what travels with every request, with names for OpenStack's well-known keys.
///
/// Keys that this library does not know are kept as they came, so that a request which passes through a Rust service
/// loses nothing. Values are decoded only when asked for. Cloning is cheap.
///
/// A context that a server hands to a method also knows the request's deadline: calls made with it end by then.
/// The deadline itself is not sent; a call carries the remaining time as its message's expiration.
///
/// An interface may use any serde struct in its place.
///
/// ```
/// use rpc_runtime::Context;
///
/// let ctx = Context::new().with("user_id", "u1").with("roles", ["admin"]).with("auth_token", "secret");
/// assert_eq!(ctx.user_id().as_deref(), Some("u1"));
/// assert!(!format!("{ctx:?}").contains("secret"));
/// ```
#[derive(Clone, Default)]
pub struct Context {
    entries: Arc<Vec<(String, Box<RawValue>)>>,
    deadline: Option<Instant>,
}

impl Context {
    /// Makes an empty context.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`. A value that JSON cannot say is kept as `null`.
    #[must_use]
    pub fn with<T: Serialize>(mut self, key: &str, value: T) -> Self {
        let value = Failure::value(&value);
        let entries = Arc::make_mut(&mut self.entries);
        match entries.iter_mut().find(|(known, _)| known == key) {
            Some(entry) => entry.1 = value,
            None => entries.push((key.to_owned(), value)),
        }
        self
    }

    /// Decodes the value of `key`. `None` if it is absent or not a `T`.
    #[must_use]
    pub fn value<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        // A peer may repeat a key: the last one counts, as in Python.
        let (_, value) = self.entries.iter().rfind(|(known, _)| known == key)?;
        json::from_str(value.get()).ok()
    }

    /// Returns the keys, in the order in which they came.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.as_str())
    }

    /// Returns the user's id: `user_id`, or `user` as oslo.context's older form has it.
    #[must_use]
    pub fn user_id(&self) -> Option<String> {
        self.value("user_id").or_else(|| self.value("user"))
    }

    /// Returns the project's id.
    #[must_use]
    pub fn project_id(&self) -> Option<String> {
        self.value("project_id").or_else(|| self.value("project"))
    }

    /// Returns the user's name, `user_name`.
    #[must_use]
    pub fn user_name(&self) -> Option<String> {
        self.value("user_name")
    }

    /// Returns the project's name, `project_name`.
    #[must_use]
    pub fn project_name(&self) -> Option<String> {
        self.value("project_name")
    }

    /// Returns the id of the domain that the token is for: `domain_id`, or `domain`.
    #[must_use]
    pub fn domain_id(&self) -> Option<String> {
        self.value("domain_id").or_else(|| self.value("domain"))
    }

    /// Returns the id of the user's domain: `user_domain_id`, or `user_domain`.
    #[must_use]
    pub fn user_domain_id(&self) -> Option<String> {
        self.value("user_domain_id").or_else(|| self.value("user_domain"))
    }

    /// Returns the id of the project's domain: `project_domain_id`, or `project_domain`.
    #[must_use]
    pub fn project_domain_id(&self) -> Option<String> {
        self.value("project_domain_id").or_else(|| self.value("project_domain"))
    }

    /// Returns the system scope, `all` where there is one.
    #[must_use]
    pub fn system_scope(&self) -> Option<String> {
        self.value("system_scope")
    }

    /// Returns the user's token. It is shown in no log by this library; keep it so.
    #[must_use]
    pub fn auth_token(&self) -> Option<String> {
        self.value("auth_token")
    }

    /// Returns the id under which the services that took part in a larger request know it.
    #[must_use]
    pub fn global_request_id(&self) -> Option<String> {
        self.value("global_request_id")
    }

    /// Returns the id of the resource that the request is about.
    #[must_use]
    pub fn resource_uuid(&self) -> Option<String> {
        self.value("resource_uuid")
    }

    /// Returns the W3C trace context that the request belongs to, as tracing peers send it.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.value("traceparent")
    }

    /// Sets the W3C trace context, so that peers' spans are children of the caller's.
    #[must_use]
    pub fn with_traceparent(self, traceparent: &str) -> Self {
        self.with("traceparent", traceparent)
    }

    /// Returns the id under which logs and peers know this request.
    #[must_use]
    pub fn request_id(&self) -> Option<String> {
        self.value("request_id")
    }

    /// Returns the user's roles, none if there are none.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        self.value("roles").unwrap_or_default()
    }

    /// Whether the context says that the user is an administrator.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.value("is_admin").unwrap_or_default()
    }

    /// Whether the user administrates the administrators' project. Absent is yes, as in oslo.context.
    #[must_use]
    pub fn is_admin_project(&self) -> bool {
        self.value("is_admin_project").unwrap_or(true)
    }

    /// Whether the user may only read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.value("read_only").unwrap_or_default()
    }

    /// Whether the user asks for what is deleted, too.
    #[must_use]
    pub fn shows_deleted(&self) -> bool {
        self.value("show_deleted").unwrap_or_default()
    }

    /// Returns when calls made with this context end at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Lets calls made with this context end no later than `deadline`.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        self
    }
}

/// Returns the deadline that `context` brings along, if it is a [`Context`] that has one.
pub(crate) fn deadline_of<C: Any>(context: &C) -> Option<Instant> {
    (context as &dyn Any).downcast_ref::<Context>()?.deadline
}

/// Gives `context` the request's deadline, if it is a [`Context`].
pub(crate) fn set_deadline<C: Any>(context: &mut C, deadline: Option<Instant>) {
    if let Some(context) = (context as &mut dyn Any).downcast_mut::<Context>() {
        context.deadline = deadline;
    }
}

impl fmt::Debug for Context {
    /// Hides the values of `auth_token` and `service_catalog`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(key, value): &'_ (String, Box<RawValue>)| {
            let secret = SECRETS.contains(&key.as_str()) && value.get() != "null";
            (key.clone(), if secret { "<hidden>".to_owned() } else { value.get().to_owned() })
        };
        f.debug_map().entries(self.entries.iter().map(shown)).finish()
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Context;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a context: an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Context, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Context { entries: Arc::new(entries), deadline: None })
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_survive_a_round_trip_in_order() {
        let text = r#"{"z":1,"auth_token":"t","a":{"b":null}}"#;
        let ctx: Context = serde_json::from_str(text).expect("an object");
        assert_eq!(serde_json::to_string(&ctx).expect("JSON"), text);
        assert_eq!(ctx.keys().collect::<Vec<_>>(), ["z", "auth_token", "a"]);
    }

    #[test]
    fn debug_hides_the_token() {
        let ctx = Context::new().with("auth_token", "canary").with("user", "u");
        assert!(!format!("{ctx:?}").contains("canary"));
        assert!(format!("{ctx:?}").contains("\"u\"") || format!("{ctx:?}").contains('u'));
    }

    #[test]
    fn an_earlier_deadline_stays() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(5);
        assert_eq!(Context::new().with_deadline(now).with_deadline(later).deadline(), Some(now));
    }
}
