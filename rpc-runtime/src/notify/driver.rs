//! Where notifications go: to the broker, to the log, or wherever a driver of one's own takes them.

use std::{
    borrow::Cow,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use serde_json::Value;
use uuid::Uuid;

use super::{Payload, Priority};
use crate::{
    Context, envelope, json,
    secrets::{MASK, is_secret, masked},
};

/// Why a driver of one's own failed.
pub type DriverError = Box<dyn Error + Send + Sync>;

/// Takes notifications somewhere. [`NotifierBuilder::driver`](super::NotifierBuilder::driver) adds one.
///
/// Each driver of a notifier gets the same message, which none can change.
///
/// ```
/// use rpc_runtime::notify::{Driver, DriverError, Message};
///
/// /// Counts them.
/// #[derive(Default)]
/// struct Counter(std::sync::atomic::AtomicUsize);
///
/// impl Driver for Counter {
///     fn notify(&self, _: &Message<'_>) -> Result<(), DriverError> {
///         self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         Ok(())
///     }
/// }
/// ```
pub trait Driver: Send + Sync + 'static {
    /// Takes a notification. It is called by whoever emits: what takes time belongs on a task of the driver's own.
    ///
    /// # Errors
    /// Whatever kept it from that. It is logged, and known to who waits for the [`Emission`](super::Emission); other
    /// drivers go on.
    fn notify(&self, message: &Message<'_>) -> Result<(), DriverError>;
}

impl<D: Driver + ?Sized> Driver for Arc<D> {
    fn notify(&self, message: &Message<'_>) -> Result<(), DriverError> {
        (**self).notify(message)
    }
}

/// The form in which the broker gets notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// The notification alone (the driver `messaging`).
    V1,
    /// In the envelope that requests have, too (`messagingv2`).
    #[default]
    V2,
}

/// A notification as a driver gets it.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    pub(super) message_id: Uuid,
    pub(super) publisher_id: Option<&'a str>,
    pub(super) event_type: &'a str,
    pub(super) priority: Priority,
    pub(super) payload: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) time: SystemTime,
    /// As messages have it.
    pub(super) context: &'a [u8],
}

impl<'a> Message<'a> {
    /// Returns its id: all its copies have the same.
    #[must_use]
    pub fn message_id(&self) -> Uuid {
        self.message_id
    }

    /// Returns who tells of it.
    #[must_use]
    pub fn publisher_id(&self) -> Option<&'a str> {
        self.publisher_id
    }

    /// Returns what happened.
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    /// Returns how much it matters.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// Returns what is told of it, as JSON text.
    #[must_use]
    pub fn payload(&self) -> &'a str {
        self.payload
    }

    /// Returns when it was emitted.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Returns what of the context goes along: as much as the notifier [discloses](super::Disclosure).
    #[must_use]
    pub fn context(&self) -> Context {
        envelope::context_of(self.context)
    }
}

impl fmt::Debug for Message<'_> {
    /// Leaves out the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("message_id", &self.message_id)
            .field("publisher_id", &self.publisher_id)
            .field("event_type", &self.event_type)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

/// Keeps notifications, for tests of who emits them (the driver `test`). Clones keep them together.
///
/// ```
/// # use rpc_runtime::{Context, Notifier, Transport, notify::Recorder};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rpc_runtime::TransportError> {
/// let transport = Transport::connect("memory://recorder-doc").await?;
/// let recorder = Recorder::default();
/// let notifier = Notifier::builder(&transport).driver(recorder.clone()).build();
/// notifier.info(&Context::new().with("user_id", "u1"), "volume.create.end", &10);
/// let kept = recorder.take();
/// let [kept] = &kept[..] else { panic!("one was emitted") };
/// assert_eq!((kept.event_type.as_str(), kept.payload.text()), ("volume.create.end", "10"));
/// assert_eq!(kept.context.user_id().as_deref(), Some("u1"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Recorded>>>);

/// A notification that a [`Recorder`] has kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// Its id.
    pub message_id: Uuid,
    /// Who tells of it.
    pub publisher_id: Option<String>,
    /// What happened.
    pub event_type: String,
    /// How much it matters.
    pub priority: Priority,
    /// What is told of it.
    pub payload: Payload,
    /// What of the context goes along.
    pub context: Context,
}

impl Recorder {
    /// Takes what has been kept since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Driver for Recorder {
    fn notify(&self, message: &Message<'_>) -> Result<(), DriverError> {
        let recorded = Recorded {
            message_id: message.message_id,
            publisher_id: message.publisher_id.map(str::to_owned),
            event_type: message.event_type.to_owned(),
            priority: message.priority,
            payload: Payload::new(message.payload),
            context: message.context(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
        Ok(())
    }
}

/// Writes notifications to the log, by `tracing`, at the level of their priority (the driver `log`).
///
/// `audit` and `sample`, which the original does not know how to log, are at the level of `info`; `critical` is at that of
/// `error`. Values of members that are called a token, a password, a secret, a private key, a catalogue or credentials are left
/// out, as are logins in URLs, and in texts what stands behind such a name.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogDriver;

impl Driver for LogDriver {
    fn notify(&self, message: &Message<'_>) -> Result<(), DriverError> {
        let mut payload: Value = json::from_str(message.payload)?;
        mask(&mut payload);
        let (event_type, publisher_id) = (message.event_type, message.publisher_id);
        let (message_id, priority) = (message.message_id, message.priority);
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: "rpc_runtime::notification",
                    event_type, publisher_id, %message_id, %priority, %payload
                )
            };
        }
        match priority {
            Priority::Debug => log!(debug),
            Priority::Info | Priority::Audit | Priority::Sample => log!(info),
            Priority::Warn => log!(warn),
            Priority::Error | Priority::Critical => log!(error),
        }
        Ok(())
    }
}

/// Hides what has the name of a secret, and what in texts looks like one.
fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match is_secret(name) && !value.is_null() {
                    true => *value = Value::from(MASK),
                    false => mask(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::String(text) => {
            if let Cow::Owned(masked) = masked(text) {
                *text = masked;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_told_what_the_message_says() {
        let message = Message {
            message_id: Uuid::from_u128(7),
            publisher_id: Some("volume.host-1"),
            event_type: "volume.create.end",
            priority: Priority::Error,
            payload: "[5]",
            timestamp: "2026-11-21 10:15:00.250000",
            time: SystemTime::UNIX_EPOCH,
            context: br#", "_context_user_id": "u1""#,
        };
        assert_eq!(message.message_id(), Uuid::from_u128(7));
        assert_eq!(message.publisher_id(), Some("volume.host-1"));
        assert_eq!((message.event_type(), message.payload()), ("volume.create.end", "[5]"));
        assert_eq!((message.priority(), message.time()), (Priority::Error, SystemTime::UNIX_EPOCH));
        assert_eq!(message.context().user_id().as_deref(), Some("u1"));
        let shown = format!("{message:?}");
        assert!(shown.contains("volume.create.end") && !shown.contains("[5]"), "{shown}");
        let nobody = Message { publisher_id: None, ..message };
        assert_eq!(nobody.publisher_id(), None);
    }

    #[test]
    fn what_has_the_name_of_a_secret_is_masked_at_any_depth() {
        let mut payload = serde_json::json!({
            "admin_password": "canary", "token": null, "deep": [{"auth_token": {"a": 1}, "b": 2}], "c": [3],
        });
        mask(&mut payload);
        let masked = serde_json::json!({
            "admin_password": "***", "token": null, "deep": [{"auth_token": "***", "b": 2}], "c": [3],
        });
        assert_eq!(payload, masked);
    }
}
