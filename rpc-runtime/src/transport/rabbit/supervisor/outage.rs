//! When a lost connection is tried again while no broker answers.
//!
//! Pauses grow with the outage, up to a longest one. Attempts lie on a grid over the time since the
//! loss, and each connection has its own phase of that grid. So a fleet that lost its broker in one
//! instant is spread evenly, and the number of attempts in a given time hardly differs between
//! connections. The two connections of a transport have opposite phases, and the first to succeed
//! wakes the other.
//!
//! Plain arithmetic: the time is an argument.

use std::time::Duration;

/// The part of an outage by which it is prolonged at most: with two connections in turn, half of
/// that.
const PART: f64 = 0.5;
/// The shortest pause, in units of the shortest pause between attempts that the options ask for.
const SHORTEST: f64 = 3.0;

/// The attempts of one connection in an outage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// The position of the connection's attempts in the grid, from 0 to 1.
    phase: f64,
    /// The shortest pause, in seconds.
    shortest: f64,
    /// The longest, in seconds.
    longest: f64,
}

impl Schedule {
    /// Makes a schedule of pauses between `first` and `longest`.
    pub(super) fn new(phase: f64, first: Duration, longest: Duration) -> Self {
        let longest = longest.as_secs_f64().max(0.001);
        let shortest = (SHORTEST * first.as_secs_f64()).clamp(0.001, longest);
        Self { phase, shortest, longest }
    }

    /// Returns how long the next attempt is still to be put off, if the outage has lasted for
    /// `lasted`.
    pub(super) fn pause(&self, lasted: Duration) -> Duration {
        let lasted = lasted.as_secs_f64();
        // No attempt follows the one at the time of the loss at once.
        let offset = 0.5 + self.phase;
        let passed = (self.count(lasted) - offset).floor().max(-1.0);
        let mut next = self.time(passed + 1.0 + offset);
        // An attempt that was made just before its point, or that took long, is not repeated at
        // once.
        if next - lasted < self.shortest / 4.0 {
            next = self.time(passed + 2.0 + offset);
        }
        Duration::try_from_secs_f64(next - lasted).unwrap_or(Duration::from_secs_f64(self.longest))
    }

    /// Returns how many pauses there are until `time`: the integral of one over the pause at each
    /// time.
    fn count(&self, time: f64) -> f64 {
        let (growing, grown) = self.bounds();
        let short = time.min(growing) / self.shortest;
        let growth = (time.clamp(growing, grown) / growing).ln() / PART;
        let long = (time - grown).max(0.0) / self.longest;
        short + growth + long
    }

    /// Returns the time until which there are `count` pauses: the inverse of
    /// [`count`](Self::count).
    fn time(&self, count: f64) -> f64 {
        let (growing, grown) = self.bounds();
        let (until_growing, until_grown) = (self.count(growing), self.count(grown));
        if count <= until_growing {
            count * self.shortest
        } else if count <= until_grown {
            growing * ((count - until_growing) * PART).exp()
        } else {
            grown + (count - until_grown) * self.longest
        }
    }

    /// Returns when pauses begin to grow, and when they are as long as they become.
    fn bounds(&self) -> (f64, f64) {
        (self.shortest / PART, self.longest / PART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_millis(1500);

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// The attempts of one connection until a time, in seconds since the loss. The first is at
    /// once.
    fn attempts(phase: f64, until: f64) -> Vec<f64> {
        let schedule = Schedule::new(phase, FIRST, LONGEST);
        let (mut at, mut attempts) = (0.0, Vec::new());
        while at < until {
            attempts.push(at);
            let pause = schedule.pause(secs(at));
            assert!(pause >= FIRST / 2, "{pause:?} after {at}");
            at += pause.as_secs_f64();
        }
        attempts
    }

    /// The phases of a transport's two connections.
    fn pair(phase: f64) -> [f64; 2] {
        [phase, (phase + 0.5) % 1.0]
    }

    /// The phases of many transports, as a random draw would have them.
    fn fleet() -> impl Iterator<Item = f64> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..200).map(move |_| random.f64())
    }

    #[test]
    fn a_connection_makes_at_most_eight_attempts_in_an_outage_of_five_seconds() {
        let counts: Vec<_> =
            fleet().flat_map(pair).map(|phase| attempts(phase, 5.0).len()).collect();
        let (all, most) = (counts.iter().sum::<usize>(), counts.iter().max().copied());
        assert!(most <= Some(8), "{most:?}");
        assert!(all < 400 * 15 / 2, "{all} attempts of 400 connections");
        assert!(counts.iter().all(|count| *count >= 6), "each tries, and about as often as others");
    }

    #[test]
    fn a_fleet_that_loses_its_broker_at_once_spreads_its_attempts_evenly() {
        let all: Vec<_> = fleet().flat_map(pair).flat_map(|phase| attempts(phase, 30.0)).collect();
        // From when on pauses do not grow any more, each tenth of a second has its share.
        let in_tenth = |tenth: i32| {
            let begin = f64::from(tenth) / 10.0;
            all.iter().filter(|at| (begin..begin + 0.1).contains(*at)).count()
        };
        let counts: Vec<_> = (40..290).map(in_tenth).collect();
        let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        let (least, most) = (counts.iter().min().copied(), counts.iter().max().copied());
        assert!((20.0..35.0).contains(&mean), "{mean} attempts of 400 connections in a tenth");
        assert!(most.is_some_and(|most| (most as f64) < 2.0 * mean), "{most:?} of {mean}");
        assert!(least.is_some_and(|least| least as f64 > 0.3 * mean), "{least:?} of {mean}");
        // There is no burst before either, apart from the attempts at once.
        let early = (1..40).map(in_tenth).max();
        assert!(early.is_some_and(|most| most < 200), "{early:?}");
    }

    #[test]
    fn a_transport_comes_back_soon_after_an_outage() {
        // Until the first attempt of either connection: that one wakes the other.
        let late = |phase: f64, outage: f64| {
            let after = |phase| {
                let all = attempts(phase, 3.0 * outage + 10.0);
                all.into_iter().find(|at| *at >= outage).expect("it goes on") - outage
            };
            let [one, other] = pair(phase).map(after);
            one.min(other)
        };
        for (outages, most) in
            [(0.3..1.0, 0.3), (1.0..3.0, 0.76), (5.0..20.0, 0.76), (55.0..65.0, 0.76)]
        {
            let mut random = fastrand::Rng::with_seed(7);
            for phase in fleet() {
                let outage = outages.start + random.f64() * (outages.end - outages.start);
                let late = late(phase, outage);
                assert!(late <= most, "{late} s after {outage} s");
                assert!(late <= outage * 0.4 || outage < 0.5, "{late} s after {outage} s");
            }
        }
    }

    #[test]
    fn count_and_time_are_inverse_and_no_pause_is_outside_of_its_bounds() {
        for (first, longest) in [(100, 1500), (1000, 30_000), (50, 200), (500, 500), (2000, 2500)] {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            let schedule = Schedule::new(0.3, first, longest);
            for tenths in 1..2000 {
                let time = f64::from(tenths) / 10.0;
                let back = schedule.time(schedule.count(time));
                assert!((back - time).abs() < 1e-6, "{time} became {back}");
                let pause = schedule.pause(secs(time));
                assert!(pause > Duration::ZERO && pause <= 3 * longest / 2, "{pause:?}");
            }
        }
    }

    #[test]
    fn an_attempt_that_took_long_is_followed_by_a_pause_all_the_same() {
        let schedule = Schedule::new(0.9, FIRST, LONGEST);
        let hour = schedule.pause(secs(3600.0));
        assert!(hour > Duration::ZERO && hour <= LONGEST, "{hour:?}");
    }
}
