//! The context of a request: who asks, for which project, under which request id, and until when.

mod entries;

use std::{any::Any, fmt, future::pending, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use tokio::sync::watch;

use self::entries::Entries;
use crate::{
    Failure,
    clock::Instant,
    json::{self, Verbatim},
    secrets::{is_secret, redacted},
};

/// An open map of what travels with every request, with names for OpenStack's well-known keys.
///
/// Keys that this library does not know are kept as they came, so that a request which passes through a Rust service
/// loses nothing. Values are decoded only when asked for. Cloning is cheap.
///
/// A context that a server hands to a method also knows the request's deadline: calls made with it end by then.
/// The deadline itself is not sent; a call carries the remaining time as its message's expiration. It knows, too, when the
/// request is [cancelled](Self::cancelled), and whether it was [delivered before](Self::redeliveries).
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
    entries: Entries,
    standing: Standing,
}

/// What a server knows of a request, beside what its caller sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// When its caller stops waiting.
    pub(crate) deadline: Option<Instant>,
    /// When the server gives it up.
    pub(crate) limit: Option<Instant>,
    /// Set when the server gives up whatever it runs.
    pub(crate) given_up: Option<Arc<watch::Sender<bool>>>,
    /// How often it was delivered before, as far as is known.
    pub(crate) redeliveries: u32,
}

impl Standing {
    /// Returns when the request is cancelled at the latest.
    fn end(&self) -> Option<Instant> {
        self.deadline.into_iter().chain(self.limit).min()
    }
}

impl Context {
    /// Makes an empty context.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a message's entries as they came: JSON text each.
    pub(crate) fn of(entries: &[(std::borrow::Cow<'_, str>, &str)]) -> Self {
        let entries = entries.iter().map(|(key, value)| (&**key, *value));
        Self { entries: entries.collect(), standing: Standing::default() }
    }

    /// Sets `key` to `value`. A value that JSON cannot say is kept as `null`.
    #[must_use]
    pub fn with<T: Serialize>(mut self, key: &str, value: T) -> Self {
        self.entries = self.entries.with(key, Failure::value(&value).get());
        self
    }

    /// Decodes the value of `key`. `None` if it is absent or not a `T`.
    #[must_use]
    pub fn value<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        // A peer may repeat a key: the last one counts, as in Python.
        let (_, value) = self.entries.iter().filter(|(known, _)| *known == key).last()?;
        json::from_str(value).ok()
    }

    /// Returns the keys, in the order in which they came.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key)
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

    /// Returns when calls made with this context end at the latest, by Tokio's clock:
    /// `tokio::time::timeout_at` takes it as it is.
    #[must_use]
    pub fn deadline(&self) -> Option<tokio::time::Instant> {
        self.standing.deadline
    }

    /// Lets calls made with this context end no later than `deadline`: an instant of Tokio's
    /// clock, or of the standard library's.
    #[must_use]
    pub fn with_deadline(mut self, deadline: impl Into<tokio::time::Instant>) -> Self {
        let deadline = deadline.into();
        let earlier = self.standing.deadline.unwrap_or(deadline);
        self.standing.deadline = Some(earlier.min(deadline));
        self
    }

    /// Returns how often the request was delivered before, as far as is known. Whoever had it then may have begun to run
    /// it, or run all of it: what the method does may be half done or done already. Only a request that is acknowledged
    /// late is [counted](crate::ServerBuilder::delivery_limit); of others this is 0 or 1.
    #[must_use]
    pub fn redeliveries(&self) -> u32 {
        self.standing.redeliveries
    }

    /// Waits until nobody waits for the result any more: the deadline has passed, or the server gives the request up, for
    /// its [time limit](crate::ServerBuilder::time_limit) or because it stops. Else it never ends. That a caller has gone
    /// away before its deadline is not known on this wire.
    ///
    /// A deadline that passes ends nothing by itself: what a method has begun is often worth finishing. A method that
    /// wants to stop then selects over this. One that is given up is dropped, so this is for tasks of its own, which live
    /// on.
    ///
    /// ```
    /// # use rpc_runtime::Context;
    /// # async fn copied() {}
    /// # async fn copy(ctx: Context) {
    /// tokio::select! {
    ///     () = copied() => {}
    ///     () = ctx.cancelled() => { /* clean up */ }
    /// }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() { copy(Context::new()).await }
    /// ```
    ///
    /// # Cancel safety
    /// It only looks.
    pub async fn cancelled(&self) {
        let end = async {
            match self.standing.end() {
                Some(end) => tokio::time::sleep_until(end).await,
                None => pending().await,
            }
        };
        let given_up = async {
            let Some(given_up) = &self.standing.given_up else { return pending().await };
            // It cannot go away while this holds it.
            let _ = given_up.subscribe().wait_for(|given_up| *given_up).await;
        };
        tokio::select! {
            () = end => {}
            () = given_up => {}
        }
    }

    /// Whether [`cancelled`](Self::cancelled) would end at once. This is for threads: nobody can end a thread that
    /// computes or waits for a disk, so it has to look by itself.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.standing.end().is_some_and(|end| end <= Instant::now())
            || self.standing.given_up.as_ref().is_some_and(|given_up| *given_up.borrow())
    }
}

/// Returns the deadline that `context` brings along, if it is a [`Context`] that has one.
pub(crate) fn deadline_of<C: Any>(context: &C) -> Option<Instant> {
    (context as &dyn Any).downcast_ref::<Context>()?.deadline()
}

/// Tells `context` what the server knows of the request, if it is a [`Context`].
pub(crate) fn set_standing<C: Any>(context: &mut C, standing: &Standing) {
    if let Some(context) = (context as &mut dyn Any).downcast_mut::<Context>() {
        context.standing = standing.clone();
    }
}

impl fmt::Debug for Context {
    /// Hides the values of `auth_token` and `service_catalog`, and of whatever else is called a token, a password, a
    /// secret, credentials or a key, also within others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(key, value): (&str, &str)| {
            let secret = is_secret(key) && value != "null";
            let shown = || redacted(value, "<hidden>").into_owned();
            (key.to_owned(), if secret { "<hidden>".to_owned() } else { shown() })
        };
        f.debug_map().entries(self.entries.iter().map(shown)).finish()
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries.iter().map(|(key, value)| (key, Verbatim(value))))
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Context;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a context: an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Context, A::Error> {
                let mut entries: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                let entries = entries.iter().map(|(key, value)| (&**key, value.get()));
                Ok(Context { entries: entries.collect(), standing: Standing::default() })
            }
        }

        deserializer.deserialize_map(Object)
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
    fn what_is_set_is_what_is_read_also_where_a_peer_repeats_a_key() {
        let entries = [("a", "1"), ("b", "2"), ("a", "3")].map(|(key, value)| (key.into(), value));
        let ctx = Context::of(&entries);
        assert_eq!((ctx.value("a"), ctx.value("b")), (Some(3), Some(2)));
        let ctx = ctx.with("a", 4).with("c", 5);
        assert_eq!((ctx.value("a"), ctx.value("b"), ctx.value("c")), (Some(4), Some(2), Some(5)));
        assert_eq!(ctx.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn debug_hides_the_token() {
        let ctx = Context::new().with("auth_token", "canary").with("user", "u");
        assert!(!format!("{ctx:?}").contains("canary"));
        assert!(format!("{ctx:?}").contains("\"u\"") || format!("{ctx:?}").contains('u'));
        let nested =
            Context::new().with("auth", serde_json::json!({"token": "canary", "name": "n"}));
        let shown = format!("{nested:?}");
        assert!(!shown.contains("canary") && shown.contains("name"), "{shown}");
    }

    #[test]
    fn an_earlier_deadline_stays() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(5);
        assert_eq!(Context::new().with_deadline(now).with_deadline(later).deadline(), Some(now));
    }

    #[test]
    fn whichever_end_comes_first_cancels() {
        let (past, future) =
            (Instant::now(), Instant::now() + std::time::Duration::from_secs(3600));
        let is_cancelled = |deadline, limit, given_up| {
            let given_up = Some(Arc::new(watch::Sender::new(given_up)));
            let standing = Standing { deadline, limit, given_up, redeliveries: 0 };
            Context { standing, ..Context::new() }.is_cancelled()
        };
        assert!(!Context::new().is_cancelled());
        assert!(!is_cancelled(Some(future), Some(future), false));
        assert!(is_cancelled(Some(past), Some(future), false));
        assert!(is_cancelled(Some(future), Some(past), false));
        assert!(is_cancelled(None, None, true));
    }
}
