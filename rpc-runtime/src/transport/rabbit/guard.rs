//! What stands between the socket and lapin's parser: it lets no bytes through that would kill the connection, or the
//! process, and no body that is larger than it may be.
//!
//! lapin's parser calls itself for each level of a table, and a message of 14 KiB is enough to run out of stack. It refuses
//! short strings that are not UTF-8, and with them the connection; the message stays in its queue and kills the next
//! one. It does the same with a frame that is larger than agreed, and brokers split bodies, but send properties as they came. It
//! makes room for a whole body as soon as it has read how large that will be. Whoever may publish can send all of
//! it. So the properties of each message are walked here before lapin sees them. What it would not survive is replaced by
//! properties that say nothing but what has happened, a body that is too large is left out, and the message is refused
//! like any other that is no request or reply. Texts in methods, such as a routing key, are mended in place.

use crate::limits::Limits;

#[cfg(any(fuzzing, test))]
pub(crate) mod promises;
#[cfg(test)]
mod properties;

/// The content type that stands in place of properties that were taken away. Nobody accepts it.
pub(super) const TAKEN: &str = "application/x-unreadable-properties";
/// The content type that stands in place of a body that was left out, and of its properties.
pub(super) const TOO_LARGE: &str = "application/x-too-large";

/// How deep tables and lists in headers may be nested. RabbitMQ's own are three deep.
const DEEPEST: usize = 32;
/// The largest frame that is looked at as a whole.
const LARGEST: usize = 16 * 1024 * 1024;
/// The largest frame that is agreed on, in bytes. lapin keeps, and clears, 64 times as much for each connection.
pub(super) const AGREED: u32 = 32 * 1024;

/// A type that no frame has, so that lapin ends the connection.
const NO_FRAME: u8 = 0xff;
pub(super) const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
/// Type, channel and size of a frame.
pub(super) const HEAD: usize = 7;
/// What a message's header has before its properties: class, weight and size of the body.
const FIXED: usize = 12;

/// Walks the bytes of one connection, frame by frame.
#[derive(Debug)]
pub(super) struct Guard {
    state: State,
    /// What is known of a frame that cannot pass yet. Its room is used again for the next.
    frame: Vec<u8>,
    /// The largest body that passes, in bytes.
    largest: u64,
    /// The largest frame that lapin takes, in bytes.
    agreed: usize,
    /// The channels on which a body is left out, and how much of it still comes.
    left_out: Vec<(u16, u64)>,
    /// How many bodies were left out since it was asked.
    refused: usize,
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
    /// Inside of a frame that does not pass.
    Dropping(usize),
    /// The peer speaks another protocol: lapin says so.
    Foreign,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Limits::MESSAGE)
    }
}

impl Guard {
    /// Makes a guard that lets no body pass which has more bytes than `largest`.
    pub(super) fn new(largest: usize) -> Self {
        let largest = u64::try_from(largest).unwrap_or(u64::MAX);
        let (state, frame) = (State::default(), Vec::new());
        Self { state, frame, largest, agreed: LARGEST, left_out: Vec::new(), refused: 0 }
    }

    /// Whether a message has lost a body that was too large.
    pub(super) fn has_refused(&self) -> bool {
        self.refused > 0
    }

    /// Returns how many messages have lost a body that was too large, since this was asked for the last time.
    pub(super) fn refused(&mut self) -> usize {
        std::mem::take(&mut self.refused)
    }

    /// Takes what was received, and adds what lapin may see of it to `out`. Returns how many frames were repaired: had
    /// properties taken away, or texts mended.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut repairs = 0;
        while !bytes.is_empty() {
            self.state = match self.state {
                State::Head if self.frame.is_empty() && self.pass(&mut bytes, out) => State::Head,
                State::Head => match moved(&mut bytes, HEAD - self.frame.len(), &mut self.frame) {
                    0 => self.begin(out, &mut repairs),
                    _ => State::Head,
                },
                State::Whole(left) => match moved(&mut bytes, left, &mut self.frame) {
                    0 => {
                        repairs += usize::from(self.repair());
                        out.append(&mut self.frame);
                        State::Head
                    }
                    left => State::Whole(left),
                },
                State::Passing(left) => match moved(&mut bytes, left, out) {
                    0 => State::Head,
                    left => State::Passing(left),
                },
                State::Dropping(left) => {
                    let (_, rest) = bytes.split_at(bytes.len().min(left));
                    let dropped = bytes.len() - rest.len();
                    bytes = rest;
                    if dropped == left { State::Head } else { State::Dropping(left - dropped) }
                }
                State::Foreign => {
                    moved(&mut bytes, usize::MAX, out);
                    State::Foreign
                }
            };
        }
        repairs
    }

    /// Lets the frames pass at once that are there as a whole and have nothing wrong with them: nearly all, nearly
    /// always. Returns whether that was everything.
    fn pass(&self, bytes: &mut &[u8], out: &mut Vec<u8>) -> bool {
        let mut end = 0;
        while let Some(size) = self.well(&bytes[end..]) {
            end += size;
        }
        moved(bytes, end, out);
        bytes.is_empty()
    }

    /// Returns the size of the first frame, if it is there as a whole and lapin may have it as it is.
    fn well(&self, bytes: &[u8]) -> Option<usize> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let (State::Whole(size) | State::Passing(size)) = begun(head) else { return None };
        let payload = rest.get(..size)?.split_last()?.1;
        let is_well = self.left_out.is_empty()
            && match head[0] {
                METHOD => {
                    offered(payload).is_none() && texts(payload).all(|text| is_text(payload, text))
                }
                HEADER => {
                    HEAD + size <= self.agreed
                        && size_of_body(payload) <= self.largest
                        && is_readable(payload)
                }
                _ => true,
            };
        is_well.then_some(HEAD + size)
    }

    /// Decides what becomes of a frame whose head is known.
    fn begin(&mut self, out: &mut Vec<u8>, repairs: &mut usize) -> State {
        let state = begun(&self.frame);
        match state {
            State::Passing(size) if self.frame[0] == BODY && self.drop_body(size - 1) => {
                self.frame.clear();
                return State::Dropping(size);
            }
            State::Whole(_) => {}
            State::Foreign if matches!(self.frame[0], METHOD..=8) => {
                // lapin would wait for the end of such a frame for ever, and take heartbeats for a part of it.
                self.frame[0] = NO_FRAME;
                *repairs += 1;
                out.append(&mut self.frame);
            }
            _ => out.append(&mut self.frame),
        }
        state
    }

    /// Whether a part of a body belongs to one that is left out.
    fn drop_body(&mut self, size: usize) -> bool {
        let channel = channel(&self.frame);
        let Some(at) = self.left_out.iter().position(|(of, _)| *of == channel) else {
            return false;
        };
        let left = &mut self.left_out[at].1;
        *left = left.saturating_sub(u64::try_from(size).unwrap_or(u64::MAX));
        if *left == 0 {
            self.left_out.swap_remove(at);
        }
        true
    }

    /// Repairs a whole frame. Returns whether it had to be.
    fn repair(&mut self) -> bool {
        let channel = channel(&self.frame);
        // Whatever else comes on a channel ends the body that came by it.
        self.left_out.retain(|(of, _)| *of != channel);
        let frame = &mut self.frame;
        let inside = HEAD..frame.len() - 1;
        match frame[0] {
            METHOD => {
                if let Some(offered) = offered(&frame[inside.clone()]) {
                    let agreed = if offered == 0 { AGREED } else { offered.min(AGREED) };
                    self.agreed = usize::try_from(agreed).unwrap_or(LARGEST);
                }
                return mended(&mut frame[inside]);
            }
            // What is cut short before its properties is lapin's to refuse: no message looks like that.
            _ if inside.len() < FIXED => return false,
            _ if size_of_body(&frame[inside.clone()]) > self.largest => {
                self.left_out.push((channel, size_of_body(&frame[inside])));
                self.refused += 1;
                take_properties(frame, TOO_LARGE);
                // The size of the body.
                frame[HEAD + 4..HEAD + 12].fill(0);
                return false;
            }
            _ if frame.len() <= self.agreed && is_readable(&frame[inside]) => return false,
            _ => take_properties(frame, TAKEN),
        }
        true
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

fn channel(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[1], frame[2]])
}

/// Returns how large a message's body is, from its header.
fn size_of_body(payload: &[u8]) -> u64 {
    payload.get(4..12).and_then(|size| size.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// Returns how large frames may be by what a broker offers, if this is where it does. 0: as large as anybody likes.
fn offered(payload: &[u8]) -> Option<u32> {
    let [0, 10, 0, 30, _, _, size @ ..] = payload else { return None };
    size.first_chunk().copied().map(u32::from_be_bytes)
}

/// Returns the places of a method's texts that a stranger can have a hand in.
fn texts(payload: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
    // How many bytes stand before each. After class and method come, of a delivery: a text, a number, a flag, two texts;
    // of a returned message: a number, and three texts; of what closes a connection or a channel: a number and a text,
    // which the broker may have cut short; of what blocks a connection: a text.
    let skips: &'static [usize] = match payload {
        [0, 60, 0, 60, ..] => &[0, 9, 0],
        [0, 60, 0, 50, ..] => &[2, 0, 0],
        [0, 10, 0, 50, ..] | [0, 20, 0, 40, ..] => &[2],
        [0, 10, 0, 60, ..] => &[0],
        _ => &[],
    };
    let mut places = [const { 0..0 }; 3];
    let (mut at, mut count) = (4, 0);
    for (skip, place) in skips.iter().zip(&mut places) {
        let Some(length) = payload.get(at + skip) else { break };
        let start = at + skip + 1;
        at = start + usize::from(*length);
        // What is cut short is lapin's to refuse.
        if at > payload.len() {
            break;
        }
        *place = start..at;
        count += 1;
    }
    places.into_iter().take(count)
}

fn is_text(payload: &[u8], place: std::ops::Range<usize>) -> bool {
    std::str::from_utf8(&payload[place]).is_ok()
}

/// Makes the texts of a method UTF-8. Returns whether they were not.
fn mended(payload: &mut [u8]) -> bool {
    let mut is_mended = false;
    for place in texts(payload) {
        if !is_text(payload, place.clone()) {
            let text = &mut payload[place];
            text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
            is_mended = true;
        }
    }
    is_mended
}

/// Puts properties in place of a message's own that say what became of it.
fn take_properties(frame: &mut Vec<u8>, content_type: &str) {
    // Class, weight and size of the body stay.
    frame.truncate(HEAD + FIXED);
    // The first of the flags: a content type, and nothing else.
    frame.extend_from_slice(&[0b1000_0000, 0, u8::try_from(content_type.len()).unwrap_or(0)]);
    frame.extend_from_slice(content_type.as_bytes());
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
    bytes.skip(FIXED)?;
    let flags = bytes.number(2)?;
    // More flags than there are properties.
    if flags & 0b11 != 0 {
        return None;
    }
    for bit in (2..16).rev().filter(|bit| flags & (1 << bit) != 0) {
        match bit {
            13 => level(Bytes(bytes.sized()?), true, 1)?,
            // The delivery mode and the priority.
            12 | 11 => bytes.skip(1)?,
            // The time.
            6 => bytes.skip(8)?,
            _ => bytes.text()?,
        }
    }
    bytes.0.is_empty().then_some(())
}

/// Reads what is inside of a table or a list that is nested so deep.
fn level(mut inside: Bytes<'_>, is_table: bool, depth: usize) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    while !inside.0.is_empty() {
        if is_table {
            inside.text()?;
        }
        match u8::try_from(inside.number(1)?).ok()? {
            b't' | b'b' | b'B' => inside.skip(1)?,
            b's' | b'U' | b'u' => inside.skip(2)?,
            b'I' | b'i' | b'f' => inside.skip(4)?,
            b'L' | b'l' | b'd' | b'T' => inside.skip(8)?,
            b'D' => inside.skip(5)?,
            b'V' => {}
            b'S' | b'x' => _ = inside.sized()?,
            b'A' => level(Bytes(inside.sized()?), false, depth + 1)?,
            b'F' => level(Bytes(inside.sized()?), true, depth + 1)?,
            _ => return None,
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
        let (mut guard, mut out, mut repaired) = (Guard::new(usize::MAX), Vec::new(), 0);
        for chunk in bytes.chunks(chunk) {
            repaired += guard.feed(chunk, &mut out);
        }
        (out, repaired)
    }

    const HEADERS: u16 = 1 << 13;
    const CONTENT_TYPE: u16 = 1 << 15;

    /// The header of a message on a channel, whose body has this size.
    fn sized_header(channel: u8, size: u64, flags: u16, properties: &[u8]) -> Vec<u8> {
        let fixed = [&[0, 60, 0, 0][..], &size.to_be_bytes(), &flags.to_be_bytes(), properties];
        on(channel, frame(HEADER, &fixed.concat()))
    }

    /// Moves a frame to another channel.
    fn on(channel: u8, mut frame: Vec<u8>) -> Vec<u8> {
        frame[2] = channel;
        frame
    }

    #[test]
    fn a_body_that_is_too_large_is_left_out_and_the_others_pass() {
        let delivery = || on(5, frame(METHOD, b"\0\x3c\0\x3c\x01t\0\0\0\0\0\0\0\x01\0\0\0"));
        let (part, other) = (on(5, frame(BODY, &[7; 40])), on(6, frame(BODY, b"other")));
        let well = [sized_header(5, 100, 0, &[]), part.clone(), part.clone()].concat();
        let stream = [
            delivery(),
            sized_header(5, 101, HEADERS, &nested(4_000, b'F')),
            part.clone(),
            other.clone(),
            part.clone(),
            frame(8, &[]),
            on(5, frame(BODY, &[7; 21])),
            delivery(),
            well.clone(),
            on(5, frame(BODY, &[7; 20])),
        ]
        .concat();
        let content_type = [&[u8::try_from(TOO_LARGE.len()).expect("short")], TOO_LARGE.as_bytes()];
        let instead = sized_header(5, 0, CONTENT_TYPE, &content_type.concat());
        let end = on(5, frame(BODY, &[7; 20]));
        let wanted = [delivery(), instead, other, frame(8, &[]), delivery(), well, end].concat();
        for chunk in [1, 3, 50, stream.len()] {
            let (mut guard, mut out) = (Guard::new(100), Vec::new());
            let repairs: usize = stream.chunks(chunk).map(|some| guard.feed(some, &mut out)).sum();
            assert_eq!((out, repairs), (wanted.clone(), 0), "in pieces of {chunk}");
            assert_eq!((guard.refused(), guard.refused()), (1, 0));
            assert!(guard.left_out.is_empty() && guard.frame.capacity() < 100_000);
        }
    }

    #[test]
    fn properties_that_are_larger_than_a_frame_may_be_are_taken_away() {
        let tune = |size: u32| {
            let method = [&[0, 10, 0, 30, 7, 0xff][..], &size.to_be_bytes(), &[0, 60]].concat();
            on(0, frame(METHOD, &method))
        };
        // A header's frame with as many bytes.
        let large = |bytes: usize| {
            let text = bytes - header(HEADERS, &sized(b"\x01kS\0\0\0\0")).len();
            header(HEADERS, &sized(&[&b"\x01kS"[..], &sized(&vec![b'x'; text])].concat()))
        };
        for (offered, most) in [(131_072, 32_768), (0, 32_768), (8192, 8192)] {
            for chunk in [1000, usize::MAX] {
                let (mut guard, mut out) = (Guard::new(usize::MAX), Vec::new());
                let stream = [tune(offered), large(most)].concat();
                let fed =
                    stream.chunks(chunk).map(|some| guard.feed(some, &mut out)).sum::<usize>();
                assert_eq!((&out, fed), (&stream, 0));
                out.clear();
                let fed =
                    large(most + 1).chunks(chunk).map(|some| guard.feed(some, &mut out)).sum();
                let taken =
                    [&[u8::try_from(TAKEN.len()).expect("short")], TAKEN.as_bytes()].concat();
                assert_eq!((out, fed), (header(CONTENT_TYPE, &taken), 1_usize));
            }
        }
    }

    #[test]
    fn a_body_that_never_comes_takes_no_other_with_it() {
        let mut guard = Guard::new(100);
        let mut out = Vec::new();
        guard.feed(&sized_header(5, u64::MAX, 0, &[]), &mut out);
        out.clear();
        let next = [on(5, frame(METHOD, b"\0\x3c\0\x3c")), sized_header(5, 4, 0, &[])].concat();
        let next = [next, on(5, frame(BODY, b"body"))].concat();
        guard.feed(&next, &mut out);
        assert_eq!(out, next);
    }

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
    fn what_has_no_room_for_properties_is_lapins_to_refuse() {
        for payload in [&b""[..], b"\0\x3c", &[0; FIXED - 1]] {
            let stream = [frame(HEADER, payload), frame(8, &[])].concat();
            assert_eq!(fed(&stream, 4), (stream, 0));
        }
        assert_eq!(fed(&frame(HEADER, &[0; FIXED]), 4).1, 1, "it has room, and nothing is there");
    }

    #[test]
    fn another_protocol_passes() {
        for stream in [&b"AMQP\0\0\x09\x01"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
            assert_eq!(fed(stream, 4), (stream.to_vec(), 0));
        }
    }

    #[test]
    fn a_frame_without_end_is_none() {
        let stream = b"\x01\0\0\xff\xff\xff\xff and so on";
        let refused = [&[NO_FRAME], &stream[1..]].concat();
        assert_eq!(fed(stream, 4), (refused, 1));
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
