//! Notifications: what happened, told to whoever wants to know.
//!
//! A service tells of its work by a [`Notifier`]. It neither waits for anybody nor learns who listens: a notification waits
//! in queues of the broker's, one for each topic and priority, until a [`NotificationListener`] takes it.
//!
//! ```
//! use rpc_runtime::{Context, Notifier, Transport, notification};
//! use serde::{Deserialize, Serialize};
//!
//! #[notification(event_type = "volume.create.end", priority = "info")]
//! #[derive(Deserialize, Serialize)]
//! struct VolumeCreated {
//!     volume_id: String,
//!     size: u64,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::connect("memory://notify-doc").await?;
//! let notifier = Notifier::builder(&transport).publisher_id("volume.host-1").build();
//! notifier.emit(&Context::new(), &VolumeCreated { volume_id: "v1".to_owned(), size: 10 });
//! // Who wants to know waits.
//! notifier.info(&Context::new(), "volume.usage", &serde_json::json!({"size": 10})).await?;
//! # Ok(()) }
//! ```

mod driver;
mod emission;
mod filter;
mod handler;
mod incoming;
mod listener;
mod notifier;
#[cfg(feature = "routing")]
mod routing;
mod running;
mod spool;
#[cfg(feature = "routing")]
mod wildcard;

use std::{fmt, str::FromStr};

pub use driver::{Driver, DriverError, Format, LogDriver, Message, Recorded, Recorder};
pub use emission::{Emission, NotifyError};
pub use filter::{Filter, FilterError};
pub use handler::{BatchHandled, Handled, Metadata, Payload, Requeue};
pub use listener::{ListenerBuilder, NotificationListener};
pub use notifier::{Disclosure, Notifier, NotifierBuilder};
#[cfg(feature = "routing")]
pub use routing::{Routing, RoutingError};
pub use running::RunningListener;

/// How much a notification matters, and the queue that it waits in: the name in lower case, behind the topic and a dot.
///
/// [`Display`](fmt::Display) writes it as messages do, in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// For an audit.
    Audit,
    /// For who looks for a mistake.
    Debug,
    /// Something was done. Most are of this kind.
    Info,
    /// Something may go wrong.
    Warn,
    /// Something went wrong.
    Error,
    /// Nothing goes on.
    Critical,
    /// A measurement.
    Sample,
}

impl Priority {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Audit,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Critical,
        Self::Sample,
    ];

    /// Returns its name as routing keys have it, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Sample => "sample",
        }
    }

    /// Returns its name as messages have it, in capitals.
    #[must_use]
    pub const fn capitals(self) -> &'static str {
        match self {
            Self::Audit => "AUDIT",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
            Self::Sample => "SAMPLE",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.capitals())
    }
}

/// There is no such [`Priority`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no priority of a notification", crate::excerpt::Excerpt(.0))]
pub struct UnknownPriority(String);

impl FromStr for Priority {
    type Err = UnknownPriority;

    /// Takes any case, as listeners do, and `warning`.
    fn from_str(name: &str) -> Result<Self, UnknownPriority> {
        let known = Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name));
        match known {
            Some(known) => Ok(known),
            None if name.eq_ignore_ascii_case("warning") => Ok(Self::Warn),
            None => Err(UnknownPriority(name.to_owned())),
        }
    }
}

/// A kind of event, and what is told of it: the payload. [`notification`](macro@crate::notification) implements it.
///
/// ```
/// use rpc_runtime::{Notification, notification, notify::Priority};
///
/// #[notification(event_type = "volume.create.error", priority = "error")]
/// #[derive(serde::Deserialize, serde::Serialize)]
/// struct Failed {
///     volume_id: String,
/// }
///
/// assert_eq!((Failed::EVENT_TYPE, Failed::PRIORITY), ("volume.create.error", Priority::Error));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no notification",
    label = "its type of event is not known",
    note = "write `#[notification(event_type = \"…\")]` above it"
)]
pub trait Notification {
    /// What happened, in words with dots between them.
    const EVENT_TYPE: &'static str;
    /// How much it matters.
    const PRIORITY: Priority;
}
