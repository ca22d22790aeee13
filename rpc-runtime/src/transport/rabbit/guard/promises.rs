//! What the guard promises of any bytes, checked by lapin's own parser.

use lapin::protocol::basic::parse_properties;

use super::{DEEPEST, FIXED, Guard, HEAD, HEADER, LARGEST, METHOD};

/// Feeds a guard in pieces of `piece` bytes. Returns what comes out, and how many frames were repaired.
pub(super) fn fed(bytes: &[u8], piece: usize) -> (Vec<u8>, usize) {
    let (mut guard, mut out, mut repaired) = (Guard::new(usize::MAX), Vec::new(), 0);
    for piece in bytes.chunks(piece.max(1)) {
        repaired += guard.feed(piece, &mut out);
    }
    (out, repaired)
}

/// Panics if a promise is broken for these bytes.
pub(crate) fn check(bytes: &[u8]) {
    let (whole, repaired) = fed(bytes, bytes.len());
    for piece in [1, 7, 1 + bytes.len() / 3] {
        assert_eq!(fed(bytes, piece), (whole.clone(), repaired), "in pieces of {piece}");
    }
    assert!(repaired > 0 || bytes.starts_with(&whole), "what needs no repair passes as it is");
    assert_eq!(fed(&whole, 5), (whole.clone(), 0), "what has passed once passes again");
    readable(&whole);
}

/// Walks what lapin gets to see.
fn readable(mut bytes: &[u8]) {
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if !(1..=8).contains(&head[0]) || size >= LARGEST {
            // Another protocol, which lapin refuses.
            return;
        }
        if !matches!(head[0], METHOD | HEADER) {
            bytes = rest.get(size + 1..).unwrap_or_default();
            continue;
        }
        let payload = rest.get(..size).expect("a frame that is looked at passes as a whole");
        match head[0] {
            METHOD => assert!(texts(payload).iter().all(|text| std::str::from_utf8(text).is_ok())),
            _ => properties(payload),
        }
        bytes = &rest[size + 1..];
    }
}

/// Checks that lapin reads properties to their end, and is not led too deep.
fn properties(payload: &[u8]) {
    // What has no class, weight and size of a body is refused as what it is.
    let Some(payload) = payload.get(FIXED..) else { return };
    let deepest = payload.iter().filter(|byte| matches!(byte, b'F' | b'A')).count();
    // No table is in more tables than there are marks of one.
    if deepest <= DEEPEST {
        let (rest, _) = parse_properties(payload).expect("lapin reads it");
        assert!(rest.is_empty(), "nothing is left");
        return;
    }
    // A thread with little room shows what runs out of it.
    let payload = payload.to_vec();
    let small = std::thread::Builder::new().stack_size(512 << 10);
    let read =
        small.spawn(move || parse_properties(&payload[..]).is_ok_and(|(rest, _)| rest.is_empty()));
    assert!(read.expect("a thread").join().expect("no panic"), "lapin reads it to the end");
}

/// Returns the texts of a method that strangers have a hand in, as far as they are whole.
fn texts(payload: &[u8]) -> Vec<&[u8]> {
    let Some((&[_, class, _, method], mut rest)) = payload.split_first_chunk() else {
        return Vec::new();
    };
    let before: &[usize] = match (payload[0], class, payload[2], method) {
        (0, 60, 0, 60) => &[0, 9, 0],
        (0, 60, 0, 50) => &[2, 0, 0],
        (0, 10, 0, 50) | (0, 20, 0, 40) => &[2],
        (0, 10, 0, 60) => &[0],
        _ => &[],
    };
    let mut texts = Vec::new();
    for skipped in before {
        let Some((length, after)) = rest.get(*skipped..).and_then(<[u8]>::split_first) else {
            break;
        };
        let Some((text, after)) = after.split_at_checked(usize::from(*length)) else { break };
        texts.push(text);
        rest = after;
    }
    texts
}
