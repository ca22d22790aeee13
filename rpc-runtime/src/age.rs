//! How old a call is when a server reads it, judged from a header that its caller writes.
//!
//! AMQP's `expiration` says how long a message may wait in a queue. It does not say how long the
//! message was on its way, so a server that counted from the moment of reading would start calls
//! whose callers had given up. A Rust caller therefore adds the headers below. The server subtracts
//! the caller's clock from its own. The smallest difference that it has seen from a caller belongs
//! to that caller's fastest delivery; the excess of a later difference is the age of its delivery.
//! Clocks are never compared with each other, so it does not matter how far they are apart.
//!
//! Here is what callers write; [`table`] is what servers make of it.

#[cfg(any(feature = "rabbit", test))]
mod table;

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[cfg(feature = "rabbit")]
pub(crate) use table::{Ages, Arrived, Judged};

use crate::clock::Instant;

/// When the caller began the call: its wall clock, in milliseconds since 1970.
pub(crate) const BEGAN: &str = "x-rpc-began";
/// Which process the caller is: a random number, so that a stranger cannot name another caller.
pub(crate) const CALLER: &str = "x-rpc-caller";
/// The call's whole timeout in milliseconds. Written only where `expiration` is shorter: on a
/// message that had to wait for its connection, and on a server's copy of a message.
pub(crate) const TIMEOUT: &str = "x-rpc-timeout";

/// The beginning of a call, as its caller says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// See [`CALLER`].
    pub(crate) caller: u64,
    /// See [`BEGAN`].
    pub(crate) began: u64,
    /// See [`TIMEOUT`].
    pub(crate) timeout: Option<u64>,
}

/// The process's wall clock at one instant. Later readings add monotonic time to it, so that a wall
/// clock that is set meanwhile changes nothing for servers that know this process.
static BASE: LazyLock<(Instant, u64)> = LazyLock::new(|| {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (Instant::now(), whole(wall))
});

/// This process's number. AMQP's integers are signed.
static SELF: LazyLock<u64> =
    LazyLock::new(|| crate::ids::new_id().as_u128() as u64 & u64::MAX >> 1);

impl Origin {
    /// Returns the origin of a call that this process began at `began`. `left` is how long the
    /// broker may keep its message.
    pub(crate) fn of_call(began: Instant, timeout: Duration, left: u64) -> Self {
        let (base, wall) = *BASE;
        let after = whole(began.saturating_duration_since(base));
        let before = whole(base.saturating_duration_since(began));
        let began = wall.saturating_add(after).saturating_sub(before);
        let timeout = whole(timeout);
        Self { caller: *SELF, began, timeout: (timeout > left).then_some(timeout) }
    }

    /// Says the whole timeout, for a copy that expires sooner than the message did.
    #[cfg(feature = "rabbit")]
    pub(crate) fn whole(self, lifetime: Option<Duration>) -> Self {
        Self { timeout: self.timeout.or(lifetime.map(whole)), ..self }
    }

    /// Returns the headers that say so.
    pub(crate) fn headers(self) -> impl Iterator<Item = (&'static str, u64)> {
        let always = [(BEGAN, self.began), (CALLER, self.caller)];
        always.into_iter().chain(self.timeout.map(|timeout| (TIMEOUT, timeout)))
    }
}

/// Returns whole milliseconds.
fn whole(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_callers_clock_is_read_once() {
        let timeout = 2 * SECOND;
        Origin::of_call(Instant::now(), timeout, 2000);
        let now = Instant::now();
        let first = Origin::of_call(now, timeout, 2000);
        let later = Origin::of_call(now + SECOND, timeout, 1500);
        assert_eq!(later.began - first.began, 1000);
        assert_eq!((first.timeout, later.timeout), (None, Some(2000)));
        assert_eq!(first.caller, later.caller);
        assert!(i64::try_from(first.caller).is_ok());
        let names: Vec<_> = later.headers().map(|(name, _)| name).collect();
        assert_eq!(names, [BEGAN, CALLER, TIMEOUT]);
        assert_eq!(first.headers().count(), 2);
    }
}
