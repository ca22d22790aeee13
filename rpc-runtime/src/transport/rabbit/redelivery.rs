//! How often a message was delivered, as far as RabbitMQ tells.
//!
//! A quorum queue counts in a header. A classic queue says only that there was a delivery before, so our servers publish
//! such a request anew, with a header of their own that counts.

use std::sync::Arc;

use lapin::{message::Delivery, types::AMQPValue};

use crate::{
    age::{BEGAN, CALLER, Origin, TIMEOUT},
    transport::kept::{REDELIVERIES, Redelivery},
};

/// The counters of a message that are believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Belief {
    /// Whether its queue is a quorum queue, which writes its count over what a publisher wrote
    /// there.
    pub(super) queue_counts: bool,
    /// Whether the counter of a copy is one of ours: see [`trust`](super::trust).
    pub(super) is_ours: bool,
}

/// Returns what is known of a message that was delivered before. `queue` is the one that it came by, `None` for a stream,
/// from which nobody takes anything.
pub(super) fn redelivery(
    delivery: &Delivery,
    queue: Option<&Arc<str>>,
    began: Option<Origin>,
    belief: Belief,
) -> Option<Redelivery> {
    let queue = queue?;
    let is_redelivered = delivery.redelivered;
    let by_copies = number(delivery, REDELIVERIES).filter(|_| belief.is_ours);
    // A queue writes its count with the second delivery.
    let by_queue = number(delivery, "x-delivery-count").filter(|_| belief.queue_counts);
    let by_queue = if is_redelivered { by_queue } else { by_queue.map(|_| 0) };
    let count = by_copies.unwrap_or(0).saturating_add(match by_queue {
        Some(count) => count,
        None => u32::from(is_redelivered),
    });
    let is_counted = by_queue.is_some() || !is_redelivered;
    let queue = Arc::clone(queue);
    (count > 0).then_some(Redelivery { count, queue, began, is_redelivered, is_counted })
}

/// Whether a message claims to be a copy that counts.
pub(super) fn claims_to_count(delivery: &Delivery) -> bool {
    number(delivery, REDELIVERIES).is_some()
}

/// Returns when the caller began the call that a message is for.
pub(super) fn origin(delivery: &Delivery) -> Option<Origin> {
    let number = |header| integer(delivery, header).and_then(|number| u64::try_from(number).ok());
    Some(Origin { caller: number(CALLER)?, began: number(BEGAN)?, timeout: number(TIMEOUT) })
}

fn number(delivery: &Delivery, header: &str) -> Option<u32> {
    // What no queue would say was said by a stranger, about a message of its own.
    integer(delivery, header).map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

fn integer(delivery: &Delivery, header: &str) -> Option<i64> {
    Some(match *delivery.properties.headers().as_ref()?.inner().get(header)? {
        AMQPValue::ShortShortInt(number) => number.into(),
        AMQPValue::ShortShortUInt(number) => number.into(),
        AMQPValue::ShortInt(number) => number.into(),
        AMQPValue::ShortUInt(number) => number.into(),
        AMQPValue::LongInt(number) => number.into(),
        AMQPValue::LongUInt(number) => number.into(),
        AMQPValue::LongLongInt(number) => number,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use lapin::{
        BasicProperties,
        types::{FieldTable, ShortString},
    };

    use super::*;

    const BELIEVED: Belief = Belief { queue_counts: true, is_ours: true };

    fn count_by(
        belief: Belief,
        redelivered: bool,
        headers: &[(&str, AMQPValue)],
    ) -> Option<(u32, bool)> {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert(ShortString::from(*name), value.clone());
        }
        let name = ShortString::from("q");
        let mut delivery = Delivery::mock(1, "".into(), name, redelivered, Vec::new());
        delivery.properties = BasicProperties::default().with_headers(table);
        let known = redelivery(&delivery, Some(&"q".into()), None, belief)?;
        assert_eq!(known.is_redelivered, redelivered);
        Some((known.count, known.is_counted))
    }

    fn count(redelivered: bool, headers: &[(&str, AMQPValue)]) -> Option<(u32, bool)> {
        count_by(BELIEVED, redelivered, headers)
    }

    #[test]
    fn deliveries_are_counted_by_the_queue_or_by_copies() {
        let long = AMQPValue::LongLongInt;
        assert_eq!(count(false, &[]), None);
        assert_eq!(count(false, &[("x-delivery-count", long(0))]), None);
        assert_eq!(count(true, &[]), Some((1, false)));
        assert_eq!(count(false, &[(REDELIVERIES, long(3))]), Some((3, true)));
        assert_eq!(count(true, &[(REDELIVERIES, long(3))]), Some((4, false)));
        assert_eq!(count(true, &[("x-delivery-count", long(2))]), Some((2, true)));
        assert_eq!(count(true, &[("x-delivery-count", AMQPValue::LongInt(2))]), Some((2, true)));
        let both = [("x-delivery-count", long(2)), (REDELIVERIES, long(3))];
        assert_eq!(count(true, &both), Some((5, true)));
    }

    #[test]
    fn what_a_stranger_may_have_written_is_not_believed() {
        let long = AMQPValue::LongLongInt;
        let forged = [("x-delivery-count", long(900)), (REDELIVERIES, long(900))];
        let stranger = Belief { queue_counts: false, is_ours: false };
        assert_eq!(count_by(stranger, false, &forged), None);
        assert_eq!(count_by(stranger, true, &forged), Some((1, false)));
        // A quorum queue writes its own number with the second delivery, and not with the first.
        let quorum = Belief { queue_counts: true, is_ours: false };
        assert_eq!(count_by(quorum, false, &forged), None);
        assert_eq!(count_by(quorum, true, &[("x-delivery-count", long(2))]), Some((2, true)));
    }

    #[test]
    fn what_no_queue_would_say_is_not_believed_too_much() {
        assert_eq!(count(true, &[(REDELIVERIES, AMQPValue::Boolean(true))]), Some((1, false)));
        assert_eq!(count(true, &[(REDELIVERIES, AMQPValue::LongLongInt(-5))]), Some((1, false)));
        let many = AMQPValue::LongLongInt(i64::MAX);
        assert_eq!(count(true, &[(REDELIVERIES, many)]), Some((u32::MAX, false)));
    }
}
