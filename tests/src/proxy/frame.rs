//! A byte stream, cut into the units of AMQP 0-9-1: a frame, or a message with its header and body
//! frames.

use std::collections::HashMap;

use super::Way;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const END: u8 = 0xCE;
/// Type, channel, size.
const HEAD: usize = 7;

/// The methods by class and method number.
const METHODS: &[(u16, u16, &str)] = &[
    (10, 10, "connection.start"),
    (10, 11, "connection.start-ok"),
    (10, 20, "connection.secure"),
    (10, 21, "connection.secure-ok"),
    (10, 30, "connection.tune"),
    (10, 31, "connection.tune-ok"),
    (10, 40, "connection.open"),
    (10, 41, "connection.open-ok"),
    (10, 50, "connection.close"),
    (10, 51, "connection.close-ok"),
    (10, 60, "connection.blocked"),
    (10, 61, "connection.unblocked"),
    (20, 10, "channel.open"),
    (20, 11, "channel.open-ok"),
    (20, 20, "channel.flow"),
    (20, 21, "channel.flow-ok"),
    (20, 40, "channel.close"),
    (20, 41, "channel.close-ok"),
    (40, 10, "exchange.declare"),
    (40, 11, "exchange.declare-ok"),
    (40, 20, "exchange.delete"),
    (40, 21, "exchange.delete-ok"),
    (50, 10, "queue.declare"),
    (50, 11, "queue.declare-ok"),
    (50, 20, "queue.bind"),
    (50, 21, "queue.bind-ok"),
    (50, 30, "queue.purge"),
    (50, 31, "queue.purge-ok"),
    (50, 40, "queue.delete"),
    (50, 41, "queue.delete-ok"),
    (50, 50, "queue.unbind"),
    (50, 51, "queue.unbind-ok"),
    (60, 10, "basic.qos"),
    (60, 11, "basic.qos-ok"),
    (60, 20, "basic.consume"),
    (60, 21, "basic.consume-ok"),
    (60, 30, "basic.cancel"),
    (60, 31, "basic.cancel-ok"),
    (60, 40, "basic.publish"),
    (60, 50, "basic.return"),
    (60, 60, "basic.deliver"),
    (60, 70, "basic.get"),
    (60, 71, "basic.get-ok"),
    (60, 72, "basic.get-empty"),
    (60, 80, "basic.ack"),
    (60, 90, "basic.reject"),
    (60, 110, "basic.recover"),
    (60, 111, "basic.recover-ok"),
    (60, 120, "basic.nack"),
    (85, 10, "confirm.select"),
    (85, 11, "confirm.select-ok"),
];

/// Whether a name is the possible name of a [`Unit`].
pub(super) fn is_known(name: &str) -> bool {
    matches!(name, "*" | "protocol" | "heartbeat" | "bytes")
        || METHODS.iter().any(|(_, _, known)| *known == name)
}

/// Builds a method frame, for a test to inject.
///
/// # Panics
/// If AMQP has no such method.
#[must_use]
pub fn method(channel: u16, name: &str, arguments: &[u8]) -> Vec<u8> {
    let known = METHODS.iter().find(|(_, _, known)| *known == name);
    let (class, number, _) = known.unwrap_or_else(|| panic!("AMQP has no method `{name}`"));
    let mut payload = [class.to_be_bytes(), number.to_be_bytes()].concat();
    payload.extend(arguments);
    frame(METHOD, channel, &payload)
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend(channel.to_be_bytes());
    frame.extend(u32::try_from(payload.len()).expect("a frame is short").to_be_bytes());
    frame.extend(payload);
    frame.push(END);
    frame
}

/// A unit that is passed on, held or dropped as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// A method, `protocol`, `heartbeat`, or `bytes` for what is not AMQP.
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// A message whose last frame has not arrived.
struct Open {
    unit: Unit,
    /// The remaining size of the body. `None` before the header.
    missing: Option<u64>,
}

/// Cuts one direction of a connection into units.
pub(super) struct Cutter {
    buffered: Vec<u8>,
    open: HashMap<u16, Open>,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Expects the client's first eight bytes.
    Protocol,
    Frames,
    /// TLS or an unknown protocol: passed on unchanged.
    Raw,
}

impl Cutter {
    pub(super) fn new(way: Way) -> Self {
        let form = if way == Way::Up { Form::Protocol } else { Form::Frames };
        Self { buffered: Vec::new(), open: HashMap::new(), form }
    }

    /// Adds received bytes, and returns the units that are now complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Unit> {
        self.buffered.extend(bytes);
        let mut units = Vec::new();
        while let Some(unit) = self.next() {
            units.extend(self.gather(unit));
        }
        units
    }

    /// Returns what remains when the stream ends.
    pub(super) fn rest(&mut self) -> Option<Unit> {
        let mut bytes: Vec<u8> = self.open.drain().flat_map(|(_, open)| open.unit.bytes).collect();
        bytes.append(&mut self.buffered);
        (!bytes.is_empty()).then_some(Unit { name: "bytes", bytes })
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let size = match self.form {
            Form::Protocol if self.buffered.len() >= 4 && !self.buffered.starts_with(b"AMQP") => {
                self.form = Form::Raw;
                self.buffered.len()
            }
            Form::Protocol => 8,
            Form::Raw => self.buffered.len(),
            Form::Frames => self.frame_size()?,
        };
        (size > 0 && self.buffered.len() >= size).then(|| self.buffered.drain(..size).collect())
    }

    /// Returns the size of the next frame, once it is known.
    fn frame_size(&mut self) -> Option<usize> {
        let kind = *self.buffered.first()?;
        if !matches!(kind, METHOD | HEADER | BODY | HEARTBEAT) {
            self.form = Form::Raw;
            return Some(self.buffered.len());
        }
        let head = self.buffered.get(..HEAD)?;
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let size = HEAD + usize::try_from(size).ok()? + 1;
        if self.buffered.get(size - 1).is_some_and(|end| *end != END) {
            self.form = Form::Raw;
            return Some(self.buffered.len());
        }
        Some(size)
    }

    /// Names a frame. A frame that is part of a message is kept until the message is complete.
    fn gather(&mut self, bytes: Vec<u8>) -> Option<Unit> {
        match self.form {
            Form::Raw => return Some(Unit { name: "bytes", bytes }),
            Form::Protocol => {
                self.form = Form::Frames;
                return Some(Unit { name: "protocol", bytes });
            }
            Form::Frames => {}
        }
        let channel = u16::from_be_bytes([bytes[1], bytes[2]]);
        let payload = &bytes[HEAD..bytes.len() - 1];
        match bytes[0] {
            METHOD => {
                let name = method_name(payload);
                let unit = Unit { name, bytes };
                if has_content(name) {
                    self.open.insert(channel, Open { unit, missing: None });
                    return None;
                }
                Some(unit)
            }
            HEARTBEAT => Some(Unit { name: "heartbeat", bytes }),
            kind => {
                let Some(open) = self.open.get_mut(&channel) else {
                    return Some(Unit { name: "bytes", bytes });
                };
                let size = u64::try_from(payload.len()).unwrap_or(u64::MAX);
                let missing = match open.missing {
                    Some(missing) if kind == BODY => missing.saturating_sub(size),
                    _ => body_size(payload),
                };
                open.missing = Some(missing);
                open.unit.bytes.extend(bytes);
                if missing > 0 {
                    return None;
                }
                self.open.remove(&channel).map(|open| open.unit)
            }
        }
    }
}

fn method_name(payload: &[u8]) -> &'static str {
    let Some([a, b, c, d]) = payload.first_chunk::<4>() else { return "bytes" };
    let (class, number) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
    let known = METHODS.iter().find(|(c, n, _)| (*c, *n) == (class, number));
    known.map_or("bytes", |(_, _, name)| name)
}

fn has_content(name: &str) -> bool {
    matches!(name, "basic.publish" | "basic.return" | "basic.deliver" | "basic.get-ok")
}

/// Reads the body size from a header frame: class, weight, size.
fn body_size(payload: &[u8]) -> u64 {
    payload.get(4..12).and_then(|size| size.try_into().ok()).map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(channel: u16, body: &[&[u8]]) -> Vec<u8> {
        let size: usize = body.iter().map(|part| part.len()).sum();
        let mut header = vec![0, 60, 0, 0];
        header.extend(u64::try_from(size).expect("small").to_be_bytes());
        header.extend([0, 0]);
        let mut bytes = method(channel, "basic.publish", &[0, 0, 0, 1, b'k', 0]);
        bytes.extend(frame(HEADER, channel, &header));
        body.iter().for_each(|part| bytes.extend(frame(BODY, channel, part)));
        bytes
    }

    fn names(units: &[Unit]) -> Vec<&'static str> {
        units.iter().map(|unit| unit.name).collect()
    }

    #[test]
    fn a_message_is_one_piece_however_it_arrives() {
        let mut bytes = b"AMQP\0\0\x09\x01".to_vec();
        let whole = message(3, &[b"hel", b"lo"]);
        bytes.extend(&whole);
        bytes.extend(frame(HEARTBEAT, 0, &[]));
        for step in [1, 2, 7, 1000] {
            let mut cutter = Cutter::new(Way::Up);
            let units: Vec<_> = bytes.chunks(step).flat_map(|part| cutter.feed(part)).collect();
            assert_eq!(names(&units), ["protocol", "basic.publish", "heartbeat"], "{step}");
            assert_eq!(units[1].bytes, whole);
            assert_eq!(cutter.rest(), None);
        }
    }

    #[test]
    fn channels_do_not_wait_for_each_other() {
        let (one, two) = (message(1, &[b"abc"]), message(2, &[]));
        let first = HEAD + 10 + 1;
        let mut cutter = Cutter::new(Way::Down);
        let mixed = [&one[..first], &two, &one[first..]].concat();
        let units = cutter.feed(&mixed);
        assert_eq!(units.into_iter().map(|unit| unit.bytes).collect::<Vec<_>>(), [two, one]);
    }

    #[test]
    fn what_is_not_amqp_passes_as_it_comes() {
        for (way, start) in [(Way::Up, b"\x16\x03\x01\x02"), (Way::Down, b"\x16\x03\x03\x00")] {
            let mut cutter = Cutter::new(way);
            assert_eq!(names(&cutter.feed(start)), ["bytes"]);
            assert_eq!(cutter.feed(b"\x01")[0].bytes, b"\x01");
        }
    }

    #[test]
    fn a_frame_without_its_end_is_passed_on_with_all_that_follows() {
        let mut cutter = Cutter::new(Way::Down);
        let mut broken = method(1, "queue.declare-ok", &[0]);
        *broken.last_mut().expect("bytes") = 0;
        assert_eq!(names(&cutter.feed(&broken)), ["bytes"]);
        assert_eq!(names(&cutter.feed(&frame(HEARTBEAT, 0, &[]))), ["bytes"]);
    }

    #[test]
    fn what_is_cut_short_is_not_kept() {
        let mut cutter = Cutter::new(Way::Down);
        let whole = message(1, &[b"abc"]);
        assert!(cutter.feed(&whole[..whole.len() - 1]).is_empty());
        assert_eq!(cutter.rest().expect("the beginning").bytes, whole[..whole.len() - 1]);
    }
}
