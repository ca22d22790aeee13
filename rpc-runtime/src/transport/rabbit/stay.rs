//! For how long messages are published on one channel.
//!
//! A queue that is full refuses messages whatever channel they come by. But once a node of a cluster has gone, RabbitMQ (seen with
//! 3.10) may refuse for good what comes by a channel that was open before, to a queue that is well. Nothing tells the two
//! apart but another channel, so a channel whose messages are refused is left for another, once a second at most.

use std::time::Duration;

use crate::clock::Instant;

/// How long a channel is kept at least, and how long after an attempt to leave it comes the next.
const KEPT: Duration = Duration::from_secs(1);
/// How long nothing new is sent in such an attempt.
const PARTING: Duration = Duration::from_millis(200);

/// See the module. A plain clock: it is told the time.
#[derive(Debug)]
pub(super) struct Stay {
    opened: Instant,
    /// When the broker first refused a message.
    refused: Option<Instant>,
}

impl Stay {
    pub(super) fn new(opened: Instant) -> Self {
        Self { opened, refused: None }
    }

    /// Takes note that the broker refused a message.
    pub(super) fn refused(&mut self, now: Instant) {
        self.refused.get_or_insert(now);
    }

    /// For how long another channel should have taken this one's place.
    fn overstayed(&self, now: Instant) -> Option<Duration> {
        now.checked_duration_since(self.refused?.max(self.opened + KEPT))
    }

    /// Whether another channel is to take this one's place as soon as nothing is on its way.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.overstayed(now).is_some()
    }

    /// Until when nothing new is sent, so that what is on its way lands first. `None`: not now. One slow queue may hold that up,
    /// and others do not wait for it: it is tried again a while later.
    pub(super) fn parts_until(&self, now: Instant) -> Option<Instant> {
        let rounds = self.overstayed(now)?.div_duration_f64(KEPT);
        let left = PARTING.checked_sub(KEPT.mul_f64(rounds.fract()))?;
        (!left.is_zero()).then(|| now + left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parting(stay: &Stay, opened: Instant, millis: u64) -> Option<u128> {
        let now = opened + Duration::from_millis(millis);
        stay.parts_until(now).map(|until| (until - opened).as_millis())
    }

    #[test]
    fn a_channel_that_refuses_nothing_is_kept() {
        let opened = Instant::now();
        let stay = Stay::new(opened);
        assert!(!stay.is_over(opened + Duration::from_secs(3600)));
        assert_eq!(parting(&stay, opened, 3_600_000), None);
    }

    #[test]
    fn a_channel_is_left_for_its_first_refusal_and_not_within_a_second() {
        let opened = Instant::now();
        let mut stay = Stay::new(opened);
        stay.refused(opened + Duration::from_millis(300));
        stay.refused(opened + Duration::from_millis(1700));
        assert!(!stay.is_over(opened + Duration::from_millis(999)));
        assert!(stay.is_over(opened + Duration::from_millis(1000)));
        let mut late = Stay::new(opened);
        late.refused(opened + Duration::from_secs(60));
        assert!(!late.is_over(opened + Duration::from_millis(59_999)));
        assert!(late.is_over(opened + Duration::from_secs(60)));
    }

    #[test]
    fn what_is_new_waits_for_a_fifth_of_a_second_in_each_at_most() {
        let opened = Instant::now();
        let mut stay = Stay::new(opened);
        stay.refused(opened);
        let until = [999, 1000, 1150, 1250, 1999, 2050, 2300].map(|at| parting(&stay, opened, at));
        assert_eq!(until, [None, Some(1200), Some(1200), None, None, Some(2200), None]);
    }
}
