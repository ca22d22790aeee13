//! Attempts and errors of any hosts that fail for any reasons.

use proptest::prelude::*;

use super::{TransportErrorKind::*, tests::*, *};

fn any_kind() -> impl Strategy<Value = TransportErrorKind> {
    prop::sample::select(vec![
        Configuration,
        Tls,
        Refused,
        LimitReached,
        Blocked,
        TimedOut,
        Unreachable,
    ])
}

proptest! {
    #[test]
    fn the_kind_of_an_error_does_not_depend_on_the_order_of_attempts(
        kinds in prop::collection::vec(any_kind(), 1..6),
        seed: u64,
    ) {
        let now = Instant::now();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut table = hosts(kinds.len(), now);
        table.shuffle(|| random.f64());
        for place in table.round(now) {
            table.failed(place, error(kinds[place], place), now, 1.0);
        }
        let mut in_order = hosts(kinds.len(), now);
        for (place, kind) in kinds.iter().enumerate() {
            in_order.failed(place, error(*kind, place), now, 1.0);
        }
        let (error, other) = (table.error(), in_order.error());
        prop_assert_eq!((error.kind(), error.to_string()), (other.kind(), other.to_string()));
        prop_assert!(kinds.iter().all(|kind| error.kind().rank() <= kind.rank()));
        prop_assert_eq!(table.may_pass(), kinds.iter().any(|kind| kind.may_pass()));
        for place in 0..kinds.len() {
            let name = format!("h{place}:5672");
            prop_assert!(error.to_string().contains(&name) || kinds.len() > LISTED);
        }
    }

    #[test]
    fn every_host_is_tried_again_and_none_too_often(
        kinds in prop::collection::vec(any_kind(), 1..5),
        seed: u64,
    ) {
        let (now, mut random) = (Instant::now(), fastrand::Rng::with_seed(seed));
        let mut table = hosts(kinds.len(), now);
        let (quarter, end) = (Duration::from_secs(900), now + Duration::from_secs(1800));
        let all = attempts(&mut table, now, end, || random.f64(), |place| kinds[place]);
        let silent = kinds.iter().filter(|kind| **kind == TimedOut).count();
        let round = Duration::from_secs(5) * u32::try_from(silent).unwrap_or(u32::MAX);
        for (kind, attempts) in kinds.iter().zip(all) {
            prop_assert_eq!(attempts[0].min(now + round), attempts[0], "at once");
            // After a quarter of an hour the longest pause of a kind is known.
            let longest = match kind.may_pass() {
                true => LONGEST * 3 / 2,
                false => Backoff::REFUSED,
            };
            let late: Vec<_> = attempts.iter().filter(|at| **at > now + quarter).collect();
            let pauses = late.windows(2).map(|two| *two[1] - *two[0]);
            let most = pauses.clone().max().unwrap_or_default();
            prop_assert!(most <= longest + 2 * round, "{kind:?}: {most:?}");
            if !kind.may_pass() {
                // On average a pause is half of the longest.
                let fewest = 900 / 15 / (1 + 2 * silent);
                prop_assert!((fewest..220).contains(&late.len()), "{kind:?}: {}", late.len());
            }
        }
    }
}
