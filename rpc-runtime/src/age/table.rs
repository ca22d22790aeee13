//! The callers of a server, and how old their calls are.
//!
//! A plain table. It knows no clock: the time is an argument.

use std::{collections::HashMap, time::Duration};

use super::{Origin, whole};
use crate::{clock::Instant, hash::Keyed};

/// A call that has just been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    /// AMQP's `expiration`.
    pub(crate) lifetime: Duration,
    pub(crate) origin: Option<Origin>,
    /// Whether the broker has delivered it before. A broker lets go of an expired message when it
    /// requeues it, so this delivery had not expired when it left the broker.
    pub(crate) is_redelivered: bool,
    /// From when on it may have waited unread, because its reader stood still.
    pub(crate) unread_since: Option<Instant>,
}

/// A server's verdict on a call's age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Its caller waits until then. A time that has passed says that the caller has given up.
    Until(Option<Instant>),
    /// Its caller may have given up. The broker knows: it goes back to its queue, where its time
    /// runs on.
    Unsure,
}

/// The distance to one caller's clock.
#[derive(Clone, Copy, Debug)]
struct Offset {
    /// The smallest difference between our clock and the caller's, in milliseconds, and when it was
    /// seen.
    smallest: i64,
    at: Instant,
    /// When the caller was first heard of.
    since: Instant,
    /// When a call of this caller was last read within its timeout.
    in_time: Instant,
}

impl Offset {
    /// Clocks drift, by less than a millisecond a second: an old difference counts for less.
    const DRIFT: u64 = 1000;
    /// How long a difference that made calls look fresh is believed when it makes them look late.
    /// Longer than two heartbeats: what is older than that on a connection has lost it. A caller
    /// whose clock stood still (a suspended machine) looks late for ever, so after that time the
    /// broker is asked.
    const TRUST: Duration = Duration::from_secs(30);

    fn first(smallest: i64, now: Instant) -> Self {
        Self { smallest, at: now, since: now, in_time: now }
    }

    /// Returns the age of a delivery, in milliseconds.
    fn age(&mut self, offset: i64, now: Instant) -> u64 {
        let drift = whole(now.saturating_duration_since(self.at)) / Self::DRIFT;
        let smallest = self.smallest.saturating_add_unsigned(drift);
        if offset <= smallest {
            (self.smallest, self.at) = (offset, now);
        }
        u64::try_from(offset.saturating_sub(smallest)).unwrap_or(0)
    }
}

/// See the module. Strangers can invent callers, so the table is bounded: those that were heard of
/// least recently go.
#[derive(Debug)]
pub(crate) struct Ages {
    start: Instant,
    young: HashMap<u64, Offset, Keyed>,
    old: HashMap<u64, Offset, Keyed>,
    /// The standstill after which messages were given back, by when it began.
    given_back: Option<Instant>,
}

impl Ages {
    /// How many callers each half of the table has room for.
    const CALLERS: usize = 2048;

    pub(crate) fn new(start: Instant) -> Self {
        Self { start, young: HashMap::default(), old: HashMap::default(), given_back: None }
    }

    /// Judges a call that has just been read.
    pub(crate) fn judge(&mut self, call: Arrived, now: Instant) -> Judged {
        let latest = now.checked_add(call.lifetime);
        match call.origin.and_then(|origin| self.by_origin(origin, &call, now)) {
            Some(Judged::Until(Some(until))) => {
                Judged::Until(Some(latest.map_or(until, |latest| until.min(latest))))
            }
            Some(judged) => judged,
            None => self.by_reader(&call, latest, now),
        }
    }

    /// Judges by the caller's clock. `None` if too little is known of that.
    fn by_origin(&mut self, origin: Origin, call: &Arrived, now: Instant) -> Option<Judged> {
        let clock = i64::try_from(whole(now.saturating_duration_since(self.start)));
        let began = i64::try_from(origin.began).unwrap_or(i64::MAX);
        let offset = clock.unwrap_or(i64::MAX).saturating_sub(began);
        let Some(known) = self.find(origin.caller) else {
            self.insert(origin.caller, Offset::first(offset, now));
            return None;
        };
        let age = known.age(offset, now);
        // Deliveries after one standstill say nothing: the fastest of them may have waited, too.
        if call.unread_since.is_some_and(|since| known.since >= since) {
            return None;
        }
        let timeout = origin.timeout.unwrap_or_else(|| whole(call.lifetime));
        if age < timeout {
            known.in_time = now;
            return Some(Judged::Until(now.checked_add(Duration::from_millis(timeout - age))));
        }
        if now.saturating_duration_since(known.in_time) <= Offset::TRUST {
            return Some(Judged::Until(Some(now)));
        }
        if !call.is_redelivered {
            return Some(Judged::Unsure);
        }
        // The broker says that it is fresh, so the difference was wrong.
        *known = Offset::first(offset, now);
        None
    }

    /// Judges by when the call was read.
    fn by_reader(&mut self, call: &Arrived, latest: Option<Instant>, now: Instant) -> Judged {
        let Some(since) = call.unread_since else { return Judged::Until(latest) };
        let earliest = since.checked_add(call.lifetime);
        if earliest.is_none_or(|earliest| earliest > now) {
            return Judged::Until(earliest);
        }
        // The broker has sent it again since the standstill.
        if call.is_redelivered && self.given_back == Some(since) {
            return Judged::Until(latest);
        }
        self.given_back = Some(since);
        Judged::Unsure
    }

    fn find(&mut self, caller: u64) -> Option<&mut Offset> {
        if !self.young.contains_key(&caller) {
            let known = self.old.remove(&caller)?;
            self.insert(caller, known);
        }
        self.young.get_mut(&caller)
    }

    fn insert(&mut self, caller: u64, offset: Offset) {
        if self.young.len() == Self::CALLERS {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(caller, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// A server, and callers whose clocks are set to anything.
    struct Server {
        ages: Ages,
        start: Instant,
    }

    impl Server {
        fn new() -> Self {
            let start = Instant::now();
            Self { ages: Ages::new(start), start }
        }

        /// Reads a call of 2 s at `read`, whose caller's clock said `began` at its beginning.
        /// Returns how much time it is left.
        fn read(&mut self, caller: u64, began: u64, read: Duration) -> Option<Duration> {
            self.judge(arrived(caller, began), read).expect("it is not given back")
        }

        fn judge(&mut self, call: Arrived, read: Duration) -> Result<Option<Duration>, ()> {
            let now = self.start + read;
            match self.ages.judge(call, now) {
                Judged::Until(until) => Ok(until
                    .map(|until| until.saturating_duration_since(now))
                    .filter(|left| !left.is_zero())),
                Judged::Unsure => Err(()),
            }
        }
    }

    fn arrived(caller: u64, began: u64) -> Arrived {
        let origin = Some(Origin { caller, began, timeout: None });
        Arrived { lifetime: 2 * SECOND, origin, is_redelivered: false, unread_since: None }
    }

    #[test]
    fn a_call_is_as_old_as_its_delivery_took_longer_than_the_fastest() {
        for clock in [0, 1_700_000_000_000, 1_700_000_060_000, u64::MAX / 4] {
            let mut server = Server::new();
            let at = |after: u64| Duration::from_millis(after);
            assert_eq!(
                server.read(1, clock, at(10)),
                Some(2 * SECOND),
                "the first one tells nothing"
            );
            assert_eq!(server.read(1, clock + 1000, at(1510)), Some(at(1501)), "1 ms of drift");
            assert_eq!(server.read(1, clock + 2000, at(3999)), Some(at(14)));
            assert_eq!(server.read(1, clock + 2000, at(4020)), None, "its caller has gone");
            assert_eq!(server.read(1, clock + 5000, at(5005)), Some(2 * SECOND), "the fastest");
            assert_eq!(server.read(1, clock + 6000, at(6505)), Some(at(1501)));
        }
    }

    #[test]
    fn a_message_that_left_late_is_judged_by_its_whole_timeout() {
        let mut server = Server::new();
        server.read(1, 1000, SECOND);
        let mut call = arrived(1, 2000);
        call.lifetime = SECOND / 2;
        call.origin = call.origin.map(|origin| Origin { timeout: Some(2000), ..origin });
        let read = Duration::from_millis(3800);
        assert_eq!(server.judge(call, read), Ok(Some(Duration::from_millis(202))));
        call.origin = call.origin.map(|origin| Origin { timeout: Some(u64::MAX), ..origin });
        assert_eq!(server.judge(call, read), Ok(Some(SECOND / 2)), "no longer than it expires");
    }

    #[test]
    fn clocks_that_drift_or_stop_cost_no_caller_more_than_a_moment() {
        let mut server = Server::new();
        // A millisecond in each second for a day.
        for minute in 0..24 * 60_u32 {
            let (read, began) = (minute * MINUTE, u64::from(minute) * 59_940);
            let left = server.read(1, began, read).expect("it is wanted");
            assert!(left > 2 * SECOND - SECOND / 10, "{minute}: {left:?}");
        }
        // The caller's machine sleeps for an hour, and its clock with it.
        let (began, read) = (24 * 60 * 59_940, 25 * 60 * MINUTE);
        assert_eq!(server.judge(arrived(1, began), read), Err(()), "the broker knows");
        let again = Arrived { is_redelivered: true, ..arrived(1, began) };
        assert_eq!(server.judge(again, read), Ok(Some(2 * SECOND)));
        assert_eq!(server.read(1, began + 1000, read + SECOND), Some(2 * SECOND), "known again");
    }

    #[test]
    fn what_may_have_waited_unread_goes_back_once_unless_its_caller_is_known() {
        let mut server = Server::new();
        server.read(1, 1000, SECOND);
        let since = Some(server.start + 2 * SECOND);
        let late = |caller, began| Arrived { unread_since: since, ..arrived(caller, began) };
        let read = 8 * SECOND;
        assert_eq!(server.judge(late(1, 3000), read), Ok(None), "5 s old");
        assert_eq!(server.judge(late(1, 7500), read), Ok(Some(Duration::from_millis(1507))));
        // Nothing was known of this one before.
        for began in [3000, 7500, 7900] {
            assert_eq!(server.judge(late(2, began), read), Err(()));
        }
        let nameless = Arrived { origin: None, ..late(0, 0) };
        assert_eq!(server.judge(nameless, read), Err(()));
        let again = Arrived { is_redelivered: true, ..nameless };
        assert_eq!(
            server.judge(again, read),
            Ok(Some(2 * SECOND)),
            "the broker says that it is fresh"
        );
        let long = Arrived { lifetime: 10 * SECOND, ..nameless };
        assert_eq!(
            server.judge(long, read),
            Ok(Some(4 * SECOND)),
            "it is run by then, or not at all"
        );
    }

    #[test]
    fn a_stranger_who_invents_callers_harms_no_other() {
        let mut server = Server::new();
        server.read(1, 1000, SECOND);
        for caller in 2..200_000 {
            server.read(caller, u64::MAX, SECOND);
            assert!(server.ages.young.len() + server.ages.old.len() <= 2 * Ages::CALLERS);
        }
        assert_eq!(server.read(1, 2000, 2 * SECOND), Some(2 * SECOND));
    }

    #[test]
    fn a_caller_that_is_heard_of_is_not_forgotten() {
        let mut server = Server::new();
        for stranger in 10..20_000 {
            server.read(1, 1000, SECOND);
            server.read(stranger, 0, SECOND);
        }
        assert_eq!(server.read(1, 1000, 2 * SECOND), Some(SECOND + SECOND / 1000));
    }
}
