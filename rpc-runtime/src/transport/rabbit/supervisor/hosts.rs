//! The hosts of a transport URL: why each failed last, and when each is due for an attempt.
//!
//! Hosts that do not answer share the [`Schedule`] of the outage. A host that answers and refuses
//! has pauses of its own, which grow with the time for which it has refused. So a refused login is
//! asked slowly, whatever the other hosts do.
//!
//! Plain data: times and random fractions are arguments.

use std::time::Duration;

use super::{Backoff, outage::Schedule};
use crate::{TransportError, TransportErrorKind, clock::Instant};

/// The largest number of reasons that one error lists.
const LISTED: usize = 5;

/// The hosts of one connection.
#[derive(Debug)]
pub(in crate::transport::rabbit) struct Hosts {
    /// By their place in the URL.
    all: Vec<Known>,
    /// The places in the URL, in the order of attempts.
    order: Vec<usize>,
    /// The position in `order` of the first attempt of a round.
    next: usize,
    schedule: Schedule,
    /// The shortest and the longest pause between attempts.
    pauses: (Duration, Duration),
    /// Since when no host has taken the connection.
    since: Instant,
    /// When hosts that do not answer are due.
    due: Instant,
    /// Whether they are part of the present round.
    is_due: bool,
    /// Whether the last connection that was lost had been up for long, or there was none.
    was_stable: bool,
}

/// A host, and the end of the last attempt there.
#[derive(Debug)]
struct Known {
    /// Host and port.
    name: String,
    /// Why the last attempt failed. `None`: it did not, or there was none.
    failed: Option<TransportError>,
    refusing: Option<Refusing>,
}

/// The pauses of a host that answers and refuses.
#[derive(Debug)]
struct Refusing {
    since: Instant,
    due: Instant,
    backoff: Backoff,
}

impl Hosts {
    /// Makes the table of hosts with these names, all of which are due at once. `phase` is the
    /// connection's phase in the schedule of an outage.
    pub(in crate::transport::rabbit) fn new(
        names: impl IntoIterator<Item = String>,
        pauses: (Duration, Duration),
        phase: f64,
        now: Instant,
    ) -> Self {
        let known = |name| Known { name, failed: None, refusing: None };
        let all: Vec<_> = names.into_iter().map(known).collect();
        Self {
            order: (0..all.len()).collect(),
            all,
            next: 0,
            schedule: Schedule::new(phase, pauses.0, pauses.1),
            pauses,
            since: now,
            due: now,
            is_due: false,
            was_stable: true,
        }
    }

    /// Puts the hosts into another order of attempts, by keys that `random` returns.
    pub(super) fn shuffle(&mut self, mut random: impl FnMut() -> f64) {
        let mut keyed: Vec<_> = self.order.iter().map(|place| (random(), *place)).collect();
        keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.order = keyed.into_iter().map(|(_, place)| place).collect();
    }

    /// Returns the name of a host.
    pub(super) fn name(&self, place: usize) -> &str {
        self.all.get(place).map_or("", |host| &host.name)
    }

    /// Begins the search for a host after a connection was lost. The first attempt is made at once,
    /// unless that connection had just been made.
    pub(super) fn lost(&mut self, was_stable: bool, now: Instant, fraction: f64) {
        self.was_stable |= was_stable;
        let pause = match self.was_stable {
            true => Duration::ZERO,
            false => self.pauses.0.min(self.pauses.1).mul_f64(fraction),
        };
        self.was_stable = false;
        (self.since, self.due) = (now, now + pause);
    }

    /// Returns when the next attempt is due.
    pub(super) fn next_due(&self) -> Instant {
        self.all.iter().map(|host| self.due(host)).min().unwrap_or(self.due)
    }

    fn due(&self, host: &Known) -> Instant {
        host.refusing.as_ref().map_or(self.due, |refusing| refusing.due)
    }

    /// Begins a round: returns the places of the hosts that are due, in the order of attempts.
    pub(super) fn round(&mut self, now: Instant) -> Vec<usize> {
        self.is_due = self.due <= now;
        let (before, from) = self.order.split_at(self.next.min(self.order.len()));
        let in_turn = from.iter().chain(before);
        let is_due = |place: &&usize| self.all.get(**place).is_some_and(|h| self.due(h) <= now);
        in_turn.filter(is_due).copied().collect()
    }

    /// Lets hosts that do not answer be due now: there is reason to believe that they do.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    /// Notes that an attempt failed. `fraction`, from 0 to 1, shortens the pause of a host that
    /// refuses.
    pub(super) fn failed(
        &mut self,
        place: usize,
        error: TransportError,
        now: Instant,
        fraction: f64,
    ) {
        let Some(host) = self.all.get_mut(place) else { return };
        if is_out(&error) {
            host.refusing = None;
        } else {
            let begin = || Refusing {
                since: now,
                due: now,
                backoff: Backoff::failed_once(self.pauses.0, self.pauses.1),
            };
            let refusing = host.refusing.get_or_insert_with(begin);
            match error.kind().may_pass() {
                true => refusing.backoff.unrefused(),
                false => {
                    let lasted = now.saturating_duration_since(refusing.since);
                    refusing.backoff.refused_for(lasted);
                }
            }
            refusing.due = now + refusing.backoff.ceiling().mul_f64(fraction);
        }
        host.failed = Some(error);
    }

    /// Notes that every attempt of a round failed. Hosts that did not answer are due at the next
    /// point of the schedule.
    pub(super) fn round_failed(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_due) {
            self.due = now + self.schedule.pause(now.saturating_duration_since(self.since));
        }
    }

    /// Notes that a host took the connection. The next round begins with the host after it.
    pub(super) fn connected(&mut self, place: usize) {
        if let Some(host) = self.all.get_mut(place) {
            (host.failed, host.refusing) = (None, None);
        }
        let position = self.order.iter().position(|other| *other == place);
        self.next = position.map_or(0, |position| (position + 1) % self.order.len());
    }

    /// Whether the reason of any host may pass.
    pub(super) fn may_pass(&self) -> bool {
        self.all.iter().filter_map(|host| host.failed.as_ref()).any(|why| why.kind().may_pass())
    }

    /// Returns the hosts that answered and refused at their last attempt, with their reasons.
    pub(super) fn refusing(&self) -> impl Iterator<Item = (usize, &str, &TransportError)> {
        let all = self.all.iter().enumerate();
        let refusing = all.filter(|(_, host)| host.refusing.is_some());
        refusing.filter_map(|(place, h)| Some((place, h.name.as_str(), h.failed.as_ref()?)))
    }

    /// Whether a host of this name refuses. A URL may name a host twice, with two logins.
    pub(super) fn is_refusing(&self, name: &str) -> bool {
        self.refusing().any(|(_, refusing, _)| refusing == name)
    }

    /// Returns the reasons of all hosts as one error. Its kind is the one that is least likely to
    /// pass, and its text begins with the reason of that kind.
    pub(super) fn error(&self) -> TransportError {
        let mut reasons: Vec<&TransportError> = Vec::new();
        for reason in self.all.iter().filter_map(|host| host.failed.as_ref()) {
            // A mistake in the options fails each host for the same reason, which is listed once.
            if !reasons.iter().any(|other| other.to_string() == reason.to_string()) {
                reasons.push(reason);
            }
        }
        // The sort is stable: reasons of one kind stay in the order of the URL.
        reasons.sort_by_key(|reason| reason.kind().rank());
        match reasons[..] {
            [] => {
                let what = "the transport URL names no host";
                TransportError::new(TransportErrorKind::Configuration, what)
            }
            [only] => only.clone(),
            [first, ..] => {
                let listed = reasons.iter().take(LISTED).map(ToString::to_string);
                let mut what = listed.collect::<Vec<_>>().join("; ");
                let more = reasons.len().saturating_sub(LISTED);
                if more > 0 {
                    let hosts = if more == 1 { "host" } else { "hosts" };
                    what += &format!("; and {more} more {hosts}");
                }
                TransportError::new(first.kind(), format!("no host takes the connection: {what}"))
            }
        }
    }
}

/// Whether an attempt failed because no broker answered.
fn is_out(error: &TransportError) -> bool {
    use TransportErrorKind::{Disconnected, TimedOut, Unreachable};
    matches!(error.kind(), Disconnected | TimedOut | Unreachable)
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::{TransportErrorKind::*, *};

    pub(super) const FIRST: Duration = Duration::from_millis(100);
    pub(super) const LONGEST: Duration = Duration::from_millis(1500);

    pub(super) fn hosts(count: usize, now: Instant) -> Hosts {
        Hosts::new((0..count).map(|host| format!("h{host}:5672")), (FIRST, LONGEST), 0.3, now)
    }

    pub(super) fn error(kind: TransportErrorKind, host: usize) -> TransportError {
        TransportError::new(kind, format!("h{host}:5672 is {kind:?}"))
    }

    /// Lets time pass until a time, in which each attempt at a host fails as `outcome` says. An
    /// attempt at a host that is `TimedOut` takes five seconds. Returns the attempts at each host.
    pub(super) fn attempts(
        hosts: &mut Hosts,
        mut now: Instant,
        until: Instant,
        mut random: impl FnMut() -> f64,
        outcome: impl Fn(usize) -> TransportErrorKind,
    ) -> Vec<Vec<Instant>> {
        let mut attempts = vec![Vec::new(); hosts.all.len()];
        while now < until {
            for place in hosts.round(now) {
                attempts[place].push(now);
                let kind = outcome(place);
                if kind == TimedOut {
                    now += Duration::from_secs(5);
                }
                hosts.failed(place, error(kind, place), now, random());
            }
            hosts.round_failed(now);
            now = now.max(hosts.next_due());
        }
        attempts
    }

    #[test]
    fn every_host_is_due_at_once_in_the_order_of_attempts() {
        let now = Instant::now();
        let mut hosts = hosts(3, now);
        assert_eq!(hosts.round(now), [0, 1, 2]);
        hosts.connected(1);
        hosts.lost(true, now, 0.5);
        assert_eq!(hosts.round(now), [2, 0, 1], "the one after the last is the first");
        let mut keys = [0.5, 0.1, 0.9].into_iter();
        hosts.shuffle(|| keys.next().unwrap_or_default());
        hosts.next = 0;
        assert_eq!(hosts.round(now), [1, 0, 2]);
        assert_eq!(hosts.name(2), "h2:5672");
    }

    #[test]
    fn the_first_attempt_after_a_loss_is_at_once_unless_the_connection_was_young() {
        let now = Instant::now();
        let mut hosts = hosts(1, now);
        for (was_stable, pause) in [(false, 0), (false, 50), (false, 50), (true, 0), (false, 50)] {
            hosts.connected(0);
            hosts.lost(was_stable, now, 0.5);
            assert_eq!(hosts.next_due(), now + Duration::from_millis(pause));
        }
    }

    #[test]
    fn a_host_that_refuses_is_asked_slowly_while_another_follows_the_outage() {
        let (now, mut random) = (Instant::now(), fastrand::Rng::with_seed(7));
        let mut hosts = hosts(2, now);
        let outcome = |place| if place == 0 { Refused } else { Unreachable };
        let hour = now + Duration::from_secs(3600);
        let attempts = attempts(&mut hosts, now, hour, || random.f64(), outcome);
        let in_first = |seconds, host: usize| {
            let end = now + Duration::from_secs(seconds);
            attempts[host].iter().filter(|at| **at < end).count()
        };
        assert!((6..=8).contains(&in_first(5, 1)), "{} in an outage of 5 s", in_first(5, 1));
        assert!(attempts[1].len() > 2300, "{} in an hour of outage", attempts[1].len());
        assert!(in_first(5, 0) <= 15, "{} in 5 s", in_first(5, 0));
        // A quarter of a minute on average of half.
        let last: Vec<_> =
            attempts[0].iter().filter(|at| **at > hour - 10 * 60 * FIRST * 10).collect();
        assert!((40..160).contains(&last.len()), "{} in the last ten minutes", last.len());
    }

    #[test]
    fn a_loss_does_not_shorten_the_pause_of_a_host_that_refuses() {
        let now = Instant::now();
        let mut hosts = hosts(2, now);
        hosts.failed(0, error(Refused, 0), now, 1.0);
        hosts.connected(1);
        hosts.lost(false, now, 0.0);
        assert_eq!(hosts.round(now), [1]);
        hosts.failed(1, error(Unreachable, 1), now, 1.0);
        hosts.round_failed(now);
        assert!(hosts.error().to_string().contains("h0:5672"), "it has a reason all the same");
        assert_eq!(hosts.round(now + FIRST), [0]);
    }

    #[test]
    fn what_wakes_hosts_that_do_not_answer_wakes_no_host_that_refuses() {
        let now = Instant::now();
        let mut hosts = hosts(3, now);
        for (place, kind) in [(0, Refused), (1, Unreachable), (2, LimitReached)] {
            hosts.failed(place, error(kind, place), now, 1.0);
        }
        assert_eq!(hosts.round(now), [1]);
        hosts.round_failed(now);
        assert!(hosts.round(now).is_empty());
        hosts.hurry(now);
        assert_eq!(hosts.round(now), [1]);
    }

    #[test]
    fn a_host_that_refuses_is_reported_until_it_serves_or_does_not_answer() {
        let now = Instant::now();
        let mut hosts = hosts(2, now);
        let refusing =
            |hosts: &Hosts| hosts.refusing().map(|(place, ..)| place).collect::<Vec<_>>();
        for kind in [Refused, Tls, LimitReached, Configuration] {
            hosts.failed(0, error(kind, 0), now, 1.0);
            assert_eq!(refusing(&hosts), [0], "{kind:?}");
            assert!(hosts.is_refusing("h0:5672") && !hosts.is_refusing("h1:5672"));
            hosts.failed(0, error(Unreachable, 0), now, 1.0);
            assert!(refusing(&hosts).is_empty());
            hosts.failed(0, error(kind, 0), now, 1.0);
            hosts.connected(0);
            assert!(refusing(&hosts).is_empty());
        }
    }

    #[test]
    fn an_error_lists_reasons_by_how_likely_they_pass_and_not_without_end() {
        let now = Instant::now();
        let mut hosts = hosts(7, now);
        hosts.failed(0, error(Unreachable, 0), now, 1.0);
        assert_eq!(hosts.error().to_string(), "h0:5672 is Unreachable", "there is one reason");
        for (place, kind) in [(1, Refused), (2, TimedOut), (3, Refused), (4, Tls), (5, Blocked)] {
            hosts.failed(place, error(kind, place), now, 1.0);
        }
        assert_eq!(hosts.error().kind(), Tls);
        assert_eq!(
            hosts.error().to_string(),
            "no host takes the connection: h4:5672 is Tls; h1:5672 is Refused; h3:5672 is Refused; \
             h5:5672 is Blocked; h2:5672 is TimedOut; and 1 more host"
        );
        hosts.failed(6, error(Unreachable, 6), now, 1.0);
        assert!(hosts.error().to_string().ends_with("; and 2 more hosts"), "{}", hosts.error());
        assert!(hosts.may_pass());
        for place in 0..7 {
            let missing = TransportError::new(Configuration, "cannot read ca.pem");
            hosts.failed(place, missing, now, 1.0);
        }
        assert_eq!(hosts.error().to_string(), "cannot read ca.pem", "the reason of all");
        assert!(!hosts.may_pass());
    }
}
