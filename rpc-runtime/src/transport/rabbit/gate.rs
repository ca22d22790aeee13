//! What stands between lapin and the socket on the way out: it lets nothing through for a channel that is closed.
//!
//! lapin keeps publishes in a queue of their own, behind everything else. When the broker closes a channel, lapin's
//! `channel.close-ok` overtakes the publishes that still wait, and they follow on a channel that there is no more. A broker takes
//! that for an error of the whole connection (504, `expected 'channel.open'`), and with that go all other channels. So frames are
//! thrown away here between a channel's `channel.close` or `channel.close-ok` and its next `channel.open`. Whoever waits for
//! a confirm of theirs learns from lapin that the channel is closed.

use super::guard::{HEAD, METHOD};

/// The byte that ends a frame.
const END: usize = 1;
/// A connection begins with its protocol's name and version, which is no frame.
const GREETING: &[u8; 4] = b"AMQP";
/// The size of that.
const GREETS: usize = 8;

/// Class and method.
const OPEN: [u8; 4] = [0, 20, 0, 10];
const CLOSE: [u8; 4] = [0, 20, 0, 40];
const CLOSE_OK: [u8; 4] = [0, 20, 0, 41];

/// What lapin has to write: its room goes round, so that it may be in two parts. A frame begins in it with its whole head.
pub(super) type Parts<'a> = [&'a [u8]; 2];

/// Walks the bytes that go out by one connection, frame by frame.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// How many bytes are still to pass of frames that were looked at.
    passing: usize,
    /// How many bytes are still to be thrown away.
    dropping: usize,
    closed: Channels,
}

/// What becomes of the first bytes, and of how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They may pass. [`Gate::passed`] learns how many did; the others come again.
    Passes(usize),
    /// They are thrown away, and do not come again.
    Dropped(usize),
}

impl Gate {
    /// Decides about what comes first. `None`: that is not the beginning of a frame, or not enough of it.
    pub(super) fn look(&mut self, parts: Parts<'_>) -> Option<Fate> {
        if self.passing == 0 && self.dropping == 0 {
            self.decide(parts)?;
        }
        let count = parts[0].len() + parts[1].len();
        Some(match count.min(self.dropping) {
            0 => Fate::Passes(count.min(self.passing)),
            dropped => {
                self.dropping -= dropped;
                Fate::Dropped(dropped)
            }
        })
    }

    /// Notes that bytes have passed.
    pub(super) fn passed(&mut self, count: usize) {
        self.passing = self.passing.saturating_sub(count);
    }

    /// Decides about all frames that come first and pass, or about one that does not.
    fn decide(&mut self, parts: Parts<'_>) -> Option<()> {
        let mut at = 0;
        while let Some(frame) = Frame::read(parts, at) {
            if self.closed.admit(&frame) {
                at += frame.size;
            } else if at == 0 {
                self.dropping = frame.size;
                return Some(());
            } else {
                break;
            }
        }
        self.passing = at;
        (at > 0).then_some(())
    }
}

/// What has to be known of a frame.
struct Frame {
    channel: u16,
    /// Class and method, if it is a method.
    method: Option<[u8; 4]>,
    /// In bytes, with head and end.
    size: usize,
}

impl Frame {
    /// Reads what begins there.
    fn read(parts: Parts<'_>, at: usize) -> Option<Self> {
        let head: [u8; HEAD] = shown(parts, at)?;
        if head.starts_with(GREETING) {
            return Some(Self { channel: 0, method: None, size: GREETS });
        }
        let [kind, high, low, size @ ..] = head;
        let size = usize::try_from(u32::from_be_bytes(size)).ok()?.checked_add(HEAD + END)?;
        let method = if kind == METHOD { Some(shown(parts, at + HEAD)?) } else { None };
        Some(Self { channel: u16::from_be_bytes([high, low]), method, size })
    }
}

/// Returns the bytes there, if there are so many.
fn shown<const COUNT: usize>([first, second]: Parts<'_>, at: usize) -> Option<[u8; COUNT]> {
    if let Some(shown) = first.get(at..).and_then(|bytes| bytes.first_chunk()) {
        return Some(*shown);
    }
    let mut shown = [0; COUNT];
    for (at, byte) in (at..).zip(&mut shown) {
        *byte = *first.get(at).or_else(|| second.get(at - first.len()))?;
    }
    Some(shown)
}

/// The channels that are closed: a bit for each.
#[derive(Debug, Default)]
struct Channels(Vec<u64>);

impl Channels {
    /// Whether a frame may pass, which may open or close its channel for those behind it.
    fn admit(&mut self, frame: &Frame) -> bool {
        let (word, bit) = (usize::from(frame.channel / 64), 1 << (frame.channel % 64));
        match frame.method {
            Some(OPEN) => {
                if let Some(word) = self.0.get_mut(word) {
                    *word &= !bit;
                }
                true
            }
            // Both sides may close a channel at once: then one follows the other.
            Some(CLOSE | CLOSE_OK) => {
                if self.0.len() <= word {
                    self.0.resize(word + 1, 0);
                }
                self.0[word] |= bit;
                true
            }
            _ => self.0.get(word).is_none_or(|word| word & bit == 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const PUBLISH: [u8; 4] = [0, 60, 0, 40];

    fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).expect("small").to_be_bytes();
        [&[kind][..], &channel.to_be_bytes(), &size, payload, b"\xce"].concat()
    }

    fn method(channel: u16, method: [u8; 4]) -> Vec<u8> {
        frame(METHOD, channel, &[&method[..], b"arguments"].concat())
    }

    /// A publish of which each frame is another.
    fn publish(channel: u16, number: u8) -> Vec<u8> {
        let head = frame(METHOD, channel, &[&PUBLISH[..], &[number]].concat());
        let header = frame(2, channel, &[number; 14]);
        [head, header, frame(3, channel, &[number])].concat()
    }

    /// Returns what passes, where the socket takes `most` bytes at a time, and lapin's room goes round after `round`.
    fn pass(gate: &mut Gate, bytes: &[u8], most: usize, round: usize) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            let (first, second) = rest.split_at(rest.len().min(round - at % round));
            let count = match gate.look([first, second]).expect("frames") {
                Fate::Passes(count) => {
                    let count = count.min(most);
                    out.extend_from_slice(&rest[..count]);
                    gate.passed(count);
                    count
                }
                Fate::Dropped(count) => count,
            };
            assert!(count > 0, "it gets on");
            at += count;
        }
        out
    }

    fn passes(frames: &[Vec<u8>]) -> Vec<u8> {
        pass(&mut Gate::default(), &frames.concat(), usize::MAX, usize::MAX)
    }

    #[test]
    fn what_a_channels_close_ok_has_overtaken_goes_nowhere() {
        for close in [CLOSE, CLOSE_OK] {
            let before = [publish(1, 1), publish(2, 2), method(1, close)];
            let late = [publish(1, 3), publish(1, 4)];
            let after = [publish(2, 5), frame(8, 0, b""), method(1, OPEN), publish(1, 6)];
            let sent = [&before[..], &late, &after].concat();
            assert_eq!(passes(&sent), [&before[..], &after].concat().concat());
        }
    }

    #[test]
    fn a_channel_that_both_sides_close_is_closed_twice() {
        let sent = [method(7, CLOSE), publish(7, 1), method(7, CLOSE_OK), publish(7, 2)];
        assert_eq!(passes(&sent), [method(7, CLOSE), method(7, CLOSE_OK)].concat());
    }

    #[test]
    fn a_greeting_is_no_frame() {
        let sent = [b"AMQP\x00\x00\x09\x01".to_vec(), method(0, [0, 10, 0, 11])];
        assert_eq!(passes(&sent), sent.concat());
    }

    #[test]
    fn the_highest_channel_is_one_of_them() {
        let sent = [method(u16::MAX, CLOSE_OK), publish(u16::MAX, 1), publish(u16::MAX - 1, 2)];
        assert_eq!(passes(&sent), [&sent[0][..], &sent[2]].concat());
    }

    #[test]
    fn what_is_no_frame_is_not_decided_about() {
        let mut gate = Gate::default();
        let publish = publish(1, 1);
        for count in 0..HEAD + 4 {
            assert_eq!(gate.look([&publish[..count], &[]]), None, "{count} bytes");
        }
        assert_eq!(gate.look([&publish[..5], &publish[5..]]), Some(Fate::Passes(publish.len())));
    }

    #[derive(Clone, Debug)]
    enum Written {
        Publish(u8),
        Closes([u8; 4]),
        Opens,
    }

    proptest! {
        #[test]
        fn nothing_of_an_open_channel_is_lost_and_nothing_of_a_closed_one_passes(
            written in vec(
                (0..4_u16, prop_oneof![
                    6 => any::<u8>().prop_map(Written::Publish),
                    1 => prop_oneof![Just(CLOSE), Just(CLOSE_OK)].prop_map(Written::Closes),
                    1 => Just(Written::Opens),
                ]),
                0..60,
            ),
            most in 1..200_usize,
            round in 100..300_usize,
        ) {
            let mut is_open = [true; 4];
            let (mut sent, mut expected) = (Vec::new(), Vec::new());
            for (channel, what) in written {
                let at = &mut is_open[usize::from(channel)];
                let (bytes, passes) = match what {
                    Written::Publish(number) => (publish(channel, number), *at),
                    Written::Closes(close) => (method(channel, close), true),
                    Written::Opens => (method(channel, OPEN), true),
                };
                match what {
                    Written::Publish(_) => {}
                    Written::Closes(_) => *at = false,
                    Written::Opens => *at = true,
                }
                sent.extend_from_slice(&bytes);
                if passes {
                    expected.extend_from_slice(&bytes);
                }
            }
            prop_assert_eq!(pass(&mut Gate::default(), &sent, most, round), expected);
        }
    }
}
