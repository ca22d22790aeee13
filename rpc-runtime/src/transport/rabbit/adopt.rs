//! Queues that exist in another form than the layout's, and can be used all the same.
//!
//! RabbitMQ refuses a declaration that differs from the queue, and names the first difference. If
//! that difference is harmless, the declaration takes the queue's value and is tried again. So the
//! transport knows what the queue is, and a lifetime hides no limit behind it. A queue whose
//! durability differs was made by other options, and is used with whatever limits it has.
//!
//! Plain data from the broker's words.

use super::topology::{Argument, QueueDeclaration};
use crate::transport::kept::REFUSED;

/// Arguments that may differ: they decide how long a queue lasts, how it is replicated, and how often
/// it delivers a message.
const HARMLESS: [&str; 6] = [
    "x-expires",
    "x-delivery-limit",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-quorum-initial-group-size",
    "x-queue-leader-locator",
];

/// Returns a declaration that takes over the queue's value, if the broker's `words` name a
/// difference that is harmless:
///
/// - the queue outlives a restart of the broker, or does not;
/// - the broker deletes it with its last consumer, or does not;
/// - one of the [arguments](HARMLESS) has another value;
/// - it is a quorum queue, where the options ask for no type;
/// - it is a bounded queue of refused casts, which a later server runs.
pub(super) fn adopted(declared: &QueueDeclaration, words: &str) -> Option<QueueDeclaration> {
    let (name, current) = difference(words)?;
    let mut queue = declared.clone();
    match (name, current) {
        ("durable", Some(current)) => queue.durable = current.parse().ok()?,
        ("auto_delete", Some(current)) => queue.auto_delete = current.parse().ok()?,
        ("x-queue-type", Some("quorum")) if queue.has_no_type() => {
            queue.set("x-queue-type", Some("quorum"));
            // A quorum queue has no other form.
            (queue.durable, queue.auto_delete) = (true, false);
        }
        ("x-max-length", current) if queue.name.ends_with(REFUSED) => {
            queue.set("x-max-length", current);
        }
        (name, current) => {
            let name = HARMLESS.into_iter().find(|harmless| *harmless == name)?;
            queue.set(name, current);
        }
    }
    (queue != *declared).then_some(queue)
}

impl QueueDeclaration {
    fn set(&mut self, name: &'static str, value: Option<&str>) {
        self.arguments.retain(|(argument, _)| *argument != name);
        let value = value.map(|value| match value.parse() {
            Ok(number) => Argument::Number(number),
            Err(_) => Argument::Text(value.to_owned().into()),
        });
        self.arguments.extend(value.map(|value| (name, value)));
    }
}

/// Whether a queue is durable, or is deleted by the broker, where the layout's is not, or the
/// reverse.
pub(super) fn is_of_another_kind(wanted: &QueueDeclaration, queue: &QueueDeclaration) -> bool {
    (wanted.durable, wanted.auto_delete) != (queue.durable, queue.auto_delete)
}

/// Whether the broker's `words` name a difference that does no harm to a queue or an exchange. They
/// may say so without the values: RabbitMQ cuts them at 255 bytes, and names may be long.
pub(super) fn is_harmless(words: &str) -> bool {
    let is_harmless = |name| ["durable", "auto_delete"].contains(&name) || HARMLESS.contains(&name);
    name(words).is_some_and(|(name, _)| is_harmless(name))
}

/// Returns the name of what differs, and the words behind it.
fn name(words: &str) -> Option<(&str, &str)> {
    words.split_once("inequivalent arg '")?.1.split_once('\'')
}

/// Returns the name of what differs, and the queue's value, if it has one, of the words
/// `inequivalent arg 'NAME' for queue 'q' in vhost 'v': received … but current is …`.
fn difference(words: &str) -> Option<(&str, Option<&str>)> {
    let (name, words) = name(words)?;
    // A queue's name may have any words; the values stand at the end.
    let (_, current) = words.rsplit_once(" but current is ")?;
    let current = match current.split_once('\'') {
        Some((_, quoted)) => Some(quoted.split_once('\'')?.0),
        None if current.starts_with("none") => None,
        None => return None,
    };
    Some((name, current))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(arguments: &[(&'static str, Argument)]) -> QueueDeclaration {
        let arguments = arguments.to_vec();
        QueueDeclaration { name: "q".into(), durable: false, auto_delete: false, arguments }
    }

    fn words(name: &str, received: &str, current: &str) -> String {
        format!(
            "PRECONDITION_FAILED - inequivalent arg '{name}' for queue 'q' in vhost '/': received \
             {received} but current is {current}"
        )
    }

    fn number(millis: i32) -> (&'static str, Argument) {
        ("x-expires", Argument::Number(millis))
    }

    #[test]
    fn a_harmless_difference_is_adopted_in_the_words_of_each_release() {
        let quorum = || ("x-queue-type", Argument::Text("quorum".into()));
        for (declared, name, [received, current], expected) in [
            (queue(&[]), "durable", ["'false'", "'true'"], {
                QueueDeclaration { durable: true, ..queue(&[]) }
            }),
            (queue(&[]), "auto_delete", ["'false'", "'true'"], {
                QueueDeclaration { auto_delete: true, ..queue(&[]) }
            }),
            (
                queue(&[number(1000)]),
                "x-expires",
                ["the value '1000' of type 'signedint'", "the value '60000' of type 'signedint'"],
                queue(&[number(60_000)]),
            ),
            (queue(&[number(1000)]), "x-expires", ["'1000'", "none"], queue(&[])),
            (queue(&[]), "x-expires", ["none", "'60000'"], queue(&[number(60_000)])),
            (
                queue(&[]),
                "x-delivery-limit",
                ["none", "the value '5' of type 'signedint'"],
                queue(&[("x-delivery-limit", Argument::Number(5))]),
            ),
            (
                queue(&[]),
                "x-queue-leader-locator",
                ["none", "the value 'balanced' of type 'longstr'"],
                queue(&[("x-queue-leader-locator", Argument::Text("balanced".into()))]),
            ),
            (
                QueueDeclaration { name: "t.refused".into(), ..queue(&[]) },
                "x-max-length",
                ["none", "the value '3' of type 'signedint'"],
                QueueDeclaration {
                    name: "t.refused".into(),
                    ..queue(&[("x-max-length", Argument::Number(3))])
                },
            ),
            (queue(&[]), "x-queue-type", ["'classic'", "'quorum'"], {
                QueueDeclaration { durable: true, ..queue(&[quorum()]) }
            }),
            (
                queue(&[number(5)]),
                "x-queue-type",
                ["none", "the value 'quorum' of type 'longstr'"],
                QueueDeclaration { durable: true, ..queue(&[number(5), quorum()]) },
            ),
        ] {
            let words = words(name, received, current);
            assert_eq!(adopted(&declared, &words), Some(expected), "{words}");
        }
    }

    #[test]
    fn a_difference_that_changes_what_a_queue_promises_is_refused() {
        let quorum = queue(&[("x-queue-type", Argument::Text("quorum".into()))]);
        for (declared, name, received, current) in [
            (&quorum, "x-queue-type", "'quorum'", "'classic'"),
            (&queue(&[]), "x-queue-type", "'classic'", "'stream'"),
            (&queue(&[]), "x-max-length", "none", "the value '10' of type 'signedint'"),
            (&queue(&[]), "x-message-ttl", "none", "the value '10' of type 'signedint'"),
            (&queue(&[]), "exclusive", "'false'", "'true'"),
            (&queue(&[]), "x-overflow", "none", "the value 'reject-publish' of type 'longstr'"),
        ] {
            let words = words(name, received, current);
            assert_eq!(adopted(declared, &words), None, "{words}");
        }
    }

    #[test]
    fn words_that_name_no_difference_are_refused() {
        for words in [
            "",
            "PRECONDITION_FAILED - inequivalent arg '",
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q",
            "inequivalent arg 'durable' for queue 'q': received 'false' but current is 'tr",
            "inequivalent arg 'durable' for queue 'q': received 'false' but current is nothing",
            "inequivalent arg 'durable' for queue 'q': received 'true' but current is 'false'",
        ] {
            assert_eq!(adopted(&queue(&[]), words), None, "{words}");
        }
    }

    #[test]
    fn a_difference_is_harmless_also_where_the_words_are_cut_before_its_values() {
        for (words, harmless) in [
            ("PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'qqq", true),
            ("PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange 'e", true),
            ("PRECONDITION_FAILED - inequivalent arg 'x-expires' for queue 'q", true),
            ("PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q", false),
            ("PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e", false),
            ("PRECONDITION_FAILED - inequivalent arg 'dur", false),
            ("", false),
        ] {
            assert_eq!(is_harmless(words), harmless, "{words}");
        }
    }

    #[test]
    fn a_queue_may_be_named_like_the_words() {
        let words = "inequivalent arg 'durable' for queue 'a but current is 'none'' in vhost '/': \
                     received 'false' but current is 'true'";
        let adopted = adopted(&queue(&[]), words).expect("a difference");
        assert!(adopted.durable);
    }
}
