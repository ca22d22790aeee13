//! What stands between the socket and lapin's parser: it lets no bytes through that would kill the connection, or the
//! process.
//!
//! lapin's parser calls itself for each level of a table, and a message of 14 KiB is enough to run out of stack. It refuses
//! short strings that are not UTF-8, and with them the connection; the message stays in its queue and kills the next
//! one. Whoever may publish can send both. So the properties of each message are walked here before lapin sees them. What
//! it would not survive is replaced by properties that say nothing but what has happened, and the message is refused like
//! any other that is no request or reply. Texts in methods, such as a routing key, are mended in place.

/// The content type that stands in place of properties that were taken away. Nobody accepts it.
pub(super) const TAKEN: &str = "application/x-unreadable-properties";

/// How deep tables and lists in headers may be nested. RabbitMQ's own are three deep.
const DEEPEST: usize = 32;
/// The largest frame that is looked at as a whole. Brokers agree on 128 KiB.
const LARGEST: usize = 16 * 1024 * 1024;

/// A type that no frame has, so that lapin ends the connection.
const NO_FRAME: u8 = 0xff;
const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// Type, channel and size of a frame.
const HEAD: usize = 7;

/// Walks the bytes of one connection, frame by frame.
#[derive(Debug, Default)]
pub(super) struct Guard {
    state: State,
    /// What is known of a frame that cannot pass yet. Its room is used again for the next.
    frame: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// In a frame's head.
    #[default]
    Head,
    /// Inside of a frame that is looked at as a whole; it ends after so many bytes more.
    Whole(usize),
    /// Inside of a frame that passes as it is.
    Passing(usize),
    /// The peer speaks another protocol: lapin says so.
    Foreign,
}

impl Guard {
    /// Takes what was received, and adds what lapin may see of it to `out`. Returns how many frames were repaired: had
    /// properties taken away, or texts mended.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut repairs = 0;
        while !bytes.is_empty() {
            self.state = match self.state {
                State::Head => match moved(&mut bytes, HEAD - self.frame.len(), &mut self.frame) {
                    0 => self.begin(out),
                    _ => State::Head,
                },
                State::Whole(left) => match moved(&mut bytes, left, &mut self.frame) {
                    0 => {
                        repairs += usize::from(repaired(&mut self.frame));
                        out.append(&mut self.frame);
                        State::Head
                    }
                    left => State::Whole(left),
                },
                State::Passing(left) => match moved(&mut bytes, left, out) {
                    0 => State::Head,
                    left => State::Passing(left),
                },
                State::Foreign => {
                    moved(&mut bytes, usize::MAX, out);
                    State::Foreign
                }
            };
        }
        repairs
    }

    /// Decides what becomes of a frame whose head is known.
    fn begin(&mut self, out: &mut Vec<u8>) -> State {
        let state = begun(&self.frame);
        if matches!(state, State::Foreign) && matches!(self.frame[0], METHOD..=8) {
            // lapin would wait for the end of such a frame for ever, and take heartbeats for a part of it.
            self.frame[0] = NO_FRAME;
        }
        if !matches!(state, State::Whole(_)) {
            out.append(&mut self.frame);
        }
        state
    }
}

/// Moves `wanted` of the bytes, or as many as there are. Returns how many are still wanted.
fn moved(bytes: &mut &[u8], wanted: usize, to: &mut Vec<u8>) -> usize {
    let (some, rest) = bytes.split_at(bytes.len().min(wanted));
    to.extend_from_slice(some);
    *bytes = rest;
    wanted - some.len()
}

/// Says how a frame with this head is to be treated.
fn begun(head: &[u8]) -> State {
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    // With the byte that ends a frame.
    let left = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
    match head[0] {
        METHOD | HEADER if left <= LARGEST => State::Whole(left),
        1..=8 if left <= LARGEST => State::Passing(left),
        _ => State::Foreign,
    }
}

/// Repairs a whole frame. Returns whether it had to be.
fn repaired(frame: &mut Vec<u8>) -> bool {
    let inside = HEAD..frame.len() - 1;
    match frame[0] {
        METHOD => mended(&mut frame[inside]),
        _ if is_readable(&frame[inside]) => false,
        _ => {
            take_properties(frame);
            true
        }
    }
}

/// Makes the texts of a method UTF-8 that a stranger can have a hand in. Returns whether they were not.
fn mended(payload: &mut [u8]) -> bool {
    // After class and method come, of a delivery: a text, a number, a flag, two texts; of a returned message: a number,
    // and three texts; of what closes a connection or a channel: a number and a text, which the broker may have cut
    // short; of what blocks a connection: a text.
    let texts: &[Skip] = match payload {
        [0, 60, 0, 60, ..] => &[Skip(0), Skip(9), Skip(0)],
        [0, 60, 0, 50, ..] => &[Skip(2), Skip(0), Skip(0)],
        [0, 10, 0, 50, ..] | [0, 20, 0, 40, ..] => &[Skip(2)],
        [0, 10, 0, 60, ..] => &[Skip(0)],
        _ => return false,
    };
    let (mut at, mut is_mended) = (4, false);
    for Skip(bytes) in texts {
        at += bytes;
        let Some(length) = payload.get(at).map(|length| usize::from(*length)) else { break };
        let Some(text) = payload.get_mut(at + 1..at + 1 + length) else { break };
        if std::str::from_utf8(text).is_err() {
            text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
            is_mended = true;
        }
        at += 1 + length;
    }
    is_mended
}

/// How many bytes stand before a text.
struct Skip(usize);

/// Puts properties in place of a message's own that say that they were taken away.
fn take_properties(frame: &mut Vec<u8>) {
    // Class, weight and size of the body stay.
    const KEPT: usize = 12;
    frame.truncate(HEAD + KEPT);
    // The first of the flags: a content type, and nothing else.
    frame.extend_from_slice(&[0b1000_0000, 0, u8::try_from(TAKEN.len()).unwrap_or(0)]);
    frame.extend_from_slice(TAKEN.as_bytes());
    let size = u32::try_from(frame.len() - HEAD).unwrap_or(0);
    frame[3..HEAD].copy_from_slice(&size.to_be_bytes());
    frame.push(0xCE);
}

/// Whether lapin survives the properties of a message.
fn is_readable(payload: &[u8]) -> bool {
    properties(&mut Bytes(payload)).is_some()
}

/// Reads properties (AMQP 0-9-1, 4.2.6.1). `None` if they are not what they should be.
fn properties(bytes: &mut Bytes<'_>) -> Option<()> {
    bytes.skip(12)?;
    let flags = bytes.number(2)?;
    // More flags than there are properties.
    if flags & 0b11 != 0 {
        return None;
    }
    for bit in (2..16).rev().filter(|bit| flags & (1 << bit) != 0) {
        match bit {
            13 => table(bytes)?,
            // The delivery mode and the priority.
            12 | 11 => bytes.skip(1)?,
            // The time.
            6 => bytes.skip(8)?,
            _ => bytes.text()?,
        }
    }
    bytes.0.is_empty().then_some(())
}

/// Reads a table and all that is in it, without a call for each level.
fn table(bytes: &mut Bytes<'_>) -> Option<()> {
    let inside = bytes.sized()?;
    let mut open = vec![(true, Bytes(inside))];
    while let Some((is_table, level)) = open.last_mut() {
        if level.0.is_empty() {
            open.pop();
            continue;
        }
        if *is_table {
            level.text()?;
        }
        let kind = level.number(1)?;
        let nested = match u8::try_from(kind).ok()? {
            b't' | b'b' | b'B' => level.skip(1).map(|()| None),
            b's' | b'U' | b'u' => level.skip(2).map(|()| None),
            b'I' | b'i' | b'f' => level.skip(4).map(|()| None),
            b'L' | b'l' | b'd' | b'T' => level.skip(8).map(|()| None),
            b'D' => level.skip(5).map(|()| None),
            b'V' => Some(None),
            b'S' | b'x' => level.sized().map(|_| None),
            b'A' => level.sized().map(|inside| Some((false, Bytes(inside)))),
            b'F' => level.sized().map(|inside| Some((true, Bytes(inside)))),
            _ => None,
        }?;
        open.extend(nested);
        if open.len() > DEEPEST {
            return None;
        }
    }
    Some(())
}

/// What is left to read.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (some, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(some)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let bytes = self.take(bytes)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// Takes what a size of four bytes stands before.
    fn sized(&mut self) -> Option<&'b [u8]> {
        let size = self.number(4)?;
        self.take(size)
    }

    /// Takes a short text, which has to be UTF-8.
    fn text(&mut self) -> Option<()> {
        let length = self.number(1)?;
        std::str::from_utf8(self.take(length)?).is_ok().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a frame.
    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).expect("small");
        let head = [&[kind, 0, 1][..], &size.to_be_bytes()].concat();
        [&head, payload, &[0xCE]].concat()
    }

    /// Makes the header of a message with these properties.
    fn header(flags: u16, properties: &[u8]) -> Vec<u8> {
        let fixed = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        frame(HEADER, &[&fixed[..], &flags.to_be_bytes(), properties].concat())
    }

    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).expect("small").to_be_bytes()[..], bytes].concat()
    }

    /// Makes headers with tables in tables.
    fn nested(depth: usize, kind: u8) -> Vec<u8> {
        let entry = |inside: &[u8]| match kind {
            b'F' => [&[1, b'k', b'F'][..], &sized(inside)].concat(),
            _ => [&[b'A'][..], &sized(inside)].concat(),
        };
        let inside = (1..depth).fold(Vec::new(), |inside, _| entry(&inside));
        match kind {
            b'F' => sized(&inside),
            _ => sized(&[&[1, b'k'][..], &entry(&inside)].concat()),
        }
    }

    fn fed(bytes: &[u8], chunk: usize) -> (Vec<u8>, usize) {
        let (mut guard, mut out, mut repaired) = (Guard::default(), Vec::new(), 0);
        for chunk in bytes.chunks(chunk) {
            repaired += guard.feed(chunk, &mut out);
        }
        (out, repaired)
    }

    const HEADERS: u16 = 1 << 13;
    const CONTENT_TYPE: u16 = 1 << 15;

    #[test]
    fn what_is_well_passes_as_it_is_however_it_is_cut() {
        let values = [
            &b"\x01at\x01\x01bb\x02\x01cB\x03\x01ds\0\x01\x01eU\0\x01\x01fu\0\x01\x01gI\0\0\0\x01\x01hi\0\0\0\x01"[..],
            b"\x01iL\0\0\0\0\0\0\0\x01\x01jl\0\0\0\0\0\0\0\x01\x01kf\0\0\0\0\x01ld\0\0\0\0\0\0\0\0",
            b"\x01mD\x02\0\0\0\x01\x01nS\0\0\0\x02\xff\xfe\x01oA\0\0\0\x02t\x01\x01pT\0\0\0\0\0\0\0\0",
            b"\x01qF\0\0\0\x03\x01rV\x01sx\0\0\0\x01\0",
        ];
        let all = (0..16_u16).filter(|bit| *bit > 1).fold(0, |flags, bit| flags | 1 << bit);
        let every = [
            &b"\x01c\x01e"[..],
            &sized(&values.concat()),
            b"\x02\x05\x01i\x01r\x01x\x01m\0\0\0\0\0\0\0\x01\x01t\x01u\x01a\x01k",
        ];
        let delivery = b"\0\x3c\0\x3c\x03tag\0\0\0\0\0\0\0\x01\0\x02ex\x05h\xc3\xa9ro";
        let stream = [
            frame(METHOD, b"\0\x0a\0\x0aanything"),
            frame(METHOD, delivery),
            header(all, &every.concat()),
            header(0, &[]),
            frame(3, &[0xff; 300]),
            frame(8, &[]),
            header(HEADERS, &nested(DEEPEST, b'F')),
            header(HEADERS, &nested(DEEPEST - 1, b'A')),
        ]
        .concat();
        for chunk in [1, 2, 7, 64, stream.len()] {
            assert_eq!(fed(&stream, chunk), (stream.clone(), 0), "in pieces of {chunk}");
        }
    }

    #[test]
    fn what_lapin_would_not_survive_is_taken_away() {
        let text = |text: &[u8]| [&[u8::try_from(text.len()).expect("short")], text].concat();
        let hostile = [
            (HEADERS, nested(DEEPEST + 1, b'F')),
            (HEADERS, nested(4_000, b'F')),
            (HEADERS, nested(4_000, b'A')),
            (CONTENT_TYPE, text(b"\xff\xfe")),
            (1 << 7, text(b"id \xff")),
            (HEADERS, sized(b"\x02k\xfft\x01")),
            (HEADERS, sized(b"\x01kZ\0")),
            (HEADERS, sized(b"\x01kS\0\0\0\xff")),
            (HEADERS, sized(b"\x05k")),
            (HEADERS, b"\xff\xff\xff\xff".to_vec()),
            (CONTENT_TYPE, Vec::new()),
            (CONTENT_TYPE, [text(b"a"), vec![0]].concat()),
            (0b11, Vec::new()),
        ];
        for (flags, properties) in hostile {
            let (body, before) = (frame(3, b"nine byte"), frame(METHOD, b"\0\x3c\0\x3c"));
            let stream = [before.clone(), header(flags, &properties), body.clone()].concat();
            let instead = header(CONTENT_TYPE, &text(TAKEN.as_bytes()));
            let wanted = [before, instead, body].concat();
            for chunk in [1, 5, stream.len()] {
                assert_eq!(fed(&stream, chunk), (wanted.clone(), 1), "{flags:b} {properties:?}");
            }
        }
    }

    #[test]
    fn texts_of_methods_are_mended_in_place() {
        let delivery = b"\0\x3c\0\x3c\x03tag\0\0\0\0\0\0\0\x01\0\x02ex\x04a\xffb\xfe";
        let returned = b"\0\x3c\0\x32\x01\x38\x02no\x01\xff\x02k\xff";
        let closed = b"\0\x14\0\x28\x01\x94\x04no \xc3\0\0\0\0";
        let blocked = b"\0\x0a\0\x3c\x04low\xff";
        let stream =
            [&delivery[..], returned, closed, blocked].map(|payload| frame(METHOD, payload));
        let stream = stream.concat();
        let (out, repaired) = fed(&stream, 3);
        assert_eq!((out.len(), repaired), (stream.len(), 4));
        assert!(
            out.windows(4).any(|four| four == b"a?b?") && out.windows(2).any(|two| two == b"k?")
        );
        assert_eq!(out.iter().filter(|byte| [0xff, 0xc3].contains(*byte)).count(), 0);
        // What is cut short is lapin's to refuse.
        let short = frame(METHOD, b"\0\x3c\0\x3c\x30tag");
        assert_eq!(fed(&short, 100), (short, 0));
    }

    #[test]
    fn another_protocol_passes() {
        for stream in [
            &b"AMQP\0\0\x09\x01"[..],
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\x01\0\0\xff\xff\xff\xff and so on",
        ] {
            assert_eq!(fed(stream, 4), (stream.to_vec(), 0));
        }
    }

    #[test]
    fn random_bytes_are_walked_without_a_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut payload: Vec<u8> = (0..random.usize(..80)).map(|_| random.u8(..)).collect();
            if random.bool() && payload.len() > 13 {
                // Sizes that are not beyond all measure.
                payload[14..].iter_mut().for_each(|byte| *byte &= random.u8(..) & 0x3f);
            }
            let stream = frame(random.u8(1..4), &payload);
            let (out, repaired) = fed(&stream, 1 + random.usize(..stream.len()));
            assert!(repaired > 0 || out == stream);
        }
    }
}
