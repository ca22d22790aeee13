//! Over random frames: what is well passes as it is, what is not is repaired, and lapin reads all that comes out.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{promises::check, *};
use crate::json::properties::any_text;

/// Text as AMQP has it, of 255 bytes at the most.
fn short() -> impl Strategy<Value = Vec<u8>> + Clone {
    any_text()
        .prop_map(|text| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat())
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("small").to_be_bytes()[..], bytes].concat()
}

fn bytes(count: usize) -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(any::<u8>(), count)
}

/// A value of any kind that RabbitMQ knows, its kind first.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let of = |kinds: &'static [u8], size: usize| {
        (prop::sample::select(kinds), bytes(size))
            .prop_map(|(kind, bytes)| [&[kind][..], &bytes].concat())
    };
    let leaf =
        prop_oneof![
            of(b"tbB", 1),
            of(b"sUu", 2),
            of(b"Iif", 4),
            of(b"LldT", 8),
            of(b"D", 5),
            of(b"V", 0),
            (prop::sample::select(&b"Sx"[..]), vec(any::<u8>(), 0..20))
                .prop_map(|(kind, bytes)| [&[kind][..], &sized(&bytes)].concat()),
        ];
    leaf.prop_recursive(6, 24, 4, |inside| {
        prop_oneof![
            vec(inside.clone(), 0..4).prop_map(|list| [&b"A"[..], &sized(&list.concat())].concat()),
            vec((short(), inside), 0..4).prop_map(|members| [&b"F"[..], &table(members)].concat()),
        ]
    })
}

fn table(members: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let members: Vec<_> = members.into_iter().map(|(key, value)| [key, value].concat()).collect();
    sized(&members.concat())
}

/// The header of a message, with any of the properties.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let property = |bit: u32| match bit {
        13 => vec((short(), value()), 0..4).prop_map(table).boxed(),
        11 | 12 => bytes(1).boxed(),
        6 => bytes(8).boxed(),
        _ => short().boxed(),
    };
    let properties: Vec<_> =
        (2..16).rev().map(|bit| property(bit).prop_map(move |bytes| (bit, bytes))).collect();
    (any::<u16>(), properties, any::<u64>()).prop_map(|(flags, properties, size)| {
        let flags = flags & !0b11;
        let set = properties.into_iter().filter(|(bit, _)| flags & (1 << bit) != 0);
        let properties: Vec<u8> = set.flat_map(|(_, bytes)| bytes).collect();
        let fixed = [&[0, 60, 0, 0][..], &size.to_be_bytes(), &flags.to_be_bytes()].concat();
        frame(HEADER, &[fixed, properties].concat())
    })
}

/// A method that a broker sends.
fn method() -> impl Strategy<Value = Vec<u8>> {
    let delivery =
        (short(), bytes(9), short(), short()).prop_map(|(tag, number, exchange, key)| {
            [&[0, 60, 0, 60][..], &tag, &number, &exchange, &key].concat()
        });
    let returned = (bytes(2), short(), short(), short()).prop_map(|(code, text, exchange, key)| {
        [&[0, 60, 0, 50][..], &code, &text, &exchange, &key].concat()
    });
    let closed =
        (prop::sample::select(vec![[0, 10, 0, 50], [0, 20, 0, 40]]), bytes(2), short(), bytes(4))
            .prop_map(|(method, code, text, cause)| [&method[..], &code, &text, &cause].concat());
    let blocked = short().prop_map(|reason| [&[0, 10, 0, 60][..], &reason].concat());
    let acknowledged = bytes(9).prop_map(|number| [&[0, 60, 0, 80][..], &number].concat());
    prop_oneof![delivery, returned, closed, blocked, acknowledged]
        .prop_map(|payload| frame(METHOD, &payload))
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 0, 1][..], &sized(payload), &[0xCE]].concat()
}

/// What a broker sends.
fn stream() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let body = vec(any::<u8>(), 0..60).prop_map(|body| frame(3, &body));
    vec(prop_oneof![method(), header(), body, Just(frame(8, &[]))], 0..8)
}

/// Feeds a guard in pieces of these sizes, over and over.
fn sliced(bytes: &[u8], sizes: &[usize]) -> (Vec<u8>, usize) {
    let (mut guard, mut out, mut repaired, mut rest) =
        (Guard::new(usize::MAX), Vec::new(), 0, bytes);
    for size in sizes.iter().cycle() {
        let (piece, left) = rest.split_at(rest.len().min(*size));
        repaired += guard.feed(piece, &mut out);
        rest = left;
        if rest.is_empty() {
            break;
        }
    }
    (out, repaired)
}

proptest! {
    #[test]
    fn well_formed_streams_pass_unchanged_however_they_are_sliced(
        frames in stream(), sizes in vec(1_usize..40, 1..6),
    ) {
        let whole = frames.concat();
        prop_assert_eq!(sliced(&whole, &sizes), (whole.clone(), 0));
        check(&whole);
    }

    #[test]
    fn damaged_streams_come_out_readable_and_frame_by_frame(
        frames in stream(), damage in vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..6),
        sizes in vec(1_usize..40, 1..6),
    ) {
        let mut frames = frames;
        frames.push(frame(8, &[]));
        for (which, at, byte) in damage {
            let which = which.index(frames.len());
            let frame = &mut frames[which];
            // Inside of a frame: what becomes of damaged sizes is another's question.
            if frame.len() > HEAD + 1 {
                let at = HEAD + at.index(frame.len() - HEAD - 1);
                frame[at] = byte;
            }
        }
        let whole = frames.concat();
        check(&whole);
        let (out, repaired) = sliced(&whole, &sizes);
        prop_assert!(repaired <= frames.len());
        // Frames that nothing was wrong with are where they were.
        let mut expected = Vec::new();
        for frame in &frames {
            let (alone, is_repaired) = sliced(frame, &sizes);
            prop_assert!(is_repaired == 1 || alone == *frame);
            expected.extend(alone);
        }
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn any_bytes_pass_or_come_out_readable(bytes in vec(prop_oneof![any::<u8>(), 0..4_u8], 0..200)) {
        check(&bytes);
    }

    #[test]
    fn tables_pass_up_to_a_depth_and_are_taken_away_beyond_it(depth in 1_usize..80, lists in any::<u128>()) {
        // The outermost is a table; each level within it is a table or a list.
        let inner = (1..depth).fold(Vec::new(), |inside, level| {
            let list = lists >> level & 1 == 1;
            // What holds this level says whether it has a key.
            let held_by_list = level + 1 < depth && lists >> (level + 1) & 1 == 1;
            let key: &[u8] = if held_by_list { b"" } else { b"\x01k" };
            [key, if list { b"A" } else { b"F" }, &sized(&inside)].concat()
        });
        let payload = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0][..], &sized(&inner)].concat();
        let whole = frame(HEADER, &payload);
        check(&whole);
        let (out, repaired) = sliced(&whole, &[7]);
        prop_assert_eq!((out == whole, repaired), if depth <= DEEPEST { (true, 0) } else { (false, 1) });
    }
}
