//! The corpus, and random changes of it, without a fuzzer.

use super::{TARGETS, Target, corpus};

/// Changes of each target's corpus in a run. `RPC_RANDOM_SEED=7 cargo test` has others.
const CHANGES: usize = 10_000;

/// What formats are made of.
const TOKENS: [&[u8]; 32] = [
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"oslo.message",
    b"oslo.version",
    b"2.0",
    b"_msg_id",
    b"_reply_q",
    b"failure",
    b"__type__",
    b"__value__",
    b"uuid",
    b"://",
    b"@",
    b"%2F",
    b"$",
    b"${",
    b"=",
    b"\n ",
    b"\xff",
    b"\0\0\0\x05",
];

/// Changes a file a little, or joins it with another.
fn changed(random: &mut fastrand::Rng, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=bytes.len());
        let end = bytes.len().min(at + random.usize(..8));
        match random.u8(..6) {
            0 => drop(
                bytes.splice(at..at, random.choice(TOKENS).unwrap_or_default().iter().copied()),
            ),
            1 => drop(bytes.drain(at..end)),
            2 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << random.u8(..8)),
            3 => bytes[at..end].fill_with(|| random.u8(..)),
            4 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            _ => {
                let from = random.usize(..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes
}

/// Runs a target, and says by which bytes it broke a promise.
fn run(target: Target, bytes: &[u8], what: &str) {
    let done = std::panic::catch_unwind(|| target(bytes));
    assert!(done.is_ok(), "{what}: {:?}", bytes.escape_ascii().to_string());
}

#[test]
fn the_corpus_breaks_no_promise() {
    for (name, target) in TARGETS {
        for (file, bytes) in corpus::committed(name) {
            run(target, &bytes, &format!("{name}/{file}"));
        }
    }
}

#[test]
fn random_changes_of_the_corpus_break_no_promise() {
    let seed = std::env::var("RPC_RANDOM_SEED").ok();
    let seed = seed.map_or(1, |seed| seed.parse().expect("RPC_RANDOM_SEED is a number"));
    for (name, target) in TARGETS {
        let mut random = fastrand::Rng::with_seed(seed);
        let files: Vec<_> = corpus::committed(name).into_values().collect();
        for _ in 0..CHANGES {
            let [one, other] = [(); 2].map(|()| &files[random.usize(..files.len())]);
            run(target, &changed(&mut random, one.clone(), other), &format!("{name}, seed {seed}"));
        }
    }
}
